// `<time-bars>`: spans of time as bars on an axis, which zooms to the microsecond, pans, and reports clicks.

import { fill, h, s } from "./dom.js";
import { inWords, now } from "./instants.js";
import { axisTitle, ticks } from "./ticks.js";

const NARROWEST = 20;
const [AXIS, BAR, GAP] = [34, 46, 12];

class TimeBars extends HTMLElement {
  #frame = 0;
  #pointers = new Map();
  #sizes = new ResizeObserver(() => this.#schedule());
  #zone = () => this.#schedule();

  /**
   * Show `spans`: each with `from`, `until` (null while it lasts), `text`, `given` (class and style), `isPlanned`; and
   * `at`, an instant that is marked. `from` and `until` bound the initial view.
   */
  show({ label, spans, from, until, at = null }) {
    Object.assign(this, { label, spans, at, whole: [from, until] });
    this.view ??= [from, until];
    if (!this.svg) this.#build();
    this.svg.setAttribute("aria-label", summary(label, spans));
    this.#schedule();
    return this;
  }

  /** Mark an instant (null for none), and scroll it into view. */
  mark(at) {
    this.at = at;
    const [from, until] = this.view;
    if (at !== null && (at < from || at > until)) this.look(at - (until - from) / 2, at + (until - from) / 2);
    this.#schedule();
  }

  /** Zoom to the time between two instants. */
  look(from, until) {
    const longest = (this.whole[1] - this.whole[0]) * 8;
    const size = Math.min(Math.max(until - from, NARROWEST), longest);
    const middle = (from + until) / 2;
    this.view = [middle - size / 2, middle + size / 2];
    this.#schedule();
  }

  /** Show everything. */
  lookAtAll() {
    this.look(...this.whole);
  }

