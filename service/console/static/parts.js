// The building blocks of pages.

import { Problem } from "./api.js";
import { coloured } from "./colours.js";
import { h } from "./dom.js";
import { at } from "./instants.js";
import { to } from "./routes.js";
import { count, helpWith, PHASES } from "./words.js";

/** A section of a page, with a title. */
export function section(title, ...content) {
  const id = `part-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { class: "part", "aria-labelledby": id }, h("h2", { id }, title), ...content);
}

/** Content from the service: a shimmer while it loads, then the result of `draw`, or the error. */
export function region(load, draw, { kind = "block", otherwise } = {}) {
  const element = h("div", { class: "region", "aria-busy": "true" });
  const attempt = async () => {
    element.setAttribute("aria-busy", "true");
    element.replaceChildren(h("div", { class: `shimmer ${kind}` }));
    try {
      element.replaceChildren(...[await draw(await load())].flat(Infinity).filter(Boolean));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      element.replaceChildren(otherwise?.(error) ?? failure(error, attempt));
    } finally {
      element.setAttribute("aria-busy", "false");
    }
  };
  attempt();
  element.again = attempt;
  return element;
}

/** An error, what to do about it, and a button that retries. */
export function failure(problem, again) {
  const title = problem.name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ");
  return h("div", { class: "failure", role: "alert" },
    h("p", { class: "failure-title" }, title.charAt(0) + title.slice(1).toLowerCase()),
    h("p", {}, problem.message),
    problem.violations.length > 0 && h("ul", {}, problem.violations.map((one) => h("li", {}, h("code", {}, one.field ?? ""), ` ${one.message}`))),
    h("p", { class: "advice" }, helpWith(problem.name)),
    again && h("button", { type: "button", on: { click: again } }, "Try again"));
}

/** An empty state, and what would change it. */
export function empty(what, advice, ...more) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, what), advice && h("p", {}, advice), ...more);
}

/** A description list; terms without a value are left out. */
export function facts(...pairs) {
  const said = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return h("dl", { class: "facts" }, said.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

/** A table; `rows` are lists of cells, in the order of the `columns`. Narrow screens show each row as a card. */
export function table(label, columns, rows) {
  return h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, index) => h("td", { "data-name": columns[index] }, cell)))))));
}

/** An account's phase, as a badge. */
export const phase = (name) => h("span", { class: `badge phase ${name.toLowerCase()}`, title: PHASES[name] ?? "" }, name);

/** An outcome, or another state, as a badge. */
export const badge = (name, kind = name.toLowerCase()) => h("span", { class: `badge ${kind}` }, name);

/** The name of an account in its colour, linked. */
export function payer(organization, account, query = {}) {
  const { class: name, style } = coloured(account, "chip");
  return h("a", { class: name, style, href: to(organization, "accounts", account, query) }, account);
}

/** A link to a page. */
export const link = (text, ...parts) => h("a", { href: to(...parts) }, text);

/** The event and the closed instant of an answer's snapshot, in small print. */
export function knowing(answer) {
  return h("p", { class: "knowing" },
    answer.asOf && ["As of event ", h("code", {}, answer.asOf)],
    answer.closedUntil && [", closed until ", at(answer.closedUntil)]);
}

/** A number, with what it counts below it. */
export function figure(number, noun, href, nouns = `${noun}s`) {
  const shown = [h("span", { class: "number" }, number.toLocaleString("en")), h("span", { class: "noun" }, number === 1 ? noun : nouns)];
  return href ? h("a", { class: "figure", href }, shown) : h("div", { class: "figure" }, shown);
}

/** How much of a list is loaded, and a button for more. */
export function moreOf(pages, noun, draw) {
  if (pages.isComplete) return null;
  const button = h("button", { type: "button", class: "more" }, `Show more (${count(pages.items.length, noun)} so far)`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await pages.more();
      draw();
    } catch (error) {
      if (error.name !== "AbortError") button.replaceWith(failure(error, draw));
    }
  });
  return button;
}

/** `<copy-line>whopays verify</copy-line>`: a command, with a button that copies it. */
class CopyLine extends HTMLElement {
  connectedCallback() {
    if (this.querySelector("button")) return;
    const command = this.textContent;
    const button = h("button", { type: "button", "aria-label": `Copy: ${command}` }, "Copy");
    button.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(command).then(() => "Copied", () => "Selected");
      if (done !== "Copied") getSelection().selectAllChildren(this.querySelector("code"));
      button.textContent = done;
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    this.replaceChildren(h("code", {}, command), button);
  }
}

customElements.define("copy-line", CopyLine);

/** A command to copy. */
export const copyable = (command) => h("copy-line", {}, command);
