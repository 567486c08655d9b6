/**
 * Upstreams: the servers behind the gate, and how they are.
 */

import { changedMembers, get } from "../api.js";
import { element, replace } from "../element.js";
import { changeDialog } from "../widgets/change_dialog.js";
import { button, field, select, text, words } from "../widgets/form.js";
import { empty, healthBadge, pageHead, permissionNotice } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_proxy_settings";
const SELECTIONS = [["least-outstanding", "The server with the fewest open requests"], ["round-robin", "Each server in turn"], ["consistent-hash", "The same server for the same client"]];
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
  const add = () => button("Add upstream…", { kind: "primary", permission: PERMISSION, onclick: () => edit(null, refresh) });
  return element("div.page",
    pageHead("Upstreams", "The servers behind the gate.", upstreams.length ? add() : null),
    permissionNotice(PERMISSION),
    upstreams.length ? place : empty("No upstreams yet. Start with the server that has no HTTPS of its own, for example http://127.0.0.1:8111.", add()));
}

function upstreamCard(one, refresh) {
  const chosen = SELECTIONS.find(([key]) => key === one.selection)[1];
  return element("section.card", { "aria-label": one.name },
    element("div.card-head", element("h2", one.name), element("div.row",
      button("Edit…", { kind: "small", permission: PERMISSION, "aria-label": `Edit ${one.name}`, onclick: () => edit(one, refresh) }),
      button("Remove…", { kind: "small danger", permission: PERMISSION, "aria-label": `Remove ${one.name}`, onclick: () => remove(one, refresh) }))),
    element("p.muted", one.servers.length > 1 ? `${chosen} gets the next request. ` : null,
      one.health.path ? `Health check: ${one.health.path} every ${one.health.interval} s.` : "No health check; a server that fails is left out for a while."),
    table(`Servers of ${one.name}`, ["Server", "Health", ""], one.servers.map((server) => [
      nameOf(server), healthBadge(server.state),
      server.drain
        ? button("Resume…", { kind: "small", permission: PERMISSION, "aria-label": `Resume ${server.url}`, onclick: () => drain(one, server, "resume", refresh) })
        : button("Drain…", { kind: "small", permission: PERMISSION, "aria-label": `Drain ${server.url}`, onclick: () => drain(one, server, "drain", refresh) }),
    ])));
}

const nameOf = (server) => (server.url === "demo:" ? "Demo application" : server.url);

async function drain(one, server, verb, refresh) {
  const plan = () => [{ method: "POST", path: `/api/v1/upstreams/${encodeURIComponent(one.name)}/${verb}`, json: { server: server.url } }];
  const last = verb === "drain" && one.servers.filter((other) => !other.drain).length === 1;
  const draining = verb === "drain";
  const made = await changeDialog(`${draining ? "Drain" : "Resume"} ${nameOf(server)}?`, element("div.stack",
    element("p", last ? "Running requests finish." : draining ? "Running requests finish; new ones go to the other servers." : "The server gets new requests again."),
    last ? notice("warning", "This is the last server of this upstream.", "Visitors will get the answer 503 until one is resumed.") : null),
  { plan, action: draining ? "Drain" : "Resume", kind: last ? "danger" : "primary", what: draining ? `${nameOf(server)} is draining.` : `${nameOf(server)} gets requests again.` });
  if (made) refresh();
}

async function edit(old, refresh) {
  const name = text(old?.name || "", { maxlength: "64", disabled: Boolean(old), placeholder: "app" });
  const servers = element("textarea", { rows: "3", placeholder: "http://127.0.0.1:8111" });
  servers.value = (old?.servers || []).map((one) => one.url).join("\n");
  const selection = select(SELECTIONS, old?.selection);
  const path = text(old?.health.path || "", { placeholder: "/health" });
  const ca = text(old?.ca_file || "", { placeholder: "/etc/ssl/private-ca.pem" });
  const serverName = text(old?.server_name || "");
  const plan = () => {
    if (!old && !name.value.trim()) throw new Error("Enter a name for the upstream.");
    if (!words(servers.value).length) throw new Error("Enter at least one server.");
    const entry = {
      servers: words(servers.value).map((url) => ({ url, drain: old?.servers.find((one) => one.url === url)?.drain || false })),
      selection: selection.value, health: { ...(old?.health || {}), path: path.value.trim() }, ca_file: ca.value.trim(), server_name: serverName.value.trim(),
    };
    return [old
      ? { method: "PATCH", path: `/api/v1/upstreams/${encodeURIComponent(old.name)}`, json: changedMembers({ ...old, servers: old.servers.map((one) => ({ url: one.url, drain: one.drain })) }, entry), patch: true }
      : { method: "POST", path: "/api/v1/upstreams", json: { name: name.value.trim(), ...entry } }];
  };
  const made = await changeDialog(old ? `Edit upstream ${old.name}` : "Add an upstream", element("div.stack",
    field("Name", name, old ? null : "Letters, digits, dots and hyphens."),
    field("Servers", servers, "One per line: http://host:port, https://host (verified), or http+unix:/path."),
    field("Which server gets a request", selection),
    field("Path of the health check", path, "Requested every 10 seconds; leave empty for no check."),
    element("details", element("summary", "Servers with HTTPS of their own"), element("div.stack",
      field("CA file", ca, "Trusted for these servers; leave empty for the system’s CAs."), field("Name to verify", serverName, "Leave empty for the host in the URL.")))),
  { plan, action: old ? "Save" : "Add upstream", what: old ? `Upstream ${old.name} saved.` : "Upstream added." });
  if (made) refresh();
}

async function remove(one, refresh) {
  const made = await changeDialog(`Remove upstream ${one.name}?`, element("p", "Sites that lead to it have to lead elsewhere first."), {
    plan: () => [{ method: "DELETE", path: `/api/v1/upstreams/${encodeURIComponent(one.name)}` }], action: "Remove", kind: "danger", what: `Upstream ${one.name} removed.`,
  });
  if (made) refresh();
}
