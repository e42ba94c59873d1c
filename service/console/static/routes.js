// Permalinks: every view has an address behind the #, which survives a reload and can be opened elsewhere.

/** Return the address of a page, such as `to("acme", "projects", "web", {at})`; parameters without a value are left out. */
export function to(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  return `#/${parts.map(encodeURIComponent).join("/")}${written(query)}`;
}

/** Return the current address: the `parts` of its path, and its `query`. */
export function here() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decoded), query: Object.fromEntries(new URLSearchParams(words)) };
}

/** Change the query of the current address, so that it can be shared; the page is not reloaded. */
export function keep(changes) {
  const { parts, query } = here();
  history.replaceState(null, "", to(...parts, { ...query, ...changes }));
}

function written(query) {
  const words = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return words.length ? `?${new URLSearchParams(words)}` : "";
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
