/**
 * Every change there was: compare, go back.
 */

import { get } from "../api.js";
import { element } from "../element.js";
import { ago, moment } from "../time.js";
import { show } from "../widgets/dialog.js";
import { diffView } from "../widgets/diff.js";
import { button, field, select } from "../widgets/form.js";
import { badge, card, pageHead, permissionNotice } from "../widgets/layout.js";
import { problemNotice } from "../widgets/notice.js";
import { rollBack } from "../widgets/roll_back.js";
import { table } from "../widgets/table.js";
import { told } from "../widgets/told.js";

const PERMISSION = "change_https_settings";
const STATES = { current: ["good", "current"], past: ["", "past"], unconfirmed: ["warning", "unconfirmed"], undone: ["bad", "undone"] };

export async function historyPage({ refresh }) {
  const { generations } = await get("/api/v1/generations");
  const newest = generations[0]?.number;
  return element("div.page",
    pageHead("History", "Every change makes a generation. Look at it, compare it, go back to it."),
    permissionNotice(PERMISSION),
    element("section.card", { "aria-label": "Generations" }, table("Generations", ["#", "Change", "Who", "When", "State", ""], generations.map((one) => [
      element("span.nowrap", element("span.in-cards", "Generation "), String(one.number)),
      [one.summary.length ? one.summary.map((line) => element("div", line)) : "No change", one.reason ? element("div.small.muted", `Reason: ${one.reason}`) : null],
      one.author, [ago(one.time), element("div.small.muted.nowrap", moment(one.time))],
      badge(...(STATES[one.state] || ["", one.state])),
      [one.parent ? button("Changes", { kind: "small", "aria-label": `What generation ${one.number} changed`, onclick: () => showDiff(one.parent, one.number) }) : null,
        one.number === newest ? null : button("Roll back…", { kind: "small", permission: PERMISSION, "aria-label": `Roll back to generation ${one.number}`, onclick: () => goBack(one.number, refresh) })],
    ]))),
    generations.length > 1 ? comparison(generations) : null);
}

async function goBack(number, refresh) {
  const made = await rollBack(number);
  if (!made) return;
  told(made, `Rolled back to generation ${number}.`);
  refresh();
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
  return card("Compare two generations", element("div.columns", field("From", from), field("To", to)),
    element("div.row", button("Compare", { onclick: () => showDiff(from.value, to.value) })));
}
