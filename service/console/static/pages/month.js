// The intervals of an account in a month, as a chart and as a table.

import { Pages, path } from "../api.js";
import { coloured } from "../colours.js";
import { fill, h } from "../dom.js";
import { DAY, at, format, lasting, now, parse } from "../instants.js";
import { empty, link } from "../parts.js";
import { keep } from "../routes.js";
import { rows } from "../rows.js";

const FORM = /^\d{4}-(0[1-9]|1[0-2])$/;

/** The month, with links to other months and the other view; both are in the address. Months are UTC. */
export function month({ organization, name, query, signal }) {
  const shown = { month: FORM.test(query.month ?? "") ? query.month : format(now()).slice(0, 7), view: query.view === "table" ? "table" : "picture" };
  const place = h("div", {});
  const field = h("input", { type: "month", "aria-label": "Month", value: shown.month, required: true });
  const step = (by) => {
    const date = new Date(`${shown.month}-01T00:00:00Z`);
    date.setUTCMonth(date.getUTCMonth() + by);
    choose({ month: date.toISOString().slice(0, 7) });
  };
  const views = ["picture", "table"].map((view) => h("button", { type: "button", class: "choice", on: { click: () => choose({ view }) } }, view === "picture" ? "Chart" : "Table"));
  const draw = () => {
    field.value = shown.month;
    views.forEach((button, index) => button.setAttribute("aria-pressed", String(["picture", "table"][index] === shown.view)));
    fill(place, list({ organization, name, signal, ...shown }));
  };
  function choose(changes) {
    Object.assign(shown, changes);
    keep({ month: shown.month, view: shown.view });
    draw();
  }
  field.addEventListener("change", () => FORM.test(field.value) && choose({ month: field.value }));
  draw();
  return h("div", {},
    h("div", { class: "filters" },
      h("button", { type: "button", "aria-label": "Previous month", on: { click: () => step(-1) } }, "◂"), field,
      h("button", { type: "button", "aria-label": "Next month", on: { click: () => step(1) } }, "▸"),
      h("div", { class: "choices", role: "group", "aria-label": "View" }, views)),
    place);
}

function list({ organization, name, month: chosen, view, signal }) {
  const from = parse(`${chosen}-01T00:00:00Z`);
  const [year, number] = chosen.split("-").map(Number);
  const until = parse(`${format(Date.UTC(year, number, 1) * 1000)}`);
  const pages = new Pages(path(organization, "accounts", name, "intervals"), { from: format(from), until: format(until) }, { limit: 1000, signal });
  const none = empty(`It paid for nothing in ${chosen}.`, "Choose another month.");
  const until_ = (one) => (one.until ? parse(one.until) : Math.min(now(), until));
  const project = (one) => link(one.project, organization, "projects", one.project);
  if (view === "table") {
    return rows({
      label: `Intervals in ${chosen}`, pages, columns: ["Project", "From", "Until", "For"], empty: none,
      draw: (one) => [project(one), at(one.from), at(one.until, h("span", { class: "lasts" }, "ongoing")), lasting(until_(one) - parse(one.from))],
    });
  }
  const days = Array.from({ length: Math.round((until - from) / DAY) }, (_, day) => h("span", {}, String(day + 1)));
  const share = (instant) => `${(((instant - from) / (until - from)) * 100).toFixed(4)}%`;
  const { class: tone, style } = coloured(name, "month-bar");
  const bars = ({ intervals }) => h("span", { class: "month-track", role: "img", "aria-label": intervals.map((one) => `from ${one.from} until ${one.until ?? "now"}`).join(", ") },
    intervals.map((one) => h("span", { class: tone, style: { ...style, "--from": share(parse(one.from)), "--for": share(from + until_(one) - parse(one.from)) } })));
  return h("div", { class: "month", style: { "--days": days.length } },
    h("div", { class: "month-days", "aria-hidden": "true" }, h("span", {}), h("div", { class: "month-scale" }, days)),
    rows({ label: `Intervals in ${chosen}, as bars`, pages: new ByProject(pages), columns: ["Project", "Paid for"], empty: none, draw: (one) => [project(one), bars(one)] }));
}

/** Pages of intervals, grouped into one item per project with all its `intervals`: they arrive ordered by project. */
class ByProject {
  items = [];
  #taken = 0;

  constructor(pages) {
    this.pages = pages;
  }

  get isComplete() {
    return this.pages.isComplete;
  }

  async more() {
    const { items } = await this.pages.more();
    for (; this.#taken < items.length; this.#taken++) {
      const one = items[this.#taken];
      const last = this.items.at(-1)?.project === one.project ? this.items.pop() : { project: one.project, intervals: [] };
      // A new object, so that the row already drawn is recognized as changed.
      this.items.push({ ...last, intervals: [...last.intervals, one] });
    }
  }
}
