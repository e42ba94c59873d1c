// `<virtual-rows>`: a list of any length; only the visible rows exist. It loads further pages while scrolling.

import { fill, h } from "./dom.js";
import { failure } from "./parts.js";

const BEYOND = 6;

class VirtualRows extends HTMLElement {
  #rows = new Map();
  #frame = 0;
  #goesToEnd = false;
  #sizes = new ResizeObserver(() => this.#schedule());

  /**
   * Show a list: `pages` (of api.js), the `columns`' names, `draw` (an item → its cells), `total` if known, and
   * what to show of an `empty` one.
   */
  show({ label, pages, columns, draw, total = null, empty }) {
    Object.assign(this, { pages, columns, draw, total, empty });
    this.#rows.clear();
    this.sizer = h("div", { class: "sizer", role: "presentation" });
    this.scroller = h("div", { class: "scroller", role: "rowgroup", tabindex: "0", "aria-label": `${label}, scrollable` }, this.sizer);
    const head = h("div", { role: "row", class: "row head" }, columns.map((name) => h("div", { role: "columnheader" }, name)));
    this.grid = h("div", { role: "table", "aria-label": label, class: "grid" }, h("div", { role: "rowgroup" }, head), this.scroller);
    this.status = h("p", { class: "knowing", role: "status" });
    fill(this, this.grid, this.status);
    this.scroller.addEventListener("scroll", () => this.#schedule(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => (this.#goesToEnd = event.key === "End"));
    for (const other of ["wheel", "pointerdown"]) this.scroller.addEventListener(other, () => (this.#goesToEnd = false), { passive: true });
    this.#sizes.observe(this.scroller);
    this.#schedule();
    return this;
  }

  disconnectedCallback() {
    this.#sizes.disconnect();
  }

  /** Set the total, once it is known. */
  expect(total) {
    this.total = total;
    this.#schedule();
  }

  get #length() {
    const { items, isComplete } = this.pages;
    return isComplete ? items.length : Math.max(this.total ?? 0, items.length + 1);
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const height = parseFloat(getComputedStyle(this).getPropertyValue("--row")) || 44;
    const length = this.#length;
    if (length === 0) return fill(this, this.empty);
    this.grid.setAttribute("aria-rowcount", length + 1);
    this.sizer.style.setProperty("height", `${length * height}px`);
    // The end is known only once all pages are loaded: after End was pressed, keep scrolling to the end.
    if (this.#goesToEnd) this.scroller.scrollTop = length * height;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - BEYOND);
    const last = Math.min(length, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / height) + BEYOND);
    for (const [index, row] of this.#rows) {
      if (index < first || index >= last || row.item !== this.pages.items[index]) {
        row.remove();
        this.#rows.delete(index);
      }
    }
    for (let index = first; index < last; index++) if (!this.#rows.has(index)) this.#add(index, height);
    const there = this.pages.items.length;
    this.status.textContent = this.pages.isComplete || last <= there ? `${length.toLocaleString("en")} in all` : `${there.toLocaleString("en")} of ${length.toLocaleString("en")} loaded`;
    if (this.pages.isComplete) return undefined;
    if (this.total === null || last > there) this.status.textContent = `${there.toLocaleString("en")} so far`;
    if (last + BEYOND > there) this.#turn();
    return undefined;
  }

  #add(index, height) {
    const item = this.pages.items[index];
    const cells = item === undefined ? this.columns.map(() => h("span", { class: "blank" })) : this.draw(item, index);
    const row = h("div", { role: "row", class: "row", "aria-rowindex": index + 2 },
      cells.map((cell, column) => h("div", { role: "cell", "data-name": this.columns[column] }, cell)));
    row.style.setProperty("transform", `translateY(${index * height}px)`);
    row.item = item;
    this.#rows.set(index, row);
    // In the order of the list, for screen readers.
    const after = [...this.sizer.children].find((other) => Number(other.getAttribute("aria-rowindex")) > index + 2);
    this.sizer.insertBefore(row, after ?? null);
  }

  async #turn() {
    try {
      await this.pages.more();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.status, failure(error, () => this.#schedule()));
      return;
    }
    this.#schedule();
  }
}

customElements.define("virtual-rows", VirtualRows);

/** Return a scrolling list; see `VirtualRows.show`. */
export const rows = (given) => document.createElement("virtual-rows").show(given);
