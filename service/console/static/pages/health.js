// Health: whether the service answers, how far behind each organization's closed instant is, and what its metrics say.

import { ask, path, Problem } from "../api.js";
import { h } from "../dom.js";
import { Finder } from "../finder.js";
import { at, lasting, now, parse, SECOND } from "../instants.js";
import { badge, copyable, empty, link, region, section, table } from "../parts.js";
import { count } from "../words.js";

const LATE = 10 * SECOND;
const METRICS = {
  whopays_events_unpublished: ["Events not published yet", (value) => value.toLocaleString("en")],
  whopays_closed_until_timestamp_seconds: ["Closed until", (value) => at(new Date(value * 1000).toISOString())],
  whopays_last_audit_timestamp_seconds: ["Last audit", (value) => (value ? at(new Date(value * 1000).toISOString()) : "none yet")],
  whopays_broken_promises: ["Broken promises", (value) => value.toLocaleString("en")],
  process_start_time_seconds: ["Server started", (value) => at(new Date(value * 1000).toISOString())],
  process_resident_memory_bytes: ["Memory of the server", (value) => `${(value / 2 ** 20).toFixed(0)} MiB`],
};

/** The page about the installation's health. */
export function health({ signal }) {
  const parts = [() => region(() => readiness(signal), verdict), () => section("Dead letters", waiting(signal)), () => section("Organizations looked at here", lags(signal)), () => section("Metrics of this server", metrics(signal))];
  const place = h("div", {}, parts.map((part) => part()));
  const again = h("button", { type: "button", on: { click: () => place.replaceChildren(...parts.map((part) => part())) } }, "Look again");
  return {
    title: "Health",
    content: [
      h("p", { class: "kind" }, "For operators"), h("h1", { tabindex: "-1" }, "Health"), h("div", { class: "filters" }, again), place,
      section("To look closer", h("p", {}, "Workers tell their metrics themselves, and audits print what they find. On a machine of the installation:"),
        h("div", { class: "commands" }, copyable("whopays health"), copyable("whopays verify"), copyable("whopays dead-letters list --waiting"))),
    ],
  };
}

async function readiness(signal) {
  try {
    await ask("/readyz", { signal });
    return null;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

function verdict(problem) {
  return h("div", { class: `present phase-present ${problem ? "suspended" : "ready"}` },
    h("p", { class: "present-word" }, "The service"),
    h("p", { class: "present-name" }, problem ? "does not answer" : "answers"),
    h("p", {}, problem ? `${problem.message} Check that it and its database run, then look again.` : "It reaches its database, whose tables are as it expects them."));
}

function waiting(signal) {
  return region(() => ask("/v1/dead-letters", { parameters: { limit: 1000 }, signal }), ({ body }) => {
    const number = body.items.filter((one) => !one.redriven && !one.discarded).length;
    if (!number) return empty(body.next ? "None of the latest 1,000 waits." : "None waits.");
    return h("p", {}, badge(count(number, "dead letter"), "waiting"), body.next ? " of the latest 1,000 wait to be redriven or discarded. " : " wait to be redriven or discarded. ", link("See them", "_", "dead-letters"));
  });
}

function lags(signal) {
  const known = Finder.remembered();
  if (!known.length) return empty("No organization was looked at here yet.", "Open one, and its lag is shown here.");
  const load = () => Promise.all(known.map((name) => ask(path(name), { signal }).then((answer) => ({ name, ...answer }))));
  return region(load, (answers) => table("How far each organization is closed", ["Organization", "Last event", "Closed until", "Lag"],
    answers.map(({ name, asOf, closedUntil }) => {
      const lag = closedUntil ? Math.max(0, now() - parse(closedUntil)) : null;
      return [link(name, name), h("code", {}, asOf), at(closedUntil, "never"), lag === null ? badge("unknown", "waiting") : badge(lasting(lag), lag > LATE ? "rejected" : "applied")];
    })));
}

function metrics(signal) {
  const load = async () => {
    const response = await fetch("/metrics", { signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem("Unreachable", 0, "The service does not answer.");
    });
    if (!response.ok) throw new Problem("Forbidden", response.status, "Metrics are told on the machine of the service only.");
    return valuesOf(await response.text());
  };
  return region(load, (values) => {
    const rows = Object.entries(METRICS).filter(([name]) => values.has(name)).map(([name, [text, shown]]) => [text, shown(values.get(name)), h("code", {}, name)]);
    return rows.length ? table("Metrics", ["What", "Value", "Metric"], rows) : empty("This server tells nothing that is shown here.");
  });
}

/** Return the sum of each metric's series. */
function valuesOf(text) {
  const values = new Map();
  for (const [, name, value] of text.matchAll(/^([a-z_]+)(?:\{[^\n]*\})? (\S+)$/gm)) values.set(name, (values.get(name) ?? 0) + Number(value));
  return values;
}
