/**
 * The bindings wizard: a list that is edited first and applied as one change afterwards.
 */

import { change, get } from "../api.js";
import { element, replace } from "../element.js";
import { plural } from "../time.js";
import { certificateInput } from "../widgets/certificate_input.js";
import { ask } from "../widgets/dialog.js";
import { button, checkbox, field, select, text, words } from "../widgets/form.js";
import { badge, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { findingList, notice, problemNotice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";
import { table } from "../widgets/table.js";

const PERMISSION = "change_https_settings";

export async function bindingsPage({ refresh, offered }) {
  const [listed, found] = await Promise.all([get("/api/v1/bindings"), get("/api/v1/certificates")]);
  const before = listed.bindings;
  /** What is wanted: each with the port it has now, and the certificates that come with it. */
  let wanted = before.map((one) => ({ ...one, was: one.name }));
  /** Changes that bring certificates, in order, made before the bindings change. */
  let arriving = [];
  const certificates = found.certificates.map((one) => ({ name: one.name, names: one.names }));
  const list = element("div");
  const pending = element("div.stack");

  const entries = () => wanted.map(({ port, was, state, ...entry }) => entry);
  const settings = (binding) => ({ method: "PATCH", path: "/api/v1/settings", json: { binding }, patch: true });
  const coming = (name) => arriving.some((one) => one.certificate.name === name) && !certificates.some((one) => one.name === name);
  const bar = saveBar({
    plan: () => [...arriving.map((one) => one.change), settings(entries())],
    // A certificate that has not arrived cannot be named yet.
    rehearsal: () => [...arriving.map((one) => one.change), settings(entries().map((one) => (coming(one.default_certificate) ? { ...one, default_certificate: "" } : one)))],
    amend: (script) => entries().filter((one) => coming(one.default_certificate)).reduce((text, one) =>
      text.replace(new RegExp(`("name": "${one.name}"[^}]*?"default_certificate": ")(?=")`), `$1${one.default_certificate}`), script),
    label: "Apply", permission: PERMISSION, what: "Bindings applied.", done: refresh, discard: () => { wanted = before.map((one) => ({ ...one, was: one.name })); arriving = []; draw(); },
  });

  function draw() {
    const changes = describe(before, wanted, arriving);
    replace(list, wanted.length ? bindingTable() : empty("No bindings: nobody can connect. Add one, usually http on port 80 and https on port 443."));
    bar.clear();
    replace(pending, changes.length ? [
      notice("info", `${plural(changes.length, "pending change")}: nothing has changed yet.`, element("ul", changes.map((one) => element("li", one)))),
      element("div.row", button("Check", { onclick: () => bar.check("Checked: every port is free."), permission: PERMISSION })),
      bar.node] : null);
  }

  function bindingTable() {
    return table("Bindings", ["Name", "Scheme", "Listens on", "Default certificate", ""], wanted.map((one) => [
      one.name, one.scheme === "https" ? badge("good", "https") : badge("", "http"),
      listensOn(one),
      one.scheme === "https" ? (one.default_certificate || "default") : "–",
      [button("Edit…", { kind: "small", permission: PERMISSION, "aria-label": `Edit ${one.name}`, onclick: () => edit(one) }),
        button("Remove", { kind: "small danger", permission: PERMISSION, "aria-label": `Remove ${one.name}`, onclick: () => { wanted = wanted.filter((other) => other !== one); draw(); } })],
    ]));
  }

  async function edit(old) {
    const made = await bindingDialog(old, { certificates: [...certificates, ...arriving.map((one) => one.certificate)], wanted, offered });
    if (!made) return;
    if (made.arrives) arriving.push(made.arrives);
    if (old) wanted = wanted.map((one) => (one === old ? { ...one, ...made.binding } : one));
    else wanted.push(made.binding);
    draw();
  }

  draw();
  return element("div.page",
    pageHead("Bindings", "Where clients connect. Edit the list freely: nothing changes until you press Apply.",
      button("Add binding…", { kind: "primary", permission: PERMISSION, onclick: () => edit(null) })),
    permissionNotice(PERMISSION), element("section.card", { "aria-label": "Bindings" }, list, pending));
}

function describe(before, wanted, arriving) {
  const now = (one) => JSON.stringify(Object.entries(one).filter(([key]) => key !== "was" && key !== "port").sort());
  return [
    ...arriving.map((one) => `Certificate ${one.certificate.name}: ${one.words}`),
    ...wanted.filter((one) => !one.was).map((one) => `Add ${one.name}: ${one.scheme} on ${inWords(one.endpoint)}`),
    ...wanted.filter((one) => one.was && now(one) !== now(before.find((old) => old.name === one.was))).map((one) => `Change ${one.name}: ${one.scheme} on ${inWords(one.endpoint)}`),
    ...before.filter((old) => !wanted.some((one) => one.was === old.name)).map((old) => `Remove ${old.name}`),
  ];
}

/** "tcp:8443:interface=127.0.0.1" as its parts; null if it is no plain TCP endpoint. */
function parts(endpoint) {
  const match = /^(tcp6?):(?:port=)?(\d+)(?::interface=((?:\\:|[^:])*))?$/.exec(endpoint);
  return match ? { port: match[2], address: (match[3] || "").replaceAll("\\:", ":") || (match[1] === "tcp6" ? "::" : "") } : null;
}

/** "port 8443 of 127.0.0.1" for an endpoint that is so simple. */
function inWords(endpoint) {
  const known = parts(endpoint);
  return known ? `port ${known.port} of ${known.address || "all addresses"}` : endpoint;
}

function listensOn({ endpoint, public_port: shown }) {
  const known = parts(endpoint);
  return [
    known ? [`port ${known.port}`, element("div.small.muted", known.address || "all addresses")] : element("code", endpoint),
    shown ? element("div.small.muted", `public port ${shown}`) : null,
  ];
}

function endpointOf(address, port) {
  if (!address || address === "0.0.0.0") return `tcp:${port}`;
  if (address === "::") return `tcp6:${port}`;
  return address.includes(":") ? `tcp6:${port}:interface=${address.replaceAll(":", "\\:")}` : `tcp:${port}:interface=${address}`;
}

async function bindingDialog(old, { certificates, wanted, offered }) {
  const known = parts(old?.endpoint || "tcp:443");
  const scheme = select([["https", "https: encrypted"], ["http", "http: plain"]], old?.scheme || "https", { onchange: draw });
  const name = text(old?.name || freeName("https", wanted), { maxlength: "64", disabled: Boolean(old) });
  const port = element("input", { type: "number", min: "1", max: "65535", value: known?.port || "" });
  const address = text(known?.address || "", { placeholder: "all addresses" });
  const endpoint = text(old?.endpoint || "");
  const publicPort = element("input", { type: "number", min: "0", max: "65535", value: old?.public_port ? String(old.public_port) : "", placeholder: "same" });
  const profile = select([["intermediate", "Intermediate: TLS 1.2 and 1.3"], ["modern", "Modern: TLS 1.3 only"]], old?.tls_profile || "intermediate");
  const strict = checkbox("Refuse names that no certificate covers (strict SNI)", { checked: old?.strict_sni || false });
  const certificate = certificateChoice(old, certificates, offered, () => name.value);
  const secure = element("div.stack", certificate.node, element("details", element("summary", "TLS options"), element("div.stack", field("Profile", profile), strict.node)));
  let named = Boolean(old);
  name.addEventListener("input", () => { named = true; });
  function draw() {
    secure.hidden = scheme.value !== "https";
    if (!named) name.value = freeName(scheme.value, wanted);
    if (!old && ["80", "443"].includes(port.value)) port.value = scheme.value === "https" ? "443" : "80";
  }
  draw();
  const simple = known ? element("div.columns", field("Port", port), field("Address", address, "Leave empty for all addresses; 127.0.0.1 for this machine only.")) : field("Endpoint", endpoint, "A Twisted server endpoint, for example unix:/run/tlsgate.sock.");
  return ask(old ? `Edit binding ${old.name}` : "Add a binding", element("div.stack",
    element("div.columns", field("Scheme", scheme), field("Name", name, "Unique; letters, digits, dots and hyphens.")), simple,
    field("Public port", publicPort, "Only if a router or container shows clients another port."), secure), {
    action: old ? "Update the list" : "Add to the list",
    run: async () => {
      if (known && !(Number(port.value) >= 1 && Number(port.value) <= 65535)) throw new Error("A port is a number from 1 to 65535.");
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name.value)) throw new Error("A name is made of letters, digits, dots and hyphens.");
      if (!old && wanted.some((one) => one.name === name.value)) throw new Error(`There is a binding ${name.value} already.`);
      const where = known && old && parts(old.endpoint).port === port.value && parts(old.endpoint).address === address.value.trim() ? old.endpoint : endpointOf(address.value.trim(), port.value);
      const binding = { name: name.value, scheme: scheme.value, endpoint: known ? where : endpoint.value, public_port: Number(publicPort.value) };
      if (scheme.value === "http") return { binding: { ...binding, default_certificate: "", tls_profile: "intermediate", strict_sni: false } };
      const { arrives, chosen } = await certificate.take();
      return { arrives, binding: { ...binding, default_certificate: chosen, tls_profile: profile.value, strict_sni: strict.input.checked } };
    },
  });
}

