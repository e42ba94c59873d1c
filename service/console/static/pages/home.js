// The start page, and the page for an unknown address.

import { h } from "../dom.js";
import { Finder } from "../finder.js";
import { empty, link, section } from "../parts.js";
import { to } from "../routes.js";

/** The start page: an introduction, and the recently viewed organizations. */
export function home() {
  const field = h("input", { name: "organization", id: "organization", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true, pattern: "[a-z0-9]([a-z0-9.\\-]*[a-z0-9])?", maxlength: "253", placeholder: "acme" });
  const form = h("form", { class: "open" }, h("label", { for: "organization" }, "Organization"), h("div", { class: "together" }, field, h("button", {}, "Open")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = to(field.value);
  });
  const before = Finder.remembered();
  return {
    title: "",
    content: [
      h("div", { class: "hero" },
        h("h1", { tabindex: "-1" }, "Who pays for this project?"),
        h("p", { class: "lead" }, "Now, at any instant of the past to the microsecond, and as it changes."), form),
      before.length
        ? section("Recently viewed", h("ul", { class: "tiles" }, before.map((name) => h("li", {}, h("a", { class: "tile", href: to(name) }, name)))))
        : empty("No recently viewed organizations.", "whopays keeps no list of organizations: enter one above, or press / and type organization/project."),
    ],
  };
}

/** The page for an unknown address. */
export function nowhere() {
  return {
    title: "Page not found",
    content: [h("h1", { tabindex: "-1" }, "Page not found"), empty("There is no page at this address.", "Search above, or return to the start page.", h("p", {}, link("Start page")))],
  };
}