  disconnectedCallback() {
    this.#sizes.disconnect();
    document.removeEventListener("zone", this.#zone);
  }

  #build() {
    this.svg = s("svg", { role: "img", height: AXIS + BAR + GAP });
    this.reading = h("output", { class: "reading" });
    this.title_ = h("p", { class: "axis-title" });
    const button = (text, name, act) => h("button", { type: "button", "aria-label": name, title: name, on: { click: act } }, text);
    const tools = h("div", { class: "tools", role: "group", "aria-label": "Zoom" },
      button("−", "Zoom out", () => this.#zoom(2)), button("+", "Zoom in", () => this.#zoom(0.5)),
      button("◂", "Earlier", () => this.#pan(-0.25)), button("▸", "Later", () => this.#pan(0.25)),
      button("All", "Show all", () => this.lookAtAll()));
    this.stage = h("div", {
      class: "stage", tabindex: "0", role: "group", "aria-label": `${this.label}. Arrow keys pan, plus and minus zoom, 0 shows all.`,
    }, this.svg);
    fill(this, h("div", { class: "bars-head" }, this.title_, tools), this.stage, this.reading);
    this.#listen();
    this.#sizes.observe(this.stage);
    document.addEventListener("zone", this.#zone);
  }

  #listen() {
    const { stage } = this;
    stage.addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => this.#pan(-0.1), ArrowRight: () => this.#pan(0.1), "+": () => this.#zoom(0.5), "=": () => this.#zoom(0.5), "-": () => this.#zoom(2), 0: () => this.lookAtAll() }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
    stage.addEventListener("wheel", (event) => {
      const isZoom = event.ctrlKey || event.metaKey;
      if (!isZoom && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      if (isZoom) this.#zoom(1.002 ** event.deltaY, this.#instantAt(event));
      else this.#pan(event.deltaX / this.#width);
    }, { passive: false });
    stage.addEventListener("dblclick", (event) => this.#zoom(0.25, this.#instantAt(event)));
    stage.addEventListener("pointerdown", (event) => {
      this.#pointers.set(event.pointerId, event);
      this.pressed = { x: event.clientX, view: this.view, moved: false };
    });
    stage.addEventListener("pointermove", (event) => this.#moved(event));
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => this.#released(event));
    stage.addEventListener("pointerleave", () => (this.reading.textContent = ""));
  }

  #moved(event) {
    if (!this.#pointers.has(event.pointerId)) return this.#read(this.#instantAt(event));
    const others = [...this.#pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    const before = this.#pointers.get(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (others.length) {
      const [old, new_] = [before, event].map((one) => Math.max(8, Math.abs(one.clientX - others[0].clientX)));
      this.pressed.moved = true;
      return this.#zoom(old / new_, this.#instantAt(event));
    }
    const shift = event.clientX - this.pressed.x;
    if (Math.abs(shift) < 5 && !this.pressed.moved) return undefined;
    this.pressed.moved = true;
    this.stage.setPointerCapture(event.pointerId);
    const [from, until] = this.pressed.view;
    const distance = (shift / this.#width) * (until - from);
    return this.look(from - distance, until - distance);
  }

  #released(event) {
    if (!this.#pointers.delete(event.pointerId) || event.type === "pointercancel" || this.pressed.moved) return;
    this.dispatchEvent(new CustomEvent("pick", { detail: Math.round(this.#instantAt(event)) }));
  }

  get #width() {
    return this.stage.clientWidth || 1;
  }

  #instantAt(event) {
    const [from, until] = this.view;
    return from + ((event.clientX - this.stage.getBoundingClientRect().left) / this.#width) * (until - from);
  }

  #zoom(factor, around = (this.view[0] + this.view[1]) / 2) {
    const [from, until] = this.view;
    this.look(around - (around - from) * factor, around + (until - around) * factor);
  }

  #pan(share) {
    const [from, until] = this.view;
    const distance = (until - from) * share;
    this.look(from + distance, until + distance);
  }

  #read(at) {
    const found = this.spans.find((span) => !span.isPlanned && span.from <= at && (span.until === null ? at <= Math.max(now(), span.from) : at < span.until));
    this.reading.textContent = `${inWords(Math.round(at))}  ${found ? found.text : "—"}`;
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const width = this.#width;
    const [from, until] = this.view;
    const x = (at) => Math.min(Math.max(((at - from) / (until - from)) * width, -10), width + 10);
    const present = now();
    const line = (name, at, bottom = AXIS + BAR + GAP) => s("line", { class: name, x1: x(at), x2: x(at), y1: AXIS - 6, y2: bottom });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${AXIS + BAR + GAP}`);
    const inSight = (span) => span.from <= until && (span.until ?? Infinity) >= from;
    fill(this.svg,
      s("defs", {}, s("pattern", { id: "stripes", width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("line", { class: "stripes", x1: 2, x2: 2, y1: 0, y2: 9 }))),
      s("rect", { class: "ground", x: 0, y: AXIS, width, height: BAR, rx: 6 }),
      ticks(from, until, width / 110).map(({ at, text }) => [
        line("tick", at), x(at) < width - 7 * text.length && s("text", { class: "tick-text", x: x(at) + 4, y: AXIS - 14 }, text),
      ]),
      this.spans.filter(inSight).map((span) => bar(span, x, present, width)),
      this.spans.filter((span) => span.from > from && span.from < until).map((span) => line("cut", span.from, AXIS + BAR)),
      present > from && present < until && line("present", present),
      this.at !== null && this.at >= from && this.at <= until && [
        line("mark", this.at), s("circle", { class: "mark-head", cx: x(this.at), cy: AXIS - 6, r: 5 }),
      ]);
    this.title_.textContent = axisTitle(from, until);
  }
}

customElements.define("time-bars", TimeBars);

function bar(span, x, present, width) {
  const left = x(span.from);
  const right = span.until === null ? (span.isPlanned ? width + 10 : x(Math.max(present, span.from))) : x(span.until);
  const room = Math.min(right, width) - Math.max(left, 0) - 16;
  const shown = clipped(span.text, room);
  const box = { x: left, y: AXIS, width: Math.max(right - left, 2), height: BAR, rx: right - left > 10 ? 5 : 1 };
  return s("g", { ...span.given, class: `${span.given.class} bar${span.isPlanned ? " planned" : ""}` },
    s("title", {}, `${span.text}: ${inWords(span.from)} – ${span.until === null ? (span.isPlanned ? "no end" : "now") : inWords(span.until)}`),
    s("rect", box),
    span.given.class.includes("striped") && s("rect", { ...box, class: "lines" }),
    shown && s("text", { x: Math.max(left, 0) + 10, y: AXIS + BAR / 2 + 5 }, shown));
}

function clipped(text, room) {
  const characters = Math.floor(room / 8);
  if (text.length <= characters) return text;
  return characters < 4 ? "" : `${text.slice(0, characters - 1)}…`;
}

function summary(label, spans) {
  const said = spans.slice(0, 12).map((span) => `${span.text} from ${inWords(span.from)}${span.until === null ? "" : ` until ${inWords(span.until)}`}`);
  return `${label}: ${said.join("; ")}${spans.length > said.length ? `; and ${spans.length - said.length} more` : ""}`;
}
