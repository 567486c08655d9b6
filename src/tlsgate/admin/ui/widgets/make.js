/**
 * Making changes, with the guard's second question where a change might lock people out.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { ask } from "./dialog.js";
import { problemNotice } from "./notice.js";

const OVERRIDABLE = ["would-lock-out", "no-valid-certificate"];

/**
 * Make changes in order; a refusal that can be overridden offers that.
 *
 * @param {object[]} changes
 * @param {object} parameters
 * @param {HTMLElement} trouble where a problem is shown.
 * @returns {Promise<?object>} the last answer; null if it was refused.
 */
export async function make(changes, parameters, trouble) {
  trouble.replaceChildren();
  const force = [];
  for (let index = 0; index < changes.length;) {
    try {
      const answer = await change(changes[index], { ...parameters, force });
      index += 1;
      if (index === changes.length) return answer;
    } catch (problem) {
      replace(trouble, problemNotice(problem));
      trouble.scrollIntoView({ block: "nearest" });
      if (!problem.object || !OVERRIDABLE.includes(problem.code)) return null;
      const sure = await ask("This may lock people out", element("div.stack", problemNotice(problem),
        element("p", "Nothing has been saved so far. Continue only if you know another way in.")),
      { action: "Do it anyway", kind: "danger" });
      if (!sure) return null;
      force.push(problem.object);
      trouble.replaceChildren();
    }
  }
  return null;
}
