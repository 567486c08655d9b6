/**
 * Short messages that go away by themselves, read out by screen readers.  They stay while somebody is at them.
 */

import { element } from "../element.js";
import { button } from "./form.js";
import { notice } from "./notice.js";

const STAY = 8000;

const tray = element("div.toasts", { role: "status", "aria-live": "polite" });

/** Put the tray on the page; to be called once. */
export function installToasts() {
  document.body.append(tray);
}

/** Say something. */
export function toast(severity, title, ...more) {
  const node = notice(severity, title, ...more);
  node.removeAttribute("role");
  node.append(button("×", { kind: "close", "aria-label": "Dismiss", onclick: () => node.remove() }));
  // What was done before is in the history; what went wrong stays.
  if (severity === "success") tray.querySelectorAll(".success").forEach((older) => older.remove());
  tray.append(node);
  const leave = () => {
    if (node.matches(":hover, :focus-within")) setTimeout(leave, STAY / 4);
    else node.remove();
  };
  setTimeout(leave, STAY);
}
