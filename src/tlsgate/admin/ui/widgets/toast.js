/**
 * Short messages that go away by themselves, read out by screen readers.
 */

import { element } from "../element.js";
import { notice } from "./notice.js";

const tray = element("div.toasts", { role: "status", "aria-live": "polite" });

/** Put the tray on the page; to be called once. */
export function installToasts() {
  document.body.append(tray);
}

/** Say something. */
export function toast(severity, title, ...more) {
  const node = notice(severity, title, ...more);
  node.removeAttribute("role");
  tray.append(node);
  setTimeout(() => node.remove(), severity === "success" ? 5000 : 9000);
}
