// A project: who pays, who paid when, scheduled and waiting bindings, and its commands.

import { ask, Pages, path } from "../api.js";
import { coloured } from "../colours.js";
import "../bars.js";
import { h } from "../dom.js";
import { at, DAY, format, HOUR, inWords, lasting, now, parse, typed } from "../instants.js";
import { badge, empty, facts, knowing, link, moreOf, payer, region, section, table } from "../parts.js";
import { keep, to } from "../routes.js";
import { commandList } from "./commands.js";

const PAGE = 500;

/** The page of a project; `at` in its address is the selected instant. */
export function project({ organization, name, query, signal }) {
  const load = async () => {
    const answer = await ask(path(organization, "projects", name), { signal });
    const intervals = await new Pages(path(organization, "projects", name, "intervals"), {}, { limit: PAGE, signal }).more();
    return { answer, intervals };
  };
  return {
    title: `${name} · ${organization}`,
    content: [
      h("p", { class: "kind" }, link(organization, organization), " / ", link("projects", organization, "projects")),
      h("h1", { tabindex: "-1" }, name),
      region(load, (loaded) => all({ organization, name, query, signal, ...loaded }), { kind: "tall" }),
      section("Commands and refusals", commandList(organization, { project: name }, signal, "No command that is still kept names this project.")),
    ],
  };
}

function all(page) {
  const { organization, answer } = page;
  const { body } = answer;
  return [
    present(page),
    ...history(page),
    section("Scheduled and waiting", planned(organization, body)),
    section("Details", facts(["State", badge(body.state)], ["Display name", body.displayName], ["Version", body.version], ["uid", body.uid && h("code", {}, body.uid)])),
    knowing(answer),
  ];
}

function present({ organization, answer: { body } }) {
  if (!body.payer) {
    const why = body.state === "Deleted" ? "The project is deleted: nobody pays for it any more." : "BindProject gives it a payer; so does a default account when the project becomes Active.";
    return h("div", { class: "present nobody-pays" }, h("p", { class: "present-word" }, "Paid by"), h("p", { class: "present-name" }, "nobody"), h("p", {}, why));
  }
  const since = parse(body.payer.establishedAt);
  const { class: name, style } = coloured(body.payer.account, "present");
  return h("div", { class: name, style },
    h("p", { class: "present-word" }, "Paid by"),
    h("p", { class: "present-name" }, h("a", { href: to(organization, "accounts", body.payer.account) }, body.payer.account)),
    h("p", {}, "since ", at(body.payer.establishedAt), h("span", { class: "aside" }, ` for ${lasting(now() - since)}, in ${body.payer.currencyCode}`)));
}

function history(page) {
  const { intervals, answer: { body } } = page;
  const bars = document.createElement("time-bars");
  const asking = whoPaid(page, bars);
  const list = h("div", {});
  const draw = () => {
    bars.show(shownOf(body, intervals.items));
    list.replaceChildren(...[intervalTable(page, bars), moreOf(intervals, "interval", draw)].filter(Boolean));
  };
  draw();
  bars.addEventListener("pick", (event) => asking.ask(event.detail));
  const paid = intervals.items.length ? [bars, asking.element, list] : empty("Nobody has ever paid for it.", "Its history begins with its first binding.");
  return [section("Payers over time", ...[paid].flat())];
}

function shownOf(body, items) {
  const spans = items.map((one) => ({
    from: parse(one.establishedAt), until: one.endedAt ? parse(one.endedAt) : null, text: one.account, given: coloured(one.account),
  }));
  if (body.scheduled) {
    spans.push({ from: parse(body.scheduled.effectiveAt), until: null, text: `${body.scheduled.account} (scheduled)`, given: coloured(body.scheduled.account), isPlanned: true });
  }
  const first = spans[0]?.from ?? now() - DAY;
  const last = Math.max(now(), ...spans.map((span) => (span.isPlanned ? span.from + HOUR : span.until ?? span.from)));
  const margin = Math.max(50, Math.round((last - first) * 0.04));
  return { label: `Payers of ${body.project}`, spans, from: first - margin, until: last + margin };
}

