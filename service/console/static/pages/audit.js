// The audit trail: who sent each command, with which role and whose token, and its outcome.

import { Pages, path } from "../api.js";
import { h } from "../dom.js";
import { at, format, inWords, parse, typed } from "../instants.js";
import { badge, copyable, empty, link, moreOf, payer, region } from "../parts.js";
import { keep, to } from "../routes.js";
import { shortType } from "../words.js";
import { quoted } from "./commands.js";

const INSTANTS = ["since", "until"];
const EXAMPLE = "2026-11-27 06:57:51";

/** Every command of an organization, the latest first; person and period are in the address. */
export function audit({ organization, query, signal }) {
  const chosen = { by: query.by ?? "", since: query.since ?? "", until: query.until ?? "" };
  const place = h("div", {});
  const trouble = h("p", { class: "trouble", role: "alert" });
  const fields = Object.fromEntries(Object.entries({ by: "Person", since: "Since", until: "Until" }).map(([name, label]) => [name, field(name, label, chosen[name])]));
  const form = h("form", { class: "choosing" }, Object.values(fields).map(({ element }) => element), h("div", { class: "together" }, h("button", {}, "Show")));
  const show = () => {
    const pages = new Pages(path(organization, "audit"), chosen, { limit: 50, signal });
    const element = region(() => pages.more(), draw);
    function draw() {
      if (!pages.items.length) return nothing(chosen);
      return [h("ul", { class: "results" }, pages.items.map((one) => asked(organization, one, chosen))), moreOf(pages, "command", () => element.replaceChildren(...draw().filter(Boolean)))];
    }
    place.replaceChildren(element, h("div", { class: "commands" }, h("p", { class: "small" }, "The same query in a shell:"), copyable(command(organization, chosen))));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = INSTANTS.filter((name) => {
      const { input } = fields[name];
      const isWrong = input.value.trim() !== "" && Number.isNaN(typed(input.value));
      input.setAttribute("aria-invalid", String(isWrong));
      return isWrong;
    });
    trouble.textContent = wrong.length ? `Not an instant: ${wrong.map((name) => fields[name].label).join(", ")}. Write it as ${EXAMPLE}, in the zone shown, or with an offset: 2026-11-27T07:57:51+01:00.` : "";
    if (wrong.length) return;
    chosen.by = fields.by.input.value.trim();
    for (const name of INSTANTS) chosen[name] = fields[name].input.value.trim() && format(typed(fields[name].input.value));
    keep(chosen);
    show();
  });
  show();
  return {
    title: `Audit of ${organization}`,
    content: [
      h("p", { class: "kind" }, link(organization, organization), " / for operators and auditors"), h("h1", { tabindex: "-1" }, "Audit"),
      h("p", { class: "lead" }, "Who sent each command, in which role, and its outcome."), form, trouble, place,
    ],
  };
}

function field(name, label, value) {
  const instant = name === "by" ? NaN : parse(value);
  const input = h("input", { id: name, name, value: Number.isNaN(instant) ? value : inWords(instant), placeholder: name === "by" ? "everyone" : EXAMPLE, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  return { label, input, element: h("div", {}, h("label", { for: name }, label), input) };
}

function nothing(chosen) {
  return Object.values(chosen).some(Boolean) ? empty("No commands match.", "Clear the person, or choose a longer period.") : empty("There are no commands yet.", "Every command is listed here, whoever sent it.");
}

/** A command, and who sent it. */
function asked(organization, one, chosen) {
  const who = one.person ? h("a", { class: "who", href: to(organization, "audit", { ...chosen, by: one.person }) }, one.person) : h("span", { class: "nobody" }, "unknown person");
  return h("li", { class: `result ${one.outcome.toLowerCase()}` },
    h("div", { class: "result-head" },
      badge(one.outcome), h("strong", {}, shortType(one.commandType)), one.dryRun && badge("Dry run", "unchanged"),
      one.project && link(one.project, organization, "projects", one.project), one.account && payer(organization, one.account),
      h("span", { class: "when" }, at(one.time))),
    h("p", {}, who, one.roles.length > 0 && [" as ", one.roles.join(", ")], one.issuer && h("span", { class: "small" }, " with a token from ", one.issuer)),
    one.reasons.length > 0 && h("p", {}, h("strong", { class: "reason" }, [...new Set(one.reasons)].join(", "))),
    h("p", { class: "small" }, h("a", { class: "id", href: to(organization, "commands", one.commandId, { source: one.commandSource }) }, one.commandId), " from ", h("span", { class: "id" }, one.commandSource)));
}

function command(organization, chosen) {
  const words = Object.entries(chosen).filter(([, value]) => value).map(([name, value]) => ` --${name} ${quoted(value)}`);
  return `whopays audit ${organization}${words.join("")}`;
}
