/**
 * What every change can be given: a way back by itself, and a reason.
 */

import { element } from "../element.js";
import { select, text } from "./form.js";

const TIMES = [["60", "1 minute"], ["120", "2 minutes"], ["300", "5 minutes"], ["900", "15 minutes"]];

/**
 * @param {{confirmable?: boolean}} options may the change come undone by itself?
 * @returns {{node: HTMLElement, parameters: () => object}}
 */
export function changeOptions({ confirmable = true } = {}) {
  const seconds = select(TIMES, "120", { class: "inline-select", "aria-label": "Time to confirm" });
  const undo = element("input", { type: "checkbox" });
  const reason = text("", { "aria-label": "Reason", placeholder: "Reason, shown in the history (optional)", maxlength: "500" });
  return {
    node: element("div.options",
      confirmable ? element("div.row.tight", element("label.choice", undo, element("span", "Undo automatically unless I confirm within")), seconds) : null,
      reason),
    parameters: () => ({
      reason: reason.value.trim() || undefined,
      confirm_within: undo.checked ? Number(seconds.value) : undefined,
    }),
  };
}
