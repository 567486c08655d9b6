/**
 * Upstreams: the servers behind the gate, and how they are.
 */

import { change, get } from "../api.js";
import { element, replace } from "../element.js";
import { ask } from "../widgets/dialog.js";
import { button, field, select, text, words } from "../widgets/form.js";
import { badge, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { told } from "../widgets/save.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_proxy_settings";
const STATES = { up: ["good", "up"], down: ["bad", "down"], drain: ["warning", "draining"] };
const SELECTIONS = [["least-outstanding", "the one with the least to do"], ["round-robin", "one after the other"], ["consistent-hash", "always the same for a client"]];
const LOOK_AGAIN = 5000;

export async function upstreamsPage({ refresh, signal }) {
  const { upstreams } = await get("/api/v1/upstreams");
  const place = element("div.stack");
  const draw = (found) => replace(place, found.map((one) => upstreamCard(one, refresh)));
  draw(upstreams);
  const timer = setInterval(async () => {
    // Not while somebody is on a button here: it would vanish under their hands.
    if (place.contains(document.activeElement) || document.querySelector("dialog")) return;
    const found = await get("/api/v1/upstreams", { unattended: true }).catch(() => null);
    if (found) draw(found.upstreams);
  }, LOOK_AGAIN);
  signal.addEventListener("abort", () => clearInterval(timer));
  const add = () => button("Add…", { kind: "primary", permission: PERMISSION, onclick: () => edit(null, refresh) });
  return element("div.page",
    pageHead("Upstreams", "The servers that the gate puts HTTPS in front of.", upstreams.length ? add() : null),
    permissionNotice(PERMISSION),
    upstreams.length ? place : empty("No upstream yet. Name the server that has no HTTPS of its own, as http://127.0.0.1:8111.", add()));
}

function upstreamCard(one, refresh) {
  return element("section.card", { "aria-label": one.name },
    element("div.card-head", element("h2", one.name), element("div.row",
      button("Change…", { kind: "small", permission: PERMISSION, "aria-label": `Change ${one.name}`, onclick: () => edit(one, refresh) }),
      button("Remove…", { kind: "small danger", permission: PERMISSION, "aria-label": `Remove ${one.name}`, onclick: () => remove(one, refresh) }))),
    element("p.muted", `Chosen: ${SELECTIONS.find(([key]) => key === one.selection)[1]}. `,
      one.health.path ? `Checked with ${one.health.path} every ${one.health.interval} s.` : "No active checks: a server that fails is left out for a while."),
    table(`Servers of ${one.name}`, ["Server", "Health", ""], one.servers.map((server) => [
      server.url === "demo:" ? "demo: (the built-in demo application)" : server.url, badge(...(STATES[server.state] || ["", server.state])),
      server.drain
        ? button("Resume", { kind: "small", permission: PERMISSION, "aria-label": `Resume ${server.url}`, onclick: () => drain(one, server, "resume", refresh) })
        : button("Drain…", { kind: "small", permission: PERMISSION, "aria-label": `Drain ${server.url}`, onclick: () => drain(one, server, "drain", refresh) }),
    ])));
}

async function drain(one, server, verb, refresh) {
  const run = () => change({ method: "POST", path: `/api/v1/upstreams/${encodeURIComponent(one.name)}/${verb}`, json: { server: server.url } });
  const last = verb === "drain" && one.servers.filter((other) => !other.drain).length === 1;
  const made = await ask(verb === "drain" ? `Drain ${server.url}?` : `Resume ${server.url}?`,
    element("p", verb === "drain" ? `It finishes what it does and gets nothing new.${last ? " It is the last server of this upstream: visitors will see 503." : ""}` : "It gets requests again."),
    { action: verb === "drain" ? "Drain" : "Resume", kind: last ? "danger" : "primary", run });
  if (made) { told(made); refresh(); }
}

async function edit(old, refresh) {
  const name = text(old?.name || "", { maxlength: "64", disabled: Boolean(old), placeholder: "app" });
  const servers = element("textarea", { rows: "3", placeholder: "http://127.0.0.1:8111" });
  servers.value = (old?.servers || []).map((one) => one.url).join("\n");
  const selection = select(SELECTIONS, old?.selection);
  const path = text(old?.health.path || "", { placeholder: "/health" });
  const ca = text(old?.ca_file || "", { placeholder: "/etc/ssl/private-ca.pem" });
  const serverName = text(old?.server_name || "");
  const made = await ask(old ? `Change ${old.name}` : "Add an upstream", element("div.stack",
    field("Name", name, "Letters, digits, dots and hyphens."),
    field("Servers", servers, "One a line: http://host:port, https://host (verified), or http+unix:/path."),
    field("Which one is chosen", selection),
    field("Path of the health check", path, "Asked every 10 seconds; empty for none."),
    element("details", element("summary", "Servers with HTTPS of their own"), element("div.stack",
      field("File with the CA to trust", ca, "Empty for the system’s."), field("Name to verify", serverName, "Empty for the host of the URL.")))), {
    action: old ? "Save" : "Add",
    run: () => {
      const entry = {
        servers: words(servers.value).map((url) => ({ url, drain: old?.servers.find((one) => one.url === url)?.drain || false })),
        selection: selection.value, health: { ...(old?.health || {}), path: path.value.trim() }, ca_file: ca.value.trim(), server_name: serverName.value.trim(),
      };
      return old
        ? change({ method: "PATCH", path: `/api/v1/upstreams/${encodeURIComponent(old.name)}`, json: entry, patch: true })
        : change({ method: "POST", path: "/api/v1/upstreams", json: { name: name.value.trim(), ...entry } });
    },
  });
  if (made) { told(made); refresh(); }
}

async function remove(one, refresh) {
  const made = await ask(`Remove the upstream ${one.name}?`, element("p", "Sites that lead to it have to lead elsewhere first."), {
    action: "Remove", kind: "danger", run: () => change({ method: "DELETE", path: `/api/v1/upstreams/${encodeURIComponent(one.name)}` }),
  });
  if (made) { told(made, "The upstream was removed."); refresh(); }
}
