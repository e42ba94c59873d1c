// The application: routing, the frame around each page, and the global keyboard shortcuts.

import { h } from "./dom.js";
import { Finder } from "./finder.js";
import { isLocal, switchZone } from "./instants.js";
import { keysDialog, listenToKeys } from "./keys.js";
import { account } from "./pages/account.js";
import { audit } from "./pages/audit.js";
import { commandPage } from "./pages/commands.js";
import { deadLetters } from "./pages/dead_letters.js";
import { feed } from "./pages/feed.js";
import { health } from "./pages/health.js";
import { home, nowhere } from "./pages/home.js";
import { accounts, organization, projects } from "./pages/organization.js";
import { project } from "./pages/project.js";
import { replay, replays } from "./pages/replays.js";
import { signIn } from "./pages/sign_in.js";
import { here, to } from "./routes.js";
import { isMissing, person, signOut, start } from "./session.js";

const OPERATORS = new Map([["dead-letters", deadLetters], ["replays", replays], ["health", health]]);
const OF_OPERATORS = new Map([["replays", replay]]);
const LISTS = new Map([[undefined, organization], ["projects", projects], ["accounts", accounts], ["feed", feed], ["audit", audit]]);
const NAMED = new Map([["projects", project], ["accounts", account], ["commands", commandPage]]);

const main = document.querySelector("main");
let leaving = new AbortController();
let organizationNow = null;
let whyNot = null;

/** Return the page of an address. A page returns `title` and `content`; `signal` aborts its requests on leaving. */
function pageOf([first, kind, name, ...rest]) {
  if (first === undefined) return home;
  if (rest.length) return nowhere;
  if (first === "_") return (name === undefined ? OPERATORS : OF_OPERATORS).get(kind) ?? nowhere;
  return (name === undefined ? LISTS : NAMED).get(kind) ?? nowhere;
}

function show({ isFirst = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  document.querySelector("#signed-in").replaceChildren(...signedIn());
  const { parts, query } = here();
  const [first, , name] = parts;
  document.body.classList.toggle("signed-out", isMissing());
  if (isMissing()) return draw(signIn({ why: whyNot, done: () => show() }), [], isFirst);
  if (first !== undefined && first !== "_") organizationNow = remembered(first);
  draw(pageOf(parts)({ organization: first, name, parts, query, signal: leaving.signal }), parts, isFirst);
}

function draw({ title, content }, parts, isFirst) {
  document.title = title ? `${title} · whopays` : "whopays";
  main.replaceChildren(...[content].flat(Infinity).filter(Boolean));
  drawFrame(parts);
  if (isFirst) return;
  scrollTo(0, 0);
  main.querySelector("h1")?.focus({ preventScroll: true });
}

function remembered(organization) {
  const before = Finder.remembered().filter((one) => one !== organization);
  localStorage.setItem("whopays.organizations", JSON.stringify([organization, ...before].slice(0, 12)));
  return organization;
}

/** Who is signed in, and a button to sign out. */
function signedIn() {
  const name = person();
  return name === null ? [] : [h("span", { class: "person", title: name }, name), h("button", { type: "button", class: "switch", on: { click: signOut } }, "Sign out")];
}

function drawFrame([first, kind]) {
  const entry = (text, isHere, ...address) => h("a", { href: to(...address), "aria-current": isHere && "page" }, text);
  const own = first !== undefined && first !== "_" ? organizationNow : null;
  document.querySelector("nav.places").replaceChildren(...[
    organizationNow && entry(organizationNow, own && kind === undefined, organizationNow),
    organizationNow && entry("Feed", own && kind === "feed", organizationNow, "feed"),
    organizationNow && entry("Audit", own && kind === "audit", organizationNow, "audit"),
    entry("Dead letters", first === "_" && kind === "dead-letters", "_", "dead-letters"),
    entry("Replays", first === "_" && kind === "replays", "_", "replays"),
    entry("Health", first === "_" && kind === "health", "_", "health"),
  ].filter(Boolean));
  // On a phone, the links do not all fit side by side.
  document.querySelector("nav.places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function buildFrame() {
  const zone = h("button", { type: "button", class: "switch", id: "zone", on: { click: switchZone } });
  const scheme = h("button", { type: "button", class: "switch", id: "scheme", on: { click: switchScheme } });
  const tell = () => {
    zone.textContent = isLocal() ? "Local" : "UTC";
    zone.setAttribute("aria-label", isLocal() ? "Local time is shown; show UTC" : "UTC is shown; show local time");
    const isDark = document.documentElement.dataset.scheme === "dark";
    scheme.textContent = isDark ? "☾" : "☀";
    scheme.setAttribute("aria-label", isDark ? "Dark colours are shown; show light ones" : "Light colours are shown; show dark ones");
  };
  document.addEventListener("zone", tell);
  document.addEventListener("scheme", tell);
  tell();
  const dialog = keysDialog();
  const finder = new Finder(() => organizationNow);
  document.querySelector("header.top").append(
    h("a", { class: "brand", href: "#/", "aria-label": "whopays, start page" }, mark(), "whopays"),
    finder.element,
    h("div", { class: "switches" }, h("div", { id: "signed-in" }), zone, scheme, h("button", { type: "button", class: "switch", "aria-label": "Keyboard shortcuts", on: { click: () => dialog.showModal() } }, "?")),
    h("nav", { class: "places", "aria-label": "Pages" }));
  document.querySelector("footer.foot").append(
    h("p", {}, "whopays: who pays for this project? The console is read-only."),
    h("p", {}, h("a", { href: "/openapi.json" }, "OpenAPI"), " document of this service"), dialog);
  listenToKeys({
    "/": () => finder.focus(),
    t: switchZone,
    d: switchScheme,
    "?": () => dialog.showModal(),
    "g s": () => (location.hash = "#/"),
    "g o": () => organizationNow && (location.hash = to(organizationNow)),
    "g f": () => organizationNow && (location.hash = to(organizationNow, "feed")),
    "g a": () => organizationNow && (location.hash = to(organizationNow, "audit")),
    "g d": () => (location.hash = to("_", "dead-letters")),
    "g r": () => (location.hash = to("_", "replays")),
    "g h": () => (location.hash = to("_", "health")),
  });
}

function mark() {
  return h("span", { class: "brand-mark", "aria-hidden": "true" }, h("i"), h("i"), h("i"), h("i"));
}

function switchScheme() {
  const next = document.documentElement.dataset.scheme === "dark" ? "light" : "dark";
  document.documentElement.dataset.scheme = next;
  localStorage.setItem("whopays.scheme", next);
  document.dispatchEvent(new CustomEvent("scheme"));
}

buildFrame();
addEventListener("hashchange", () => show());
document.querySelector("a.skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("sign-in-ended", () => {
  whyNot = "Your session has ended, or the service does not accept your token. Sign in again to continue where you were.";
  show();
});
whyNot = await start();
show({ isFirst: true });
