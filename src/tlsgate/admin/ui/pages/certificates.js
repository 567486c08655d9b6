/**
 * All certificates: what they are for, how long they last, and which one serves a name.
 */

import { change, call, get } from "../api.js";
import { element, replace } from "../element.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { commonName, life, sourceOf, stateBadge } from "../widgets/certificate.js";
import { copyButton, saveButton } from "../widgets/copy.js";
import { changeDialog } from "../widgets/change_dialog.js";
import { ask, show } from "../widgets/dialog.js";
import { button, field, select, text, words } from "../widgets/form.js";
import { badge, card, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";
import { toast } from "../widgets/toast.js";

const PERMISSION = "change_https_settings";
const KEYS = [["ec-p256", "EC P-256: small and fast"], ["ec-p384", "EC P-384"], ["rsa-2048", "RSA 2048 bits: for old clients"], ["rsa-3072", "RSA 3072 bits"], ["rsa-4096", "RSA 4096 bits"], ["ed25519", "Ed25519: few browsers take it"]];

export async function certificatesPage({ refresh, offered }) {
  const [{ certificates }, { requests }] = await Promise.all([
    get("/api/v1/certificates"), get("/api/v1/certificates/csr").catch(() => ({ requests: [] })),
  ]);
  return element("div.page",
    pageHead("Certificates", "A certificate is served for its own names on every https binding. A binding’s default certificate is served for all other names.",
      button("Upload…", { kind: "primary", permission: PERMISSION, onclick: () => upload(refresh) }),
      button("Create self-signed…", { permission: PERMISSION, onclick: () => selfSigned(refresh) }),
      button("Create signing request…", { permission: PERMISSION, onclick: () => newRequest(refresh) }),
      offered.has("/api/v1/certificates/acme") ? element("a.button", { href: "#/acme" }, "Let’s Encrypt…") : null),
    permissionNotice(PERMISSION),
    element("section.card", { "aria-label": "Certificates" }, certificates.length
      ? certificateTable(certificates)
      : empty("No certificates yet. Upload one, or create a self-signed one to try things out.")),
    requests.length ? requestCard(requests, refresh) : null,
    whoServes());
}

function certificateTable(certificates) {
  return table("Certificates", ["Name", "Host names", "Issued by", "State", "Time left", "Used by", "Source"], certificates.map((one) => [
    element("a", { href: `#/certificates/${encodeURIComponent(one.name)}` }, one.name),
    one.names.slice(0, 3).join(", ") + (one.names.length > 3 ? ` and ${one.names.length - 3} more` : ""),
    one.self_signed ? "self-signed" : commonName(one.issuer), stateBadge(one), life(one),
    one.used_by.join(", ") || "its own names", sourceOf(one),
  ]));
}

async function upload(refresh) {
  const name = text("", { maxlength: "64", placeholder: "example.com" });
  const found = element("div.stack", { "aria-live": "polite" });
  const sent = () => {
    const form = input.form();
    form.append("name", name.value.trim());
    return form;
  };
  const input = certificateInput({
    onchange: async () => {
      if (!input.complete) return replace(found);
      try {
        const { certificate, findings } = await change({ method: "PUT", path: `/api/v1/certificates/${encodeURIComponent(name.value.trim() || "unnamed")}`, form: input.form() }, { dry_run: true });
        if (!name.value) name.value = (certificate.names[0] || "certificate").replace(/^\*\./, "wildcard.").replace(/[^A-Za-z0-9._-]/g, "-");
        replace(found, notice("success", `Certificate and key match: ${certificate.names.join(", ")}`), findingList(findings));
      } catch (problem) {
        replace(found, problemNotice(problem));
        if (problem.code === "key-encrypted") input.wantPassword();
      }
      return undefined;
    },
  });
  const made = await changeDialog("Upload a certificate", element("div.stack", input.node, found, field("Certificate name", name, "How the gate refers to it. Letters, digits, dots and hyphens.")), {
    plan: () => {
      if (!input.complete) throw new Error(input.missing);
      if (!name.value.trim()) throw new Error("Enter a name for the certificate.");
      return [{ method: "POST", path: "/api/v1/certificates", form: sent() }];
    },
    action: "Upload", what: "The certificate is served for its names.",
  });
  if (made) refresh();
}

async function selfSigned(refresh) {
  const names = text(location.hostname);
  const name = text("self-signed", { maxlength: "64" });
  const days = element("input", { type: "number", min: "1", max: "3650", value: "397" });
  const key = select(KEYS, "ec-p256");
  const made = await changeDialog("Create a self-signed certificate", element("div.stack",
    notice("info", "For tests and internal use.", "It encrypts, but nobody vouches for it: clients refuse it until they are told to trust it."),
    field("Host names", names, "Names and addresses, separated by commas or spaces."),
    field("Certificate name", name, "Replaces a certificate of the same name."),
    element("div.columns", field("Days valid", days), field("Key", key))), {
    plan: () => [{ method: "POST", path: "/api/v1/certificates/self-signed", json: { name: name.value.trim(), names: words(names.value), days: Number(days.value), key_type: key.value } }],
    action: "Create", what: "Self-signed certificate created.",
  });
  if (made) refresh();
}

async function newRequest(refresh) {
  const names = text("", { placeholder: "www.example.com, example.com" });
  const name = text("", { maxlength: "64", placeholder: "example.com" });
  const organisation = text("", { maxlength: "64" });
  const key = select(KEYS, "ec-p256");
  const made = await ask("Create a signing request", element("div.stack",
    element("p.muted", "The gate creates a key, which never leaves it, and a request (CSR) for your certificate authority. Add the certificate here when you get it back."),
    field("Host names", names, "Separated by commas or spaces."), field("Certificate name", name, "How the gate refers to it."),
    element("div.columns", field("Organisation (optional)", organisation), field("Key", key))), {
    action: "Create",
    run: () => {
      if (!words(names.value).length) throw new Error("Enter at least one host name.");
      return call("POST", "/api/v1/certificates/csr", { json: {
        name: name.value.trim() || words(names.value)[0].replace(/^\*\./, "wildcard."), names: words(names.value), key_type: key.value,
        subject: organisation.value.trim() ? { O: organisation.value.trim() } : {},
      } });
    },
  });
  if (!made) return;
  refresh();
  await showRequest(made);
}

function showRequest(one) {
  return show(`Signing request ${one.name}`, element("div.stack",
    element("p", "Send this to your certificate authority. It contains no secret."),
    element("pre.script", { tabindex: "0", "aria-label": "Signing request" }, one.csr),
    element("div.row", copyButton(one.csr), saveButton(() => one.csr, `${one.name}.csr`))));
}

function requestCard(requests, refresh) {
  return card("Open signing requests", table("Signing requests", ["Name", "Host names", ""], requests.map((one) => [
    one.name, one.names.join(", "),
    [button("Show", { kind: "small", "aria-label": `Show the request ${one.name}`, onclick: () => showRequest(one) }),
      button("Add certificate…", { kind: "small primary", permission: PERMISSION, "aria-label": `Add the certificate for ${one.name}`, onclick: () => complete(one, refresh) }),
      button("Discard…", { kind: "small danger", permission: PERMISSION, "aria-label": `Discard the request ${one.name}`, onclick: () => discard(one, refresh) })],
  ])));
}

async function complete(one, refresh) {
  const path = `/api/v1/certificates/csr/${encodeURIComponent(one.name)}/certificate`;
  const found = element("div.stack", { "aria-live": "polite" });
  const input = certificateInput({
    keyless: true,
    onchange: async () => {
      if (!input.complete) return replace(found);
      try {
        const { certificate, findings } = await change({ method: "PUT", path, form: input.form() }, { dry_run: true });
        replace(found, notice("success", `It belongs to this request: ${certificate.names.join(", ")}`), findingList(findings));
      } catch (problem) {
        replace(found, problemNotice(problem));
      }
      return undefined;
    },
  });
  const made = await changeDialog(`Add the certificate for ${one.name}`, element("div.stack", element("p.muted", "What the certificate authority sent, in any format; it may contain the chain."), input.node, found), {
    plan: () => {
      if (!input.complete) throw new Error(input.missing);
      return [{ method: "PUT", path, form: input.form() }];
    },
    action: "Add certificate", what: "The certificate is served for its names.",
  });
  if (made) refresh();
}

async function discard(one, refresh) {
  const gone = await ask(`Discard request ${one.name}?`, element("p", "Its key is destroyed. A certificate issued for it later cannot be used."), {
    action: "Discard", kind: "danger", run: async () => { await call("DELETE", `/api/v1/certificates/csr/${encodeURIComponent(one.name)}`); return true; },
  });
  if (gone) { toast("success", `Request ${one.name} discarded.`); refresh(); }
}

function whoServes() {
  const name = text("", { placeholder: "www.example.com" });
  const result = element("div.stack", { "aria-live": "polite" });
  const form = element("form.stack", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        const answer = await get("/api/v1/sni", { query: { name: name.value.trim() } });
        replace(result, answer.bindings.length ? table("Answers", ["Binding", "Certificate", "Why"], answer.bindings.map((one) => [
          one.binding, one.certificate ? element("a", { href: `#/certificates/${encodeURIComponent(one.certificate)}` }, one.certificate) : badge("bad", "none"), one.why,
        ])) : notice("info", "There is no https binding."));
      } catch (problem) {
        replace(result, problemNotice(problem));
      }
    },
  }, field("Host name", name, "Leave empty for a client that sends no name."), element("div.row", element("button", { type: "submit" }, "Look up")), result);
  return card("Which certificate is served for a name?", form);
}