function intervalTable({ organization, intervals }, bars) {
  const rows = [...intervals.items].reverse().map((one) => {
    const [from, until] = [parse(one.establishedAt), one.endedAt ? parse(one.endedAt) : now()];
    const margin = Math.max(10, (until - from) * 0.15);
    const zoom = h("button", { type: "button", class: "quiet", "aria-label": `Zoom to ${one.account} from ${inWords(from)}`, on: { click: () => bars.look(from - margin, until + margin) } }, "Zoom");
    return [payer(organization, one.account), at(one.establishedAt), at(one.endedAt, h("span", { class: "lasts" }, "still pays")), lasting(until - from), zoom];
  });
  return table("Payers, latest first", ["Account", "From", "Until", "For", "Zoom"], rows);
}

/** The question "who paid at …": a field, and the answer, with whether it can still change. */
function whoPaid({ organization, name, query, signal }, bars) {
  const field = h("input", { name: "at", id: "at", autocomplete: "off", spellcheck: "false", placeholder: "2026-11-27 06:57:51.123456", "aria-describedby": "at-help" });
  const answered = h("div", { class: "answered", role: "status" });
  const form = h("form", { class: "ask" },
    h("label", { for: "at" }, "Who paid at"), h("div", { class: "together" }, field, h("button", {}, "Ask")),
    h("p", { id: "at-help", class: "small" }, "Enter an instant, to the microsecond, in the zone shown or with an offset; or click the timeline."), answered);
  const askAt = async (instant) => {
    field.value = inWords(instant);
    field.setAttribute("aria-invalid", "false");
    keep({ at: format(instant) });
    bars.mark(instant);
    answered.replaceChildren(region(
      () => ask(path(organization, "projects", name, "payer"), { parameters: { at: format(instant) }, signal }),
      ({ body, closedUntil }) => verdict(organization, body, closedUntil), { kind: "line" }));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const instant = typed(field.value);
    if (!Number.isNaN(instant)) return askAt(instant);
    field.setAttribute("aria-invalid", "true");
    answered.replaceChildren(h("p", { class: "advice" }, "Not an instant. Write it as 2026-11-27 06:57:51.123456, or with an offset: 2026-11-27T07:57:51+01:00."));
    return undefined;
  });
  const first = query.at ? parse(query.at) : NaN;
  if (!Number.isNaN(first)) queueMicrotask(() => askAt(first));
  return { element: form, ask: askAt };
}

function verdict(organization, { at: asked, payer: paid, settled }, closedUntil) {
  const who = paid ? payer(organization, paid.account) : h("strong", {}, "nobody");
  return [
    h("p", { class: "verdict" }, who, " paid at ", at(asked), " ", badge(settled ? "settled" : "not settled yet", settled ? "settled" : "unsettled")),
    h("p", { class: "small" }, settled ? "This answer is final." : ["Late commands may still change this answer: ", closedUntil ? ["closed until ", at(closedUntil)] : "nothing is closed yet", "."]),
    paid && h("p", { class: "small" }, "Binding ", h("code", {}, paid.bindingId), ", from ", at(paid.establishedAt), " until ", at(paid.endedAt, "now"), "."),
  ];
}

function planned(organization, { scheduled, waiting }) {
  if (!scheduled && !waiting.length) return empty("Nothing is scheduled or waiting.");
  const command = (one) => h("a", { href: to(organization, "commands", one.commandId, { source: one.commandSource }) }, one.commandId);
  return [
    scheduled && h("p", { class: "plan" }, badge("Scheduled"), " ", payer(organization, scheduled.account), " from ", at(scheduled.effectiveAt), ", by command ", command(scheduled)),
    waiting.length > 0 && table("Waiting commands, in order", ["Account", "Waits until", "Command"],
      waiting.map((one) => [payer(organization, one.account), at(one.until), command(one)])),
    waiting.length > 0 && h("p", { class: "advice" }, "Each waits until the project and the account are known and the account is Ready, at most until its instant."),
  ].filter(Boolean);
}

