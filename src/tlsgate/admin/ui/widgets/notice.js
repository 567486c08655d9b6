/**
 * What there is to say: findings, problems, results.
 */

import { element } from "../element.js";

const WORD = { error: "Error", warning: "Warning", info: "Note", success: "Done" };

/**
 * A box with a title and more.
 *
 * @param {"error"|"warning"|"info"|"success"} severity
 */
export function notice(severity, title, ...more) {
  return element("div.notice", { class: `notice ${severity}`, role: severity === "error" ? "alert" : null },
    element("div.title", element("span.visually-hidden", `${WORD[severity]}: `), title),
    more.flat().filter(Boolean).map((part) => (part instanceof Node ? part : element("div", part))));
}

/**
 * A problem of the API: its sentence, its code, and each wrong value.
 *
 * @param {import("../api.js").Problem|Error} problem
 */
export function problemNotice(problem, ...more) {
  const errors = (problem.errors || []).filter((one) => !problem.message.includes(one.message));
  // Where in the document it is, says the form that it stands in.
  return notice("error", problem.message.replace(/^\/\S+: /, ""),
    errors.length ? element("ul", errors.map((one) => element("li", element("code", one.pointer), " ", one.message))) : null,
    problem.findings?.length ? findingList(problem.findings) : null,
    problem.code ? element("div.code", problem.code) : null,
    ...more);
}

/**
 * Findings, worst first; null if there are none.
 *
 * @param {object[]} findings
 * @param {?Function} remedy gives for a finding the link to where something can be done about it, or null.
 */
export function findingList(findings, remedy = () => null) {
  if (!findings?.length) return null;
  const order = ["error", "warning", "info"];
  const sorted = [...findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  return element("ul.findings", sorted.map((finding) => element("li",
    element("div.notice.finding", { class: `notice finding ${finding.severity}` },
      element("div", element("span.visually-hidden", `${WORD[finding.severity]}: `), finding.message),
      element("div.row.apart", element("span.code", finding.code), remedy(finding))))));
}
