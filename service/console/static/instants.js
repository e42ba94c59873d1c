// Instants, to the microsecond: represented as microseconds since 1970 in a Number, exact from 1685 to 2255.

const FORM = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/;

export const SECOND = 1e6;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const KEY = "whopays.zone";

/** Whether instants are shown in this machine's time zone; else in UTC. */
export const isLocal = () => localStorage.getItem(KEY) === "local";

/** Switch the time zone in which instants are shown, and notify the elements that show some. */
export function switchZone() {
  localStorage.setItem(KEY, isLocal() ? "utc" : "local");
  document.dispatchEvent(new CustomEvent("zone"));
}

/** Parse an instant as the service writes it into microseconds; NaN if it is malformed. */
export function parse(text) {
  const found = FORM.exec(text);
  if (!found) return NaN;
  const [, year, month, day, hour, minute, second, fraction = "", offset] = found;
  const milliseconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${offset.toUpperCase()}`);
  return milliseconds * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

/** Format an instant as the service reads it: in UTC, with six decimals. */
export function format(microseconds) {
  const { date, micro } = split(microseconds);
  return `${date.toISOString().slice(0, 19)}.${micro}Z`;
}

/** Return the parts to show: `day`, `time` to the second, `fraction` (six digits) and `zone`. */
export function parts(microseconds) {
  const { date, micro } = split(microseconds);
  if (!isLocal()) {
    const text = date.toISOString();
    return { day: text.slice(0, 10), time: text.slice(11, 19), fraction: micro, zone: "UTC" };
  }
  const two = (number) => String(number).padStart(2, "0");
  const minutes = -date.getTimezoneOffset();
  const [sign, size] = [minutes < 0 ? "−" : "+", Math.abs(minutes)];
  return {
    day: `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    time: `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
    fraction: micro,
    zone: `${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`,
  };
}

/** Return an instant on one line, to the microsecond, in the chosen zone. */
export function inWords(microseconds) {
  const { day, time, fraction, zone } = parts(microseconds);
  return `${day} ${time}.${fraction} ${zone}`;
}

/** Parse user input into microseconds, or NaN: RFC 3339, or a day with or without a time in the chosen zone. */
export function typed(text) {
  const given = text.trim();
  if (FORM.test(given)) return parse(given);
  const found = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?(?: (?:UTC|[+−-]\d{2}:\d{2}))?$/.exec(given);
  if (!found) return NaN;
  const [, day, minute = "00:00", second = "00", fraction = ""] = found;
  const milliseconds = Date.parse(`${day}T${minute}:${second}${isLocal() ? "" : "Z"}`);
  return milliseconds * 1000 + Number(fraction.padEnd(6, "0"));
}

/** Return a duration in at most two units, such as `3 d 4 h`. */
export function lasting(microseconds) {
  const units = [["y", 365 * DAY], ["d", DAY], ["h", HOUR], ["min", MINUTE], ["s", SECOND], ["ms", 1000], ["µs", 1]];
  const first = units.findIndex(([, size]) => microseconds >= size);
  if (first < 0) return "0 µs";
  const [name, size] = units[first];
  const count = Math.floor(microseconds / size);
  const [nextName, nextSize] = units[first + 1] ?? [];
  const rest = nextSize ? Math.floor((microseconds - count * size) / nextSize) : 0;
  return `${count} ${name}${rest && count < 100 ? ` ${rest} ${nextName}` : ""}`.replaceAll(" ", "\u00a0");
}

/** The current time, by this machine's clock. */
export const now = () => Date.now() * 1000;

function split(microseconds) {
  const micro = ((microseconds % SECOND) + SECOND) % SECOND;
  return { date: new Date((microseconds - micro) / 1000), micro: String(micro).padStart(6, "0") };
}

/** `<at-instant value="2026-11-27T06:57:51.123456Z">`: an instant, shown in the chosen zone. */
class AtInstant extends HTMLElement {
  #show = () => {
    const text = this.getAttribute("value");
    const time = document.createElement("time");
    time.dateTime = text;
    const shown = parts(parse(text));
    const part = (name, content) => Object.assign(document.createElement("span"), { className: name, textContent: content });
    time.append(part("day", shown.day), " ", part("clock", shown.time), part("fraction", `.${shown.fraction}`), " ", part("zone", shown.zone));
    this.replaceChildren(time);
  };

  connectedCallback() {
    this.#show();
    document.addEventListener("zone", this.#show);
  }

  disconnectedCallback() {
    document.removeEventListener("zone", this.#show);
  }
}

customElements.define("at-instant", AtInstant);

/** Return an element that shows an instant as the service writes it; a dash for none. */
export function at(text, none = "—") {
  if (!text) return none;
  const element = document.createElement("at-instant");
  element.setAttribute("value", text);
  return element;
}
