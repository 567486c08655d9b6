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
  const go = element("button.primary", { type: "submit" }, "Make my token");
  replace(root, frame(
    element("div.stack.tight", element("h1", { tabindex: "-1" }, "Make your administrator’s token"),
      element("p.muted", "A token is how you sign in here and how scripts use the API. This first one may do everything. The set-up token ends with it.")),
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
    }, field("Your name, or a name for the token", name, "It stands in the history beside what you change."), trouble,
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
  const kept = checkbox("I have put it somewhere safe", { onchange: () => { go.disabled = !kept.input.checked; } });
  replace(root, frame(
    element("h1", { tabindex: "-1" }, "Your token"),
    notice("warning", "It is shown only now.", "Put it into your password manager. Nobody can read it again, not even the gate."),
    element("div.secret", element("code", { id: "secret" }, made.secret), copyButton(made.secret), saveButton(() => `${made.secret}\n`, "tlsgate-token.txt")),
    kept.node, trouble, go));
  root.querySelector("h1").focus();
}
