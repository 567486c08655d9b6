/**
 * Signing in with a token.
 */

import { get } from "../api.js";
import { element, replace } from "../element.js";
import { signIn } from "../session.js";
import { field, working } from "../widgets/form.js";
import { notice, problemNotice } from "../widgets/notice.js";

/**
 * @param {HTMLElement} root
 * @param {{message: ?string, entered: Function}} more
 */
export async function signInPage(root, { message, entered }) {
  document.title = "Sign in – tlsgate";
  const { needed } = await get("/api/v1/setup").catch(() => ({ needed: false }));
  const token = element("input", { type: "password", autocomplete: "current-password", required: true, spellcheck: "false", name: "token" });
  const trouble = element("div");
  const go = element("button.primary", { type: "submit" }, needed ? "Continue" : "Sign in");
  const form = element("form.stack", {
    novalidate: true,
    onsubmit: (event) => {
      event.preventDefault();
      working(go, async () => {
        trouble.replaceChildren();
        if (!token.value.trim()) {
          replace(trouble, notice("error", "Enter a token."));
          token.focus();
          return;
        }
        try {
          await signIn(token.value);
          await entered();
        } catch (problem) {
          replace(trouble, problemNotice(problem));
          token.select();
        }
      });
    },
  },
  field(needed ? "Set-up token" : "Token", token, needed ? "It begins with tlsg_." : "It begins with tlsg_. An administrator creates one under Tokens, or with “tlsgate token create”."),
  trouble, go);
  replace(root, element("main.alone", element("section.card",
    element("div.brand", element("img", { src: "/ui/icon.svg", alt: "" }), "tlsgate"),
    element("div.stack.tight", element("h1", { tabindex: "-1" }, needed ? "Welcome" : "Sign in"),
      needed ? element("p.muted", "This gate has no administrator yet. Enter the set-up token; the next step creates a token of your own.") : null),
    message ? notice("info", message) : null,
    needed ? element("div.stack.tight.small",
      element("div", "Where to find the set-up token:"),
      element("ul", element("li", "in the gate’s log, in the line “The set-up token makes …”, or"), element("li", "in the file ", element("code", "setup-token"), " of the gate’s state folder.")),
      element("div.muted", "It is valid for one hour. A restart, or ", element("code", "tlsgate recover"), ", creates a new one.")) : null,
    form)));
  token.focus();
}
