/**
 * Fields of forms, each with its label and its hint.
 */

import { element, uniqueId } from "../element.js";
import { may, reasonAgainst } from "../session.js";

/**
 * A button; disabled with the reason where the permission is missing.
 *
 * @param {string} text
 * @param {{kind?: string, permission?: string, onclick?: Function, type?: string}} more
 */
export function button(text, { kind = "", permission = null, onclick, type = "button", ...rest } = {}) {
  const allowed = may(permission);
  return element("button", {
    type, class: kind || null, onclick: onclick ? (event) => working(event.currentTarget, () => onclick(event)) : null,
    disabled: !allowed, title: allowed ? null : reasonAgainst(permission), ...rest,
  }, text);
}

const running = new WeakSet();
const PATIENCE = 150;

/** Show that a button works until what it started has ended; not while a dialog that it opened waits for a person. */
export async function working(node, run) {
  if (running.has(node)) return;
  const result = run();
  if (!(result instanceof Promise)) return;
  running.add(node);
  const timer = setTimeout(() => {
    if (node.closest("dialog") || !document.querySelector("dialog[open]")) node.setAttribute("aria-busy", "true");
  }, PATIENCE);
  try {
    await result;
  } finally {
    clearTimeout(timer);
    running.delete(node);
    node.removeAttribute("aria-busy");
  }
}

/** A control with its label above and a hint below. */
export function field(label, control, hint = null) {
  control.id ||= uniqueId("field");
  let described = null;
  if (hint) {
    described = element("div.hint", { id: uniqueId("hint") }, hint);
    control.setAttribute("aria-describedby", described.id);
  }
  return element("div.field", element("label", { for: control.id }, label), control, described);
}

/** A line of text. */
export function text(value = "", attributes = {}) {
  return element("input", { type: "text", value, autocomplete: "off", spellcheck: "false", ...attributes });
}

/** A choice of few. */
export function select(options, value, attributes = {}) {
  const node = element("select", attributes, options.map(([key, label]) => element("option", { value: key }, label)));
  node.value = value ?? options[0]?.[0];
  return node;
}

/** A box to tick, its label beside it. */
export function checkbox(label, { checked = false, hint = null, ...attributes } = {}) {
  const input = element("input", { type: "checkbox", checked, ...attributes });
  const node = element("label.choice", input, element("span", element("span.title", label), hint ? element("span.hint", hint) : null));
  return { node, input };
}

/**
 * Radio buttons in boxes, each with an explanation.
 *
 * @param {[string, string, string][]} choices value, title, explanation.
 */
export function radios(legend, choices, value, { onchange, disabled = false } = {}) {
  const name = uniqueId("choice");
  const inputs = choices.map(([key]) => element("input", {
    type: "radio", name, value: key, checked: key === value, disabled, onchange: () => onchange?.(key),
  }));
  const node = element("fieldset", element("legend", legend), choices.map(([, title, hint], index) =>
    element("label.choice.boxed", inputs[index], element("span", element("span.title", title), element("span.hint", hint)))));
  return { node, get value() { return inputs.find((input) => input.checked)?.value; } };
}

/**
 * A few words side by side, of which one holds.
 */
export function segments(legend, choices, value, onchange) {
  const name = uniqueId("segment");
  return element("fieldset", element("legend.visually-hidden", legend), element("div.segments", choices.map(([key, label]) =>
    element("label", element("input.visually-hidden", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }), label))));
}

/** "a, b c" as ["a", "b", "c"]. */
export const words = (value) => value.split(/[\s,]+/).filter(Boolean);
