/**
 * Sites: which host names lead to which upstream.
 */

import { changedMembers, get } from "../api.js";
import { element } from "../element.js";
import { changeDialog } from "../widgets/change_dialog.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, empty, pageHead, permissionNotice, redirectBadge } from "../widgets/layout.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_proxy_settings";
const CREDENTIALS = [["allow", "Allow"], ["count", "Allow and count"], ["refuse", "Refuse"]];

export async function sitesPage({ refresh }) {
  const [{ sites }, { upstreams }] = await Promise.all([get("/api/v1/sites"), get("/api/v1/upstreams")]);
  const add = () => button("Add site…", { kind: "primary", permission: PERMISSION, onclick: () => edit(null, upstreams, refresh) });
  const first = upstreams.length ? add() : element("a.button.primary", { href: "#/upstreams" }, "Add an upstream first");
  return element("div.page",
    pageHead("Sites", "Which host names lead to which upstream.", sites.length ? add() : null),
    permissionNotice(PERMISSION),
    sites.length ? element("section.card", { "aria-label": "Sites" }, siteTable(sites, upstreams, refresh))
      : empty(upstreams.length ? "No sites yet. A site says which host names lead to which upstream; “*” stands for all other names." : "No sites yet, and no upstream a site could lead to. Start with the server that has no HTTPS of its own.", first));
}

function siteTable(sites, upstreams, refresh) {
  return table("Sites", ["Site", "Host names", "Upstream", "Redirect", "HSTS", ""], sites.map((one) => [
    one.name, one.hosts.map((host) => (host === "*" ? "all other names (*)" : host)).join(", "), one.upstream,
    redirectBadge(one.redirect.mode), one.hsts.enabled ? badge("good", "on") : badge("", "off"),
    [button("Edit…", { kind: "small", permission: PERMISSION, "aria-label": `Edit ${one.name}`, onclick: () => edit(one, upstreams, refresh) }),
      button("Remove…", { kind: "small danger", permission: PERMISSION, "aria-label": `Remove ${one.name}`, onclick: () => remove(one, refresh) })],
  ]));
}

async function edit(old, upstreams, refresh) {
  const name = text(old?.name || "", { maxlength: "64", disabled: Boolean(old), placeholder: "wiki" });
  const hosts = text((old?.hosts || ["*"]).join(", "));
  const upstream = select(upstreams.map((one) => [one.name, `${one.name} (${one.servers.map((server) => server.url).join(", ")})`]), old?.upstream);
  const size = element("input", { type: "number", min: "0", value: String(old?.max_body || 0) });
  const peers = text((old?.trusted_peers || []).join(", "), { placeholder: "10.0.0.0/8" });
  const credentials = select(CREDENTIALS, old?.plaintext_credentials || "count");
  const forwarded = checkbox("Also send the Forwarded field (RFC 7239)", { checked: old?.forwarded || false });
  const fixes = checkbox("Fix links and cookies of an application that does not know about HTTPS", { checked: old?.tls_offload_fixes || false, hint: "Location: http://own-host becomes https://, and cookies become Secure." });
  const plan = () => {
    if (!old && !name.value.trim()) throw new Error("Enter a name for the site.");
    const entry = {
      hosts: words(hosts.value), upstream: upstream.value, max_body: Number(size.value), trusted_peers: words(peers.value),
      plaintext_credentials: credentials.value, forwarded: forwarded.input.checked, tls_offload_fixes: fixes.input.checked,
    };
    return [old
      ? { method: "PATCH", path: `/api/v1/sites/${encodeURIComponent(old.name)}`, json: changedMembers(old, entry), patch: true }
      : { method: "POST", path: "/api/v1/sites", json: { name: name.value.trim(), ...entry } }];
  };
  const made = await changeDialog(old ? `Edit site ${old.name}` : "Add a site", element("div.stack",
    field("Name", name, old ? null : "Letters, digits, dots and hyphens."),
    field("Host names", hosts, "For example www.example.com or *.example.com; “*” stands for all other names."), field("Upstream", upstream),
    element("details", element("summary", "More options"), element("div.stack",
      field("Largest request body in bytes", size, "0 for no limit."), field("Trusted proxies", peers, "Networks whose X-Forwarded-* fields are believed."),
      field("Passwords and tokens over plain HTTP", credentials), forwarded.node, fixes.node)),
    old ? element("p.hint", "The redirect and HSTS are under HTTPS settings.") : null),
  { plan, action: old ? "Save" : "Add site", what: old ? `Site ${old.name} saved.` : "Site added." });
  if (made) refresh();
}

async function remove(one, refresh) {
  const made = await changeDialog(`Remove site ${one.name}?`, element("p", `Requests for ${one.hosts.join(", ")} get the answer 404, unless another site serves these names.`), {
    plan: () => [{ method: "DELETE", path: `/api/v1/sites/${encodeURIComponent(one.name)}` }], action: "Remove", kind: "danger", what: `Site ${one.name} removed.`,
  });
  if (made) refresh();
}
