/**
 * What differs between two generations.
 */

import { element } from "../element.js";

const SIGN = { add: "+", remove: "−", replace: "~" };

/**
 * @param {{summary: string[], patch: object[], certificates: object[]}} difference
 */
export function diffView(difference) {
  if (!difference.patch.length && !difference.certificates.length) return element("p.muted", "They are the same.");
  const line = (kind, ...content) => element("li", { class: kind }, element("strong", `${SIGN[kind] || "~"} `), element("span.visually-hidden", `${kind}: `), content);
  const exact = element("ul.diff",
    difference.certificates.map((one) => line(one.from ? (one.to ? "replace" : "remove") : "add",
      "certificate ", element("code", one.name), " ", element("code", (one.to || one.from).slice(0, 16)), "…")),
    difference.patch.map((one) => line(one.op, element("code", one.path), "value" in one ? [" ", element("code", JSON.stringify(one.value))] : null)));
  if (!difference.summary.length) return exact;
  return element("div.stack",
    element("ul", difference.summary.map((one) => element("li", one))),
    element("details", element("summary", "In the settings document"), exact));
}
