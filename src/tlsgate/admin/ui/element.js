/**
 * The one way in which this UI makes DOM: text is only ever text.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param {string} name a tag with classes, as "div.card.wide".
 * @param {...*} rest an object of attributes and "on…" listeners, then children: nodes, texts, arrays; null and false
 *     are left out.
 * @returns {HTMLElement}
 */
export function element(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElement(tag), classes, rest);
}

/**
 * Make an SVG element; as L{element}.
 *
 * @returns {SVGElement}
 */
export function svg(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElementNS(SVG, tag), classes, rest);
}

function fill(node, classes, rest) {
  if (classes.length) node.classList.add(...classes);
  let children = rest;
  if (isAttributes(rest[0])) {
    setAll(node, rest[0]);
    children = rest.slice(1);
  }
  append(node, children);
  return node;
}

function isAttributes(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

function setAll(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Add children to a node.
 */
export function append(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/**
 * Put other children into a node.
 */
export function replace(node, ...children) {
  node.replaceChildren();
  return append(node, ...children);
}

let lastId = 0;

/**
 * An id that nothing else on the page has.
 */
export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
