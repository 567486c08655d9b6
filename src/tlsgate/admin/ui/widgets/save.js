/**
 * The end of every form that changes something: what would happen, the script, and the button.
 */

import { change } from "../api.js";
import { element, replace } from "../element.js";
import { changeOptions } from "./change_options.js";
import { button } from "./form.js";
import { make } from "./make.js";
import { findingList, notice, problemNotice } from "./notice.js";
import { scriptButton } from "./script.js";
import { told } from "./told.js";

/**
 * @param {{plan: () => object[], label?: string, permission: string, done?: Function, what?: string, discard?: Function,
 *     rehearsal?: () => object[], amend?: (script: string) => string}} options C{plan} gives the changes that the form
 *     stands for; C{rehearsal} those that can be planned while nothing has changed, where these differ, and C{amend}
 *     makes the script of the ones that of the others.  C{discard} puts the form back.
 */
export function saveBar({ plan, label = "Save", permission, done = () => {}, what = "Saved.", discard = null, rehearsal = plan, amend }) {
  const trouble = element("div.stack");
  const preview = element("div.stack", { "aria-live": "polite" });
  const options = changeOptions();
  const go = button(label, {
    kind: "primary", permission,
    onclick: async () => {
      preview.replaceChildren();
      const answer = await make(plan(), options.parameters(), trouble);
      if (!answer) return;
      told(answer, what);
      done(answer);
    },
  });
  let asked = 0;
  return {
    node: element("div.save", preview, trouble, options.node,
      element("div.row", go, scriptButton(rehearsal, { parameters: options.parameters, trouble, permission, amend }),
        discard ? button("Discard", { kind: "quiet", onclick: discard }) : null)),
    /** Show what the form would do, before it is saved. */
    async check(fine = null) {
      const mine = (asked += 1);
      trouble.replaceChildren();
      try {
        const answers = [];
        for (const one of rehearsal()) answers.push(await change(one, { dry_run: true }));
        if (mine !== asked) return null;
        const findings = answers.flatMap((answer) => answer.findings);
        replace(preview, fine ? notice("success", fine) : null, findingList(findings));
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
