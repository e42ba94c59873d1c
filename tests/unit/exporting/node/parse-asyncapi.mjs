import { Parser } from "@asyncapi/parser";
import { readFileSync } from "node:fs";
const parser = new Parser();
const { document, diagnostics } = await parser.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify({parsed: document !== undefined, diagnostics: diagnostics.map(d=>({severity:d.severity, message:d.message, path:d.path.join("/")}))},null,1));
