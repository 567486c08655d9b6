/**
 * The port of the https binding.
 */

import { element, replace } from "../element.js";
import { may } from "../session.js";
import { field } from "../widgets/form.js";
import { notice } from "../widgets/notice.js";
import { saveBar } from "../widgets/save.js";

/** The same endpoint on another port; null if it has none. */
export function movedEndpoint(endpoint, port) {
  const found = endpoint.match(/^(tcp6?:)(?:port=)?(\d+)(.*)$/);
  return found ? `${found[1]}${port}${found[3]}` : null;
}

export function portCard({ binding, refresh }) {
  const allowed = may("change_https_settings");
  const movable = movedEndpoint(binding.endpoint, 1) !== null;
  const port = element("input", { type: "number", min: "1", max: "65535", value: String(binding.port), disabled: !movable || !allowed, oninput: changed });
  const publicPort = element("input", { type: "number", min: "0", max: "65535", value: binding.public_port ? String(binding.public_port) : "", placeholder: "same", disabled: !allowed, oninput: changed });
  const said = element("div", { "aria-live": "polite" });
  const valid = () => /^\d{1,5}$/.test(port.value) && Number(port.value) >= 1 && Number(port.value) <= 65535 && /^\d{0,5}$/.test(publicPort.value) && Number(publicPort.value) <= 65535;
  const plan = () => {
    const { port: here, ...entry } = binding;
    const endpoint = Number(port.value) === here ? binding.endpoint : movedEndpoint(binding.endpoint, Number(port.value));
    return [{ method: "PUT", path: `/api/v1/bindings/${encodeURIComponent(binding.name)}`, json: { ...entry, endpoint, public_port: Number(publicPort.value) } }];
  };
  const bar = saveBar({ plan, label: "Save port", permission: "change_https_settings", what: "HTTPS is served on the new port.", done: refresh, discard: refresh });
  bar.node.hidden = true;
  let timer;
  function changed() {
    bar.clear();
    clearTimeout(timer);
    replace(said, valid() ? null : notice("error", "A port is a number from 1 to 65535."));
    bar.node.hidden = !valid() || (Number(port.value) === binding.port && Number(publicPort.value) === binding.public_port);
    // Whoever types 8443 does not want 8 and 84 tried.
    if (!bar.node.hidden) timer = setTimeout(() => bar.check("The port is free, and the gate may use it."), 500);
  }
  return element("section.card", { "aria-label": "Port" }, element("h2", "Port"),
    element("div.columns",
      field("HTTPS port", port, movable ? "Browsers expect 443. Ports below 1024 need the right to use them." : `This binding listens on ${binding.endpoint}; change it under Bindings.`),
      field("Public port", publicPort, "Only if a router or container shows clients another port.")),
    said, bar.node);
}
