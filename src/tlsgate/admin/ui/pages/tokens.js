/**
 * Tokens: who may use the API and sign in here.
 */

import { call, get } from "../api.js";
import { element } from "../element.js";
import { may, reasonAgainst, session } from "../session.js";
import { ago, moment } from "../time.js";
import { copyButton } from "../widgets/copy.js";
import { ask, show } from "../widgets/dialog.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, pageHead } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";
import { toast } from "../widgets/toast.js";

const PERMISSIONS = [
  ["view_settings", "See everything", "Settings, certificates without keys, history, status."],
  ["change_https_settings", "Change HTTPS settings", "Certificates, bindings, redirect, HSTS: what a deploy hook needs."],
  ["change_proxy_settings", "Change sites and upstreams", "Which host leads to which server; drain servers."],
  ["manage_tokens", "Manage tokens", "Make and revoke tokens, with no more than its own permissions."],
  ["admin", "Administrator", "All of these."],
];
const LIVES = [["", "never"], ["86400", "after a day"], ["2592000", "after 30 days"], ["7776000", "after 90 days"], ["31536000", "after a year"]];

export async function tokensPage({ refresh }) {
  const { tokens } = await get("/api/v1/tokens");
  return element("div.page",
    pageHead("Tokens", "A token is how people sign in here and how scripts use the API. Give each its own, with no more than it needs.",
      button("Make a token…", { kind: "primary", onclick: () => make(refresh) })),
    element("section.card", { "aria-label": "Tokens" }, table("Tokens", ["Name", "May", "Only from", "Ends", "Last used", ""], tokens.map((one) => [
      [one.name, one.name === session().name ? [" ", badge("info", "you")] : null], element("span", one.permissions.join(", ")),
      [...one.networks, ...one.hosts].join(", ") || "anywhere", one.expires ? moment(one.expires) : "never", ago(one.last_used),
      button("Revoke…", { kind: "small danger", "aria-label": `Revoke ${one.name}`, onclick: () => revoke(one, refresh) }),
    ]))));
}

async function make(refresh) {
  const name = text("", { maxlength: "100", placeholder: "deploy hook" });
  const life = select(LIVES, "31536000");
  const boxes = PERMISSIONS.map(([key, title, hint]) => {
    const allowed = may(key) || session().permissions.includes("admin");
    return [key, checkbox(title, { hint: allowed ? hint : reasonAgainst(key), checked: key === "view_settings", disabled: !allowed })];
  });
  const networks = text("", { placeholder: "10.0.0.0/8" });
  const hosts = text("", { placeholder: "www.example.com" });
  const made = await ask("Make a token", element("div.stack",
    field("Name", name, "It stands in the history and in the audit log."),
    element("fieldset", element("legend", "It may"), boxes.map(([, box]) => box.node)), field("It ends", life),
    element("details", element("summary", "Limits"), element("div.stack",
      field("Only from these networks", networks, "Empty for anywhere."), field("Only certificates for these host names", hosts, "Empty for all.")))), {
    action: "Make it",
    run: () => call("POST", "/api/v1/tokens", { json: {
      name: name.value.trim(), permissions: boxes.filter(([, box]) => box.input.checked).map(([key]) => key),
      expires_in: life.value ? Number(life.value) : null, networks: words(networks.value), hosts: words(hosts.value),
    } }),
  });
  if (!made) return;
  refresh();
  await show(`The token ${made.name}`, element("div.stack",
    notice("warning", "It is shown only now.", "Put it where it is needed. Nobody can read it again; if it is lost, revoke it and make another."),
    element("div.secret", element("code", made.secret), copyButton(made.secret))));
}

async function revoke(one, refresh) {
  const mine = one.name === session().name;
  const done = await ask(`Revoke ${one.name}?`, element("p", mine ? "This is the token that you are signed in with: you are signed out at once, everywhere." : "Scripts that use it are refused and its browsers are signed out, at once."), {
    action: "Revoke", kind: "danger", run: async () => { await call("DELETE", `/api/v1/tokens/${one.id}`); return true; },
  });
  if (done) { toast("success", `${one.name} is revoked.`); refresh(); }
}
