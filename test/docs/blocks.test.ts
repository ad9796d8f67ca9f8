/**
 * What stands in the fenced blocks of the documentation exists: options of our commands, npm scripts, files that
 * kubectl is to apply. YAML and JSON can be read. What is not run is counted in a title.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { loadAll } from "js-yaml";
import { completions } from "../../src/cli/completion.ts";
import { ROOT } from "../support/program.ts";
import { ALL_BLOCKS, type Command, commandsOf, PAGES, readPage, wordsOf } from "./page.ts";

const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
).scripts;
const COMMANDS = new Map(completions().map((completion) => [completion.command as string, completion]));
const IN_BLOCKS = ALL_BLOCKS.flatMap(commandsOf);
const ALL: readonly Place[] = [...IN_BLOCKS.map(placeOf), ...PAGES.flatMap(inlineCommandsOf)];

interface Place {
  readonly where: string;
  readonly text: string;
}

function placeOf({ block, line, text }: Command): Place {
  return { where: `${block.page}:${line}`, text };
}

/** Code in the lines of a page that names an npm script or one of our commands with its options. */
function inlineCommandsOf(page: string): readonly Place[] {
  return readPage(page)
    .split("\n")
    .flatMap((row, index) =>
      [...row.matchAll(/`([^`]+)`/g)]
        .map(([, text]) => text!)
        .filter((text) => /^(?:npm run [a-z-]|serviceentry-dns [a-z])/.test(text) || isOwnWithOptions(text))
        .map((text) => ({ where: `${page}:${index + 1}`, text })),
    );
}

function isOwnWithOptions(text: string): boolean {
  return COMMANDS.has(text.split(" ")[0]!) && text.includes(" -");
}

/** The words of our own command behind npm, node or kubectl exec; undefined: it is none. */
function ownWords({ text }: Place): readonly string[] | undefined {
  if (isOwnWithOptions(text)) return wordsOf(text);
  const words = wordsOf(text.replace(/^.*[<$]\(|^.* \| (?=serviceentry-dns )/, "").replace(/\)$/, ""));
  const main = words.findIndex((word) => /^(?:src\/main\.ts|dist\/main\.js|serviceentry-dns)$/.test(word));
  if (main >= 0 && (main === 0 || words[0] !== "kubectl" || words[main] !== "serviceentry-dns"))
    return words.slice(main + 1);
  const script = npmScript(words);
  const command = script === undefined ? undefined : /src\/main\.ts (\S+)/.exec(SCRIPTS[script] ?? "")?.[1];
  const dashes = words.indexOf("--");
  if (script === "cli" && dashes >= 0) return words.slice(dashes + 1);
  return command === undefined ? undefined : [command, ...(dashes < 0 ? [] : words.slice(dashes + 1))];
}

function npmScript(words: readonly string[]): string | undefined {
  const [npm, ...rest] = words.filter((word) => word !== "-s");
  if (npm !== "npm") return undefined;
  if (rest[0] === "start" || rest[0] === "test") return rest[0];
  return rest[0] === "run" ? rest[1] : undefined;
}

const at = ({ where, text }: Place, fault: string) => `${where}: ${fault} (${text})`;

describe("docs: blocks", () => {
  it("our commands and their options exist", () => {
    const faults: string[] = [];
    let count = 0;
    for (const command of ALL) {
      const words = ownWords(command);
      if (words === undefined) continue;
      count += 1;
      const [name = "", ...rest] = words;
      if (["--help", "--version", "COMMAND"].includes(name)) continue;
      const completion = COMMANDS.get(name);
      if (completion === undefined) {
        faults.push(at(command, `there is no command ${name}`));
        continue;
      }
      for (const word of rest) {
        const option = /^--?[A-Za-z][\w-]*/.exec(word)?.[0];
        if (option === undefined || option === "--help") continue;
        if (!completion.options.some((each) => each.name === option))
          faults.push(at(command, `no ${option}`));
      }
    }
    expect(count).to.be.greaterThan(30);
    expect(faults).to.deep.equal([]);
  });

  it("npm scripts exist, and so do the programs that node is to run", () => {
    const faults: string[] = [];
    for (const command of ALL) {
      for (const part of command.text.split(" && ")) {
        const words = wordsOf(part);
        const script = npmScript(words);
        if (script !== undefined && SCRIPTS[script] === undefined)
          faults.push(at(command, `no script ${script}`));
        const file = words[0] === "node" ? words.find((word) => word.endsWith(".ts")) : undefined;
        if (file !== undefined && !existsSync(join(ROOT, file))) faults.push(at(command, `no ${file}`));
      }
    }
    expect(faults).to.deep.equal([]);
  });

  it("files of ours that kubectl is to apply exist", () => {
    const faults = ALL.flatMap((command) =>
      wordsOf(command.text)
        .filter((word) => word.startsWith("manifests/") && !existsSync(join(ROOT, word)))
        .map((word) => at(command, `no ${word}`)),
    );
    expect(faults).to.deep.equal([]);
  });

  for (const language of ["yaml", "json"] as const) {
    it(`${language} can be read`, () => {
      const faults: string[] = [];
      for (const { page, line, text } of ALL_BLOCKS.filter((block) => block.language === language)) {
        try {
          if (language === "json") JSON.parse(text);
          else loadAll(dedent(text));
        } catch (error) {
          faults.push(`${page}:${line}: ${error}`);
        }
      }
      expect(faults).to.deep.equal([]);
    });
  }

  it("every metric that a page names exists", () => {
    const metrics = readPage("docs/metrics.md");
    const faults = PAGES.flatMap((page) =>
      [...new Set(readPage(page).match(/\bserviceentry_dns_[a-z_]*[a-z]\b/g))]
        .filter((name) => !metrics.includes(`\`${name.replace(/_(?:bucket|sum|count)$/, "")}\``))
        .map((name) => `${page}: ${name}`),
    );
    expect(faults).to.deep.equal([]);
  });

  const foreign = IN_BLOCKS.filter((command) =>
    /^(?:kubectl|docker|sed|source|promtool)\b/.test(command.text),
  );
  it(`not run, because they need a cluster or a registry: ${foreign.length} commands`, () => {
    expect(foreign).not.to.deep.equal([]);
  });
});

/** A block inside a list is indented as a whole. */
function dedent(text: string): string {
  const rows = text.split("\n");
  const least = Math.min(...rows.filter((row) => row.trim() !== "").map((row) => row.search(/\S/)));
  return rows.map((row) => row.slice(least)).join("\n");
}
