// Replays: the selection, topic and progress of each.

import { ask, Pages } from "../api.js";
import { h } from "../dom.js";
import { at } from "../instants.js";
import { badge, copyable, empty, facts, link, moreOf, region, section, table } from "../parts.js";
import { shortType } from "../words.js";

const KINDS = { Done: "applied", Running: "waiting", Stopped: "unchanged", Failed: "rejected" };
const state = (name) => badge(name, KINDS[name] ?? "unchanged");

/** All replays, newest first. */
export function replays({ signal }) {
  const pages = new Pages("/v1/replays", {}, { limit: 100, signal });
  const element = region(() => pages.more(), draw);
  function draw() {
    if (!pages.items.length) return empty("There are no replays yet.", "This shows what replaying everything to one consumer would do:", copyable("whopays replay start my-first --dry-run"));
    const rows = pages.items.map((one) => [link(one.name, "_", "replays", one.name), state(one.state), one.records.toLocaleString("en"), at(one.begunAt), at(one.until), h("code", {}, one.target ?? "—")]);
    return [table("Replays, latest first", ["Name", "State", "Records", "Started", "Until", "Topic"], rows), moreOf(pages, "replay", () => element.replaceChildren(...draw().filter(Boolean)))];
  }
  return {
    title: "Replays",
    content: [
      h("p", { class: "kind" }, "For operators"), h("h1", { tabindex: "-1" }, "Replays"),
      h("p", { class: "lead" }, "Published events, sent to one consumer again, byte for byte."), element,
    ],
  };
}

/** One replay: its selection, its manifest, and commands about it. */
export function replay({ name, signal }) {
  return {
    title: `Replay ${name}`,
    content: [
      h("p", { class: "kind" }, link("replays", "_", "replays")), h("h1", { tabindex: "-1" }, name),
      region(() => ask(`/v1/replays/${encodeURIComponent(name)}`, { signal }), ({ body }) => manifest(body)),
    ],
  };
}

function manifest(one) {
  const selected = Object.entries(one.selection ?? {}).map(([name, value]) => h("li", {}, `${name} `, h("code", {}, [value].flat().join(", "))));
  return [
    facts(["State", state(one.state)], ["Records", one.records.toLocaleString("en")], ["Error", one.trouble],
      ["Selected", selected.length ? h("ul", { class: "plain" }, selected) : "everything"], ["Until", at(one.until)], ["Available from", one.availableFrom && at(one.availableFrom)],
      ["Started", at(one.begunAt)], ["Finished", one.finishedAt && at(one.finishedAt)], ["Topic", one.target ? h("code", {}, one.target) : "none"]),
    section("Types", table("Records by type", ["Type", "Records"], Object.entries(one.types ?? {}).map(([type, records]) => [shortType(type), records.toLocaleString("en")]))),
    section("Partitions", table("Partitions", ["Partition", "Records", "First", "Last", "Digest"],
      (one.partitions ?? []).map((part) => [String(part.partition), part.records.toLocaleString("en"), h("code", {}, part.firstId ?? "—"), h("code", {}, part.lastId ?? "—"), h("code", { class: "digest", title: part.digest }, part.digest)]))),
    section("Commands", h("div", { class: "commands" },
      one.state === "Running" && copyable(`whopays replay stop ${one.name}`), ["Stopped", "Failed"].includes(one.state) && copyable(`whopays replay resume ${one.name}`),
      one.state === "Done" && [copyable(`whopays replay show ${one.name} --json > ${one.name}.json`), copyable(`whopays verify --manifest ${one.name}.json`), copyable(`whopays replay forget ${one.name}`)])),
  ];
}
