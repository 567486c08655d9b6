/**
 * Where somebody is on a way of several steps.
 */

import { element } from "../element.js";

/**
 * The steps of a wizard, numbered.
 *
 * @param {string} label for screen readers.
 * @param {string[]} titles
 * @param {number} at the one that is shown, from 0.
 */
export function wizardSteps(label, titles, at) {
  return element("ol.wizard", { "aria-label": label }, titles.map((title, index) =>
    element("li", { class: index < at ? "done" : null, "aria-current": index === at ? "step" : null },
      title, index < at ? element("span.visually-hidden", " (done)") : null)));
}

const WORDS = { done: "done", now: "in progress", hold: "waiting for you", failed: "failed", ahead: "not started" };

/**
 * The stages of long work, each with what happened in it.
 *
 * @param {{title: string, state: "done"|"now"|"hold"|"failed"|"ahead", notes?: *[]}[]} stages
 */
export function stageList(stages) {
  return element("ol.stages", stages.map(({ title, state, notes = [] }) => element("li", { class: state },
    element("div.title", title, element("span.visually-hidden", `: ${WORDS[state]}`)), notes)));
}
