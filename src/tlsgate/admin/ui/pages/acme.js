/**
 * Certificates from Let's Encrypt, or another ACME CA: ask, watch, help where the gate cannot prove a name itself.
 */

import { call, get } from "../api.js";
import { element, replace } from "../element.js";
import { events } from "../events.js";
import { ago } from "../time.js";
import { copyButton } from "../widgets/copy.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, card, empty, facts, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";

const PERMISSION = "change_https_settings";
const CHALLENGES = [["", "as the settings say"], ["http-01", "http-01: over port 80"], ["tls-alpn-01", "tls-alpn-01: over port 443"], ["dns-01", "dns-01: a DNS record (wildcards need it)"]];
const STATES = {
  queued: ["", "waits for its turn"], preflight: ["info", "looks before it asks"], ordering: ["info", "orders"], validating: ["info", "proves the names"],
  "on-hold": ["warning", "waits for you"], finalizing: ["info", "the CA signs"], downloading: ["info", "fetches"], installing: ["info", "puts it into service"],
  revoking: ["info", "revokes the old one"], valid: ["good", "done"], invalid: ["bad", "failed"], cancelled: ["", "given up"],
};
const ENDED = new Set(["valid", "invalid", "cancelled"]);

export async function acmePage({ signal }) {
  const [{ orders }, settings, account] = await Promise.all([
    get("/api/v1/orders"), get("/api/v1/settings"), get("/api/v1/acme").catch(() => ({ accounts: [], renewals: [] })),
  ]);
  const known = new Map(orders.map((one) => [one.id, one]));
  const place = element("div.stack");
  const draw = () => {
    const sorted = [...known.values()].sort((a, b) => b.created.localeCompare(a.created)).slice(0, 20);
    replace(place, sorted.length ? sorted.map((one) => orderView(one, took)) : empty("Nothing was ordered yet. Fill in the form: the gate checks first whether it can work."));
  };
  function took(order) {
    known.set(order.id, order);
    draw();
  }
  events.addEventListener("order", (event) => took(event.detail), { signal });
  draw();
  return element("div.page",
    pageHead("Let’s Encrypt", "Free certificates that renew themselves. The names must lead to this gate from the internet, or be proven by a DNS record."),
    permissionNotice(PERMISSION), orderForm(settings.acme || {}, account, took),
    element("section.card", { "aria-label": "Orders", "aria-live": "polite" }, element("h2", "Orders"), place),
    account.renewals.length ? renewals(account.renewals) : null);
}

function orderForm(settings, account, took) {
  const directory = settings.directory || "https://acme-v02.api.letsencrypt.org/directory";
  const isLetsEncrypt = directory.includes("letsencrypt.org");
  const names = text("", { placeholder: "www.example.com example.com" });
  const name = text("", { maxlength: "64" });
  const email = element("input", { type: "email", value: settings.email || account.accounts[0]?.email || "", autocomplete: "email" });
  const terms = checkbox("I agree to the terms of service", { checked: Boolean(settings.agree_terms) });
  const challenge = select(CHALLENGES, "");
  const manual = checkbox("I prove the names by hand", { hint: "The gate shows a file or a DNS record that you put in place, and waits." });
  const rehearse = checkbox("Rehearse first", { hint: "With the CA’s test server, so that a mistake does not use up the limits." });
  const trouble = element("div.stack", { "aria-live": "polite" });
  const asked = () => ({
    name: name.value.trim() || words(names.value)[0].replace(/^\*\./, "wildcard."), names: words(names.value), email: email.value.trim(), agree_terms: terms.input.checked,
    challenge: challenge.value, manual: manual.input.checked, staging_first: rehearse.input.checked,
  });
  const run = (query, then) => async () => {
    trouble.replaceChildren();
    if (!words(names.value).length) return replace(trouble, notice("error", "Say for which names."));
    try {
      then(await call("POST", "/api/v1/certificates/acme", { json: asked(), query }));
    } catch (problem) {
      replace(trouble, problemNotice(problem));
    }
    return undefined;
  };
  return card("Order a certificate",
    element("div.columns",
      element("div.stack", field("Names", names, "Host names, separated by commas or spaces."), field("Name to keep it under", name, "Empty for the first of the names; “default” replaces the certificate that serves everything else."), field("E-mail", email, "The CA writes there when something is wrong.")),
      element("div.stack", terms.node, isLetsEncrypt ? element("a", { href: "https://letsencrypt.org/repository/", rel: "noreferrer", target: "_blank" }, "Read the terms of Let’s Encrypt") : element("p.hint", `The terms of the CA at ${directory}`),
        element("details", element("summary", "How the names are proven"), element("div.stack", field("Proof", challenge), manual.node, rehearse.node)))),
    trouble,
    element("div.row",
      button("Order", { kind: "primary", permission: PERMISSION, onclick: run({}, took) }),
      button("Check first", { permission: PERMISSION, onclick: run({ dry_run: true }, (answer) => replace(trouble, findingList(answer.findings) || notice("success", "It can work: DNS, ports and permissions look right."))) })));
}

function orderView(order, took) {
  const trouble = element("div");
  const act = (verb) => async () => {
    try {
      took(await call("POST", `/api/v1/orders/${order.id}/${verb}`));
    } catch (problem) {
      replace(trouble, problemNotice(problem));
    }
  };
  const open = !ENDED.has(order.state);
  return element("details", { open: open || order.state === "invalid" },
    element("summary", `${order.name}: ${order.names.join(", ")} `, badge(...(STATES[order.state] || ["", order.state])), element("span.small.muted", " ", ago(order.updated))),
    element("div.stack",
      order.problem ? notice("error", order.problem.detail, order.problem.said ? `The CA said: ${order.problem.said}` : null, element("div.code", "code: ", order.problem.code)) : null,
      order.tasks.map((task) => taskView(task)), findingList(order.findings),
      element("ol", order.steps.map((step) => element("li", step.message, " ", element("span.small.muted", ago(step.time))))),
      order.state === "valid" ? element("a", { href: `#/certificates/${encodeURIComponent(order.name)}` }, "To the certificate") : null,
      trouble,
      open ? element("div.row", order.state === "on-hold" ? button("Proceed", { kind: "primary", permission: PERMISSION, onclick: act("proceed") }) : null,
        button("Cancel", { permission: PERMISSION, "aria-label": `Cancel the order for ${order.name}`, onclick: act("cancel") })) : null));
}

function taskView(task) {
  return element("section.card", { "aria-label": `Prove ${task.name}` }, element("h3", task.record ? `Make a DNS record for ${task.name}` : `Put a file in place for ${task.name}`),
    facts(task.record ? ["TXT record", element("code", task.record)] : ["File", element("code", task.path)],
      task.url ? ["Seen at", element("code", task.url)] : null, ["Content", [element("code", task.content), " ", copyButton(task.content)]]));
}

function renewals(list) {
  return card("Renewals", element("ul", list.map((one) => element("li", `${one.name}: `, ago(one.renew_at), one.explanation ? ` (${one.explanation})` : null,
    one.failures ? element("div", `Failed ${one.failures} times; tried again `, ago(one.retry_at), `. ${one.detail || ""}`) : null))));
}
