/**
 * The frame: who is signed in, which page is shown, and what stands around it.
 */

import { get, signals } from "./api.js";
import { element, replace } from "./element.js";
import { follow, unfollow } from "./events.js";
import { pageAt, PAGES } from "./pages.js";
import { forget, may, reasonAgainst, resume, session, signOut, watchForIdleness } from "./session.js";
import { countdownBanner } from "./widgets/countdown.js";
import { ask } from "./widgets/dialog.js";
import { button } from "./widgets/form.js";
import { pageHead } from "./widgets/layout.js";
import { notice, problemNotice } from "./widgets/notice.js";
import { installToasts, toast } from "./widgets/toast.js";
import { setUpPage } from "./pages/set_up.js";
import { signInPage } from "./pages/sign_in.js";

const root = element("div");
let banner = null;
let showing = null;
/** Paths that the API has; pages for what it has not are hidden. */
let offered = new Set();

/** The name and the picture of the program. */
export const brand = () => element("a.brand", { href: "#/" }, element("img", { src: "/ui/icon.svg", alt: "" }), "tlsgate");

async function start() {
  document.body.append(root);
  installToasts();
  watchForIdleness();
  signals.addEventListener("signed-out", (event) => {
    // Whoever left the page has been signed out already.
    if (!session() && event.detail !== "idle") return;
    forget();
    enter(event.detail === "idle" ? "You were signed out because you were inactive." : "Your session has ended. Sign in again.");
  });
  signals.addEventListener("stale", () => session() && refresh());
  addEventListener("hashchange", () => session() && !session().set_up && show());
  try {
    await resume();
  } catch (problem) {
    replace(root, element("main.alone", problemNotice(problem, button("Try again", { onclick: () => location.reload() }))));
    return;
  }
  enter();
}

/** Show what belongs to whoever is signed in. */
async function enter(message = null) {
  banner?.stop();
  banner = null;
  unfollow();
  document.querySelectorAll("dialog").forEach((node) => node.close());
  if (!session()) return signInPage(root, { message, entered: enter });
  if (session().set_up) return setUpPage(root, { entered: enter });
  const document_ = await get("/api/v1/openapi.json").catch(() => ({ paths: {} }));
  offered = new Set(Object.keys(document_.paths));
  if (may("view_settings")) follow();
  frame();
  await show();
}

const available = (page) => may(page.permission) && (!page.needs || offered.has(page.needs));

function frame() {
  banner = countdownBanner((what) => {
    // Not while somebody types.
    if (what === "undone" || (showing?.live && !document.activeElement?.matches("#page input, #page select, #page textarea"))) refresh();
  });
  const side = element("aside.side", { id: "side", "aria-label": "Menu" }, brand(), navigation(), who());
  const menu = element("button.small", {
    type: "button", "aria-expanded": "false", "aria-controls": "side",
    onclick: () => menu.setAttribute("aria-expanded", String(side.classList.toggle("open"))),
  }, "Menu");
  side.addEventListener("click", (event) => {
    if (event.target.closest("a")) { side.classList.remove("open"); menu.setAttribute("aria-expanded", "false"); }
  });
  const main = element("main", { id: "main", tabindex: "-1" }, banner.node, element("div", { id: "page" }));
  replace(root,
    element("a.visually-hidden", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "Skip to content"),
    element("header.top", brand(), menu), element("div.frame", side, main));
}

function navigation() {
  const groups = [...new Set(PAGES.filter((page) => page.group).map((page) => page.group))];
  return element("nav", { "aria-label": "Pages" }, groups.map((group) => {
    const links = PAGES.filter((page) => page.group === group && available(page));
    return links.length ? element("div", element("h2", group), element("ul", links.map((page) =>
      element("li", element("a", { href: `#${page.path}` }, page.title))))) : null;
  }));
}

function who() {
  return element("div.who",
    element("div", element("div.small.muted", "Signed in as"), element("div.name", session().name)),
    element("div.stack.tight",
      button("Sign out", { kind: "small", onclick: async () => { await signOut().catch(() => {}); enter(); } }),
      button("Sign out everywhere…", { kind: "link", onclick: everywhere })));
}

async function everywhere() {
  const ended = await ask("Sign out everywhere?", element("p", `Every browser signed in with token “${session().name}” is signed out, this one too. Scripts that use the token keep working.`),
    { action: "Sign out everywhere", run: () => signOut({ everywhere: true }) });
  if (ended === undefined) return;
  enter();
  toast("success", `${ended} session${ended === 1 ? "" : "s"} ended.`);
}

let turn = 0;
let leave = null;

async function refresh() {
  await show({ again: true });
}

/** Show the page that the address names. */
async function show({ again = false } = {}) {
  const mine = (turn += 1);
  const place = document.getElementById("page");
  const { page, parameters } = pageAt(location.hash.slice(1) || "/");
  for (const link of root.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${page?.path}` || link.getAttribute("href") === `#${page?.under}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page ? page.title : "Not found"} – tlsgate`;
  const scroll = scrollY;
  let content;
  const left = new AbortController();
  if (!page) content = element("div.page", pageHead("There is no such page"), element("p", element("a", { href: "#/" }, "To the overview")));
  else if (!may(page.permission)) content = element("div.page", pageHead(page.title), notice("info", reasonAgainst(page.permission)));
  else {
    const waiting = setTimeout(() => { if (mine === turn && !again) replace(place, element("p.muted", { role: "status" }, "Loading …")); }, 150);
    try {
      content = await page.make({ parameters, signal: left.signal, refresh, offered });
    } catch (problem) {
      if (!problem.code) throw problem;
      content = element("div.page", pageHead(page.title), problemNotice(problem, button("Try again", { onclick: refresh })));
    } finally {
      clearTimeout(waiting);
    }
  }
  if (mine !== turn || !document.contains(place)) { left.abort(); return; }
  leave?.abort();
  leave = left;
  showing = page;
  const held = place.contains(document.activeElement) ? document.activeElement.closest("section")?.getAttribute("aria-label") || "" : null;
  replace(place, content);
  if (again) {
    // Whoever works with the keyboard stays in the same part of the page.
    if (held !== null) takeFocus(place.querySelector(`section[aria-label="${CSS.escape(held)}"]`) || place.querySelector("h1"));
    scrollTo(0, scroll);
  } else {
    scrollTo(0, 0);
    place.querySelector("h1")?.focus({ preventScroll: true });
  }
}

function takeFocus(node) {
  node?.setAttribute("tabindex", "-1");
  node?.focus({ preventScroll: true });
}

start();
