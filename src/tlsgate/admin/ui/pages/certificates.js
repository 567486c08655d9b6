/**
 * All certificates: what they are for, how long they last, and which one serves a name.
 */

import { change, call, get } from "../api.js";
import { element, replace } from "../element.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { commonName, life, sourceOf, stateBadge } from "../widgets/certificate.js";
import { copyButton, saveButton } from "../widgets/copy.js";
import { ask, show } from "../widgets/dialog.js";
import { button, field, select, text, words } from "../widgets/form.js";
import { badge, card, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { told } from "../widgets/save.js";
import { table } from "../widgets/table.js";
import { toast } from "../widgets/toast.js";

const PERMISSION = "change_https_settings";
const KEYS = [["ec-p256", "EC P-256: small and fast"], ["ec-p384", "EC P-384"], ["rsa-2048", "RSA 2048 bits: for old clients"], ["rsa-3072", "RSA 3072 bits"], ["rsa-4096", "RSA 4096 bits"], ["ed25519", "Ed25519: few browsers take it"]];

export async function certificatesPage({ refresh, offered }) {
  const [{ certificates }, { requests }] = await Promise.all([
    get("/api/v1/certificates"), get("/api/v1/certificates/csr").catch(() => ({ requests: [] })),
  ]);
  return element("div.page",
    pageHead("Certificates", "A certificate serves its own names on every https binding; a binding’s default certificate serves the rest.",
      button("Upload…", { kind: "primary", permission: PERMISSION, onclick: () => upload(refresh) }),
      button("Self-signed…", { permission: PERMISSION, onclick: () => selfSigned(refresh) }),
      button("Signing request…", { permission: PERMISSION, onclick: () => newRequest(refresh) }),
      offered.has("/api/v1/certificates/acme") ? element("a.button", { href: "#/acme" }, "Let’s Encrypt…") : null),
    permissionNotice(PERMISSION),
    element("section.card", { "aria-label": "Certificates" }, certificates.length
      ? certificateTable(certificates)
      : empty("There is no certificate yet. Upload one that you have, or make a self-signed one to try things out.")),
    requests.length ? requestCard(requests, refresh) : null,
    whoServes());
}

function certificateTable(certificates) {
  return table("Certificates", ["Name", "For", "Issuer", "State", "Time left", "Used by", "Source"], certificates.map((one) => [
    element("a", { href: `#/certificates/${encodeURIComponent(one.name)}` }, one.name),
    one.names.slice(0, 4).join(", ") + (one.names.length > 4 ? ` and ${one.names.length - 4} more` : ""),
    one.self_signed ? "itself" : commonName(one.issuer), stateBadge(one), life(one),
    one.used_by.join(", ") || "–", sourceOf(one),
  ]));
}

async function upload(refresh) {
  const name = text("", { maxlength: "64", placeholder: "example.com" });
  const found = element("div.stack", { "aria-live": "polite" });
  const plan = () => ({ method: "POST", path: "/api/v1/certificates", form: withName(input.form(), name.value.trim()) });
  const input = certificateInput({
    onchange: async () => {
      if (!input.complete) return replace(found);
      try {
        const form = withName(input.form(), name.value.trim() || "unnamed");
        const { certificate, findings } = await change({ method: "PUT", path: `/api/v1/certificates/${name.value.trim() || "unnamed"}`, form }, { dry_run: true });
        if (!name.value) name.value = (certificate.names[0] || "certificate").replace(/^\*\./, "wildcard.").replace(/[^A-Za-z0-9._-]/g, "-");
        replace(found, notice("success", `Certificate and key fit together: ${certificate.names.join(", ")}`), findingList(findings));
      } catch (problem) {
        replace(found, problemNotice(problem));
        if (problem.code === "key-encrypted") input.wantPassword();
      }
      return undefined;
    },
  });
  const made = await ask("Upload a certificate", element("div.stack", input.node, found, field("Name to keep it under", name, "Letters, digits, dots and hyphens.")), {
    action: "Save",
    run: async () => {
      if (!input.complete) throw new Error(input.missing);
      if (!name.value.trim()) throw new Error("Give it a name.");
      return change(plan());
    },
  });
  if (made) { told(made, "The certificate serves its names now."); refresh(); }
}

function withName(form, name) {
  form.append("name", name);
  return form;
}

async function selfSigned(refresh) {
  const names = text(location.hostname);
  const name = text("self-signed", { maxlength: "64" });
  const days = element("input", { type: "number", min: "1", max: "3650", value: "397" });
  const key = select(KEYS, "ec-p256");
  const made = await ask("Make a self-signed certificate", element("div.stack",
    notice("info", "Good for tests.", "It encrypts, but nobody vouches for it: clients refuse it until they are told to trust it."),
    field("Names", names, "Host names and addresses, separated by commas or spaces."),
    field("Name to keep it under", name, "It replaces a certificate with the same name."),
    element("div.columns", field("Days", days), field("Key", key))), {
    action: "Make it",
    run: () => change({ method: "POST", path: "/api/v1/certificates/self-signed", json: { name: name.value.trim(), names: words(names.value), days: Number(days.value), key_type: key.value } }),
  });
  if (made) { told(made, "The certificate was made."); refresh(); }
}

async function newRequest(refresh) {
  const names = text("", { placeholder: "www.example.com example.com" });
  const name = text("", { maxlength: "64", placeholder: "example.com" });
  const organisation = text("", { maxlength: "64" });
  const key = select(KEYS, "ec-p256");
  const made = await ask("Make a signing request", element("div.stack",
    element("p.muted", "The gate makes a key, which never leaves it, and a request (CSR) that you send to a certificate authority. What comes back you bring here."),
    field("Names", names, "Host names, separated by commas or spaces."), field("Name to keep it under", name),
    element("div.columns", field("Organisation (optional)", organisation), field("Key", key))), {
    action: "Make the request",
    run: () => call("POST", "/api/v1/certificates/csr", { json: {
      name: name.value.trim(), names: words(names.value), key_type: key.value, subject: organisation.value.trim() ? { O: organisation.value.trim() } : {},
    } }),
  });
  if (!made) return;
  refresh();
  await showRequest(made);
}

function showRequest(one) {
  return show(`Signing request ${one.name}`, element("div.stack",
    element("p", "Send this to your certificate authority. It is not secret."),
    element("pre.script", { tabindex: "0", "aria-label": "Signing request" }, one.csr),
    element("div.row", copyButton(one.csr), saveButton(() => one.csr, `${one.name}.csr`))));
}

function requestCard(requests, refresh) {
  return card("Signing requests that wait for their certificate", table("Signing requests", ["Name", "For", ""], requests.map((one) => [
    one.name, one.names.join(", "),
    [button("Show", { kind: "small", "aria-label": `Show the request ${one.name}`, onclick: () => showRequest(one) }),
      button("Bring the certificate…", { kind: "small primary", permission: PERMISSION, onclick: () => bring(one, refresh) }),
      button("Give up…", { kind: "small danger", permission: PERMISSION, "aria-label": `Give up the request ${one.name}`, onclick: () => giveUp(one, refresh) })],
  ])));
}

async function bring(one, refresh) {
  const input = certificateInput({ keyless: true, onchange: () => {} });
  const made = await ask(`The certificate for ${one.name}`, element("div.stack", element("p.muted", "What the certificate authority sent, in any form; the chain may be in it."), input.node), {
    action: "Save",
    run: () => {
      if (!input.complete) throw new Error(input.missing);
      return change({ method: "PUT", path: `/api/v1/certificates/csr/${encodeURIComponent(one.name)}/certificate`, form: input.form() });
    },
  });
  if (made) { told(made, "Key and certificate are together and serve."); refresh(); }
}

async function giveUp(one, refresh) {
  const gone = await ask(`Give up the request ${one.name}?`, element("p", "Its key is destroyed. A certificate that comes back for it can then not be used."), {
    action: "Give up", kind: "danger", run: async () => { await call("DELETE", `/api/v1/certificates/csr/${encodeURIComponent(one.name)}`); return true; },
  });
  if (gone) { toast("success", "The request is gone."); refresh(); }
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
  }, field("Host name", name, "Empty for a client that sends no name."), element("div.row", element("button", { type: "submit" }, "Which certificate serves it?")), result);
  return card("Which certificate serves a name, and why", form);
}
