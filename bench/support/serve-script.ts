/** How `npm run serve` starts the program, with all of it, so that what is measured is what is run. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../package.json", import.meta.url));

/** The parts of `VARIABLE=value ... node FLAG... src/main.ts serve`. */
export function serveScript(): {
  readonly variables: Readonly<Record<string, string>>;
  readonly args: readonly string[];
} {
  const { scripts } = JSON.parse(readFileSync(PACKAGE, "utf8")) as {
    scripts: { serve: string };
  };
  const words = scripts.serve.split(" ");
  const program = words.indexOf("node");
  const variables = words.slice(0, program).map((word) => word.split("=", 2));
  return { variables: Object.fromEntries(variables), args: words.slice(program + 1) };
}
