/**
 * HTTP Strict Transport Security of a site.
 */

import { element } from "../element.js";
import { duration } from "../time.js";
import { may } from "../session.js";
import { checkbox, field, select } from "../widgets/form.js";
import { badge } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";

const AGES = [300, 3600, 86400, 2592000, 31536000, 31556926, 63072000];
const NAMES = { 300: "5 minutes: to try it", 3600: "1 hour: a careful beginning", 86400: "1 day", 2592000: "30 days", 31536000: "1 year (365 days; browsers’ lists ask for this)", 31556926: "1 year", 63072000: "2 years" };

export function hstsCard({ site, refresh }) {
  const { hsts } = site;
  const disabled = !may("change_https_settings");
  const ages = AGES.includes(hsts.max_age) ? AGES : [...AGES, hsts.max_age].sort((a, b) => a - b);
  const enabled = checkbox("Tell browsers to insist on HTTPS", { checked: hsts.enabled, disabled, onchange: changed, hint: "A browser that was here once then never uses plain HTTP for this site again, and refuses a certificate that it does not trust." });
  const age = select(ages.map((one) => [String(one), NAMES[one] || duration(one)]), String(hsts.max_age), { disabled, onchange: changed });
  const ramp = checkbox("Begin small and grow", { checked: hsts.ramp, disabled, onchange: changed, hint: "5 minutes, 1 hour, 1 day, 30 days, 1 year: one step a week, up to the time above, as long as nothing is wrong." });
  const subdomains = checkbox("All subdomains too", { checked: hsts.include_subdomains, disabled, onchange: changed, hint: "Whoever serves them." });
  const preload = checkbox("Agree to browsers’ built-in lists", { checked: hsts.preload, disabled, onchange: changed, hint: "Hard to take back: it needs all subdomains and a year." });
  const more = element("div.stack", field("For how long", age, "From each visit on. Nobody can take it back in the browser of somebody else before that time is over."), ramp.node, subdomains.node, preload.node);
  const wanted = () => ({
    ...hsts, enabled: enabled.input.checked, max_age: Number(age.value), ramp: ramp.input.checked,
    include_subdomains: subdomains.input.checked, preload: preload.input.checked,
  });
  const bar = saveBar({
    plan: () => [{ method: "PUT", path: `/api/v1/sites/${encodeURIComponent(site.name)}/hsts`, json: wanted() }],
    label: "Save HSTS", permission: "change_https_settings", what: "HSTS is as you chose.", done: refresh,
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
    element("div.card-head", element("h2", "HSTS"), hsts.enabled ? badge("good", duration(hsts.max_age)) : badge("", "Off")),
    enabled.node, more,
    hsts.enabled ? notice("info", "On the way out", "If you turn it off, the gate sends max-age=0 for as long as a browser may still remember it.") : null,
    bar.node);
}
