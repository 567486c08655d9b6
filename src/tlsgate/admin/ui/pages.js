/**
 * All pages: where they are, who may see them, what they need of the API.
 */

import { acmePage } from "./pages/acme.js";
import { auditPage } from "./pages/audit.js";
import { bindingsPage } from "./pages/bindings.js";
import { certificatePage } from "./pages/certificate.js";
import { certificatesPage } from "./pages/certificates.js";
import { historyPage } from "./pages/history.js";
import { httpsPage } from "./pages/https.js";
import { overviewPage } from "./pages/overview.js";
import { sitesPage } from "./pages/sites.js";
import { tokensPage } from "./pages/tokens.js";
import { upstreamsPage } from "./pages/upstreams.js";

const view = "view_settings";

/**
 * @type {{path: string, title: string, group?: string, permission: ?string, make: Function, needs?: string,
 *     live?: boolean, under?: string}[]} C{live} pages are drawn anew when somebody changes the settings; those with
 *     forms are not, because somebody may be typing.
 */
export const PAGES = [
  { path: "/", title: "Overview", group: "Gate", permission: view, make: overviewPage, live: true },
  { path: "/https", title: "HTTPS settings", group: "Gate", permission: view, make: httpsPage },
  { path: "/bindings", title: "Bindings", group: "Gate", permission: view, make: bindingsPage },
  { path: "/certificates", title: "Certificates", group: "Gate", permission: view, make: certificatesPage, live: true },
  { path: "/certificates/:name", title: "Certificate", permission: view, make: certificatePage, under: "/certificates" },
  { path: "/acme", title: "Let’s Encrypt", group: "Gate", permission: "change_https_settings", make: acmePage, needs: "/api/v1/certificates/acme" },
  { path: "/sites", title: "Sites", group: "Proxy", permission: view, make: sitesPage, live: true },
  { path: "/upstreams", title: "Upstreams", group: "Proxy", permission: view, make: upstreamsPage, live: true },
  { path: "/history", title: "History", group: "Administration", permission: view, make: historyPage, live: true },
  { path: "/audit", title: "Audit log", group: "Administration", permission: view, make: auditPage },
  { path: "/tokens", title: "Tokens", group: "Administration", permission: "manage_tokens", make: tokensPage },
];

/**
 * The page at a path.
 *
 * @returns {{page?: object, parameters: object}}
 */
export function pageAt(path) {
  for (const page of PAGES) {
    const pattern = new RegExp(`^${page.path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
    const match = pattern.exec(path.split("?")[0]);
    if (match) {
      const parameters = Object.fromEntries(Object.entries(match.groups || {}).map(([name, value]) => [name, decodeURIComponent(value)]));
      return { page, parameters };
    }
  }
  return { page: undefined, parameters: {} };
}
