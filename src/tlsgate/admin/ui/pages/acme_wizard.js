/**
 * The way to a certificate from Let's Encrypt, or another ACME CA: names, checks, progress.
 */

import { call } from "../api.js";
import { element, replace } from "../element.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { facts } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { showScripts } from "../widgets/script.js";
import { wizardSteps } from "../widgets/steps.js";
import { orderView } from "./acme_order.js";

const PERMISSION = "change_https_settings";
const ORDERS = "/api/v1/certificates/acme";
const STEPS = ["Names", "Checks", "Progress"];
const CHALLENGES = [
  ["", "Automatic, as in the settings"], ["http-01", "http-01: a file over port 80"], ["tls-alpn-01", "tls-alpn-01: over port 443"],
  ["dns-01", "dns-01: a DNS record (needed for wildcards)"],
];

/**
 * @param {{settings: object, account: object, running: ?object, took: (order: object) => void}} context C{running} is an
 *     order that is under way already; C{took} hears of orders that the wizard makes or changes.
 * @returns {{node: HTMLElement, heard: (order: object) => void}}
 */
export function acmeWizard({ settings, account, running, took }) {
  const form = namesForm(settings, account);
  const title = element("h2", { tabindex: "-1" }, "Request a certificate");
  const head = element("div");
  const body = element("div.stack", { "aria-live": "polite" });
  let followed = null;

  function at(step, ...content) {
    followed = null;
    const held = body.contains(document.activeElement) ? document.activeElement.textContent : null;
    replace(head, wizardSteps("Steps of the request", STEPS, step));
    replace(body, content);
    // Whoever works with the keyboard goes on where they were.
    if (held !== null) ([...body.querySelectorAll("button")].find((one) => one.textContent === held) || title).focus({ preventScroll: true });
  }

  function askNames() {
    const trouble = element("div");
    form.node.oninput = () => trouble.replaceChildren();
    at(0, form.node, trouble, element("div.row", button("Next: check the names", {
      kind: "primary", permission: PERMISSION,
      onclick: () => {
        const missing = form.missing();
        return missing ? replace(trouble, notice("error", missing)) : check();
      },
    })));
  }

  async function check() {
    const asked = form.wanted();
    const place = element("div.stack", element("p.muted", { role: "status" }, "Checking DNS, ports and CAA records …"));
    const back = button("Back", { onclick: askNames });
    at(1, place, element("div.row", back));
    let plan;
    try {
      plan = await call("POST", ORDERS, { json: asked, query: { dry_run: true } });
    } catch (problem) {
      replace(place, problemNotice(problem));
      return;
    }
    const refused = plan.findings.some((one) => one.severity === "error");
    const trouble = element("div");
    at(1,
      plan.findings.length ? null : notice("success", "Everything looks right: the names, the ports and the CAA records."),
      refused ? notice("error", "The CA would refuse this order.", "Correct what is listed, then check again.") : null,
      findingList(plan.findings),
      facts(["Names", asked.names.join(", ")], ["Proof", form.proof()], ["CA", form.host], ["Stored as", asked.name]),
      trouble,
      element("div.row",
        refused ? button("Check again", { kind: "primary", onclick: check })
          : button("Request the certificate", { kind: "primary", permission: PERMISSION, onclick: () => request(asked, trouble) }),
        back, plan.script ? button("Show script", { onclick: () => showScripts([plan.script]) }) : null));
  }

  async function request(asked, trouble) {
    try {
      const order = await call("POST", ORDERS, { json: asked });
      show(order);
      took(order);
    } catch (problem) {
      replace(trouble, problemNotice(problem));
    }
  }

  function show(order) {
    at(2, orderView(order, (next) => { show(next); took(next); },
      order.state === "valid" && !order.staging ? element("a.button.primary", { href: `#/certificates/${encodeURIComponent(order.name)}` }, "View the certificate") : null,
      order.state === "valid" ? button("Request another", { onclick: () => { form.clear(); askNames(); } }) : button("Try again", { kind: "primary", onclick: askNames })));
    followed = order.id;
  }

  if (running) show(running);
  else askNames();
  return {
    node: element("section.card", { "aria-label": "Request a certificate" }, title, head, body),
    heard(order) { if (order.id === followed) show(order); },
  };
}

function namesForm(settings, account) {
  const directory = settings.directory || "https://acme-v02.api.letsencrypt.org/directory";
  const { host } = new URL(directory);
  const names = text("", { placeholder: "www.example.com, example.com" });
  const email = element("input", { type: "email", value: settings.email || account.accounts[0]?.email || "", autocomplete: "email", placeholder: "you@example.com" });
  const terms = checkbox("I agree to the CA’s terms of service", { checked: Boolean(settings.agree_terms) });
  const name = text("", { maxlength: "64", placeholder: "the first host name" });
  const challenge = select(CHALLENGES, "");
  const manual = checkbox("Prove the names manually", { hint: "You publish a file or a DNS record yourself; the gate waits for you." });
  const rehearse = checkbox("Rehearse first", { hint: "At the CA’s staging server, so that mistakes do not count against the CA’s limits." });
  const link = host.endsWith("letsencrypt.org")
    ? element("a", { href: "https://letsencrypt.org/repository/", rel: "noreferrer", target: "_blank" }, "Read the terms of Let’s Encrypt")
    : element("p.hint", `The CA is ${host}.`);
  return {
    host,
    node: element("div.stack",
      field("Host names", names, "All names the certificate is for, separated by commas or spaces."),
      field("E-mail", email, "The CA writes here if something goes wrong."),
      element("div.stack.tight", terms.node, element("div.indent", link)),
      element("details", element("summary", "More options"), element("div.stack",
        field("Certificate name", name, "How the gate refers to it. “default” replaces the certificate for all other names."),
        field("How control is proven", challenge), manual.node, rehearse.node))),
    missing() {
      if (!words(names.value).length) return "Enter at least one host name.";
      if (email.value && !email.checkValidity()) return "This e-mail address is not complete.";
      return terms.input.checked ? null : "Agree to the CA’s terms of service to continue.";
    },
    wanted() {
      const listed = words(names.value);
      return {
        name: name.value.trim() || listed[0].replace(/^\*\./, "wildcard."), names: listed, email: email.value.trim(),
        agree_terms: terms.input.checked, challenge: challenge.value, manual: manual.input.checked, staging_first: rehearse.input.checked,
      };
    },
    proof: () => `${challenge.selectedOptions[0].textContent}${manual.input.checked ? "; manually" : ""}`,
    clear() { names.value = name.value = ""; },
  };
}
