/**
 * What happens in the gate, as it happens.  Read with fetch, because an EventSource cannot send the CSRF token.
 */

import { send } from "./api.js";

/** Hears "generation", "order", "upstream", "certificate", "traffic"; "detail" is the content. */
export const events = new EventTarget();

/** The last seconds of traffic, oldest first; kept over changes of the page. */
export const traffic = [];
const KEPT = 121;

let running = null;

/** Follow the events until L{unfollow}. */
export function follow() {
  unfollow();
  running = new AbortController();
  listen(running.signal);
}

/** Stop following. */
export function unfollow() {
  running?.abort();
  running = null;
  traffic.length = 0;
}

async function listen(signal) {
  let pause = 500;
  while (!signal.aborted) {
    try {
      const response = await send("GET", "/api/v1/events", { unattended: true, signal });
      pause = 500;
      events.dispatchEvent(new Event("connected"));
      await read(response.body.getReader());
    } catch (problem) {
      if (signal.aborted || problem.status === 401 || problem.status === 403) return;
    }
    events.dispatchEvent(new Event("disconnected"));
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 10000);
  }
}

async function read(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop();
    blocks.forEach(publish);
  }
}

function publish(block) {
  const fields = new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (!fields.has("event")) return;
  const detail = JSON.parse(fields.get("data"));
  if (fields.get("event") === "traffic") {
    traffic.push({ ...detail, at: Date.now() });
    if (traffic.length > KEPT) traffic.shift();
  }
  events.dispatchEvent(new CustomEvent(fields.get("event"), { detail }));
}
