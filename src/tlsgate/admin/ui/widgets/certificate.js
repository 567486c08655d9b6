/**
 * A certificate as people read it.
 */

import { element } from "../element.js";
import { ago, day, plural } from "../time.js";
import { badge, facts } from "./layout.js";

const STATE = {
  valid: ["good", "valid"], expiring: ["warning", "expires soon"], expired: ["bad", "expired"], not_yet_valid: ["bad", "not valid yet"],
};
const SOURCE = {
  upload: "Uploaded", pfx: "PFX file", "self-signed": "Created here", acme: "Let’s Encrypt / ACME", csr: "Signing request", files: "Files on disk",
};

/** "CN=localhost" as "localhost". */
export function commonName(distinguished) {
  return /(?:^|,)CN=((?:\\.|[^,])+)/.exec(distinguished)?.[1] || distinguished || "(no subject)";
}

/** A pill with the state of a certificate. */
export function stateBadge(certificate) {
  const [kind, text] = STATE[certificate.state] || ["", certificate.state];
  return badge(kind, text);
}

/** Where it came from, in words. */
export const sourceOf = (certificate) => SOURCE[certificate.source] || certificate.source;

/** How much of its life is left, as a bar and in words. */
export function life(certificate) {
  const begin = new Date(certificate.not_before);
  const end = new Date(certificate.not_after);
  const left = Math.max(0, Math.min(1, (end - Date.now()) / (end - begin)));
  const kind = { expiring: "warning", expired: "bad", not_yet_valid: "bad" }[certificate.state] || "";
  const words = certificate.days_left < 0 ? `expired ${plural(-certificate.days_left, "day")} ago` : `${plural(certificate.days_left, "day")} left`;
  const bar = element("span");
  bar.style.width = `${Math.round(left * 100)}%`;
  return element("div.life", { class: `life ${kind}` }, element("span", words), element("div.bar", { "aria-hidden": "true" }, bar));
}

/** What is known of it; the least that tells it from others if C{brief}. */
export function certificateFacts(certificate, { brief = false } = {}) {
  return facts(
    ["Names", certificate.names.length ? certificate.names.join(", ") : "none"],
    ["Issued by", [certificate.self_signed ? "itself (self-signed)" : commonName(certificate.issuer), " ",
      certificate.trusted ? badge("good", "trusted") : badge("warning", "not trusted by browsers")]],
    ["Valid", [day(certificate.not_before), " – ", day(certificate.not_after), " (", ago(certificate.not_after), ")"]],
    ["Key", keyName(certificate.key_type)],
    ["Source", sourceOf(certificate)],
    brief ? null : ["Used by", certificate.used_by.length ? certificate.used_by.join(", ") : "its own names, on every https binding"],
    brief ? null : ["SHA-256", element("code", certificate.fingerprint)],
  );
}

/** "ec-p256" as "EC P-256". */
export function keyName(type) {
  return type.replace(/^ec-p(\d+)$/, "EC P-$1").replace(/^rsa-(\d+)$/, "RSA $1 bits").replace(/^ed25519$/, "Ed25519");
}

/** The chain as a tree, from the top down to the certificate itself. */
export function chainTree(certificate) {
  const links = [...certificate.chain].reverse();
  const top = links[0];
  const begin = top && top.issuer !== top.subject ? [{ subject: top.issuer, missing: true }] : [];
  const build = ([first, ...rest]) => element("li",
    element("span", { class: rest.length ? null : "strong" }, commonName(first.subject)), " ",
    first.missing ? element("span.small.muted", "root; not sent, clients know it") : element("span.small.muted", "until ", day(first.not_after)),
    rest.length ? element("ul", build(rest)) : null);
  return element("ul.tree", { "aria-label": "Chain of trust" }, build([...begin, ...links]));
}
