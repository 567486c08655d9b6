/**
 * "Show script": the same change as commands.
 */

import { element } from "../element.js";
import { copyButton } from "./copy.js";
import { show } from "./dialog.js";

/** A plan is made with dry_run; whoever runs the script means it. */
const meant = (text) => text.replace(/\?dry_run=true&/, "?").replace(/[?&]dry_run=true/, "").replace(/ --dry-run\b/, "");

/**
 * Show what would be done, ready for a shell.
 *
 * @param {{curl: string, cli: string}[]} scripts in order.
 */
export function showScripts(scripts) {
  const part = (title, member) => {
    const lines = meant(scripts.map((one) => one[member]).join("\n"));
    return element("section.stack.tight",
      element("div.row.apart", element("h3", title), copyButton(lines)),
      element("pre.script", { tabindex: "0", "aria-label": title }, lines));
  };
  return show("Script", element("div.stack",
    element("p.muted", "The same change from a shell. Nothing has changed yet. Put a token into TLSGATE_TOKEN first; files are named as you may have named yours."),
    part("curl", "curl"), part("Command line", "cli")));
}
