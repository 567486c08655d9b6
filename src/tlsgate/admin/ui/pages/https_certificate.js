/**
 * The certificate of the https binding: what serves, replace it, remove it.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { certificateFacts, chainTree, life, stateBadge } from "../widgets/certificate.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { ask } from "../widgets/dialog.js";
import { button, field, select } from "../widgets/form.js";
import { facts } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { make, saveBar, told } from "../widgets/save.js";

export function certificateCard({ status, binding, refresh }) {
  const name = binding.default_certificate || "default";
  const current = status.certificates.find((one) => one.name === name);
  return element("section.card", { "aria-label": "Certificate" },
    element("div.card-head", element("h2", "Certificate"), current ? stateBadge(current) : null),
    current ? shown(current, { status, binding, refresh }) : notice("warning", "This binding has no certificate of its own yet.", "Upload one below; it serves as soon as it is saved."),
    uploadForm(name, current, binding, refresh));
}

function shown(certificate, context) {
  return element("div.stack",
    element("div.columns", element("div.stack", certificateFacts(certificate)), element("div.stack", life(certificate), element("h3", "Chain"), chainTree(certificate))),
    findingList(certificate.findings),
    element("div.row", element("a.button", { href: `#/certificates/${encodeURIComponent(certificate.name)}` }, "Details"),
      button("Remove…", { kind: "danger", permission: "change_https_settings", onclick: () => removal(certificate, context) })));
}

function uploadForm(name, current, binding, refresh) {
  const found = element("div.stack", { "aria-live": "polite" });
  const input = certificateInput({ onchange: () => look() });
  const plan = () => {
    const form = input.form();
    if (input.kind === "pfx") return [{ method: "PUT", path: `/api/v1/certificates/${encodeURIComponent(name)}`, form }, ...pointTo(name, binding)];
    form.append("name", name);
    return [{ method: "POST", path: "/app/https/settings/uploadCertificate", form }];
  };
  const bar = saveBar({
    plan, label: current ? "Replace the certificate" : "Save the certificate", permission: "change_https_settings",
    what: "The certificate serves now.", done: () => { input.clear(); refresh(); },
  });
  bar.node.hidden = true;
  let asked = 0;
  async function look() {
    const mine = (asked += 1);
    bar.clear();
    bar.node.hidden = true;
    if (!input.started) return replace(found);
    if (!input.complete) return replace(found, notice("info", input.missing));
    replace(found, notice("info", "Checking …"));
    try {
      const answer = await change(plan()[0], { dry_run: true });
      if (mine !== asked) return undefined;
      replace(found, checked(answer));
      bar.node.hidden = false;
    } catch (problem) {
      if (mine !== asked) return undefined;
      replace(found, problemNotice(problem));
      if (problem.code === "key-encrypted") input.wantPassword();
    }
    return undefined;
  }
  const open = !current || current.self_signed || current.state !== "valid";
  return element("details", { open }, element("summary", current ? "Replace it with another certificate" : "Upload a certificate"),
    element("div.stack",
      element("p.muted", "What you give is checked at once: does the key belong to the certificate, is the chain complete, is it within its dates. Nothing changes until you save, and open connections stay open."),
      input.node, found, bar.node));
}

/** A PFX is stored by its name; the binding has to name it too. */
function pointTo(name, binding) {
  if (binding.default_certificate === name || name === "default") return [];
  const { port, ...entry } = binding;
  return [{ method: "PUT", path: `/api/v1/bindings/${encodeURIComponent(binding.name)}`, json: { ...entry, default_certificate: name } }];
}

function checked({ certificate, findings }) {
  return element("div.stack",
    notice("success", "Certificate and key fit together. This would be served:"),
    certificateFacts({ ...certificate, used_by: certificate.used_by }),
    facts(["Chain", chainTree(certificate)]),
    findingList(findings));
}

async function removal(certificate, { status, binding, refresh }) {
  const others = status.certificates.filter((one) => one.name !== certificate.name);
  const instead = select([["", "a new self-signed certificate"], ...others.map((one) => [one.name, `${one.name} (${one.names.join(", ")})`])], others[0]?.name ?? "");
  const redirecting = status.sites.filter((one) => one.redirect.mode === "all" || one.redirect.mode === "browsers" || one.hsts.enabled);
  const trouble = element("div");
  const warning = redirecting.length
    ? notice("warning", "This may make the server unreachable.", `The site ${redirecting.map((one) => one.name).join(", ")} sends visitors to HTTPS or has HSTS. Without a certificate that browsers trust they are stopped by a warning, under HSTS for good. Turn that off first.`)
    : notice("warning", "Visitors over HTTPS get another certificate from now on.", "If it is self-signed, browsers and scripts refuse it until they are told to trust it.");
  const done = await ask(`Remove the certificate “${certificate.name}”?`, element("div.stack", warning, field("What serves instead", instead), trouble), {
    action: "Remove", kind: "danger",
    run: async () => {
      const answer = await make(changesFor(certificate, binding, instead.value), {}, trouble);
      if (!answer) throw new Error("Nothing was removed.");
      return answer;
    },
  });
  if (!done) return;
  told(done, "The certificate was removed.");
  refresh();
}

function changesFor(certificate, binding, instead) {
  const path = `/api/v1/certificates/${encodeURIComponent(certificate.name)}`;
  // The same name again: the binding needs no change, and the old certificate and its key are gone.
  if (!instead) return [{ method: "POST", path: "/api/v1/certificates/self-signed", json: { name: certificate.name, names: certificate.names.length ? certificate.names : ["localhost"] } }];
  const { port, ...entry } = binding;
  return [
    { method: "PUT", path: `/api/v1/bindings/${encodeURIComponent(binding.name)}`, json: { ...entry, default_certificate: instead } },
    { method: "DELETE", path },
  ];
}
