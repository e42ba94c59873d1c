// An organization: its counts, its accounts and its projects.

import { ask, Pages, path } from "../api.js";
import { h } from "../dom.js";
import { at } from "../instants.js";
import { badge, empty, facts, figure, knowing, link, moreOf, payer, phase, region, section } from "../parts.js";
import { to } from "../routes.js";
import { rows } from "../rows.js";
import { PHASES } from "../words.js";

/** The page of an organization. */
export function organization({ organization: name, signal }) {
  return {
    title: name,
    content: [
      h("p", { class: "kind" }, "Organization"),
      h("h1", { tabindex: "-1" }, name),
      region(async () => ask(path(name), { signal }), (answer) => overview(name, answer)),
      section("Accounts", accountCards(name, {}, signal)),
      section("Projects without a payer",
        region(() => new Pages(path(name, "projects"), { unbound: "true" }, { limit: 20, signal }).more(), (pages) => unbound(name, pages))),
    ],
  };
}

function overview(name, answer) {
  const { accounts, projects, unbound: without, defaultAccount } = answer.body;
  if (!accounts && !projects) {
    return empty(`Nothing is known of ${name}.`, "It has no accounts and no projects. Check its name, or wait until the first one is reported.");
  }
  return [
    h("div", { class: "figures" },
      figure(accounts, "account", to(name, "accounts")), figure(projects, "project", to(name, "projects")),
      figure(without, "project without a payer", to(name, "projects", { unbound: "true" }), "projects without a payer")),
    facts(["Default account", defaultAccount ? payer(name, defaultAccount) : "none"]),
    knowing(answer),
  ];
}

/** Its accounts, by phase. */
export function accounts({ organization: name, query, signal }) {
  const choice = (value, text) => h("a", { class: "choice", href: to(name, "accounts", { phase: value }), "aria-current": (query.phase ?? "") === value && "true" }, text);
  return {
    title: `Accounts of ${name}`,
    content: [
      h("p", { class: "kind" }, link(name, name)),
      h("h1", { tabindex: "-1" }, "Accounts"),
      h("nav", { class: "choices", "aria-label": "Phase" }, choice("", "All"), Object.keys(PHASES).map((one) => choice(one, one))),
      accountCards(name, { phase: query.phase }, signal),
    ],
  };
}

function accountCards(name, parameters, signal) {
  const pages = new Pages(path(name, "accounts"), parameters, { signal });
  const element = region(() => pages.more(), draw);
  function draw() {
    if (!pages.items.length) return empty("No accounts found.", parameters.phase ? "Choose another phase." : "CreateAccount creates one.");
    return [h("ul", { class: "cards" }, pages.items.map((one) => card(name, one))), moreOf(pages, "account", () => element.replaceChildren(...draw().filter(Boolean)))];
  }
  return element;
}

function card(name, one) {
  return h("li", { class: "card" },
    h("div", { class: "card-head" }, payer(name, one.account), phase(one.phase)),
    one.displayName && h("p", {}, one.displayName),
    h("p", { class: "small" }, [one.currencyCode ?? "no currency", one.paymentProfile ?? "no payment profile", one.closure && one.phase !== "Archived" && "closing"].filter(Boolean).join(" · ")));
}

function unbound(name, pages) {
  if (!pages.items.length) return empty("Every project has a payer.");
  return [
    h("ul", { class: "tiles" }, pages.items.map((one) => h("li", {}, h("a", { class: "tile", href: to(name, "projects", one.project) }, one.project)))),
    !pages.isComplete && h("p", {}, h("a", { href: to(name, "projects", { unbound: "true" }) }, "Show all")),
  ];
}

/** Its projects. */
export function projects({ organization: name, query, signal }) {
  const chosen = { unbound: query.unbound, state: query.state };
  const choice = (text, given) => {
    const isHere = (query.unbound ?? "") === (given.unbound ?? "") && (query.state ?? "") === (given.state ?? "");
    return h("a", { class: "choice", href: to(name, "projects", given), "aria-current": isHere && "true" }, text);
  };
  const list = projectRows({ name, label: "Projects", parameters: chosen, signal });
  // If this fails, the list itself reports the error.
  ask(path(name), { signal }).then(({ body }) => list.expect(numberOf(body, chosen)), () => {});
  return {
    title: `Projects of ${name}`,
    content: [
      h("p", { class: "kind" }, link(name, name)),
      h("h1", { tabindex: "-1" }, "Projects"),
      h("nav", { class: "choices", "aria-label": "Filter" },
        choice("All", {}), choice("Without a payer", { unbound: "true" }), choice("With a payer", { unbound: "false" }),
        ...["Active", "Inactive", "Deleted"].map((state) => choice(state, { state }))),
      list,
    ],
  };
}

/** Return how many projects match the filter, or null if the organization's counts do not say. */
function numberOf({ projects: all, unbound: without }, { unbound: chosen, state }) {
  if (state) return null;
  return { true: without, false: all - without }[chosen] ?? all;
}

/** A scrolling list of projects; `total` if known. */
export function projectRows({ name, label, parameters, signal, total = null, advice = "Choose another list above." }) {
  const pages = new Pages(path(name, "projects"), parameters, { limit: 1000, signal });
  return rows({
    label, pages, total,
    columns: ["Project", "State", "Payer", "Since"],
    draw: (one) => [
      h("a", { href: to(name, "projects", one.project) }, one.project),
      badge(one.state),
      one.payer ? payer(name, one.payer.account) : h("span", { class: "nobody" }, "nobody"),
      at(one.payer?.establishedAt),
    ],
    empty: empty("No projects found.", advice),
  });
}
