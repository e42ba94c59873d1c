// The ticks of a time axis, and their labels.

import { DAY, HOUR, isLocal, MINUTE, parse, parts, SECOND } from "./instants.js";

const STEPS = [
  ...[1, 10, 100, 1e3, 1e4, 1e5].flatMap((size) => [size, 2 * size, 5 * size]),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14].map((count) => count * DAY),
];
const MONTHS = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1200];
const MONTH = 30.44 * DAY;

/** Return the ticks between two instants, about `count` of them: each with `at` and `text`. */
export function ticks(from, until, count) {
  const wanted = (until - from) / Math.max(1, count);
  const step = STEPS.find((one) => one >= wanted);
  return step ? even(from, until, step) : calendar(from, until, MONTHS.find((one) => one * MONTH >= wanted) ?? 2400);
}

/** Return what all ticks of an axis have in common: the day, and the minute if the ticks are finer than seconds. */
export function axisTitle(from, until) {
  const first = parts(from);
  const last = parts(until);
  if (first.day !== last.day) return `${first.day} – ${last.day}, ${first.zone}`;
  return until - from < 5 * SECOND ? `${first.day} ${first.time} ${first.zone}` : `${first.day}, ${first.zone}`;
}

function even(from, until, step) {
  const shift = isLocal() ? -new Date(from / 1000).getTimezoneOffset() * MINUTE : 0;
  const found = [];
  for (let at = Math.ceil((from + shift) / step) * step - shift; at <= until; at += step) found.push({ at, text: named(at, step) });
  return found;
}

function named(at, step) {
  const { day, time, fraction } = parts(at);
  if (step >= DAY) return day;
  if (step >= MINUTE) return time === "00:00:00" ? day : time.slice(0, 5);
  if (step >= SECOND) return time;
  return `${time.slice(6)}.${step >= 1000 ? fraction.slice(0, 3) : fraction}`;
}

function calendar(from, until, months) {
  const date = new Date(from / 1000);
  const found = [];
  let index = Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / months) * months;
  for (; ; index += months) {
    const [year, month] = [String(Math.floor(index / 12)).padStart(4, "0"), String((index % 12) + 1).padStart(2, "0")];
    const at = parse(`${year}-${month}-01T00:00:00Z`);
    if (!(at <= until)) return found;
    if (at >= from) found.push({ at, text: months >= 12 ? year : `${year}-${month}` });
  }
}
