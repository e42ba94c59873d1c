// Dead letters: records that could not be answered, with commands that redrive them.

import { Pages } from "../api.js";
import { h } from "../dom.js";
import { at } from "../instants.js";
import { badge, copyable, empty, facts, link, moreOf, region } from "../parts.js";
import { keep } from "../routes.js";
import { count } from "../words.js";
import { quoted } from "./commands.js";

const REASONS = {
  Undecodable: "The sender must write strict JSON in UTF-8. Redriving this record as it is fails again.",
  Tombstone: "The record has no value. Discard it.",
  TooLarge: "Raise the limit on values, then redrive it; or have a smaller record sent.",
  MissingAttribute: "The sender must add the attribute that is named, and send the record again. Then discard this one.",
  UnsupportedVersion: "If a newer whopays knows this version, upgrade whopays, then redrive it.",
  UnknownType: "The record is on the wrong topic, or whopays does not know its type.",
  InvalidFact: "The sender must correct what is named, and send it under a higher version.",
  VersionConflict: "Two different contents have the same version. The sender must send the correct one under a higher version.",
  CardNumber: "Nothing of it was stored. The sender must remove the card number.",
  HandlerFault: "A bug in whopays: see the log. Once it is fixed, redrive the record.",
};

/** All dead letters, newest first; the filters are in the address. */
export function deadLetters({ query, signal }) {
  const chosen = { organization: query.organization ?? "", topic: query.topic ?? "", reason: query.reason ?? "" };
  const place = h("div", {});
  const show = () => {
    const pages = new Pages("/v1/dead-letters", chosen, { limit: 50, signal });
    const element = region(() => pages.more(), draw);
    function draw() {
      if (!pages.items.length) return isChosen(chosen) ? empty("No dead letters match.", "Clear a filter above.") : empty("There are no dead letters.", "Every record that was read was answered.");
      return [h("ul", { class: "results" }, pages.items.map(letter)), moreOf(pages, "dead letter", () => element.replaceChildren(...draw().filter(Boolean)))];
    }
    place.replaceChildren(...[isChosen(chosen) && redriveAll(chosen), element].filter(Boolean));
  };
  const field = (name, placeholder) => {
    const input = h("input", { "aria-label": placeholder, placeholder, value: chosen[name], spellcheck: "false", autocapitalize: "off" });
    input.addEventListener("change", () => choose({ [name]: input.value.trim() }));
    return input;
  };
  const reason = h("select", { "aria-label": "Reason" }, ["", ...Object.keys(REASONS)].map((one) => h("option", { value: one, selected: one === chosen.reason }, one || "All reasons")));
  reason.addEventListener("change", () => choose({ reason: reason.value }));
  function choose(changes) {
    Object.assign(chosen, changes);
    keep(chosen);
    show();
  }
  show();
  return {
    title: "Dead letters",
    content: [
      h("p", { class: "kind" }, "For operators"), h("h1", { tabindex: "-1" }, "Dead letters"),
      h("p", { class: "lead" }, "Records that could not be answered. Each waits until it is redriven or discarded."),
      h("div", { class: "filters" }, field("organization", "Organization"), field("topic", "Topic"), reason), place,
    ],
  };
}

const isChosen = (chosen) => Object.values(chosen).some(Boolean);

function redriveAll(chosen) {
  return h("div", { class: "commands" }, h("p", {}, "Once the cause is fixed, redrive all of these:"), copyable(command("redrive", chosen)));
}

function command(verb, chosen) {
  const words = Object.entries(chosen).filter(([, value]) => value).map(([name, value]) => `--${name} ${quoted(value)}`);
  return `whopays dead-letters ${verb} ${words.join(" ")}`;
}

function letter(one) {
  const standing = one.redriven ? badge("Redriven", "applied") : one.discarded ? badge("Discarded", "unchanged") : badge("Waiting", "waiting");
  const record = `${one.topic}/${one.partition}/${one.offset}`;
  return h("li", { class: "result" },
    h("div", { class: "result-head" }, badge(one.reason, "rejected"), standing, one.organization && link(one.organization, one.organization), h("span", { class: "when" }, at(one.time))),
    h("p", { class: "detail" }, one.detail),
    h("p", { class: "lift" }, REASONS[one.reason]),
    facts(["Record", h("code", {}, record)], ["Event", h("code", {}, one.id)], ["Size", one.size !== null && count(one.size, "byte")],
      ["Redriven", one.redriven && at(one.redriven)], ["Discarded", one.discarded && at(one.discarded)]),
    !one.redriven && !one.discarded && h("details", {}, h("summary", {}, "Commands for it"),
      h("div", { class: "commands" },
        copyable(command("list", { record })), one.reason !== "CardNumber" && copyable(command("redrive", { record })),
        copyable(`${command("discard", { record })} --reason`)),
      h("p", { class: "small" }, "To discard it, give the reason after --reason.")));
}
