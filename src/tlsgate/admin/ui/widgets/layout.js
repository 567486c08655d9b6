/**
 * The parts that every page is laid out with.
 */

import { element } from "../element.js";
import { may, reasonAgainst } from "../session.js";
import { notice } from "./notice.js";

/** The heading of a page, one sentence about it, and what can be done there. */
export function pageHead(title, lead, ...actions) {
  return element("header.page-head",
    element("h1", { tabindex: "-1" }, title),
    actions.length ? element("div.row", actions) : null,
    lead ? element("p.lead", lead) : null);
}

/** A card with a heading. */
export function card(title, ...children) {
  return element("section.card", title ? element("h2", title) : null, children);
}

/** What stands where there is nothing yet: what to do first. */
export function empty(sentence, ...actions) {
  return element("div.empty", element("p", sentence), actions);
}

/** A list of names and values. */
export function facts(...pairs) {
  return element("dl.facts", pairs.filter(Boolean).map(([name, value]) => [element("dt", name), element("dd", value)]));
}

/** Small text in a coloured pill. */
export function badge(kind, text) {
  return element("span.badge", { class: `badge ${kind}` }, text);
}

const MODES = { disabled: ["", "off"], report: ["info", "report only"], browsers: ["good", "browsers"], all: ["good", "all requests"] };

/** The mode of a site's redirect in a pill. */
export const redirectBadge = (mode) => badge(...MODES[mode]);

const HEALTH = { up: ["good", "up"], down: ["bad", "down"], drain: ["warning", "draining"] };

/** The state of an upstream's server in a pill. */
export const healthBadge = (state) => badge(...(HEALTH[state] || ["", state]));

/** The sentence above a page for those who may only look. */
export function permissionNotice(permission) {
  return may(permission) ? null : notice("info", "You can view this page, but not change anything.", reasonAgainst(permission));
}
