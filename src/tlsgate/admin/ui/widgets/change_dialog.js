/**
 * A dialog that changes the settings: with the script, the way back, and the guard's question.
 */

import { element } from "../element.js";
import { changeOptions } from "./change_options.js";
import { ask } from "./dialog.js";
import { make } from "./make.js";
import { scriptButton } from "./script.js";
import { told } from "./told.js";

/**
 * @param {{plan: () => object[], action: string, what: string, kind?: string, script?: boolean}} options C{plan} gives
 *     the changes that the dialog stands for, or throws what is missing; C{what} says afterwards that it is done;
 *     C{script} is false where later changes cannot be planned before the first is made.
 * @returns {Promise<?object>} the last answer; nothing if nothing was changed.
 */
export async function changeDialog(title, content, { plan, action, what, kind = "primary", script = true }) {
  const options = changeOptions();
  const trouble = element("div.stack");
  const made = await ask(title, element("div.stack", content, options.node, trouble), {
    action, kind, beside: script ? scriptButton(plan, { parameters: options.parameters, trouble }) : null,
    run: () => make(plan(), options.parameters(), trouble),
  });
  if (made) told(made, what);
  return made;
}
