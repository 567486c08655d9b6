/**
 * The end of every form that changes something: what would happen, the script, and the button.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { plural } from "../time.js";
import { ask } from "./dialog.js";
import { button, checkbox, select, text } from "./form.js";
import { findingList, notice, problemNotice } from "./notice.js";
import { showScripts } from "./script.js";
import { toast } from "./toast.js";

const TIMES = [["60", "1 minute"], ["120", "2 minutes"], ["300", "5 minutes"], ["900", "15 minutes"]];

/**
 * Make changes in order; a refusal that can be overridden offers that.
 *
 * @param {object[]} changes
 * @param {object} parameters
 * @param {HTMLElement} trouble where a problem is shown.
 * @returns {Promise<?object>} the last answer; null if it was refused.
 */
export async function make(changes, parameters, trouble) {
  trouble.replaceChildren();
  const force = [];
  for (let index = 0; index < changes.length;) {
    try {
      const answer = await change(changes[index], { ...parameters, force });
      index += 1;
      if (index === changes.length) return answer;
    } catch (problem) {
      replace(trouble, problemNotice(problem));
      trouble.scrollIntoView({ block: "nearest" });
      if (!problem.object || !["would-lock-out", "no-valid-certificate"].includes(problem.code)) return null;
      const sure = await ask("This may lock people out", element("div.stack", problemNotice(problem),
        element("p", "Do it all the same only if you know another way in. Nothing has been saved so far.")),
      { action: "Do it anyway", kind: "danger" });
      if (!sure) return null;
      force.push(problem.object);
      trouble.replaceChildren();
    }
  }
  return null;
}

/** Say that it is done. */
export function told(answer, what = "Saved") {
  const { serving, total } = answer.workers;
  toast("success", what, element("div", `Generation ${answer.generation} serves on ${serving} of ${plural(total, "worker")}. `,
    element("a", { href: "#/history" }, "Go back in the history")));
}

/**
 * @param {{plan: () => object[], label?: string, permission: string, done?: Function, confirmable?: boolean,
 *     what?: string, rehearsal?: () => object[], amend?: (script: string) => string}} options C{plan} gives the changes that
 *     the form stands for; C{rehearsal} those that can be planned while nothing has changed, where these differ, and
 *     C{amend} makes the script of the ones that of the others.
 */
export function saveBar({ plan, label = "Save", permission, done = () => {}, confirmable = true, what = "Saved", rehearsal = plan, amend = (script) => script }) {
  const trouble = element("div.stack");
  const preview = element("div.stack", { "aria-live": "polite" });
  const seconds = select(TIMES, "120", { class: "inline-select", "aria-label": "Time to confirm" });
  const undo = checkbox("Undo it by itself unless I confirm within", { hint: "A way back if you lock yourself out: you get a Keep button with a countdown." });
  const reason = text("", { "aria-label": "Reason, kept in the history", placeholder: "Reason, kept in the history (optional)", maxlength: "500" });

  const parameters = () => ({
    reason: reason.value.trim() || undefined,
    confirm_within: undo.input.checked ? Number(seconds.value) : undefined,
  });
  const go = button(label, {
    kind: "primary", permission,
    onclick: async () => {
      preview.replaceChildren();
      const answer = await make(plan(), parameters(), trouble);
      if (!answer) return;
      told(answer, what);
      done(answer);
    },
  });
  const script = button("Show script", {
    permission,
    onclick: async () => {
      try {
        const scripts = [];
        for (const one of rehearsal()) {
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
  let asked = 0;
  return {
    node: element("div.save", preview, trouble,
      confirmable ? element("div.row", undo.node, seconds) : null,
      reason, element("div.row", go, script)),
    go, script, trouble, parameters,
    /** Show what the form would do, before it is saved. */
    async check(fine = "Checked: this can be saved.") {
      const mine = (asked += 1);
      trouble.replaceChildren();
      try {
        const answers = [];
        for (const one of rehearsal()) answers.push(await change(one, { dry_run: true }));
        if (mine !== asked) return null;
        const findings = answers.flatMap((answer) => answer.findings);
        replace(preview, notice("success", fine), findingList(findings));
        return answers;
      } catch (problem) {
        if (mine !== asked) return null;
        replace(preview, problemNotice(problem));
        return null;
      }
    },
    clear() { asked += 1; preview.replaceChildren(); trouble.replaceChildren(); },
  };
}
