// node parse-asyncapi.mjs FILE…: what the official parser of AsyncAPI makes of documents, as a list in JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const found = [];
for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
  const told = diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join("/") }));
  found.push({ parsed: document !== undefined, diagnostics: told });
}
console.log(JSON.stringify(found));
