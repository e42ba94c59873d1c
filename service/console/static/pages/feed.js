// The feed: an organization's events as they happen.

import { ask, events, path, Problem } from "../api.js";
import { h } from "../dom.js";
import { at } from "../instants.js";
import { badge, empty, failure, link, payer, phase } from "../parts.js";
import { keep, to } from "../routes.js";
import { shortType } from "../words.js";

const TYPES = ["BindingChanged", "AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice", "CommandCompleted"];
const [KEPT, BACKLOG, LONGEST_PAUSE_MS] = [400, 50, 10_000];

/** The feed, beginning with the latest events; the types are in the address. */
export function feed({ organization, query, signal }) {
  const chosen = new Set((query.type ?? "").split(",").filter((one) => TYPES.includes(one)));
  const list = h("ol", { class: "feed", "aria-label": "Events, latest first" });
  const none = empty("No events yet.", "New events appear here as they are committed.");
  const standing = h("p", { class: "standing", role: "status" }, "Connecting …");
  const trouble = h("div", {});
  let isPaused = false;
  let held = [];
  const add = (event) => {
    none.remove();
    list.prepend(line(organization, event));
    while (list.children.length > KEPT) list.lastChild.remove();
  };
  const take = (event) => (isPaused ? (held = [...held, event].slice(-KEPT)) : add(event));
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) held.splice(0).forEach(add);
  });
  const say = (text, kind) => {
    standing.textContent = text;
    standing.className = `standing ${kind}`;
  };
  const types = TYPES.map((type) => {
    const box = h("input", { type: "checkbox", checked: !chosen.size || chosen.has(type) });
    box.addEventListener("change", () => {
      const on = TYPES.filter((_, index) => types[index].querySelector("input").checked);
      keep({ type: on.length === TYPES.length ? null : on.join(",") });
      begin();
    });
    return h("label", { class: "check" }, box, ` ${type}`);
  });
  let following = null;
  function begin() {
    following?.abort();
    following = new AbortController();
    list.replaceChildren();
    list.after(none);
    follow(organization, {
      type: new URLSearchParams(location.hash.split("?")[1]).get("type"), signal: AbortSignal.any([signal, following.signal]), take, say,
      fail: (problem) => trouble.replaceChildren(...(problem ? [failure(problem, null)] : [])),
    });
  }
  const content = [
    h("p", { class: "kind" }, link(organization, organization)), h("h1", { tabindex: "-1" }, "Feed"),
    h("div", { class: "filters" }, pause, standing), h("fieldset", { class: "checks" }, h("legend", {}, "Types"), types), trouble, h("div", {}, list, none),
  ];
  queueMicrotask(begin);
  return { title: `Feed of ${organization}`, content };
}

/** Follow the events until the page is left; after a disconnect, reconnect from the last event seen. */
async function follow(organization, { type, signal, take, say, fail }) {
  let after = await latest(organization, { type, signal, take }).catch((problem) => problem);
  for (let failures = 0; !signal.aborted; ) {
    try {
      if (after instanceof Error) throw after;
      const opened = () => {
        failures = 0;
        fail(null);
        say("Live", "live");
      };
      for await (const event of events(organization, { after, type, signal, opened })) {
        after = event.id;
        take(event);
      }
      say("Reconnecting …", "waits");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      say("Disconnected; trying again …", "waits");
      fail(error);
      if (error.status >= 400 && error.status < 429 && error.name !== "EventsExpired") return;
      if (after instanceof Error || error.name === "EventsExpired") after = await latest(organization, { type, signal, take }).catch((problem) => problem);
    }
    await pause(Math.min(500 * 2 ** failures++, LONGEST_PAUSE_MS), signal);
  }
}

/** Load the latest few events, and return the position after which to follow. */
async function latest(organization, { type, signal, take }) {
  const { asOf } = await ask(path(organization), { signal });
  const [shard, position] = asOf.split("-").map(Number);
  const after = `${shard}-${Math.max(0, position - BACKLOG * 4)}`;
  const { body, asOf: head } = await ask(path(organization, "events"), { parameters: { after, type, limit: 1000 }, signal });
  body.slice(-BACKLOG).forEach(take);
  return body.length < 1000 ? head : body.at(-1).id;
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function line(organization, event) {
  const type = shortType(event.type);
  return h("li", { class: `event ${type}` },
    h("div", { class: "event-head" }, h("span", { class: "event-type" }, type), h("span", { class: "event-what" }, what(organization, type, event.data)), h("span", { class: "when" }, at(event.time))),
    h("details", {}, h("summary", {}, "Event ", h("code", {}, event.id)), h("pre", { tabindex: "0" }, JSON.stringify(event, null, 2))));
}

function what(organization, type, data) {
  const project = data.project && link(data.project, organization, "projects", data.project);
  const account = (name) => payer(organization, name);
  switch (type) {
    case "BindingChanged":
      return [project, " ", data.previous ? account(data.previous.account) : h("span", { class: "nobody" }, "nobody"), " → ", data.current ? account(data.current.account) : h("span", { class: "nobody" }, "nobody")];
    case "AccountPhaseChanged":
      return [account(data.account), " ", data.previousPhase && [phase(data.previousPhase), " → "], phase(data.phase), ` ${data.reason}`];
    case "AccountChanged":
      return [account(data.account), " ", phase(data.phase), ` version ${data.version}`];
    case "ProjectBillingNotice":
      return [project, " ", badge(data.kind, "waiting"), " ", data.account && account(data.account), ` ${data.reason}`];
    case "CommandCompleted":
      return [badge(data.outcome), ` ${shortType(data.commandType)} `, h("a", { class: "id", href: to(organization, "commands", data.commandId) }, data.commandId)];
    default:
      return "";
  }
}
