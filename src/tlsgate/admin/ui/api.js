/**
 * The JSON API, as every page uses it.
 */

const CSRF_KEY = "tlsgate.csrf";

/**
 * Why the gate refused something: an RFC 9457 problem document.
 */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {object} document
   */
  constructor(status, document) {
    super(document.detail || document.title || `The gate answered ${status}.`);
    this.status = status;
    this.code = document.code || "unknown";
    this.errors = document.errors || [];
    this.findings = document.findings || [];
    this.object = document.object || null;
    this.permission = document.permission || null;
  }
}

/** Hears "signed-out" when the session has ended, and "changed" when a change was made here. */
export const signals = new EventTarget();

/** The half of the session that the page keeps; storage belongs to this origin with its port, a cookie does not. */
export const csrf = {
  get: () => localStorage.getItem(CSRF_KEY),
  set: (value) => localStorage.setItem(CSRF_KEY, value),
  clear: () => localStorage.removeItem(CSRF_KEY),
};

/**
 * Send a request.
 *
 * @param {string} method
 * @param {string} path
 * @param {{json?: *, form?: FormData, query?: object, unattended?: boolean, patch?: boolean, signal?: AbortSignal}} more
 * @returns {Promise<Response>} a successful response.
 * @throws {Problem}
 */
export async function send(method, path, more = {}) {
  const headers = { Accept: "application/json" };
  const token = csrf.get();
  if (token) headers["X-CSRF-Token"] = token;
  if (more.unattended) headers["X-Unattended"] = "true";
  let body = more.form;
  if (more.json !== undefined) {
    headers["Content-Type"] = more.patch ? "application/merge-patch+json" : "application/json";
    body = JSON.stringify(more.json);
  }
  let response;
  try {
    response = await fetch(path + queryText(more.query), {
      method, headers, body, signal: more.signal, credentials: "same-origin", cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "not-reachable", detail: "The gate does not answer. Is it running, and is the network there?" });
  }
  if (response.ok) return response;
  const problem = new Problem(response.status, await response.json().catch(() => ({})));
  if (response.status === 401 && path !== "/api/v1/session") signals.dispatchEvent(new Event("signed-out"));
  throw problem;
}

/**
 * Send a request and read the JSON that comes back.
 */
export async function call(method, path, more = {}) {
  const response = await send(method, path, more);
  return response.status === 204 ? null : response.json();
}

/** Read something. */
export const get = (path, more) => call("GET", path, more);

/**
 * Make a change, or only plan it.
 *
 * @param {{method: string, path: string, json?: *, form?: FormData, patch?: boolean}} change
 * @param {{dry_run?: boolean, confirm_within?: number, reason?: string, force?: string[]}} parameters
 */
export async function change(change, parameters = {}) {
  const query = { ...change.query, ...parameters };
  const made = await call(change.method, change.path, { ...change, query });
  if (!parameters.dry_run) signals.dispatchEvent(new CustomEvent("changed", { detail: made }));
  return made;
}

/**
 * The members of an entry that are to be other than they were, for a change of an existing object.
 *
 * @throws {Error} none is.
 */
export function changedMembers(before, wanted) {
  const changed = Object.entries(wanted).filter(([key, value]) => JSON.stringify(before[key]) !== JSON.stringify(value));
  if (!changed.length) throw new Error("Nothing has been changed yet.");
  return Object.fromEntries(changed);
}

/**
 * Confirm a generation.  A connection from before the change proves nothing; the gate closes each such connection that
 * asks, so that after a few tries the browser makes a new one.
 */
export async function confirm(number) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call("POST", `/api/v1/generations/${number}/confirm`);
    } catch (problem) {
      if (problem.code !== "confirm-over-old-path" || tries >= 12) throw problem;
    }
  }
}

function queryText(query = {}) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "" || value === false) continue;
    for (const one of [value].flat()) pairs.append(name, String(one));
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}
