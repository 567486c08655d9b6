/**
 * The first visit: an administrator's token is made, shown once, and signed in with.
 */

import { call } from "../api.js";
import { element, replace } from "../element.js";
import { signIn, signOut } from "../session.js";
import { copyButton, saveButton } from "../widgets/copy.js";
import { button, checkbox, field, text, working } from "../widgets/form.js";
import { notice, problemNotice } from "../widgets/notice.js";

const frame = (...content) => element("main.alone", element("section.card",
  element("div.brand", element("img", { src: "/ui/icon.svg", alt: "" }), "tlsgate"), content));

/**
 * @param {HTMLElement} root
 * @param {{entered: Function}} more
 */
export function setUpPage(root, { entered }) {
  document.title = "Set-up – tlsgate";
  const name = text("admin", { required: true, maxlength: "100" });
  const trouble = element("div");
  const go = element("button.primary", { type: "submit" }, "Create token");
  replace(root, frame(
    element("div.stack.tight", element("h1", { tabindex: "-1" }, "Create your administrator token"),
      element("p.muted", "You sign in with a token, and scripts use the API with one. This first one may do everything; it ends the set-up token.")),
    element("form.stack", {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        working(go, async () => {
          try {
            const made = await call("POST", "/api/v1/tokens", { json: { name: name.value.trim(), permissions: ["admin"] } });
            shownOnce(root, made, entered);
          } catch (problem) {
            replace(trouble, problemNotice(problem));
          }
        });
      },
    }, field("Token name", name, "For example your own name. Shown in the history beside your changes."), trouble,
    element("div.row", go, button("Sign out", { kind: "quiet", onclick: async () => { await signOut().catch(() => {}); entered(); } })))));
  name.select();
}

function shownOnce(root, made, entered) {
  const trouble = element("div");
  const go = button("Continue", {
    kind: "primary", disabled: true,
    onclick: async () => {
      try {
        await signIn(made.secret);
        await entered();
      } catch (problem) {
        replace(trouble, problemNotice(problem));
      }
    },
  });
  const kept = checkbox("I have stored it in a safe place", { onchange: () => { go.disabled = !kept.input.checked; } });
  replace(root, frame(
    element("h1", { tabindex: "-1" }, "Your token"),
    notice("warning", "Copy it now: it is shown only once.", "Put it into your password manager. The gate keeps no copy that could be read."),
    element("div.secret", element("code", { id: "secret" }, made.secret), copyButton(made.secret), saveButton(() => `${made.secret}\n`, "tlsgate-token.txt")),
    kept.node, trouble, go));
  root.querySelector("h1").focus();
}
