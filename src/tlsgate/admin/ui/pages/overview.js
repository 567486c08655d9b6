/**
 * What is served now, and how it goes.
 */

import { get } from "../api.js";
import { element, replace } from "../element.js";
import { events, traffic } from "../events.js";
import { ago, duration, plural } from "../time.js";
import { commonName, life, stateBadge } from "../widgets/certificate.js";
import { badge, card, empty, facts, healthBadge, pageHead, redirectBadge } from "../widgets/layout.js";
import { findingList, notice } from "../widgets/notice.js";
import { plot, shares } from "../widgets/plot.js";
import { table } from "../widgets/table.js";

const REMEDIES = [
  [/^(redirect|hsts|plaintext)-/, "#/https", "Open HTTPS settings"],
  [/^(renewal|rate-limit)-/, "#/acme", "Open Let’s Encrypt"],
  [/^offload-/, "#/sites", "Open Sites"],
];

const URGENCY = ["error", "warning", "info"];
const ROOM = 120;
const LOOK_AGAIN = 10000;

export async function overviewPage({ signal }) {
  const [status, upstreams, history] = await Promise.all([
    get("/api/v1/status"), get("/api/v1/upstreams"), get("/api/v1/generations"),
  ]);
  const places = { health: element("div"), findings: element("div") };
  replace(places.health, upstreamTable(upstreams.upstreams));
  replace(places.findings, whatToDo(status));
  const timer = setInterval(async () => {
    const found = await get("/api/v1/upstreams", { unattended: true }).catch(() => null);
    if (found) replace(places.health, upstreamTable(found.upstreams));
  }, LOOK_AGAIN);
  signal.addEventListener("abort", () => clearInterval(timer));
  return element("div.page",
    pageHead("Overview", null, serving(status)),
    places.findings,
    liveTraffic(signal),
    element("div.columns.even",
      linked("Bindings", "#/bindings", bindingTable(status.bindings)),
      linked("Certificates", "#/certificates", certificateList(status.certificates)),
    linked("Sites", "#/sites", siteTable(status.sites)), linked("Upstreams", "#/upstreams", places.health)),
    nowCard(status, history.generations[0]));
}

/** A card whose heading leads to the page where its content is changed. */
const linked = (title, href, ...content) => element("section.card", { "aria-label": title },
  element("div.card-head", element("h2", title), element("a.small", { href, "aria-label": `Open ${title}` }, "Open")), content);

function serving(status) {
  const { serving: ready, total } = status.workers;
  return ready === total ? badge("good", `Serving on ${plural(total, "worker")}`) : badge("warning", `${ready} of ${plural(total, "worker")} serving`);
}

/** Where something can be done about a finding. */
function remedy({ code, certificate }) {
  const found = REMEDIES.find(([codes]) => codes.test(code));
  if (found) return element("a.small", { href: found[1] }, found[2]);
  return certificate ? element("a.small", { href: `#/certificates/${encodeURIComponent(certificate)}` }, "Open the certificate") : null;
}

function whatToDo(status) {
  const soonest = [...status.certificates].sort((a, b) => a.days_left - b.days_left);
  const all = [...soonest.flatMap((one) => one.findings.map((finding) => ({ ...finding, certificate: one.name }))), ...status.findings];
  const seen = new Set();
  const findings = all.filter((one) => !seen.has(one.code + one.message) && seen.add(one.code + one.message));
  for (const one of status.certificates) {
    if (one.state === "expired" && one.used_by.length) findings.unshift({ severity: "error", code: "certificate-expired", certificate: one.name, message: `The certificate “${one.name}” has expired; replace it.` });
  }
  if (!findings.length) return notice("success", "All is well: nothing needs attention.");
  findings.sort((a, b) => URGENCY.indexOf(a.severity) - URGENCY.indexOf(b.severity));
  const first = findings.slice(0, 3);
  const rest = findings.slice(3);
  return element("section.stack", element("h2", `Needs attention (${findings.length})`), findingList(first, remedy),
    rest.length ? element("details", element("summary", `${rest.length} more`), findingList(rest, remedy)) : null);
}

function bindingTable(bindings) {
  if (!bindings.length) return empty("No bindings yet: nobody can connect.", element("a.button.primary", { href: "#/bindings" }, "Add a binding"));
  return table("Bindings", ["Name", "Scheme", "Port"], bindings.map((one) => [
    one.name, one.scheme === "https" ? badge("good", "https") : badge("", "http"),
    [String(one.port || one.endpoint), one.public_port ? element("span.muted", ` (public ${one.public_port})`) : null],
  ]));
}