function freeName(scheme, wanted) {
  let name = scheme;
  for (let count = 2; wanted.some((one) => one.name === name); count += 1) name = `${scheme}-${count}`;
  return name;
}

/** Where the certificate of a binding comes from. */
function certificateChoice(old, certificates, offered, bindingName) {
  const source = select([["existing", "Existing certificate"], ["upload", "Upload certificate and key, or a PFX"], ["self-signed", "Generate a self-signed certificate"],
    ...(offered.has("/api/v1/certificates/acme") ? [["acme", "Let’s Encrypt"]] : [])], certificates.length ? "existing" : "self-signed", { onchange: draw });
  const existing = select(certificates.map((one) => [one.name, `${one.name} (${one.names.join(", ") || "no names"})`]), old?.default_certificate || certificates[0]?.name);
  const newName = text("", { maxlength: "64" });
  const names = text(location.hostname);
  const checked = element("div.stack", { "aria-live": "polite" });
  const input = certificateInput({ onchange: async () => { if (input.complete) replace(checked, await look()); else replace(checked); } });
  const place = element("div.stack");
  const forName = field("Certificate name", newName, "Replaces a certificate of the same name.");
  function draw() {
    if (!newName.value) newName.value = bindingName() || "certificate";
    replace(place, {
      existing: field("Certificate", existing),
      upload: [input.node, forName, checked],
      "self-signed": [field("Host names", names, "Names and addresses, separated by commas or spaces."), forName, element("p.hint", "For tests and internal use: it encrypts, but clients have to be told to trust it.")],
      acme: [notice("info", "Request the certificate first; it takes a minute. Then choose it here as an existing certificate.", element("a", { href: "#/acme" }, "Request from Let’s Encrypt"))],
    }[source.value]);
  }
  const upload = () => ({ method: "PUT", path: `/api/v1/certificates/${encodeURIComponent(newName.value.trim())}`, form: input.form() });
  async function look() {
    try {
      const answer = await change(upload(), { dry_run: true });
      return [notice("success", `Certificate and key match: ${answer.certificate.names.join(", ")}`), findingList(answer.findings)];
    } catch (problem) {
      if (problem.code === "key-encrypted") input.wantPassword();
      return [problemNotice(problem)];
    }
  }
  draw();
  return {
    node: element("div.stack", field("Default certificate", source, "For names that no other certificate covers."), place),
    /** What the choice comes to. */
    async take() {
      const chosen = newName.value.trim();
      if (source.value === "existing") return { chosen: existing.value };
      if (source.value === "acme") throw new Error("Request the certificate first, or choose another source.");
      if (source.value === "upload") {
        if (!input.complete) throw new Error(input.missing);
        const planned = await change(upload(), { dry_run: true });
        return { chosen, arrives: { change: upload(), certificate: { name: chosen, names: planned.certificate.names }, words: "upload" } };
      }
      const request = { method: "POST", path: "/api/v1/certificates/self-signed", json: { name: chosen, names: words(names.value) } };
      await change(request, { dry_run: true });
      return { chosen, arrives: { change: request, certificate: { name: chosen, names: words(names.value) }, words: "new, self-signed" } };
    },
  };
}
