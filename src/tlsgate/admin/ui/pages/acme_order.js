/**
 * One order at the CA: how far it is, what there is to do by hand, why it failed.
 */

import { call } from "../api.js";
import { element, replace } from "../element.js";
import { clock } from "../time.js";
import { copyButton } from "../widgets/copy.js";
import { button } from "../widgets/form.js";
import { badge, facts } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { stageList } from "../widgets/steps.js";

const PERMISSION = "change_https_settings";

const STATES = {
  queued: ["", "Queued"], preflight: ["info", "Checking"], ordering: ["info", "Ordering"], validating: ["info", "Proving the names"],
  "on-hold": ["warning", "Waiting for you"], finalizing: ["info", "Being signed"], downloading: ["info", "Downloading"],
  installing: ["info", "Installing"], revoking: ["info", "Revoking the old one"], valid: ["good", "Issued"], invalid: ["bad", "Failed"],
  cancelled: ["", "Cancelled"],
};

const STAGES = [
  ["Check the names", ["queued", "preflight"]], ["Place the order", ["ordering"]], ["Prove control of the names", ["validating", "on-hold"]],
  ["Receive the certificate", ["finalizing", "downloading"]], ["Put it into service", ["installing", "revoking"]],
];

const ENDED = new Set(["valid", "invalid", "cancelled"]);

/** Is there nothing more to come of it? */
export const hasEnded = (order) => ENDED.has(order.state);

/** A pill with the state of an order. */
export const orderBadge = (order) => badge(...(STATES[order.state] || ["", order.state]));

/**
 * An order in full.
 *
 * @param {(order: object) => void} took gets the order as it is after something was done about it.
 * @param {...*} more buttons for an order that has ended.
 */
export function orderView(order, took, ...more) {
  const trouble = element("div");
  const act = (verb) => async () => {
    try {
      took(await call("POST", `/api/v1/orders/${order.id}/${verb}`));
    } catch (problem) {
      replace(trouble, problemNotice(problem));
    }
  };
  const cancel = button(order.state === "on-hold" ? "Cancel" : "Cancel the order", { permission: PERMISSION, "aria-label": `Cancel the order for ${order.name}`, onclick: act("cancel") });
  return element("div.stack",
    outcome(order), order.tasks.map((task) => taskView(task)), stageList(stagesOf(order)), findingList(order.findings), trouble,
    element("div.row", order.state === "on-hold" ? button("Proceed", { kind: "primary", permission: PERMISSION, onclick: act("proceed") }) : null,
      hasEnded(order) ? null : cancel, hasEnded(order) ? more : null));
}

function outcome(order) {
  const names = order.names.join(", ");
  if (order.state === "valid" && order.staging) return notice("success", `The rehearsal for ${names} succeeded.`, "Nothing was stored; request it for real now.");
  if (order.state === "valid") return notice("success", `The certificate for ${names} is issued and in service.`, "It renews automatically.");
  if (order.state === "cancelled") return notice("info", "The order was cancelled.", "Nothing has changed.");
  if (order.state === "on-hold") return notice("warning", "Your turn: publish what is listed below, then proceed.");
  if (!order.problem) return null;
  return notice("error", order.problem.detail, order.problem.said ? `The CA said: ${order.problem.said}` : null,
    element("div.code", order.problem.code));
}

/** The stages of an order, with the messages of each. */
function stagesOf(order) {
  const stageOf = (state) => STAGES.findIndex(([, states]) => states.includes(state));
  const last = [...order.steps].reverse().find((step) => !ENDED.has(step.state));
  const at = order.state === "valid" ? STAGES.length : Math.max(0, stageOf(hasEnded(order) ? last?.state : order.state));
  const here = { invalid: "failed", cancelled: "failed", "on-hold": "hold" }[order.state] || "now";
  return STAGES.map(([title], index) => ({
    title, state: index < at ? "done" : index === at ? here : "ahead",
    notes: order.steps.filter((step) => stageOf(step.state) === index).map((step) =>
      element("div.small.muted", clock(step.time), " ", step.message)),
  }));
}

function taskView(task) {
  return element("section.task", { "aria-label": `Prove ${task.name}` },
    element("h3", task.record ? `Create a DNS record for ${task.name}` : `Publish a file on ${task.name}`),
    facts(task.record ? ["TXT record", code(task.record)] : ["File", code(task.path)],
      task.url ? ["The CA reads", element("code", task.url)] : null,
      [task.record ? "Value" : "Content", code(task.content)]));
}

const code = (text) => element("div.row.copied", element("code", text), copyButton(text));
