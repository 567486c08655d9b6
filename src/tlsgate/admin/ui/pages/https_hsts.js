/**
 * HTTP Strict Transport Security of a site.
 */

import { element } from "../element.js";
import { duration } from "../time.js";
import { may } from "../session.js";
import { checkbox, field, select } from "../widgets/form.js";
import { badge } from "../widgets/layout.js";
import { saveBar } from "../widgets/save.js";

const AGES = [300, 3600, 86400, 2592000, 31536000, 31556926, 63072000];
const NAMES = { 300: "5 minutes, to try it", 3600: "1 hour, a careful start", 86400: "1 day", 2592000: "30 days", 31536000: "1 year (365 days, needed for preloading)", 31556926: "1 year", 63072000: "2 years" };

export function hstsCard({ site, refresh }) {
  const { hsts } = site;
  const disabled = !may("change_https_settings");
  const ages = AGES.includes(hsts.max_age) ? AGES : [...AGES, hsts.max_age].sort((a, b) => a - b);
  const enabled = checkbox("Tell browsers to use HTTPS only", { checked: hsts.enabled, disabled, onchange: changed, hint: "A browser that has visited once never uses plain HTTP for this site again, and refuses certificates it does not trust." });
  const age = select(ages.map((one) => [String(one), NAMES[one] || duration(one)]), String(hsts.max_age), { disabled, onchange: changed });
  const ramp = checkbox("Ramp up", { checked: hsts.ramp, disabled, onchange: changed, hint: "Start with 5 minutes, then 1 hour, 1 day, 30 days, 1 year: a step a week up to the time above, while nothing is wrong." });
  const subdomains = checkbox("Include all subdomains", { checked: hsts.include_subdomains, disabled, onchange: changed, hint: "Whoever serves them, this gate or another server." });
  const preload = checkbox("Allow preloading", { checked: hsts.preload, disabled, onchange: changed, hint: "Browsers may build the site into their lists. Hard to undo; needs all subdomains and one year." });
  const more = element("div.stack", field("For how long", age, "Counted from each visit. Until it is over, nobody can take it back in a visitor’s browser."), ramp.node, subdomains.node, preload.node);
  const wanted = () => ({
    ...hsts, enabled: enabled.input.checked, max_age: Number(age.value), ramp: ramp.input.checked,
    include_subdomains: subdomains.input.checked, preload: preload.input.checked,
  });
  const bar = saveBar({
    plan: () => [{ method: "PUT", path: `/api/v1/sites/${encodeURIComponent(site.name)}/hsts`, json: wanted() }],
    label: "Save HSTS", permission: "change_https_settings", what: "HSTS saved.", done: refresh, discard: refresh,
  });
  bar.node.hidden = true;
  more.hidden = !hsts.enabled;
  let timer;
  function changed() {
    more.hidden = !enabled.input.checked;
    bar.node.hidden = JSON.stringify(wanted()) === JSON.stringify(hsts);
    clearTimeout(timer);
    if (!bar.node.hidden) timer = setTimeout(() => bar.check(), 200);
    else bar.clear();
  }
  return element("section.card", { "aria-label": "HSTS" },
    element("div.card-head", element("h2", "HSTS"), hsts.enabled ? badge("good", duration(hsts.max_age)) : badge("", "off")),
    enabled.node, more,
    hsts.enabled ? element("p.hint", "When you turn it off, the gate sends max-age=0 for as long as a browser may still remember it.") : null,
    bar.node);
}
