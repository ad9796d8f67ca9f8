/** docs/rfc.md: the titles of the tests in test/conformance, which say section by section what we do. */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TESTS = new URL("../test/conformance/", import.meta.url);
/** Ends the title of a rule's second test. */
const AGAINST_NAIVE = " (the naive responder fails)";

interface Rule {
  readonly text: string;
  isFailedByNaive: boolean;
}

interface Suite {
  readonly file: string;
  readonly title: string;
  readonly rules: Rule[];
}

/** Loads the test files with a test runner that runs nothing. */
export async function rfcPage(): Promise<string> {
  const suites = await readSuites();
  suites.sort((one, other) => rfcNumber(one.title) - rfcNumber(other.title));
  const lines = [
    "# RFC conformance",
    "",
    "What the server does, by RFC and section; each line is the title of a test over real sockets. Written by",
    "`node scripts/generate-docs.ts` from the tests. Each test also runs against a naive responder, which must fail",
    "it; where it does not (marked –), the test run says why.",
  ];
  for (const { file, title, rules } of suites) {
    lines.push("", `## ${title}`, "", `[${file}](../test/conformance/${file})`, "");
    lines.push("| section | what we do | naive responder fails |", "|---|---|---|");
    for (const { text, isFailedByNaive } of rules) {
      const colon = text.indexOf(": ");
      const cells = [text.slice(0, colon), text.slice(colon + 2), isFailedByNaive ? "yes" : "–"];
      lines.push(`| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

async function readSuites(): Promise<Suite[]> {
  const suites: Suite[] = [];
  let file = "";
  const runner = {
    describe: (title: string, define: () => void) => {
      suites.push({ file, title, rules: [] });
      define();
    },
    it: (title: string) => {
      const { rules } = suites.at(-1)!;
      if (!title.endsWith(AGAINST_NAIVE)) rules.push({ text: title, isFailedByNaive: false });
      else rules.at(-1)!.isFailedByNaive = true;
    },
    before: () => {},
    after: () => {},
  };
  Object.assign(globalThis, runner);
  const files = readdirSync(fileURLToPath(TESTS)).filter((name) => name.endsWith(".test.ts"));
  for (file of files.sort()) await import(new URL(file, TESTS).href);
  return suites;
}

/** Those that belong to no RFC come last. */
function rfcNumber(title: string): number {
  return Number(/^RFC (\d+)/.exec(title)?.[1] ?? Number.MAX_SAFE_INTEGER);
}
