// Search as you type: recently viewed organizations, then projects, accounts and commands of one.

import { ask, Pages, path } from "./api.js";
import { coloured } from "./colours.js";
import { fill, h } from "./dom.js";
import { to } from "./routes.js";
import { shortType } from "./words.js";

const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const [SHOWN, LOOKED_THROUGH, FRESH_MS, PAUSE_MS] = [6, 200_000, 60_000, 120];

/** The search field, with a list below it; `organizationNow` returns the one on screen. */
export class Finder {
  #known = new Map();
  #asked = 0;
  #chosen = -1;
  options = [];
  #text = null;

  constructor(organizationNow) {
    this.organizationNow = organizationNow;
    this.input = h("input", {
      type: "search", id: "finder", role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
      autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-label": "Search", placeholder: "organization or organization/name",
    });
    this.list = h("div", { id: "found", role: "listbox", "aria-label": "Search results", hidden: true });
    this.element = h("search", { class: "finder" }, this.input, h("kbd", { "aria-hidden": "true" }, "/"), this.list);
    let pause = 0;
    this.input.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(() => this.#look(), PAUSE_MS);
    });
    this.input.addEventListener("focus", () => this.#look());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusout", (event) => !this.element.contains(event.relatedTarget) && this.#close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    addEventListener("hashchange", () => this.#close());
  }

  /** Return the recently viewed organizations, the latest first. */
  static remembered() {
    try {
      return JSON.parse(localStorage.getItem("whopays.organizations")) ?? [];
    } catch {
      return [];
    }
  }

  /** Focus the search field. */
  focus() {
    this.input.focus();
    this.input.select();
  }

  async #look() {
    const turn = ++this.#asked;
    const text = this.input.value.trim();
    this.#text = text;
    const slash = text.indexOf("/");
    const organization = slash >= 0 ? text.slice(0, slash).trim() : this.organizationNow();
    const word = slash >= 0 ? text.slice(slash + 1).trim() : text;
    const organizations = slash >= 0 ? [] : this.#organizations(text);
    this.#draw([{ title: "Organizations", found: organizations }], text);
    if (!word || !organization || !NAME.test(organization)) return;
    const known = await this.#knownOf(organization);
    const groups = () => [{ title: "Organizations", found: organizations }, ...this.#within(organization, word, known)];
    const show = (hint) => turn === this.#asked && this.#draw(groups(), text, hint);
    show();
    await this.#lookFurther(organization, word, known, () => turn === this.#asked, show);
  }

