// Signing in: at the provider, or with a pasted token.

import { h } from "../dom.js";
import { copyable } from "../parts.js";
import { goToProvider, provider, signInWith } from "../session.js";

const TO_TRY = "whopays dev token alice --role viewer --organization acme";

/** The sign-in page; `why` says what ended or failed, and `done` is called once there is a token. */
export function signIn({ why, done }) {
  const trouble = h("p", { class: "trouble", role: "alert" }, why ?? "");
  return {
    title: "Sign in",
    content: [h("div", { class: "hero" }, h("h1", { tabindex: "-1" }, "Sign in"), h("p", { class: "lead" }, "See who pays for the projects that your roles cover.")), trouble, provider ? atProvider(trouble) : withToken(trouble, done)],
  };
}

function atProvider(trouble) {
  const button = h("button", { type: "button" }, `Sign in with ${provider}`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    await goToProvider().catch((error) => (trouble.textContent = error.message));
    button.disabled = false;
  });
  return h("div", { class: "open" }, h("div", { class: "together" }, button));
}

function withToken(trouble, done) {
  const field = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const form = h("form", { class: "open" },
    h("label", { for: "token" }, "Token"), h("div", { class: "together" }, field, h("button", {}, "Sign in")),
    h("p", { class: "small" }, "The token is kept only in this page, until you reload or leave it."),
    h("p", { class: "small" }, "If whopays dev is running, this prints one:"), copyable(TO_TRY));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      signInWith(field.value);
      field.value = "";
      done();
    } catch (error) {
      trouble.textContent = error.message;
    }
  });
  return form;
}
