/**
 * The redirect from HTTP to HTTPS, with who would be hit by it.
 */

import { element } from "../element.js";
import { ago } from "../time.js";
import { may } from "../session.js";
import { field, radios, select, text, words } from "../widgets/form.js";
import { badge } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";
import { table } from "../widgets/table.js";

const CHOICES = [
  ["disabled", "Disabled", "Every client may use HTTP and HTTPS alike. Nothing breaks, and nothing is protected: this is the least secure choice."],
  ["browsers", "Only browser requests", "People who come with a browser are sent to HTTPS. Agents, scripts and API clients go on over HTTP: good for a time of transition."],
  ["all", "Enable for all requests", "Every client is sent to HTTPS. Check first that agents and scripts follow redirects; the report beside this says who would break."],
  ["report", "Report only", "Nothing is redirected yet. The gate writes down who uses plain HTTP, so that you can see beforehand who would be hit."],
];

const STATUSES = [["auto", "Automatic: 307 on the first day, then 308"], ["301", "301 Moved Permanently"], ["302", "302 Found"], ["307", "307 Temporary Redirect"], ["308", "308 Permanent Redirect"]];

export function redirectCard({ site, report, refresh }) {
  const { redirect } = site;
  const allowed = may("change_https_settings");
  const mode = radios("Send plain HTTP to HTTPS", CHOICES, redirect.mode, { onchange: changed, disabled: !allowed });
  const status = select(STATUSES, String(redirect.status), { onchange: changed, disabled: !allowed });
  const exempt = text(redirect.exempt.join(", "), { oninput: changed, placeholder: "/health, 10.0.0.0/8", disabled: !allowed });
  const plan = () => [{
    method: "PUT", path: `/api/v1/sites/${encodeURIComponent(site.name)}/redirect`,
    json: { ...redirect, mode: mode.value, status: status.value === "auto" ? "auto" : Number(status.value), exempt: words(exempt.value) },
  }];
  const bar = saveBar({ plan, label: "Save the redirect", permission: "change_https_settings", what: "The redirect is as you chose.", done: refresh });
  bar.node.hidden = true;
  let timer;
  function changed() {
    bar.node.hidden = mode.value === redirect.mode && status.value === String(redirect.status) && words(exempt.value).join() === redirect.exempt.join();
    clearTimeout(timer);
    if (!bar.node.hidden) timer = setTimeout(() => bar.check(), 200);
    else bar.clear();
  }
  return element("section.card", { "aria-label": "Redirect" },
    element("div.card-head", element("h2", "Redirect from HTTP"), redirect.mode === "disabled" ? badge("", "Off") : badge(redirect.mode === "report" ? "info" : "good", CHOICES.find(([key]) => key === redirect.mode)[1])),
    element("div.columns",
      element("div.stack", mode.node,
        element("details", element("summary", "More"), element("div.stack",
          field("Status of the redirect", status), field("Never redirected", exempt, "Beginnings of paths and networks, separated by commas.")))),
      reportView(report.rows, site.name, redirect.mode)),
    bar.node);
}

const VERDICTS = {
  follows: ["good", "follows redirects"], browser: ["good", "browser"], unknown: ["warning", "not known yet"], "would-break": ["bad", "would break"],
};

function reportView(all, site, mode) {
  const rows = all.filter((one) => !one.site || one.site === site);
  const breaking = new Set(rows.filter((one) => one.verdict === "would-break" || one.verdict === "unknown").map((one) => `${one.address} ${one.user_agent}`)).size;
  const head = element("h3", "Who still uses plain HTTP");
  if (!rows.length) {
    return element("div.stack", head, element("p.muted", mode === "disabled"
      ? "Nobody is written down while the redirect is disabled. Choose “Report only” for a day or two to see who would be hit."
      : "Nobody has used plain HTTP since the gate began to write it down."));
  }
  return element("div.stack", head,
    breaking ? notice("warning", breaking === 1 ? "1 client may break" : `These ${breaking} clients may break`, "They are not known to follow redirects. Tell whoever runs them to use https:// first.") : notice("success", "All of them are browsers or follow redirects."),
    table("Clients of plain HTTP", ["Client", "Request", "Times", "Last seen", "Redirects"], rows.slice(0, 20).map((one) => [
      [one.address, element("div.small.muted", one.user_agent || "no User-Agent"), one.credentials ? badge("bad", `${one.credentials_kind || "credentials"} in clear`) : null], `${one.method} ${one.path}`, String(one.count), ago(one.last_seen),
      badge(...(VERDICTS[one.verdict] || ["warning", one.verdict])),
    ])),
    rows.length > 20 ? element("p.muted", `and ${rows.length - 20} more`) : null);
}
