/**
 * Tokens: who may use the API and sign in here.
 */

import { call, get } from "../api.js";
import { element, replace } from "../element.js";
import { may, reasonAgainst, session } from "../session.js";
import { ago, day } from "../time.js";
import { copyButton } from "../widgets/copy.js";
import { ask, show } from "../widgets/dialog.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, pageHead } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { scriptButton } from "../widgets/script.js";
import { table } from "../widgets/table.js";
import { toast } from "../widgets/toast.js";

const PERMISSIONS = [
  ["view_settings", "View everything", "Settings, certificates without their keys, history, status."],
  ["change_https_settings", "Change HTTPS settings", "Certificates, bindings, redirect, HSTS: what a deploy hook needs."],
  ["change_proxy_settings", "Change sites and upstreams", "Which host name leads to which server; drain servers."],
  ["manage_tokens", "Manage tokens", "Create and revoke tokens with no more than its own permissions."],
  ["admin", "Administrator", "All of the above."],
];
const LIVES = [["", "Never"], ["86400", "In a day"], ["2592000", "In 30 days"], ["7776000", "In 90 days"], ["31536000", "In a year"]];

const titleOf = (permission) => PERMISSIONS.find(([key]) => key === permission)?.[1] || permission;

export async function tokensPage({ refresh }) {
  const { tokens } = await get("/api/v1/tokens");
  return element("div.page",
    pageHead("Tokens", "People sign in with a token, and scripts use the API with one. Give each its own, with no more permissions than it needs.",
      button("Create token…", { kind: "primary", onclick: () => create(refresh) })),
    element("section.card", { "aria-label": "Tokens" }, table("Tokens", ["Name", "Permissions", "Usable from", "Expires", "Last used", ""], tokens.map((one) => [
      [one.name, one.name === session().name ? [" ", badge("info", "you")] : null], one.permissions.map(titleOf).join(", "),
      [...one.networks, ...one.hosts].join(", ") || "anywhere", one.expires ? day(one.expires) : "never", ago(one.last_used),
      button("Revoke…", { kind: "small danger", "aria-label": `Revoke ${one.name}`, onclick: () => revoke(one, refresh) }),
    ]))));
}

async function create(refresh) {
  const name = text("", { maxlength: "100", placeholder: "deploy hook" });
  const life = select(LIVES, "31536000");
  const boxes = PERMISSIONS.map(([key, title, hint]) => {
    const allowed = may(key) || session().permissions.includes("admin");
    return [key, checkbox(title, { hint: allowed ? hint : reasonAgainst(key), checked: key === "view_settings", disabled: !allowed })];
  });
  const networks = text("", { placeholder: "10.0.0.0/8" });
  const hosts = text("", { placeholder: "www.example.com" });
  const request = () => {
    if (!name.value.trim()) throw new Error("Enter a name for the token.");
    return { method: "POST", path: "/api/v1/tokens", json: {
      name: name.value.trim(), permissions: boxes.filter(([, box]) => box.input.checked).map(([key]) => key),
      expires_in: life.value ? Number(life.value) : null, networks: words(networks.value), hosts: words(hosts.value),
    } };
  };
  const trouble = element("div");
  const made = await ask("Create a token", element("div.stack",
    field("Name", name, "Shown in the history and in the audit log."),
    element("fieldset", element("legend", "Permissions"), boxes.map(([, box]) => box.node)), field("Expires", life),
    element("details", element("summary", "Limits"), element("div.stack",
      field("Usable only from these networks", networks, "Leave empty for anywhere."), field("Only certificates for these host names", hosts, "Leave empty for all."))), trouble), {
    action: "Create token", beside: scriptButton(() => [request()], { trouble }),
    run: () => {
      trouble.replaceChildren();
      const { method, path, json } = request();
      return call(method, path, { json });
    },
  });
  if (!made) return;
  refresh();
  await show(`Token ${made.name}`, element("div.stack",
    notice("warning", "Copy it now: it is shown only once.", "If it is lost, revoke it and create another."),
    element("div.secret", element("code", made.secret), copyButton(made.secret))));
}

async function revoke(one, refresh) {
  const mine = one.name === session().name;
  const trouble = element("div");
  const path = `/api/v1/tokens/${one.id}`;
  const done = await ask(`Revoke token ${one.name}?`, element("div.stack",
    mine ? notice("warning", "You are signed in with this token.", "You will be signed out at once, everywhere.") : element("p", "Scripts that use it are refused and its browsers are signed out, at once."), trouble), {
    action: "Revoke", kind: "danger", beside: scriptButton(() => [{ method: "DELETE", path }], { trouble }),
    run: async () => { replace(trouble); await call("DELETE", path); return true; },
  });
  if (done) { toast("success", `Token ${one.name} revoked.`); refresh(); }
}
