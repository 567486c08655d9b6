/**
 * "Show script": the same change as commands.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { copyButton } from "./copy.js";
import { show } from "./dialog.js";
import { button } from "./form.js";
import { problemNotice } from "./notice.js";

/** A plan is made with dry_run; whoever runs the script means it. */
const meant = (text) => text.replace(/\?dry_run=true&/, "?").replace(/[?&]dry_run=true/, "").replace(/ --dry-run\b/, "");

/**
 * Show what would be done, ready for a shell.
 *
 * @param {{curl: string, cli: string}[]} scripts in order.
 */
export function showScripts(scripts) {
  const part = (title, member) => {
    const lines = scripts.map((one) => meant(one[member])).join("\n");
    return element("section.stack.tight",
      element("div.row.apart", element("h3", title), copyButton(lines)),
      element("pre.script", { tabindex: "0", "aria-label": title }, lines));
  };
  return show("Script", element("div.stack",
    element("p.muted", "The same change as commands. Nothing has changed yet. Set TLSGATE_TOKEN to a token first, and put in the names of your own files."),
    part("curl", "curl"), part("tlsgate", "cli")));
}

/**
 * The button that shows the script of changes.
 *
 * @param {() => object[]} plan
 * @param {{parameters?: () => object, trouble: HTMLElement, permission?: string, amend?: (text: string) => string}} more
 *     C{amend} corrects a script whose plan had to differ.
 */
export function scriptButton(plan, { parameters = () => ({}), trouble, permission = null, amend = (text) => text }) {
  return button("Show script", {
    permission,
    onclick: async () => {
      try {
        const scripts = [];
        for (const one of plan()) {
          const { script: { curl, cli } } = await change(one, { ...parameters(), dry_run: true });
          scripts.push({ curl: amend(curl), cli: amend(cli) });
        }
        trouble.replaceChildren();
        await showScripts(scripts);
      } catch (problem) {
        replace(trouble, problemNotice(problem));
      }
    },
  });
}
