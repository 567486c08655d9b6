/**
 * Certificates from Let's Encrypt, or another ACME CA: request one, see the orders and when each certificate is renewed.
 */

import { get } from "../api.js";
import { element, replace } from "../element.js";
import { events } from "../events.js";
import { ago, plural } from "../time.js";
import { card, empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { notice } from "../widgets/notice.js";
import { table } from "../widgets/table.js";
import { hasEnded, orderBadge, orderView } from "./acme_order.js";
import { acmeWizard } from "./acme_wizard.js";

const SHOWN = 20;

export async function acmePage({ signal }) {
  const [{ orders }, settings, account] = await Promise.all([
    get("/api/v1/orders"), get("/api/v1/settings"), get("/api/v1/acme").catch(() => ({ accounts: [], renewals: [] })),
  ]);
  const known = new Map(orders.map((one) => [one.id, one]));
  const newest = () => [...known.values()].sort((a, b) => b.created.localeCompare(a.created)).slice(0, SHOWN);
  const place = element("div.stack");
  const draw = () => {
    // What somebody has opened stays open.
    const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.order));
    replace(place, known.size ? newest().map((one) => orderRow(one, open.has(one.id), took)) : empty("No orders yet."));
  };
  const wizard = acmeWizard({ settings: settings.acme || {}, account, running: newest().find((one) => !hasEnded(one)), took });
  function took(order) {
    known.set(order.id, order);
    draw();
    wizard.heard(order);
  }
  events.addEventListener("order", (event) => took(event.detail), { signal });
  draw();
  return element("div.page",
    pageHead("Let’s Encrypt", "Free certificates that browsers trust and that renew automatically. The names must lead to this gate from the internet, or be proven with a DNS record."),
    permissionNotice("change_https_settings"), wizard.node,
    card("Orders", place),
    account.renewals.length ? renewals(account.renewals) : null);
}

function orderRow(order, open, took) {
  return element("details.order", { open, "data-order": order.id },
    element("summary", element("span.strong", order.name), element("span.muted.grow", order.names.filter((one) => one !== order.name).join(", ")), orderBadge(order), element("span.small.muted.nowrap", ago(order.updated))),
    orderView(order, took));
}

function renewals(list) {
  return card("Renewals", table("Renewals", ["Certificate", "Renews", "Notes"], list.map((one) => [
    element("a", { href: `#/certificates/${encodeURIComponent(one.name)}` }, one.name), ago(one.renew_at),
    one.failures
      ? notice("warning", [`Failed ${plural(one.failures, "time")}; next try `, ago(one.retry_at)], one.detail || null)
      : one.explanation || "–",
  ])));
}
