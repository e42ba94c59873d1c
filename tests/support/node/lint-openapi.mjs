// node lint-openapi.mjs FILE…: what Spectral finds in OpenAPI documents by all its rules, as a list in JSON.
import { readFileSync } from "node:fs";
import core from "@stoplight/spectral-core";
import rulesets from "@stoplight/spectral-rulesets";

const linter = new core.Spectral();
linter.setRuleset({ extends: [[rulesets.oas, "all"]] });
const found = [];
for (const path of process.argv.slice(2)) {
  const told = await linter.run(JSON.parse(readFileSync(path, "utf8")));
  found.push(told.map(({ code, path, message }) => `${code} ${path.join("/")}: ${message}`));
}
console.log(JSON.stringify(found));
