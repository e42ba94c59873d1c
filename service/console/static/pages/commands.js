// Commands: their results, and for each refusal what would resolve it.

import { ask, Pages, path } from "../api.js";
import { h } from "../dom.js";
import { at } from "../instants.js";
import { badge, copyable, empty, facts, link, moreOf, payer, region } from "../parts.js";
import { to } from "../routes.js";
import { count, liftOf, shortType } from "../words.js";

/** The page of a command: its result, one for each source that used the id. */
export function commandPage({ organization, name: id, query, signal }) {
  return {
    title: `Command ${id} · ${organization}`,
    content: [
      h("p", { class: "kind" }, link(organization, organization), " / command"),
      h("h1", { tabindex: "-1", class: "id" }, id),
      region(
        () => ask(path(organization, "results"), { parameters: { id, source: query.source }, signal }),
        ({ body }) => h("ul", { class: "results" }, body.items.map((one) => result(organization, one, { isAlone: true }))),
        {
          otherwise: (problem) => problem.name === "ResultNotFound" && empty("No result of this command is known.",
            "It was not answered yet, was refused without claiming its id, or its result is no longer kept. The sender can ask again:",
            copyable(`whopays result ${organization} ${quoted(id)}`)),
        }),
    ],
  };
}

/** The results of commands about a project or an account, newest first; `none` is shown if there are none. */
export function commandList(organization, parameters, signal, none) {
  const outcomes = ["", "Applied", "Unchanged", "Scheduled", "Waiting", "Rejected"];
  const select = h("select", { "aria-label": "Outcome" }, outcomes.map((one) => h("option", { value: one }, one || "All outcomes")));
  const place = h("div", {});
  const show = () => {
    const pages = new Pages(path(organization, "results"), { ...parameters, outcome: select.value }, { limit: 20, signal });
    const element = region(() => pages.more(), draw);
    function draw() {
      if (!pages.items.length) return empty(select.value ? `No command is ${select.value}.` : none);
      return [h("ul", { class: "results" }, pages.items.map((one) => result(organization, one))), moreOf(pages, "command", () => element.replaceChildren(...draw().filter(Boolean)))];
    }
    place.replaceChildren(element);
  };
  select.addEventListener("change", show);
  show();
  return h("div", {}, h("div", { class: "filters" }, select), place);
}

/** A result; in full if it `isAlone`. */
function result(organization, one, { isAlone = false } = {}) {
  return h("li", { class: `result ${one.outcome.toLowerCase()}` },
    h("div", { class: "result-head" },
      badge(one.outcome), h("strong", {}, shortType(one.commandType)),
      one.project && link(one.project, organization, "projects", one.project),
      one.account && payer(organization, one.account),
      h("span", { class: "when" }, at(one.time))),
    h("p", { class: "small" }, isAlone ? h("code", {}, one.commandId) : h("a", { class: "id", href: to(organization, "commands", one.commandId, { source: one.commandSource }) }, one.commandId), " from ", h("span", { class: "id" }, one.commandSource)),
    one.violations.length > 0 && h("ul", { class: "violations" }, one.violations.map((violation) => refusal(organization, violation, one))),
    one.violationCount > one.violations.length && h("p", { class: "small" }, `and ${count(one.violationCount - one.violations.length, "more violation")}`),
    isAlone && facts(
      ["Event", h("code", {}, one.eventId)], ["Binding", one.bindingId && h("code", {}, one.bindingId)],
      ["Projects", one.projectCount], ["Fingerprint", one.fingerprint && h("code", {}, one.fingerprint)],
      ["Events", one.events?.length > 0 && h("ul", { class: "plain" }, one.events.map((event) => h("li", {}, shortType(event.type), " ", h("code", {}, event.subject))))]));
}

function refusal(organization, violation, one) {
  return h("li", {},
    h("p", {}, h("strong", { class: "reason" }, violation.reason), violation.field && [" ", h("code", {}, violation.field)], " ", violation.message),
    violation.blockers && blockers(organization, violation.blockers),
    h("p", { class: "lift" }, h("span", { class: "lift-word" }, "What to do: "), liftOf(violation.reason),
      violation.reason === "AccountNotReady" && one.account && [" ", link("See what is missing", organization, "accounts", one.account)],
      violation.retryable && " The same content may then succeed under a new id."));
}

/** The blockers of a refusal: projects, or a balance. */
export function blockers(organization, { count: number, projects, outstanding, currencyCode, asOf }) {
  if (projects) {
    return h("p", { class: "small" }, `${count(number, "project")}: `, projects.map((name, index) => [index > 0 && ", ", link(name, organization, "projects", name)]), number > projects.length && " …");
  }
  return h("p", { class: "small" }, outstanding === null || outstanding === undefined ? "No balance has been reported yet." : ["Outstanding ", h("strong", {}, `${outstanding} ${currencyCode}`), " as of ", at(asOf)]);
}

/** Return a word quoted for a shell. */
export const quoted = (word) => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
