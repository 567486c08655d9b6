/**
 * One certificate: what it is, its chain, what there is to say; replace it in place, or remove it.
 */

import { call, change, get, send } from "../api.js";
import { element, replace } from "../element.js";
import { may } from "../session.js";
import { certificateFacts, chainTree, life, stateBadge } from "../widgets/certificate.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { changeDialog } from "../widgets/change_dialog.js";
import { saveButton } from "../widgets/copy.js";
import { button } from "../widgets/form.js";
import { card, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";
import { toast } from "../widgets/toast.js";

const PERMISSION = "change_https_settings";

export async function certificatePage({ parameters, refresh, offered }) {
  const path = `/api/v1/certificates/${encodeURIComponent(parameters.name)}`;
  const certificate = await get(path);
  const chain = await fetchChain(path);
  return element("div.page",
    pageHead(certificate.name, null, saveButton(() => chain, `${certificate.name}.pem`, "Download chain", ""),
      certificate.source === "acme" && offered.has("/api/v1/certificates/{name}/renew") ? button("Renew now", { permission: PERMISSION, onclick: () => renew(path) }) : null,
      button("Remove…", { kind: "danger", permission: PERMISSION, onclick: () => remove(certificate, path) })),
    permissionNotice(PERMISSION),
    element("div.columns",
      element("section.card", { "aria-label": "Certificate" }, element("div.card-head", element("h2", "Certificate"), stateBadge(certificate)), life(certificate), certificateFacts(certificate)),
      card("Chain", chainTree(certificate), element("p.hint", "From the root down: each vouches for the one below. The certificate itself comes last."))),
    certificate.findings.length ? card("Findings", findingList(certificate.findings)) : null,
    certificate.source === "files"
      ? notice("info", "This certificate is read from files on disk.", "Replace the files: the gate notices, checks them, and serves them.")
      : may(PERMISSION) ? replacement(certificate, path, refresh) : null);
}

async function fetchChain(path) {
  return send("GET", `${path}/chain.pem`).then((response) => response.text()).catch(() => "");
}

function replacement(certificate, path, refresh) {
  const found = element("div.stack", { "aria-live": "polite" });
  const plan = () => [{ method: "PUT", path, form: input.form() }];
  const input = certificateInput({
    onchange: async () => {
      bar.clear();
      bar.node.hidden = true;
      if (!input.complete) return replace(found, input.started ? notice("info", input.missing) : null);
      try {
        const { certificate: next, findings } = await change(plan()[0], { dry_run: true });
        replace(found, notice("success", "Certificate and key match. This will be served:"), certificateFacts(next, { brief: true }), findingList(findings));
        bar.node.hidden = false;
      } catch (problem) {
        replace(found, problemNotice(problem));
        if (problem.code === "key-encrypted") input.wantPassword();
      }
      return undefined;
    },
  });
  const bar = saveBar({ plan, label: "Replace certificate", permission: PERMISSION, what: "The new certificate is served.", done: refresh });
  bar.node.hidden = true;
  return card("Replace certificate", element("p.muted", "The name and everything that uses it stay the same; open connections stay open."), input.node, found, bar.node);
}

async function remove(certificate, path) {
  const words = certificate.used_by.length ? `It is used by ${certificate.used_by.join(", ")}.` : "Clients that ask for its names get a binding’s default certificate instead.";
  const made = await changeDialog(`Remove certificate ${certificate.name}?`, element("p", `${words} Its key is removed too; you can get both back from the history for a while.`), {
    plan: () => [{ method: "DELETE", path }], action: "Remove", kind: "danger", what: `Certificate ${certificate.name} removed.`,
  });
  if (made) location.hash = "#/certificates";
}

async function renew(path) {
  try {
    await call("POST", `${path}/renew`);
    location.hash = "#/acme";
  } catch (problem) {
    toast("error", problem.message, problem.code);
  }
}
