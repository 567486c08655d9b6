/**
 * Saying that a change was made, with the way back.
 */

import { get, signals } from "../api.js";
import { element } from "../element.js";
import { may } from "../session.js";
import { plural } from "../time.js";
import { button } from "./form.js";
import { rollBack } from "./roll_back.js";
import { toast } from "./toast.js";

/** @param {object} answer of the change. @param {string} what a sentence. */
export function told(answer, what = "Saved.") {
  const { serving, total } = answer.workers;
  const undo = answer.confirm_by || answer.generation <= 1 || !may("change_https_settings") ? null
    : button("Undo…", { kind: "small", "aria-label": `Undo generation ${answer.generation}`, onclick: () => goBack(answer.generation) });
  toast("success", what, element("div.row.apart.small",
    element("span", `Generation ${answer.generation}, served by ${serving === total ? plural(total, "worker") : `${serving} of ${plural(total, "worker")}`}.`), undo));
}

async function goBack(generation) {
  const { parent } = await get(`/api/v1/generations/${generation}`);
  const made = await rollBack(parent);
  if (!made) return;
  told(made, `Rolled back to generation ${parent}.`);
  signals.dispatchEvent(new Event("stale"));
}
