/**
 * Tables that turn into cards on a phone and stay tables for screen readers.
 */

import { element } from "../element.js";

/**
 * @param {string} caption what the table holds, for screen readers.
 * @param {string[]} columns headings; an empty one for actions.
 * @param {*[][]} rows cells; the first one is the row's heading.
 */
export function table(caption, columns, rows) {
  const cell = (content, index) => {
    if (index === 0) return element("th", { scope: "row", role: "rowheader" }, content);
    if (!columns[index]) return element("td.actions", { role: "cell" }, element("div.row.end", content));
    return element("td", { role: "cell", "data-label": columns[index] }, content);
  };
  return element("div.table-wrap", element("table.cards", { role: "table" },
    element("caption.visually-hidden", caption),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, columns.map((name) =>
      (name ? element("th", { scope: "col", role: "columnheader" }, name) : element("td", { role: "cell" }))))),
    element("tbody", { role: "rowgroup" }, rows.map((cells) => element("tr", { role: "row" }, cells.map(cell))))));
}
