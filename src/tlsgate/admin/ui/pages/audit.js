/**
 * The audit log: who did what, and what was refused.
 */

import { get } from "../api.js";
import { element, replace } from "../element.js";
import { moment } from "../time.js";
import { button, field, select, text } from "../widgets/form.js";
import { badge, empty, pageHead } from "../widgets/layout.js";
import { problemNotice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";

const STEP = 100;

export async function auditPage() {
  const author = text("", { placeholder: "anyone" });
  const code = text("", { placeholder: "any", pattern: "[a-z0-9-]*" });
  const kind = select([["", "All"], ["done", "Successful"], ["refused", "Refused"]], "");
  const place = element("div");
  let limit = STEP;
  const form = element("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); limit = STEP; draw(); } },
    element("div.columns.narrow", field("Who", author), field("Error code", code), field("Result", kind)),
    element("div.row", element("button", { type: "submit" }, "Filter")));
  form.classList.add("stack");
  async function draw() {
    try {
      const { records } = await get("/api/v1/audit", { query: { limit, author: author.value.trim(), code: code.value.trim() } });
      const shown = records.filter((one) => !kind.value || (kind.value === "refused") === Boolean(one.code));
      replace(place, shown.length ? logTable(shown) : empty("Nothing matches."),
        records.length === limit && limit < 1000 ? element("div.row", button("Show more", { onclick: () => { limit = Math.min(1000, limit * 3); return draw(); } })) : null);
    } catch (problem) {
      replace(place, problemNotice(problem));
    }
  }
  await draw();
  return element("div.page", pageHead("Audit log", "Who did what, and what was refused; newest first. It cannot be changed here."), element("section.card", { "aria-label": "Filter" }, form), element("section.card", { "aria-label": "Records" }, place));
}

function logTable(records) {
  return table("Audit log", ["When", "Who", "Request", "Result"], records.map((one) => [
    element("span.when", moment(one.time)), [one.author === "-" ? "unknown" : one.author, element("div.small.muted", one.peer === "unix" ? "on this machine" : one.peer)],
    [element("code", `${one.method} ${one.path}`), one.reason ? element("div.small.muted", one.reason) : null,
      one.force?.length ? element("div.small", `Forced for ${one.force.join(", ")}`) : null],
    one.code ? [badge("bad", String(one.status)), " ", element("code", one.code), element("div.small", one.detail)]
      : [badge("good", String(one.status)), one.generation ? [" generation ", element("a", { href: "#/history" }, String(one.generation))] : null],
  ]));
}
