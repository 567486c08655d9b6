/**
 * Dialogs: the browser's own, which keep the focus and close with Escape.
 */

import { element, uniqueId } from "../element.js";
import { button, working } from "./form.js";
import { problemNotice } from "./notice.js";

/**
 * Ask something.
 *
 * @param {string} title
 * @param {*} content
 * @param {{action?: string, kind?: string, run?: Function, cancel?: string, beside?: *}} more C{run} does it; while it
 *     throws, the dialog stays and shows why, and while it returns null, it stays.  C{beside} stands at the other end of
 *     the row of buttons.
 * @returns {Promise<*>} what C{run} returned; undefined if the dialog was closed.
 */
export function ask(title, content, { action = "OK", kind = "primary", run = () => true, cancel = "Cancel", beside = null } = {}) {
  return new Promise((resolve) => {
    const heading = element("h2", { id: uniqueId("dialog") }, title);
    const trouble = element("div");
    const go = action ? element("button", { type: "submit", class: kind }, action) : null;
    let result;
    const form = element("form", {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        if (!go) return node.close();
        working(go, async () => {
          trouble.replaceChildren();
          try {
            const got = await run();
            if (got === null) return;
            result = got;
            node.close();
          } catch (problem) {
            trouble.replaceChildren(problemNotice(problem));
            trouble.scrollIntoView({ block: "nearest" });
          }
        });
      },
    }, heading, content, trouble, element("div.dialog-foot", beside, element("div.row.end", button(cancel, { onclick: () => node.close() }), go)));
    const node = element("dialog", { "aria-labelledby": heading.id, onclose: () => { node.remove(); resolve(result); } }, form);
    document.body.append(node);
    node.showModal();
  });
}

/** Show something that can only be closed. */
export const show = (title, content) => ask(title, content, { action: null, cancel: "Close" });
