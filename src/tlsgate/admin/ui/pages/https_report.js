/**
 * Who still uses plain HTTP, and whom a redirect would break; drawn anew as they come.
 */

import { get } from "../api.js";
import { element, replace } from "../element.js";
import { events } from "../events.js";
import { ago, plural } from "../time.js";
import { badge } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";

const VERDICTS = {
  "would-break": ["bad", "would break"], unknown: ["warning", "not known yet"], browser: ["good", "browser"], follows: ["good", "follows redirects"],
};
const SHOWN = 10;

/**
 * @param {object[]} rows of the report, of all sites.
 * @param {string} site whose rows are shown.
 * @param {string} mode of its redirect.
 * @param {AbortSignal} signal ends the watching.
 */
export function plainHttpReport(rows, site, mode, signal) {
  const place = element("div.stack");
  const draw = (found) => replace(place, content(found.filter((one) => !one.site || one.site === site), mode));
  draw(rows);
  events.addEventListener("plain_http", async () => {
    const found = await get("/api/v1/redirect/report", { unattended: true }).catch(() => null);
    // Not under the hands of somebody who reads the rest of it.
    if (found && !place.contains(document.activeElement)) draw(found.rows);
  }, { signal });
  return element("section.stack.tight", { "aria-label": "Who still uses plain HTTP" }, element("h3", "Who still uses plain HTTP"), place);
}

function content(rows, mode) {
  if (!rows.length) {
    return element("p.muted", mode === "disabled"
      ? "Nothing is recorded while the redirect is disabled. Choose “Report only” for a day or two to see who would be affected."
      : "Nobody has used plain HTTP since the recording began.");
  }
  const clients = (verdict) => new Set(rows.filter((one) => one.verdict === verdict).map((one) => `${one.address} ${one.user_agent}`)).size;
  const breaking = clients("would-break");
  const unknown = clients("unknown");
  const first = rows.slice(0, SHOWN);
  const rest = rows.slice(SHOWN);
  return [
    breaking ? notice("warning", breaking === 1 ? "This client would break:" : `These ${breaking} clients would break:`, "Switch them to https:// before you redirect all requests.") : null,
    unknown ? notice("info", `${plural(unknown, "client")} may break`, "It is not known yet whether they follow redirects.") : null,
    breaking || unknown ? null : notice("success", "Nobody would break.", "All clients seen are browsers or follow redirects."),
    clientTable(first),
    rest.length ? element("details", element("summary", `${rest.length} more`), clientTable(rest)) : null,
  ];
}

function clientTable(rows) {
  return table("Clients of plain HTTP", ["Client", "Request", "Seen", "If redirected"], rows.map((one) => [
    [one.address, element("div.small.muted", one.user_agent || "no User-Agent"), one.credentials ? badge("bad", `${one.credentials_kind || "credentials"} in clear`) : null],
    `${one.method} ${one.path}`, [`${one.count} ×`, element("div.small.muted", ago(one.last_seen))],
    badge(...(VERDICTS[one.verdict] || ["warning", one.verdict])),
  ]));
}
