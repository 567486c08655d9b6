/**
 * Copy a text, save it as a file.
 */

import { button } from "./form.js";
import { toast } from "./toast.js";

/** A button that copies. */
export function copyButton(read, label = "Copy") {
  return button(label, {
    kind: "small",
    onclick: async () => {
      const text = typeof read === "function" ? read() : read;
      try {
        await navigator.clipboard.writeText(text);
        toast("success", "Copied");
      } catch {
        toast("warning", "The browser does not let this page copy; select the text and copy it yourself.");
      }
    },
  });
}

/** A button that saves a text as a file. */
export function saveButton(read, name, label = "Save as file", kind = "small") {
  return button(label, {
    kind,
    onclick: () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([read()], { type: "application/octet-stream" }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    },
  });
}
