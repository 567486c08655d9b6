/**
 * One certificate: what it is, its chain, what there is to say; replace it in place, or remove it.
 */

import { call, change, get, send } from "../api.js";
import { element, replace } from "../element.js";
import { certificateFacts, chainTree, life, stateBadge } from "../widgets/certificate.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { saveButton } from "../widgets/copy.js";
import { ask } from "../widgets/dialog.js";
import { button } from "../widgets/form.js";
import { card, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { saveBar, told } from "../widgets/save.js";
import { toast } from "../widgets/toast.js";

const PERMISSION = "change_https_settings";

export async function certificatePage({ parameters, refresh, offered }) {
  const path = `/api/v1/certificates/${encodeURIComponent(parameters.name)}`;
  const certificate = await get(path);
  const chain = await fetchChain(path);
  return element("div.page",
    pageHead(certificate.name, null, element("a.button", { href: "#/certificates" }, "All certificates"),
      saveButton(() => chain, `${certificate.name}.pem`, "Save chain.pem"),
      certificate.source === "acme" && offered.has("/api/v1/certificates/{name}/renew") ? button("Renew now", { permission: PERMISSION, onclick: () => renew(path) }) : null,
      button("Remove…", { kind: "danger", permission: PERMISSION, onclick: () => remove(certificate, path) })),
    permissionNotice(PERMISSION),
    element("div.columns",
      element("section.card", { "aria-label": "Facts" }, element("div.card-head", element("h2", "Facts"), stateBadge(certificate)), life(certificate), certificateFacts(certificate)),
      card("Chain", chainTree(certificate), element("p.hint", "From the top: who vouches for whom. The certificate itself comes last."))),
    certificate.findings.length ? card("Findings", findingList(certificate.findings)) : null,
    certificate.source === "files"
      ? notice("info", "This certificate is read from files that are watched.", "Replace the files; the gate checks them and takes them up by itself.")
      : replacement(certificate, path, refresh));
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
        replace(found, notice("success", "Certificate and key fit together. This would be served:"), certificateFacts(next), findingList(findings));
        bar.node.hidden = false;
      } catch (problem) {
        replace(found, problemNotice(problem));
        if (problem.code === "key-encrypted") input.wantPassword();
      }
      return undefined;
    },
  });
  const bar = saveBar({ plan, label: "Replace it", permission: PERMISSION, what: "The new certificate serves.", done: refresh });
  bar.node.hidden = true;
  return card("Replace in place", element("p.muted", "The name and everything that uses it stay; open connections stay open."), input.node, found, bar.node);
}

async function remove(certificate, path) {
  const words = certificate.used_by.length ? `It is used by ${certificate.used_by.join(", ")}.` : "Nothing uses it.";
  const made = await ask(`Remove ${certificate.name}?`, element("div.stack",
    element("p", `${words} Its key is removed with it; the history keeps both until its generations are pruned.`)), {
    action: "Remove", kind: "danger", run: () => change({ method: "DELETE", path }),
  });
  if (made) { told(made, "The certificate was removed."); location.hash = "#/certificates"; }
}

async function renew(path) {
  try {
    await call("POST", `${path}/renew`);
    location.hash = "#/acme";
  } catch (problem) {
    toast("error", problem.message, problem.code);
  }
}
