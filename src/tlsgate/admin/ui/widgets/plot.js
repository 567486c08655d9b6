/**
 * Small plots of what goes on, drawn as SVG.
 */

import { element, replace, svg } from "../element.js";

const WIDTH = 240;
const HEIGHT = 52;

/**
 * A plot that is drawn anew with each event.
 *
 * @param {string} title
 * @param {(values: number[]) => string} summary what stands above the plot.
 */
export function plot(title, summary, kind = "") {
  const value = element("div.value", "–");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const node = element("div.plot", { class: `plot ${kind}` }, element("div.small.muted", title), value, picture);
  return {
    node,
    /** @param {number[]} values oldest first. @param {number} room how many fit. */
    draw(values, room) {
      value.textContent = summary(values);
      const most = Math.max(1, ...values) * 1.1;
      const step = WIDTH / (room - 1);
      const begin = WIDTH - (values.length - 1) * step;
      const points = values.map((one, index) => [begin + index * step, HEIGHT - 2 - (one / most) * (HEIGHT - 6)]);
      const line = points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
      replace(picture,
        svg("path.base", { d: `M0 ${HEIGHT - 1}H${WIDTH}` }),
        values.length > 1 ? svg("path.area", { d: `${line}L${WIDTH} ${HEIGHT}L${begin.toFixed(1)} ${HEIGHT}Z` }) : null,
        values.length > 1 ? svg("path.line", { d: line }) : null);
    },
  };
}

/** Shares as bars with words. */
export function shares(counts) {
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return element("ul.versions", Object.entries(counts).sort(([, a], [, b]) => b - a).map(([name, count]) => {
    const bar = element("span");
    bar.style.width = `${Math.round((count / total) * 100)}%`;
    return element("li", element("div.row.apart.small", element("span", name), element("span", `${Math.round((count / total) * 100)} %`)), element("div.bar", { "aria-hidden": "true" }, bar));
  }));
}
