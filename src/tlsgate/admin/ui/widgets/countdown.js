/**
 * The banner of a change that comes undone unless somebody keeps it.  What it shows comes from the gate's history, so
 * it is there again after a reload.
 */

import { change, confirm, get, signals } from "../api.js";
import { element, replace } from "../element.js";
import { events } from "../events.js";
import { may } from "../session.js";
import { button } from "./form.js";
import { problemNotice } from "./notice.js";
import { toast } from "./toast.js";

/** Seconds as "1:05". */
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

/**
 * @param {(what: string) => void} changed called after the settings changed under the page: "applied", "undone" or
 *     "confirmed".
 * @returns {{node: HTMLElement, stop: Function}}
 */
export function countdownBanner(changed) {
  const node = element("div");
  const count = element("span.count");
  let until = 0;
  let shown = 0;

  async function look() {
    if (!may("view_settings")) return;
    let generations;
    try {
      ({ generations } = await get("/api/v1/generations", { unattended: true }));
    } catch {
      return;
    }
    const waiting = generations.filter((one) => one.state === "unconfirmed");
    if (!waiting.length) return hide();
    const base = waiting[waiting.length - 1].parent;
    until = new Date(waiting[0].confirm_by).getTime();
    if (shown !== waiting[0].number) draw(waiting, base);
    shown = waiting[0].number;
    tick();
  }

  function hide() {
    shown = 0;
    node.replaceChildren();
  }

  function draw(waiting, base) {
    const trouble = element("div");
    const run = (work, words) => async () => {
      try {
        await work();
        toast("success", words);
        hide();
        changed("undone");
      } catch (problem) {
        replace(trouble, problemNotice(problem));
      }
    };
    const newest = waiting[0].number;
    replace(node, element("section.banner", { "aria-label": "A change waits for you" },
      element("div", element("div.strong", "Does everything still work? This change is undone in ", count, " unless you keep it."),
        element("div.small", waiting.flatMap((one) => one.summary).join(" "))),
      element("div.row",
        button("Keep", { kind: "primary", permission: "change_https_settings", onclick: run(() => confirm(newest), "Kept. The change stays.") }),
        button("Undo", { permission: "change_https_settings", onclick: run(() => undo(base), "Undone. Everything is as it was before.") })),
      trouble));
  }

  async function undo(base) {
    const made = await change({ method: "POST", path: `/api/v1/generations/${base}/rollback` }, { reason: "undone before it was confirmed" });
    await confirm(made.generation);
  }

  function tick() {
    if (!shown) return;
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    count.textContent = clock(left);
    if (left === 0) setTimeout(look, 1500);
  }

  const heard = (event) => {
    look();
    if (event.detail.what === "undone") {
      toast("warning", "A change was undone", "It was not confirmed in time. Everything is as it was before.");
    }
    changed(event.detail.what);
  };
  events.addEventListener("generation", heard);
  events.addEventListener("connected", look);
  signals.addEventListener("changed", look);
  const timer = setInterval(tick, 1000);
  look();
  return {
    node,
    stop() {
      clearInterval(timer);
      events.removeEventListener("generation", heard);
      events.removeEventListener("connected", look);
      signals.removeEventListener("changed", look);
    },
  };
}
