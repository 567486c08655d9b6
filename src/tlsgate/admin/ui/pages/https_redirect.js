/**
 * The redirect from HTTP to HTTPS, with who would be hit by it.
 */

import { element } from "../element.js";
import { may } from "../session.js";
import { field, radios, select, text, words } from "../widgets/form.js";
import { redirectBadge } from "../widgets/layout.js";
import { saveBar } from "../widgets/save.js";
import { explainForm } from "./https_explain.js";
import { plainHttpReport } from "./https_report.js";

const CHOICES = [
  ["disabled", "Disabled", "Every client may use HTTP and HTTPS alike. Nothing breaks, but nothing is protected: the least secure choice."],
  ["report", "Report only", "Nothing is redirected yet. The gate records who uses plain HTTP, so that you see who would be affected."],
  ["browsers", "Only browser requests", "People with a browser are sent to HTTPS. Agents, scripts and API clients go on over HTTP: good for a transition."],
  ["all", "Enable for all requests", "Every client is sent to HTTPS. Check first that agents and scripts follow redirects; the report says which may not."],
];

const STATUSES = [["auto", "Automatic: 307 on the first day, then 308"], ["301", "301 Moved Permanently"], ["302", "302 Found"], ["307", "307 Temporary Redirect"], ["308", "308 Permanent Redirect"]];

export function redirectCard({ site, report, refresh, signal }) {
  const { redirect } = site;
  const allowed = may("change_https_settings");
  const mode = radios("Which requests are redirected", CHOICES, redirect.mode, { onchange: changed, disabled: !allowed });
  const status = select(STATUSES, String(redirect.status), { onchange: changed, disabled: !allowed });
  const exempt = text(redirect.exempt.join(", "), { oninput: changed, placeholder: "/health, 10.0.0.0/8", disabled: !allowed });
  const plan = () => [{
    method: "PUT", path: `/api/v1/sites/${encodeURIComponent(site.name)}/redirect`,
    json: { ...redirect, mode: mode.value, status: status.value === "auto" ? "auto" : Number(status.value), exempt: words(exempt.value) },
  }];
  const bar = saveBar({ plan, label: "Save redirect", permission: "change_https_settings", what: "Redirect saved.", done: refresh, discard: refresh });
  bar.node.hidden = true;
  let timer;
  function changed() {
    bar.node.hidden = mode.value === redirect.mode && status.value === String(redirect.status) && words(exempt.value).join() === redirect.exempt.join();
    clearTimeout(timer);
    if (!bar.node.hidden) timer = setTimeout(() => bar.check(), 200);
    else bar.clear();
  }
  return element("section.card", { "aria-label": "Redirect" },
    element("div.card-head", element("h2", "Redirect from HTTP to HTTPS"), redirectBadge(redirect.mode)),
    element("div.columns.wide",
      element("div.stack", mode.node,
        element("details", element("summary", "More options"), element("div.stack",
          field("Status code", status), field("Never redirected", exempt, "Paths and networks, separated by commas. A path stands for all that begin with it.")))),
      element("div.stack.aside", plainHttpReport(report.rows, site.name, redirect.mode, signal), explainForm(site))),
    bar.node);
}
