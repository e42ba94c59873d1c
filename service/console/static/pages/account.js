// An account: its phase over time, what is missing, what blocks closing it, what it pays for, by month.

import { ask, Pages, path } from "../api.js";
import "../bars.js";
import { h } from "../dom.js";
import { at, lasting, now, parse } from "../instants.js";
import { badge, empty, facts, figure, knowing, link, moreOf, phase, region, section, table } from "../parts.js";
import { PHASES, remedyOf } from "../words.js";
import { blockers, commandList } from "./commands.js";
import { month } from "./month.js";
import { projectRows } from "./organization.js";

/** The page of an account; `month` and `view` in its address select the month, and how it is shown. */
export function account({ organization, name, query, signal }) {
  const load = () => ask(path(organization, "accounts", name), { signal });
  return {
    title: `${name} · ${organization}`,
    content: [
      h("p", { class: "kind" }, link(organization, organization), " / ", link("accounts", organization, "accounts")),
      h("h1", { tabindex: "-1" }, name),
      region(load, (answer) => all({ organization, name, query, signal, answer }), { kind: "tall" }),
    ],
  };
}

function all({ organization, name, query, signal, answer }) {
  const { body } = answer;
  return [
    overview(body),
    section("Phase over time", phases(organization, name, signal)),
    section("Needed to be Ready", missing(body)),
    section("Holds", holds(body)),
    section("Closure", closing(organization, body)),
    section("Projects it pays for", projectRows({ name: organization, label: `Projects of ${name}`, parameters: { account: name }, signal, total: body.boundProjects, advice: "While the account is Ready, BindProject binds a project to it." })),
    section("Intervals by month", month({ organization, name, query, signal })),
    section("Commands and refusals", commandList(organization, { account: name }, signal, "No command that is still kept names this account.")),
    knowing(answer),
  ];
}

function overview(body) {
  const { paymentTerms: terms, profile } = body;
  return [
    h("div", { class: `present phase-present ${body.phase.toLowerCase()}` },
      h("p", { class: "present-word" }, "Phase"), h("p", { class: "present-name" }, body.phase), h("p", {}, PHASES[body.phase], ".")),
    h("div", { class: "figures" }, figure(body.boundProjects, "project"), figure(body.holds.length, "hold"), figure(lackingOf(body).length, "condition missing", null, "conditions missing")),
    facts(
      ["Display name", body.displayName], ["Currency", body.currencyCode],
      ["Payment terms", terms && `${terms.netDays} days net, ${terms.invoiceFrequency.toLowerCase()}, on day ${terms.invoiceDayOfMonth}`],
      ["Payment profile", body.paymentProfile && [h("code", {}, body.paymentProfile), profile ? [` ${profile.kind}, `, badge(profile.state), profile.expiresAt && [" expires ", at(profile.expiresAt)]] : " not reported yet"]],
      ["First Ready", at(body.activatedAt, "never")], ["Version", body.version],
      ["Balance", body.balance && [`${body.balance.outstanding} ${body.balance.currencyCode} as of `, at(body.balance.asOf)]]),
  ];
}

function phases(organization, name, signal) {
  const pages = new Pages(path(organization, "accounts", name, "phases"), {}, { limit: 500, signal });
  const bars = document.createElement("time-bars");
  const element = region(() => pages.more(), draw);
  function draw() {
    const spans = pages.items.map((one, index) => ({
      from: parse(one.at), until: pages.items[index + 1] ? parse(pages.items[index + 1].at) : null,
      text: one.phase, given: { class: `phase-bar ${one.phase.toLowerCase()}` },
    }));
    const [first, last] = [spans[0].from, now()];
    const margin = Math.max(50, (last - first) * 0.04);
    bars.show({ label: `Phases of ${name}`, spans, from: first - margin, until: last + margin });
    const rows = pages.items.map((one, index) => {
      const until = pages.items[index + 1];
      return [phase(one.phase), one.reason, one.message, one.cause?.by ?? "—", at(one.at), lasting((until ? parse(until.at) : now()) - parse(one.at))];
    });
    return [bars, table("Phases, latest first", ["Phase", "Reason", "Message", "By", "From", "For"], rows.reverse()), moreOf(pages, "phase", () => element.replaceChildren(...draw().filter(Boolean)))];
  }
  return element;
}

/** The conditions that keep the account from being Ready. */
function lackingOf(body) {
  return body.missing.filter((one) => one.type !== "Ready");
}

function missing(body) {
  if (body.phase === "Archived") return empty("It is closed for good.");
  const lacking = lackingOf(body);
  if (!lacking.length) return empty("Nothing is missing: it takes new bindings.");
  return h("ul", { class: "steps" }, lacking.map((one) => h("li", {},
    h("p", {}, h("strong", {}, one.type), " ", h("span", { class: "reason" }, one.reason), " ", one.message),
    h("p", { class: "lift" }, remedyOf(one.reason)),
    h("p", { class: "small" }, "since ", at(one.lastTransitionTime)))));
}

function holds({ holds: active }) {
  if (!active.length) return empty("No hold is active.");
  return h("ul", { class: "steps" }, active.map((one) => h("li", {},
    h("p", {}, h("strong", { class: "reason" }, one.reason), " ", one.message),
    h("p", { class: "small" }, "placed by ", h("span", { class: "id" }, one.by), " on ", at(one.placedAt)),
    h("p", { class: "lift" }, one.reactivation
      ? ["Reactivation requested by ", h("span", { class: "id" }, one.reactivation.by), " on ", at(one.reactivation.requestedAt), `: “${one.reactivation.resolution}”. Another person must approve it.`]
      : "To lift it, send RequestReactivation and say how the cause was resolved; another person then sends ApproveReactivation."))));
}

function closing(organization, body) {
  if (body.phase === "Archived") return empty("It is closed for good.");
  const { closure, closureBlockers } = body;
  return [
    closure && h("p", { class: "plan" }, badge("Closing", "waiting"), " requested by ", h("span", { class: "id" }, closure.by), " on ", at(closure.requestedAt), closure.reason && `: “${closure.reason}”`, ". Another person must approve it."),
    closureBlockers.length
      ? h("ul", { class: "steps" }, closureBlockers.map((one) => h("li", {},
        h("p", {}, h("strong", { class: "reason" }, one.reason), " ", one.message), one.blockers && blockers(organization, one.blockers),
        h("p", { class: "lift" }, one.reason === "ActiveBindingsExist" ? "Move its projects to another account: TransferProjects." : "Invoicing must report a balance of exactly zero: ReportBalance."))))
      : empty(closure ? "Nothing blocks the closure." : "Nothing blocks a closure.", closure ? "ApproveClosure closes it for good." : "Send RequestClosure; another person then sends ApproveClosure."),
  ].filter(Boolean);
}
