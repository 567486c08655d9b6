/**
 * Who is signed in, and what they may do.
 */

import { call, csrf, get, signals } from "./api.js";

const PING_EVERY = 5 * 60 * 1000;

/** Why a permission matters, for those who do not have it. */
const MEANING = {
  view_settings: "see the settings",
  change_https_settings: "change HTTPS settings",
  change_proxy_settings: "change sites and upstreams",
  manage_tokens: "manage tokens",
};

let current = null;
let lastInput = Date.now();
let lastPing = Date.now();

/** The session; null if nobody is signed in. */
export const session = () => current;

/**
 * May whoever is signed in do this?
 *
 * @param {?string} permission null for what everybody may.
 */
export function may(permission) {
  return !permission || (current !== null && current.permissions.includes(permission));
}

/**
 * The sentence for somebody who may not.
 */
export function reasonAgainst(permission) {
  return `Your token “${current?.name}” may not ${MEANING[permission] || permission}. It lacks the permission ${permission}.`;
}

/**
 * Take up the session that a reload interrupted.
 *
 * @returns {Promise<?object>} null if there is none.
 */
export async function resume() {
  if (!csrf.get()) return null;
  try {
    current = await get("/api/v1/session");
  } catch (problem) {
    if (problem.status === 0) throw problem;
    csrf.clear();
    current = null;
  }
  return current;
}

/**
 * Sign in with a token.
 *
 * @throws {Problem}
 */
export async function signIn(token) {
  csrf.clear();
  const made = await call("POST", "/api/v1/session", { json: { token } });
  csrf.set(made.csrf_token);
  current = made;
  lastInput = lastPing = Date.now();
  return made;
}

/**
 * Sign out here, or everywhere with this token.
 *
 * @returns {Promise<number>} how many sessions ended.
 */
export async function signOut({ everywhere = false } = {}) {
  let ended = 1;
  try {
    const answer = await call("DELETE", everywhere ? "/api/v1/sessions" : "/api/v1/session");
    ended = answer?.ended ?? 1;
  } finally {
    forget();
  }
  return ended;
}

/** The session is gone. */
export function forget() {
  csrf.clear();
  current = null;
}

/** Whoever types keeps the session alive; whoever left does not. */
export function watchForIdleness() {
  const seen = () => {
    lastInput = Date.now();
    if (current && lastInput - lastPing > PING_EVERY) {
      lastPing = lastInput;
      get("/api/v1/session").catch(() => {});
    }
  };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, seen, { passive: true });
  setInterval(() => {
    if (current && Date.now() - lastInput > current.idle_timeout * 1000) {
      signOut().catch(() => {}).finally(() => signals.dispatchEvent(new CustomEvent("signed-out", { detail: "idle" })));
    }
  }, 10000);
}
