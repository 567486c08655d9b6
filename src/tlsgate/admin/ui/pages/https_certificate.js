/**
 * The certificate of the https binding: what serves, replace it, remove it.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { may } from "../session.js";
import { certificateFacts, chainTree, life, stateBadge } from "../widgets/certificate.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { changeDialog } from "../widgets/change_dialog.js";
import { button, field, select } from "../widgets/form.js";
import { facts } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";

const PERMISSION = "change_https_settings";

export function certificateCard({ status, binding, refresh, offered }) {
  const name = binding.default_certificate || "default";
  const current = status.certificates.find((one) => one.name === name);
  return element("section.card", { "aria-label": "Certificate" },
    element("div.card-head", element("h2", "Certificate"), current ? stateBadge(current) : null),
    current ? shown(current, { status, binding, refresh }) : notice("warning", "This binding has no certificate yet.", "It is served as soon as one is saved."),
    may(PERMISSION) ? uploadForm(name, current, binding, refresh, offered.has("/api/v1/certificates/acme")) : null);
}

function shown(certificate, context) {
  return element("div.stack",
    element("div.columns", certificateFacts(certificate, { brief: true }), element("div.stack.tight", life(certificate), element("h3", "Chain"), chainTree(certificate))),
    findingList(certificate.findings),
    element("div.row", element("a.button", { href: `#/certificates/${encodeURIComponent(certificate.name)}` }, "Details"),
      button("Remove…", { kind: "danger", permission: PERMISSION, onclick: () => removal(certificate, context) })));
}

function uploadForm(name, current, binding, refresh, acme) {
  const found = element("div.stack", { "aria-live": "polite" });
  const input = certificateInput({ onchange: () => look() });
  const plan = () => {
    const form = input.form();
    if (input.kind === "pfx") return [{ method: "PUT", path: `/api/v1/certificates/${encodeURIComponent(name)}`, form }, ...pointTo(name, binding)];
    form.append("name", name);
    return [{ method: "POST", path: "/app/https/settings/uploadCertificate", form }];
  };
  const bar = saveBar({
    plan, label: current ? "Replace certificate" : "Save certificate", permission: PERMISSION,
    what: "The new certificate is served.", done: () => { input.clear(); refresh(); },
    discard: () => { input.clear(); look(); },
  });
  bar.node.hidden = true;
  let asked = 0;
  async function look() {
    const mine = (asked += 1);
    bar.clear();
    bar.node.hidden = true;
    if (!input.started) return replace(found);
    if (!input.complete) return replace(found, notice("info", input.missing));
    replace(found, element("p.muted", { role: "status" }, "Checking …"));
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
  return element("details.section", { open }, element("summary", current ? "Replace certificate" : "Upload a certificate"),
    element("div.stack",
      element("p.muted", "The certificate is checked at once: key, chain, names and dates. Nothing changes until you save, and open connections stay open.",
        acme ? [" You have none? ", element("a", { href: "#/acme" }, "Get one free from Let’s Encrypt"), "."] : null),
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
    notice("success", "Certificate and key match. This will be served:"),
    element("div.columns", certificateFacts(certificate, { brief: true }), facts(["Chain", chainTree(certificate)])),
    findingList(findings));
}

async function removal(certificate, { status, binding, refresh }) {
  const others = status.certificates.filter((one) => one.name !== certificate.name);
  const instead = select([["", "A new self-signed certificate"], ...others.map((one) => [one.name, `${one.name} (${one.names.join(", ")})`])], others[0]?.name ?? "");
  const redirecting = status.sites.filter((one) => one.redirect.mode === "all" || one.redirect.mode === "browsers" || one.hsts.enabled).map((one) => one.name);
  const warning = redirecting.length
    ? notice("warning", "This may make the server unreachable.", `${redirecting.length === 1 ? `Site ${redirecting[0]} sends` : `Sites ${redirecting.join(", ")} send`} visitors to HTTPS or use HSTS. Without a certificate that browsers trust, visitors are stopped by a warning, and under HSTS there is no way past it. Turn that off first.`)
    : notice("warning", "Visitors over HTTPS will get another certificate.", "If it is self-signed, browsers and scripts refuse it until they are told to trust it.");
  const done = await changeDialog(`Remove certificate ${certificate.name}?`, element("div.stack", warning, field("Served instead", instead)), {
    // The certificate cannot be removed in a plan while the binding still has it.
    plan: () => changesFor(certificate, binding, instead.value), script: false,
    action: "Remove", kind: "danger", what: `Certificate ${certificate.name} removed.`,
  });
  if (done) refresh();
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