  #organizations(text) {
    const before = Finder.remembered();
    const like = before.filter((one) => one.includes(text) && one !== text).slice(0, SHOWN);
    return [...(NAME.test(text) ? [text] : []), ...like].map((name) => ({ text: name, note: before.includes(name) ? "recently viewed" : "open", href: to(name) }));
  }

  #within(organization, word, { projects, accounts, results }) {
    const pick = (pages, name) => {
      const found = pages.items.map(name).filter((one) => one.includes(word));
      return [...new Set([...found.filter((one) => one.startsWith(word)), ...found])].slice(0, SHOWN);
    };
    const ids = pick(results, (result) => result.commandId);
    const typeOf = (id) => shortType(results.items.find((result) => result.commandId === id).commandType);
    return [
      { title: "Projects", found: pick(projects, (one) => one.project).map((name) => ({ text: name, note: organization, href: to(organization, "projects", name) })) },
      { title: "Accounts", found: pick(accounts, (one) => one.account).map((name) => ({ text: name, note: organization, href: to(organization, "accounts", name), colour: name })) },
      {
        title: "Commands",
        found: [
          ...ids.map((id) => ({ text: id, note: typeOf(id), href: to(organization, "commands", id) })),
          ...(ids.includes(word) ? [] : [{ text: word, note: `find a command with this id in ${organization}`, href: to(organization, "commands", word) }]),
        ],
      },
    ];
  }

  async #knownOf(organization) {
    const before = this.#known.get(organization);
    if (before && performance.now() - before.at < FRESH_MS) return before;
    const pages = (kind, limit) => new Pages(path(organization, kind), {}, { limit });
    const known = { at: performance.now(), projects: pages("projects", 1000), accounts: pages("accounts", 1000), results: pages("results", 200), exact: new Set() };
    this.#known.set(organization, known);
    await Promise.allSettled([known.projects.more(), known.accounts.more(), known.results.more()]);
    return known;
  }

  /** Request exactly this project, which needs no pages; then load pages while too little is found, and say so. */
  async #lookFurther(organization, word, { projects, accounts, exact }, isWanted, show) {
    try {
      if (NAME.test(word) && !exact.has(word) && !projects.items.some((one) => one.project === word)) {
        exact.add(word);
        const { body } = await ask("/v1/payers/lookup", { method: "POST", body: { questions: [{ organization, project: word }] } });
        if (body.answers[0].known) projects.items.unshift({ project: word });
        show();
      }
    } catch {
      // The pages may still contain it.
    }
    for (const [pages, name, noun] of [[accounts, (one) => one.account, "accounts"], [projects, (one) => one.project, "projects"]]) {
      const number = () => `${pages.items.length.toLocaleString("en")} ${noun}`;
      const isEnough = () => pages.items.filter((one) => name(one).includes(word)).length >= SHOWN;
      try {
        while (isWanted() && !pages.isComplete && !isEnough()) {
          if (pages.items.length >= LOOKED_THROUGH) {
            show(`Searched the first ${number()} only. To find any project, type its full name.`);
            return;
          }
          show(`Searching: ${number()} so far …`);
          await pages.more();
        }
      } catch {
        show(`Searched ${number()} only: the service does not answer.`);
        return;
      }
    }
    show();
  }

  #draw(groups, text, hint) {
    const chosen = this.options[this.#chosen]?.getAttribute("href");
    this.options = [];
    const option = (one) => {
      const element = h("a", { role: "option", id: `found-${this.options.length}`, href: one.href, tabindex: "-1", "aria-selected": "false" },
        one.colour ? h("span", { ...coloured(one.colour, "dot") }) : null, h("span", { class: "found-name" }, one.text), h("span", { class: "found-note" }, one.note));
      this.options.push(element);
      return element;
    };
    const shown = groups.filter((group) => group.found.length).map((group) =>
      h("div", { role: "group", "aria-label": group.title }, h("p", { class: "found-title", "aria-hidden": "true" }, group.title), group.found.map(option)));
    const said = hint ?? (shown.length ? null : text ? "Nothing found. Names contain only a–z, 0–9, dots and hyphens." : "Type the name of an organization.");
    fill(this.list, shown, said && h("p", { class: "found-none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, said));
    const isOpen = this.element.contains(document.activeElement);
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    this.input.removeAttribute("aria-activedescendant");
    this.#chosen = this.options.findIndex((one) => one.getAttribute("href") === chosen);
    if (this.#chosen >= 0) this.#choose();
  }

  #choose() {
    const chosen = this.options[this.#chosen];
    chosen.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", chosen.id);
    return chosen;
  }

  async #key(event) {
    if (event.key === "Escape") return this.#close();
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.#text !== this.input.value.trim()) await this.#look();
      const chosen = this.options[Math.max(0, this.#chosen)];
      if (!chosen) return undefined;
      location.hash = chosen.getAttribute("href");
      this.input.blur();
      this.input.value = "";
      return this.#close();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.options.length) return undefined;
    event.preventDefault();
    this.options[this.#chosen]?.setAttribute("aria-selected", "false");
    this.#chosen = (this.#chosen + step + this.options.length) % this.options.length;
    this.#choose().scrollIntoView({ block: "nearest" });
    return undefined;
  }

  #close() {
    this.#asked++;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }
}
