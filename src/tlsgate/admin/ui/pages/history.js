/**
 * Every change there was: compare, go back.
 */

import { change, get } from "../api.js";
import { element, replace } from "../element.js";
import { ago, moment } from "../time.js";
import { ask, show } from "../widgets/dialog.js";
import { diffView } from "../widgets/diff.js";
import { button, field, select, text } from "../widgets/form.js";
import { badge, card, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { make, told } from "../widgets/save.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_https_settings";
const STATES = { current: ["good", "in force"], past: ["", "past"], unconfirmed: ["warning", "waits to be kept"], undone: ["bad", "undone"] };

export async function historyPage({ refresh }) {
  const { generations } = await get("/api/v1/generations");
  const newest = generations[0]?.number;
  return element("div.page",
    pageHead("History", "Every change is a generation that can be looked at, compared and gone back to."),
    permissionNotice(PERMISSION),
    element("section.card", { "aria-label": "Generations" }, table("Generations", ["Generation", "When", "Who", "What", "State", ""], generations.map((one) => [
      String(one.number), [moment(one.time), element("div.small.muted", ago(one.time))], one.author,
      [one.summary.length ? one.summary.map((line) => element("div", line)) : "–", one.reason ? element("div.small.muted", `Reason: ${one.reason}`) : null],
      badge(...(STATES[one.state] || ["", one.state])),
      [one.parent ? button("Changes", { kind: "small", "aria-label": `What generation ${one.number} changed`, onclick: () => showDiff(one.parent, one.number) }) : null,
        one.number === newest ? null : button("Roll back…", { kind: "small", permission: PERMISSION, "aria-label": `Roll back to generation ${one.number}`, onclick: () => rollBack(one, newest, refresh) })],
    ]))),
    generations.length > 1 ? comparison(generations) : null);
}

async function showDiff(from, to) {
  let content;
  try {
    content = diffView(await get(`/api/v1/generations/${from}/diff`, { query: { with: to } }));
  } catch (problem) {
    content = problemNotice(problem);
  }
  await show(`From generation ${from} to ${to}`, content);
}

function comparison(generations) {
  const options = generations.map((one) => [String(one.number), `${one.number}: ${one.summary[0] || one.reason || one.author}`]);
  const from = select(options, options[1][0]);
  const to = select(options, options[0][0]);
  return card("Compare two", element("div.columns", field("From", from), field("To", to)),
    element("div.row", button("Compare", { onclick: () => showDiff(from.value, to.value) })));
}

async function rollBack(one, newest, refresh) {
  const difference = await get(`/api/v1/generations/${newest}/diff`, { query: { with: one.number } }).catch(() => null);
  const target = { method: "POST", path: `/api/v1/generations/${one.number}/rollback` };
  const reason = text("", { maxlength: "500", placeholder: `back to generation ${one.number}` });
  const preview = element("div.stack", { "aria-live": "polite" });
  change(target, { dry_run: true }).then((answer) => replace(preview, findingList(answer.findings)), (problem) => replace(preview, problemNotice(problem)));
  const trouble = element("div");
  const made = await ask(`Roll back to generation ${one.number}?`, element("div.stack",
    element("p", "Settings and certificates become what they were then, as a new generation. Nothing of the history is lost: you can go forward again in the same way."),
    element("h3", "What changes"), difference ? diffView(difference) : notice("info", "The difference cannot be shown."), preview,
    field("Reason (optional)", reason), trouble), {
    action: "Roll back", kind: "primary",
    run: async () => {
      const answer = await make([target], { reason: reason.value.trim() || undefined }, trouble);
      if (!answer) throw new Error("Nothing was rolled back.");
      return answer;
    },
  });
  if (made) { told(made, `Back to generation ${one.number}.`); refresh(); }
}