function certificateList(certificates) {
  if (!certificates.length) return empty("No certificates yet.", element("a.button.primary", { href: "#/https" }, "Upload a certificate"));
  return table("Certificates", ["Certificate", "State", "Time left"], certificates.map((one) => [
    [element("a", { href: `#/certificates/${encodeURIComponent(one.name)}` }, one.name), element("div.small.muted", one.names.slice(0, 3).join(", ") || commonName(one.subject))],
    stateBadge(one), life(one),
  ]));
}

function siteTable(sites) {
  if (!sites.length) return empty("No sites yet. A site says which host names lead to which server.", element("a.button.primary", { href: "#/sites" }, "Add a site"));
  return table("Sites", ["Site", "Redirect", "HSTS"], sites.map((one) => [
    [one.name, element("div.small.muted", one.hosts.map((host) => (host === "*" ? "all host names" : host)).join(", "))],
    redirectBadge(one.redirect.mode),
    one.hsts.enabled ? badge("good", duration(one.hsts.max_age)) : badge("", "off"),
  ]));
}

function upstreamTable(upstreams) {
  if (!upstreams.length) return empty("No upstreams yet. Start with the server that has no HTTPS of its own.", element("a.button.primary", { href: "#/upstreams" }, "Add an upstream"));
  return table("Upstreams", ["Server", "Upstream", "Health"], upstreams.flatMap((one) => one.servers.map((server) => [
    server.url === "demo:" ? "Demo application" : server.url, one.name, healthBadge(server.state),
  ])));
}

function nowCard(status, latest) {
  return card("Running configuration", facts(
    ["Generation", [element("a", { href: "#/history" }, String(status.generation)), latest ? [" by ", latest.author, ", ", ago(latest.time)] : null]],
    latest?.summary.length ? ["Latest change", latest.summary.join(" ")] : null,
    ["Workers", status.workers.processes.map((one) => element("div", `process ${one.pid}: generation ${one.generation}, ${Math.round(one.memory / 1048576)} MiB`))],
    status.nodes?.length ? ["Nodes", status.nodes.map((one) => element("div", `${one.name}: generation ${one.generation}`))] : null,
  ));
}

function liveTraffic(signal) {
  const perSecond = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} /s`;
  const requests = plot("Requests", (values) => perSecond(values.at(-1) ?? 0));
  const errors = plot("Errors (5xx)", (values) => perSecond(values.at(-1) ?? 0), "bad");
  const latency = plot("Latency, 95th percentile", (values) => milliseconds(values.at(-1) ?? 0));
  const open = plot("Open connections", (values) => String(values.at(-1) ?? 0));
  const versions = element("div");
  const state = element("span.small.muted", { role: "status" });
  function draw() {
    const steps = traffic.slice(1).map((now, index) => difference(traffic[index], now));
    requests.draw(steps.map((one) => one.requests), ROOM);
    errors.draw(steps.map((one) => one.errors), ROOM);
    latency.draw(steps.map((one) => one.latency), ROOM);
    open.draw(traffic.slice(1).map((one) => Object.values(one.connections).reduce((sum, count) => sum + count, 0)), ROOM);
    const counts = traffic.at(-1)?.tls_versions || {};
    replace(versions, element("div.small.muted", "TLS versions"), Object.keys(counts).length ? shares(counts) : element("div.muted", "no handshakes yet"));
    state.textContent = "";
  }
  events.addEventListener("traffic", draw, { signal });
  events.addEventListener("disconnected", () => { state.textContent = "connection lost, reconnecting …"; }, { signal });
  draw();
  return element("section.card", element("div.card-head", element("h2", "Traffic, last two minutes"), state),
    element("div.columns.narrow", requests.node, errors.node, latency.node, open.node, versions));
}

function difference(before, now) {
  const seconds = Math.max(0.2, (now.at - before.at) / 1000);
  // Counts start anew with a worker.
  const rate = (name) => Math.max(0, (now[name] - before[name]) / seconds);
  return { requests: rate("requests"), errors: rate("server_errors"), latency: percentile(before, now, 0.95) };
}

function percentile(before, now, share) {
  const counts = (now.durations || []).map((count, index) => Math.max(0, count - (before.durations[index] || 0)));
  const total = counts.reduce((sum, one) => sum + one, 0);
  let seen = 0;
  for (let index = 0; index < counts.length; index += 1) {
    seen += counts[index];
    if (total && seen >= total * share) return now.duration_bounds[index] ?? now.duration_bounds.at(-1);
  }
  return 0;
}

function milliseconds(seconds) {
  if (!seconds) return "–";
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(2))} ms` : `${seconds} s`;
}
