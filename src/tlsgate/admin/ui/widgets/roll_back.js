/**
 * Going back to an earlier generation.
 */

import { change, get } from "../api.js";
import { element, replace } from "../element.js";
import { changeOptions } from "./change_options.js";
import { ask } from "./dialog.js";
import { diffView } from "./diff.js";
import { make } from "./make.js";
import { findingList, notice, problemNotice } from "./notice.js";
import { scriptButton } from "./script.js";

/**
 * Show what would change, and do it if that is wanted.
 *
 * @param {number} number of the generation to go back to.
 * @returns {Promise<?object>} the answer; nothing if it was not wanted.
 */
export async function rollBack(number) {
  const target = { method: "POST", path: `/api/v1/generations/${number}/rollback` };
  const { generations } = await get("/api/v1/generations");
  const difference = await get(`/api/v1/generations/${generations[0].number}/diff`, { query: { with: number } }).catch(() => null);
  const preview = element("div.stack", { "aria-live": "polite" });
  const trouble = element("div.stack");
  const options = changeOptions();
  change(target, { dry_run: true }).then((answer) => replace(preview, findingList(answer.findings)), (problem) => replace(preview, problemNotice(problem)));
  return ask(`Roll back to generation ${number}?`, element("div.stack",
    element("p", "Settings and certificates become what they were then. This is a new generation, so you can go forward again the same way."),
    element("h3", "What changes"), difference ? diffView(difference) : notice("info", "The difference cannot be shown."), preview, options.node, trouble), {
    action: "Roll back", beside: scriptButton(() => [target], { parameters: options.parameters, trouble }),
    run: () => make([target], options.parameters(), trouble),
  });
}
