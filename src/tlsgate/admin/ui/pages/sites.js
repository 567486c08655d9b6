/**
 * Sites: which host names lead to which upstream.
 */

import { change, get } from "../api.js";
import { element } from "../element.js";
import { ask } from "../widgets/dialog.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { told } from "../widgets/save.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_proxy_settings";
const MODES = { disabled: ["", "off"], report: ["info", "report only"], browsers: ["good", "browsers"], all: ["good", "all requests"] };
const CREDENTIALS = [["allow", "let them through"], ["count", "let them through and count them"], ["refuse", "refuse them"]];

export async function sitesPage({ refresh }) {
  const [{ sites }, { upstreams }] = await Promise.all([get("/api/v1/sites"), get("/api/v1/upstreams")]);
  const add = () => button("Add…", { kind: "primary", permission: PERMISSION, onclick: () => edit(null, upstreams, refresh) });
  const first = upstreams.length ? add() : element("a.button", { href: "#/upstreams" }, "Add an upstream first");
  return element("div.page",
    pageHead("Sites", "Which host names lead to which upstream, and what holds for them.", sites.length ? add() : null),
    permissionNotice(PERMISSION),
    sites.length ? element("section.card", { "aria-label": "Sites" }, siteTable(sites, upstreams, refresh))
      : empty(upstreams.length ? "No site yet. A site says which host names lead to which upstream; “*” stands for all others." : "No site yet, and no upstream that one could lead to. Name the server that has no HTTPS of its own first.", first));
}

function siteTable(sites, upstreams, refresh) {
  return table("Sites", ["Site", "Host names", "Upstream", "Redirect", "HSTS", ""], sites.map((one) => [
    one.name, one.hosts.map((host) => (host === "*" ? "all others (*)" : host)).join(", "), one.upstream,
    badge(...MODES[one.redirect.mode]), one.hsts.enabled ? badge("good", "on") : badge("", "off"),
    [button("Change…", { kind: "small", permission: PERMISSION, "aria-label": `Change ${one.name}`, onclick: () => edit(one, upstreams, refresh) }),
      button("Remove…", { kind: "small danger", permission: PERMISSION, "aria-label": `Remove ${one.name}`, onclick: () => remove(one, refresh) })],
  ]));
}

async function edit(old, upstreams, refresh) {
  const name = text(old?.name || "", { maxlength: "64", disabled: Boolean(old) });
  const hosts = text((old?.hosts || ["*"]).join(", "));
  const upstream = select(upstreams.map((one) => [one.name, `${one.name} (${one.servers.map((server) => server.url).join(", ")})`]), old?.upstream);
  const size = element("input", { type: "number", min: "0", value: String(old?.max_body || 0) });
  const peers = text((old?.trusted_peers || []).join(", "), { placeholder: "10.0.0.0/8" });
  const credentials = select(CREDENTIALS, old?.plaintext_credentials || "count");
  const forwarded = checkbox("Also send Forwarded (RFC 7239)", { checked: old?.forwarded || false });
  const fixes = checkbox("Correct what an application without HTTPS gets wrong", { checked: old?.tls_offload_fixes || false, hint: "Location: http://own-host becomes https, cookies get Secure." });
  const made = await ask(old ? `Change ${old.name}` : "Add a site", element("div.stack",
    field("Name", name, "Letters, digits, dots and hyphens."),
    field("Host names", hosts, "As in www.example.com, *.example.com; * for all others."), field("Upstream", upstream),
    element("details", element("summary", "More"), element("div.stack",
      field("Largest request, bytes", size, "0 for no limit."), field("Networks whose X-Forwarded-* are believed", peers, "Another proxy in front of this one."),
      field("Passwords and tokens over plain HTTP", credentials), forwarded.node, fixes.node)),
    old ? element("p.hint", "Redirect and HSTS are on the page HTTPS settings.") : null), {
    action: old ? "Save" : "Add",
    run: () => {
      const entry = {
        hosts: words(hosts.value), upstream: upstream.value, max_body: Number(size.value), trusted_peers: words(peers.value),
        plaintext_credentials: credentials.value, forwarded: forwarded.input.checked, tls_offload_fixes: fixes.input.checked,
      };
      return old
        ? change({ method: "PATCH", path: `/api/v1/sites/${encodeURIComponent(old.name)}`, json: entry, patch: true })
        : change({ method: "POST", path: "/api/v1/sites", json: { name: name.value.trim(), ...entry } });
    },
  });
  if (made) { told(made); refresh(); }
}

async function remove(one, refresh) {
  const made = await ask(`Remove the site ${one.name}?`, element("p", `Requests for ${one.hosts.join(", ")} are then answered with 404, unless another site takes them.`), {
    action: "Remove", kind: "danger", run: () => change({ method: "DELETE", path: `/api/v1/sites/${encodeURIComponent(one.name)}` }),
  });
  if (made) { told(made, "The site was removed."); refresh(); }
}
