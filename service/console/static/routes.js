// Permalinks: everything that is shown has an address behind the #, which a reload or another browser shows again.

/** Return the address of a page, such as `to("acme", "projects", "web", {at})`; what has no value is left out. */
export function to(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  return `#/${parts.map(encodeURIComponent).join("/")}${written(query)}`;
}

/** Return what the address says now: `parts` of its path, and `query`. */
export function here() {
  const [path, words = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decoded), query: Object.fromEntries(new URLSearchParams(words)) };
}

/** Change the query of the present address, so that it can be passed on; the page stays as it is. */
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
