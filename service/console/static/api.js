// Requests to the service: only the public API below /v1.

import { bearing, refused } from "./session.js";

/** An error answer. `name` is the problem's, or `Unreachable`. */
export class Problem extends Error {
  constructor(name, status, detail, violations = []) {
    super(detail);
    Object.assign(this, { name, status, detail, violations });
  }
}

/** Return a path below an organization, with every segment encoded. */
export function path(organization, ...parts) {
  return ["/v1/organizations", organization, ...parts.map(encodeURIComponent)].join("/");
}

/** Send a request, and return `body`, `asOf` and `closedUntil` (null if absent). Raises Problem. */
export async function ask(where, { signal, parameters = {}, method = "GET", body } = {}) {
  const words = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== ""));
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await reach(`${where}${words.size ? `?${words}` : ""}`, {
    signal, method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await problemOf(response);
  const answered = await response.json().catch(broken);
  return { body: answered, asOf: response.headers.get("Whopays-As-Of"), closedUntil: response.headers.get("Whopays-Closed-Until") };
}

/** The pages of a list, one after the other. */
export class Pages {
  items = [];
  isComplete = false;
  first = null;
  #next = null;
  #turning = null;

  constructor(where, parameters = {}, { limit = 100, signal } = {}) {
    Object.assign(this, { where, parameters, limit, signal });
  }

  /** Fetch the next page, unless all are loaded; concurrent callers share one request. */
  more() {
    if (this.isComplete) return Promise.resolve(this);
    this.#turning ??= this.#turn().finally(() => (this.#turning = null));
    return this.#turning;
  }

  async #turn() {
    const parameters = { ...this.parameters, limit: this.limit, cursor: this.#next };
    const answer = await ask(this.where, { parameters, signal: this.signal });
    this.first ??= answer;
    this.items.push(...answer.body.items);
    this.#next = answer.body.next;
    this.isComplete = this.#next === null;
    return this;
  }
}

/** Yield an organization's events as they happen, after a position, until the connection ends. Raises Problem. */
export async function* events(organization, { after, type, signal, opened }) {
  const words = new URLSearchParams({ ...(after ? { after } : {}), ...(type ? { type } : {}) });
  const response = await reach(`${path(organization, "events")}?${words}`, { signal, headers: { Accept: "text/event-stream" } });
  if (!response.ok) throw await problemOf(response);
  opened?.();
  const text = response.body.pipeThrough(new TextDecoderStream());
  let rest = "";
  let data = [];
  try {
    for await (const piece of pieces(text)) {
      const lines = (rest + piece).split(/\r\n|\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
        else if (line === "" && data.length) {
          yield JSON.parse(data.join("\n"));
          data = [];
        }
      }
    }
  } catch (error) {
    if (signal?.aborted) return;
    throw error instanceof TypeError ? unreachable() : error;
  }
}

async function* pieces(stream) {
  const reader = stream.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Fetch from the service with the user's token. Raises Problem if it does not answer. */
export async function reach(where, options) {
  const asker = bearing();
  try {
    const response = await fetch(where, { ...options, headers: { Accept: "application/json, application/cloudevents-batch+json", ...asker, ...options.headers } });
    if (response.status === 401) refused(asker);
    return response;
  } catch (error) {
    return broken(error);
  }
}

/** Raise the cause of a broken connection: the page was left, or the service is unreachable. */
function broken(error) {
  if (error.name === "AbortError") throw error;
  throw unreachable();
}

function unreachable() {
  return new Problem("Unreachable", 0, "The service does not answer.");
}

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  const name = String(body?.type ?? "").split(":").pop() || `Status${response.status}`;
  return new Problem(name, response.status, body?.detail ?? body?.title ?? response.statusText, body?.violations ?? []);
}
