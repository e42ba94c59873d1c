// Keyboard shortcuts that work on every page, and the dialog that lists them.

import { h } from "./dom.js";

const KEYS = [
  ["/", "search"],
  ["g s", "start page"],
  ["g o", "organization"],
  ["g f", "feed of the organization"],
  ["g a", "audit of the organization"],
  ["g d", "dead letters"],
  ["g r", "replays"],
  ["g h", "health"],
  ["t", "UTC or local time"],
  ["d", "dark or light"],
  ["?", "this list"],
  ["← →", "on a timeline: earlier, later"],
  ["+ −", "on a timeline: zoom"],
  ["0", "on a timeline: show all"],
];
const OFF = "whopays.keys-off";

/** Run the action of a key, or of two in sequence; never while the user is typing in a field. */
export function listenToKeys(actions) {
  let first = null;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(OFF)) return;
    // A dialog that was just closed keeps the focus until the next frame, although nothing is typed there.
    const dialog = event.target.closest("dialog");
    if (dialog ? dialog.open : event.target.closest("input, select, textarea")) return;
    const act = actions[`${first} ${event.key}`] ?? actions[event.key];
    first = act ? null : event.key;
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Return the dialog that lists the shortcuts, and can turn them off. */
export function keysDialog() {
  const off = h("input", { type: "checkbox", checked: !localStorage.getItem(OFF) });
  off.addEventListener("change", () => (off.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  const dialog = h("dialog", { class: "keys", "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keyboard shortcuts"),
    h("dl", {}, KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what)))),
    h("label", {}, off, " Use these shortcuts"),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}
