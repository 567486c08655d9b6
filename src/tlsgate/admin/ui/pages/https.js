/**
 * HTTPS settings: the certificate, the port, the redirect and HSTS, on one page and in this order.
 */

import { get } from "../api.js";
import { element } from "../element.js";
import { empty, pageHead, permissionNotice } from "../widgets/layout.js";
import { certificateCard } from "./https_certificate.js";
import { hstsCard } from "./https_hsts.js";
import { portCard } from "./https_port.js";
import { redirectCard } from "./https_redirect.js";
import { select } from "../widgets/form.js";

let chosenSite = null;

export async function httpsPage({ refresh, signal, offered }) {
  const [status, report] = await Promise.all([
    get("/api/v1/status"), get("/api/v1/redirect/report").catch(() => ({ rows: [] })),
  ]);
  const binding = status.bindings.find((one) => one.scheme === "https" && one.name === "https") || status.bindings.find((one) => one.scheme === "https");
  const head = pageHead("HTTPS settings", "Upload a certificate, choose the port, then send visitors to HTTPS. Every change is checked before it is saved and can be undone.");
  if (!binding) {
    return element("div.page", head, empty("There is no https binding yet, so nobody can connect over HTTPS.", element("a.button.primary", { href: "#/bindings" }, "Add an https binding")));
  }
  const context = { status, binding, report, refresh, signal, offered };
  return element("div.page", head, permissionNotice("change_https_settings"),
    certificateCard(context), portCard(context), ...siteCards(context));
}

function siteCards(context) {
  const { sites } = context.status;
  if (!sites.length) return [empty("The redirect and HSTS belong to a site, and there is none yet.", element("a.button.primary", { href: "#/sites" }, "Add a site"))];
  const site = sites.find((one) => one.name === chosenSite) || sites[0];
  const choice = sites.length > 1 ? element("div.row", element("label", { for: "site" }, "Redirect and HSTS of site"),
    select(sites.map((one) => [one.name, `${one.name} (${one.hosts.join(", ")})`]), site.name, {
      id: "site", class: "inline-select", onchange: (event) => { chosenSite = event.target.value; context.refresh(); },
    })) : null;
  return [choice, redirectCard({ ...context, site }), hstsCard({ ...context, site })].filter(Boolean);
}
