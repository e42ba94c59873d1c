// Health: whether the service answers, how far each organization's closed instant lags, and the server's metrics.

import { ask, path, Problem, reach } from "../api.js";
import { fill, h } from "../dom.js";
import { Finder } from "../finder.js";
import { at, DAY, lasting, now, parse, SECOND } from "../instants.js";
import { badge, copyable, empty, link, region, section, table } from "../parts.js";
import { count } from "../words.js";

const LATE = 10 * SECOND;
const OLD = 2 * DAY;
const METRICS = {
  whopays_events_unpublished: ["Events not published yet", (value) => value.toLocaleString("en")],
  whopays_closed_until_timestamp_seconds: ["Closed until", (value) => at(instantOf(value))],
  process_start_time_seconds: ["Server started", (value) => at(instantOf(value))],
  process_resident_memory_bytes: ["Server memory", (value) => `${(value / 2 ** 20).toFixed(0)} MiB`],
};
const ENDED = "whopays_last_audit_timestamp_seconds";
const BROKEN = "whopays_broken_promises";
const AUDITED = "whopays_events_audited";

/** The page about the installation's health. */
export function health({ signal }) {
  const place = h("div", {});
  const look = () => fill(place,
    region(() => readiness(signal), verdict), section("Last audit", region(() => metricsOf(signal), audit)), section("Dead letters", waiting(signal)),
    section("Recently viewed organizations", lags(signal)), section("Metrics of this server", region(() => metricsOf(signal), metrics)));
  look();
  return {
    title: "Health",
    content: [
      h("p", { class: "kind" }, "For operators"), h("h1", { tabindex: "-1" }, "Health"),
      h("div", { class: "filters" }, h("button", { type: "button", on: { click: look } }, "Refresh")), place,
      section("More detail", h("p", {}, "Workers expose their own metrics, and audits print their findings. On a machine of the installation, run:"),
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
    h("p", {}, problem ? `${problem.message} Check that it and its database are running, then refresh.` : "It reaches its database, and the tables are as expected."));
}

function waiting(signal) {
  return region(() => ask("/v1/dead-letters", { parameters: { limit: 1000 }, signal }), ({ body }) => {
    const number = body.items.filter((one) => !one.redriven && !one.discarded).length;
    if (!number) return empty(body.next ? "None of the latest 1,000 dead letters is waiting." : "No dead letters are waiting.");
    return h("p", {}, badge(count(number, "dead letter"), "waiting"), body.next ? " of the latest 1,000 waiting to be redriven or discarded. " : " waiting to be redriven or discarded. ", link("Show them", "_", "dead-letters"));
  });
}

function lags(signal) {
  const known = Finder.remembered();
  if (!known.length) return empty("No recently viewed organizations.", "Open one to see its lag here.");
  const load = () => Promise.all(known.map((name) => ask(path(name), { signal }).then((answer) => ({ name, ...answer }))));
  return region(load, (answers) => table("Closed instants of organizations", ["Organization", "Last event", "Closed until", "Lag"],
    answers.map(({ name, asOf, closedUntil }) => {
      const lag = closedUntil ? Math.max(0, now() - parse(closedUntil)) : null;
      return [link(name, name), h("code", {}, asOf), at(closedUntil, "never"), lag === null ? badge("unknown", "waiting") : badge(lasting(lag), lag > LATE ? "rejected" : "applied")];
    })));
}

/** The findings of the last stored audit. */
function audit(told) {
  const ended = told.find((one) => one.name === ENDED)?.value;
  if (Number.isNaN(ended)) return empty("Unknown.", "The service does not reach its database.");
  if (!ended) return empty("No audit has been recorded yet.", "This command checks every promise and records the verdict:", copyable("whopays verify"));
  const broken = told.filter((one) => one.name === BROKEN && one.value > 0);
  const found = broken.reduce((sum, one) => sum + one.value, 0);
  const age = now() - ended * SECOND;
  return [
    h("p", {},
      found ? badge(count(found, "finding"), "rejected") : badge("Passed", "applied"), " ", at(instantOf(ended)), `, ${lasting(Math.max(0, age))} ago; it covered `,
      count(told.find((one) => one.name === AUDITED)?.value ?? 0, "event"), " and everything known at that time. ",
      age > OLD && badge("more than two days old", "waiting")),
    found > 0 && table("Broken promises", ["Promise", "Findings"], broken.map((one) => [h("code", {}, one.labels.promise), one.value.toLocaleString("en")])),
    found > 0 && h("p", { class: "advice" }, "This command lists each finding:"), found > 0 && copyable("whopays verify"),
  ];
}

function metrics(told) {
  const rows = Object.entries(METRICS).flatMap(([name, [text, shown]]) => {
    const value = told.find((one) => one.name === name)?.value;
    return value === undefined ? [] : [[text, Number.isNaN(value) ? "unknown" : shown(value), h("code", {}, name)]];
  });
  return rows.length ? table("Metrics", ["What", "Value", "Metric"], rows) : empty("This server exposes none of these metrics.");
}

/** Return the server's metrics: each `name`, with `labels` and `value`. Raises Problem. */
async function metricsOf(signal) {
  const response = await reach("/metrics", { signal, headers: { Accept: "*/*" } });
  if (!response.ok) throw new Problem("Forbidden", response.status, "Metrics are available on the machine of the service, and to operators and auditors of all organizations.");
  return [...(await response.text()).matchAll(/^([a-z_]+)(?:\{([^\n]*)\})? (\S+)$/gm)].map(([, name, labels = "", value]) => ({
    name, labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text])), value: Number(value),
  }));
}

const instantOf = (seconds) => new Date(seconds * 1000).toISOString();
