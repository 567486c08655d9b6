/**
 * Drop, choose or paste a certificate and its key, or a PFX.  What a file is, its content tells, not the place it was
 * dropped at.
 */

import { element, replace, uniqueId } from "../element.js";
import { field, segments } from "./form.js";

const MAX_FILE = 1 << 20;
const PAUSE = 300;
const NOTHING = "or drop it here";

/**
 * @param {{onchange: Function, keyless?: boolean}} options C{keyless} for the certificate of a request, whose key is in
 *     the gate already.
 */
export function certificateInput({ onchange, keyless = false }) {
  let kind = "pem";
  let typing;
  const notes = element("div.hint", { "aria-live": "polite" });
  const slots = {
    certificate: slot("Certificate", "PEM (with chain), DER or PKCS#7", ".pem,.crt,.cer,.der,.p7b,.p7c,.txt"),
    key: slot("Private key", "PEM or DER, may be encrypted", ".pem,.key,.der,.txt"),
    pfx: slot("PFX file", "PKCS#12 with certificate and key", ".pfx,.p12"),
  };
  const password = element("input", { type: "password", autocomplete: "off", oninput: () => changed() });
  const passwordField = field("Password", password, "Of the encrypted key or the PFX file. Used once, not kept.");
  const body = element("div.columns");
  const node = element("div.stack",
    keyless ? null : segments("Kind of files", [["pem", "Certificate and key"], ["pfx", "PFX file"]], kind, (chosen) => { kind = chosen; draw(); changed(); }),
    body, passwordField, notes);
  draw();

  function draw() {
    replace(body, kind === "pfx" ? slots.pfx.node : [slots.certificate.node, keyless ? null : slots.key.node]);
    passwordField.hidden = kind !== "pfx" && !slots.key.encrypted;
  }

  function changed() {
    passwordField.hidden = kind !== "pfx" && !slots.key.encrypted;
    // A check for every pause, not for every letter.
    clearTimeout(typing);
    typing = setTimeout(onchange, PAUSE);
  }

  function slot(title, hint, accept) {
    const file = element("input.visually-hidden", { type: "file", id: uniqueId("file"), accept, multiple: true, "aria-label": `${title}: choose a file`, onchange: () => { take([...file.files], title); file.value = ""; } });
    const area = element("textarea", {
      rows: "3", spellcheck: "false", autocomplete: "off", "aria-label": `${title}: paste PEM`, placeholder: "… or paste PEM here",
      oninput: () => { made.blob = area.value.trim() ? new Blob([area.value]) : null; made.encrypted = isEncrypted(area.value); shown(area.value.trim() ? "pasted text" : ""); changed(); },
    });
    const name = element("div.file", NOTHING);
    const made = {
      blob: null, encrypted: false,
      node: element("div.drop", {
        role: "group", "aria-label": title,
        ondragover: (event) => { event.preventDefault(); made.node.classList.add("over"); },
        ondragleave: () => made.node.classList.remove("over"),
        ondrop: (event) => { event.preventDefault(); made.node.classList.remove("over"); take([...event.dataTransfer.files], title); },
      }, element("div", element("div.strong", title), element("div.hint", `${hint}.`)), element("div.row", file, element("label.button.small", { for: file.id }, "Choose file…"), name), title === "PFX file" ? null : area),
      set(blob, label, encrypted) { made.blob = blob; made.encrypted = encrypted; area.value = ""; shown(label); },
      clear() { made.blob = null; made.encrypted = false; area.value = ""; shown(""); },
    };
    function shown(label) {
      name.textContent = label || NOTHING;
      made.node.classList.toggle("filled", Boolean(label));
    }
    return made;
  }

  async function take(files, title) {
    const said = [];
    for (const file of files) {
      if (file.size > MAX_FILE) { said.push(`${file.name} is larger than 1 MiB, so it is no certificate.`); continue; }
      const content = await file.text();
      const isKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(content);
      const isCertificate = /-----BEGIN (TRUSTED )?CERTIFICATE-----|-----BEGIN PKCS7-----/.test(content);
      if (!keyless && /\.(pfx|p12)$/i.test(file.name)) {
        kind = "pfx";
        for (const input of node.querySelectorAll(".segments input")) input.checked = input.value === "pfx";
        slots.pfx.set(file, file.name, true);
        draw();
      } else if (isKey && !keyless) {
        slots.key.set(file, file.name, isEncrypted(content));
        // One file with both is given once, and read as both.
        if (isCertificate) slots.certificate.set(file, file.name, false);
      } else if (isCertificate) {
        slots.certificate.set(file, file.name, false);
        if (title === "Private key") said.push(`${file.name} is a certificate, so it was taken as that.`);
      } else if (title === "PFX file") slots.pfx.set(file, file.name, true);
      else (title === "Private key" ? slots.key : slots.certificate).set(file, file.name, false);
    }
    replace(notes, said.map((one) => element("div", one)));
    changed();
  }

  return {
    node, password,
    /** Is everything there that can be checked? */
    get complete() {
      if (kind === "pfx") return Boolean(slots.pfx.blob && password.value);
      return Boolean(slots.certificate.blob && (keyless || slots.key.blob) && !(slots.key.encrypted && !password.value));
    },
    /** Is anything there? */
    get started() { return Object.values(slots).some((one) => one.blob); },
    get kind() { return kind; },
    /** What is still missing, in words. */
    get missing() {
      if (kind === "pfx") return slots.pfx.blob ? "Enter the password of the PFX file." : "Choose a PFX file.";
      if (!slots.certificate.blob) return "Add the certificate.";
      if (!keyless && !slots.key.blob) return "Add the private key.";
      return "Enter the password of the key.";
    },
    /** The parts of the upload. */
    form() {
      const parts = new FormData();
      if (kind === "pfx") parts.append("pfx", slots.pfx.blob, "certificate.pfx");
      else {
        parts.append("certificate", slots.certificate.blob, "certificate.pem");
        if (!keyless) parts.append("key", slots.key.blob, "key.pem");
      }
      if (password.value && (kind === "pfx" || slots.key.encrypted)) parts.append("password", password.value);
      return parts;
    },
    /** The gate says that the key needs a password. */
    wantPassword() { slots.key.encrypted = true; passwordField.hidden = false; password.focus(); },
    clear() { Object.values(slots).forEach((one) => one.clear()); password.value = ""; notes.replaceChildren(); draw(); },
  };
}

const isEncrypted = (text) => /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text);
