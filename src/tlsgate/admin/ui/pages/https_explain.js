/**
 * "Which rule decides this request?": what the gate would do with a request over plain HTTP, and why.
 */

import { call } from "../api.js";
import { element, replace } from "../element.js";
import { field, select, text } from "../widgets/form.js";
import { notice, problemNotice } from "../widgets/notice.js";

const BROWSER = { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Accept: "text/html,application/xhtml+xml" };
const CLIENTS = {
  browser: ["A browser that opens the page", "GET", BROWSER],
  form: ["A browser that sends a form", "POST", BROWSER],
  script: ["A script, such as curl", "GET", { "User-Agent": "curl/8.14.1", Accept: "*/*" }],
  agent: ["An API client with a token", "GET", { "User-Agent": "agent", Accept: "application/json", Authorization: "Bearer token" }],
  socket: ["A WebSocket", "GET", { ...BROWSER, Connection: "Upgrade", Upgrade: "websocket" }],
};

export function explainForm(site) {
  const host = site.hosts.find((one) => !one.includes("*")) || location.hostname;
  const address = text(`http://${host}/`, { inputmode: "url" });
  const client = select(Object.entries(CLIENTS).map(([key, [label]]) => [key, label]), "browser");
  const peer = text("", { placeholder: "192.0.2.7" });
  const result = element("div", { "aria-live": "polite" });
  const form = element("form.stack", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      let url;
      try {
        url = new URL(address.value.includes("://") ? address.value : `http://${address.value}`);
      } catch {
        replace(result, notice("error", "This is not an address such as http://www.example.com/path."));
        return;
      }
      const [, method, headers] = CLIENTS[client.value];
      try {
        replace(result, answerView(await call("POST", "/api/v1/redirect/explain", {
          json: { host: url.host, target: url.pathname + url.search, method, headers, client_ip: peer.value.trim() },
        })));
      } catch (problem) {
        replace(result, problemNotice(problem));
      }
    },
  },
  element("p.hint", "What the gate does with a request now, by the saved settings."),
  field("Address", address), field("Sent by", client), field("From the IP address (optional)", peer),
  element("div.row", element("button", { type: "submit" }, "Which rule decides?")), result);
  return element("details", element("summary", "Test a request"), form);
}

function answerView(answer) {
  const what = answer.redirected ? [`Redirected with ${answer.status} to `, element("code", answer.location)]
    : answer.refused ? `Refused with ${answer.status}.` : "Passed to the upstream over plain HTTP.";
  return notice(answer.redirected ? "success" : answer.refused ? "warning" : "info", what, answer.explanation, element("div.code", answer.rule));
}
