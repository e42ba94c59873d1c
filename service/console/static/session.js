// The session: a token from the provider, or a pasted one, kept only in this page's memory.

const UNDERWAY = "whopays.signing-in";
const LEFT = "whopays.signed-out";
const NOT_YET = new Set(["login_required", "interaction_required", "consent_required", "account_selection_required"]);

const said = JSON.parse(document.querySelector('meta[name="whopays-sign-in"]').content);
let token = null;
let isNeeded = said.isNeeded;

/** The host of the provider; null if there is none, and a token must be pasted. */
export const provider = said.issuer && new URL(said.issuer).host;

/** Whether a token is needed but missing. */
export const isMissing = () => isNeeded && token === null;

/** The name of the signed-in user, from the token; null if no sign-in is needed. */
export const person = () => token && String(claimsOf(token)?.sub ?? "unknown");

/** The headers that authenticate a request. */
export const bearing = () => (token ? { Authorization: `Bearer ${token}` } : {});

/** Start: return from the provider, ask it silently, or detect a proxy that authenticates. Return an error or null. */
export async function start() {
  if (!isNeeded) return null;
  try {
    if (new URLSearchParams(location.search).has("state")) return await comeBack();
    const probe = await fetch("/v1/replays?limit=1", { headers: { Accept: "application/json" } }).catch(() => null);
    if (probe && probe.status !== 401) isNeeded = false;
    else if (provider && !sessionStorage.getItem(LEFT)) await goToProvider({ prompt: "none" });
    return null;
  } catch (error) {
    return error.message;
  }
}

/** Sign in with a pasted token. Raises Error if it is not one. */
export function signInWith(pasted) {
  const given = pasted.trim().replace(/^Bearer\s+/i, "");
  if (!claimsOf(given)) throw new Error("This is not a token: a token has three parts, separated by dots.");
  token = given;
}

/** Forget a token that the service refused, and notify the page. */
export function refused(headers) {
  if (!isNeeded || headers.Authorization !== bearing().Authorization) return;
  token = null;
  document.dispatchEvent(new CustomEvent("sign-in-ended"));
}

/** Sign out: nothing that was seen stays in this page. */
export function signOut() {
  token = null;
  sessionStorage.setItem(LEFT, "1");
  localStorage.removeItem("whopays.organizations");
  location.reload();
}

/** Go to the provider, by authorization code with PKCE. Raises Error if that is impossible. */
export async function goToProvider({ prompt } = {}) {
  if (!crypto.subtle) throw new Error("Signing in needs HTTPS: open the console at its https address.");
  const { authorization_endpoint: where } = await discovered();
  const flow = { state: random(), nonce: random(), verifier: random(), where: location.hash };
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(flow.verifier));
  sessionStorage.setItem(UNDERWAY, JSON.stringify(flow));
  const address = new URL(where);
  const parameters = {
    response_type: "code", client_id: said.clientId, redirect_uri: here(), scope: said.scope, state: flow.state, nonce: flow.nonce,
    code_challenge: encoded(new Uint8Array(digest)), code_challenge_method: "S256", ...(prompt ? { prompt } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  location.assign(address);
  await new Promise(() => {});
}

/** Remove the provider's response from the address at once, then exchange its code for a token. */
async function comeBack() {
  const answer = new URLSearchParams(location.search);
  const flow = JSON.parse(sessionStorage.getItem(UNDERWAY) ?? "{}");
  sessionStorage.removeItem(UNDERWAY);
  history.replaceState(null, "", `${here()}${flow.where ?? ""}`);
  if (!flow.state || answer.get("state") !== flow.state) throw new Error("The provider's answer does not belong to a sign-in of this window. Sign in again.");
  if (answer.has("iss") && answer.get("iss") !== said.issuer) throw new Error("The answer came from another provider. Sign in again.");
  if (answer.has("error")) {
    if (NOT_YET.has(answer.get("error"))) return null;
    throw new Error(`The provider refused to sign you in (${answer.get("error")}).`);
  }
  const { token_endpoint: where } = await discovered();
  const body = new URLSearchParams({ grant_type: "authorization_code", code: answer.get("code") ?? "", redirect_uri: here(), client_id: said.clientId, code_verifier: flow.verifier });
  const granted = await asked(where, { method: "POST", body });
  const identity = claimsOf(granted.id_token);
  if (!identity || identity.iss !== said.issuer || ![identity.aud].flat().includes(said.clientId) || identity.nonce !== flow.nonce) {
    throw new Error("The provider's answer is not for this sign-in. Sign in again.");
  }
  token = claimsOf(granted.access_token) ? granted.access_token : granted.id_token;
  sessionStorage.removeItem(LEFT);
  return null;
}

async function discovered() {
  const found = await asked(`${said.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const isSafe = (address) => ["https:", new URL(said.issuer).protocol].includes(new URL(address).protocol);
  if (found.issuer !== said.issuer || !isSafe(found.authorization_endpoint) || new URL(found.token_endpoint).origin !== new URL(said.issuer).origin) {
    throw new Error("The provider's configuration does not match its address. Tell the operators of whopays.");
  }
  return found;
}

async function asked(where, options = {}) {
  const response = await fetch(where, { ...options, credentials: "omit", cache: "no-store" }).catch(() => null);
  if (!response) throw new Error(`${provider} does not answer, or does not allow requests from this console. Try again.`);
  if (!response.ok) throw new Error(`${provider} did not complete the sign-in (status ${response.status}). Sign in again.`);
  return response.json();
}

/** Return the claims of a token, which the service verifies and this page only shows; null if it is malformed. */
function claimsOf(text) {
  try {
    const [, middle, signature, ...more] = text.split(".");
    if (!signature || more.length) return null;
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(middle.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0))));
  } catch {
    return null;
  }
}

const here = () => `${location.origin}${location.pathname}`;
const random = () => encoded(crypto.getRandomValues(new Uint8Array(32)));

function encoded(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
