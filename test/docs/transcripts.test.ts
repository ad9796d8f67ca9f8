/**
 * The commands that a reader can try beside `npm start` are run against a demo on free ports, and what a page shows
 * of their output is compared. `DOCS_WRITE=1` writes the output into the pages instead.
 */

import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { runHosts } from "../../src/cli/hosts.ts";
import { runLookup } from "../../src/cli/lookup.ts";
import { runProblems } from "../../src/cli/problems.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { ALL_BLOCKS, type Block, type Command, commandsOf, readPage, wordsOf } from "./page.ts";

const WRITES = process.env["DOCS_WRITE"] === "1";
const FORM = "static";
/** As the pages write them: DNS, admin and API endpoint, the stand-in for CoreDNS. */
const WRITTEN_PORTS = [1053, 9153, 9154, 1054] as const;
/** A changed object is answered within a second, and there are names to be resolved. */
const PATIENCE_MS = 30_000;
/** After which an answer that is still another one is the one to be written. */
const SETTLED_MS = 3_000;
const AGAIN_MS = 100;
const RUN_MS = 30_000;
/** 1 is an answer too: "there is nothing", "something is wrong". */
const MAY_END_WITH: ReadonlySet<number> = new Set([0, 1]);

const OWN: Readonly<Record<string, typeof runLookup>> = {
  lookup: runLookup,
  hosts: runHosts,
  problems: runProblems,
};

const transcripts = ALL_BLOCKS.filter(({ language }) => language === "console");
const others = ALL_BLOCKS.filter((block) => !transcripts.includes(block))
  .flatMap(commandsOf)
  .filter(({ text }) => isRunnable(text));

/** One that asks a program on this machine's ports and changes nothing. */
function isRunnable(text: string): boolean {
  return (
    /^(?:dig @127\.0\.0\.1 -p 1053|nslookup -port=1053|busybox nslookup \S+ 127\.0\.0\.1:1053)\b/.test(
      text,
    ) ||
    /^curl (?:-s )?'?http:\/\/127\.0\.0\.1:915[34]\//.test(text) ||
    (/^npm run -s (?:lookup|hosts|problems)\b/.test(text) &&
      !/[A-Z]{3,}|--pod POD/.test(text.replace(/--type \S+|--code \S+/g, "")))
  );
}

const MISSING: ReadonlyMap<string, string> = new Map(
  [
    ["dig", ["-v"]],
    ["nslookup", ["-version"]],
    ["busybox", ["nslookup", "--help"]],
  ].flatMap(([program, args]) => {
    try {
      execFileSync(program as string, args as string[], { stdio: "pipe" });
      return [];
    } catch {
      return [[program as string, `there is no ${program} (BIND's dig and nslookup, busybox)`] as const];
    }
  }),
);

describe("docs: transcripts", function () {
  this.timeout(240_000);
  let folder: string;
  let ports: readonly number[];
  let demo: Program;
  let form = FORM;
  const written: { block: Block; shown: string }[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-docs-"));
    cpSync(join(ROOT, "manifests/examples"), folder, { recursive: true });
    for (const { language, info, text } of ALL_BLOCKS) {
      const file = info.get("file");
      if (language === "yaml" && file !== undefined) writeFileSync(join(folder, "kmesh", file), text);
    }
    const own: number[] = [];
    while (own.length < WRITTEN_PORTS.length) own.push(await freePort());
    ports = own;
    demo = new Program([
      "demo",
      `--listen=127.0.0.1:${ports[0]}`,
      `--admin=127.0.0.1:${ports[1]}`,
      `--api=127.0.0.1:${ports[2]}`,
      `--stand-in=127.0.0.1:${ports[3]}`,
      `--examples=${folder}`,
      `--form=${FORM}`,
    ]);
    await demo.says(/Ctrl-C ends the demo/);
  });

  after(async () => {
    await demo?.end();
    rmSync(folder, { recursive: true, force: true });
    // From the last block of a page to the first, so that lines above stay where they are.
    for (const { block, shown } of written.reverse()) {
      const rows = readPage(block.page).split("\n");
      rows.splice(block.line, block.text.split("\n").length, shown);
      writeFileSync(join(ROOT, block.page), rows.join("\n"));
    }
  });

  /** Puts another form of the example in the place of the one that the demo was started with. */
  async function load(wanted: string): Promise<void> {
    if (wanted === form) return;
    form = wanted;
    demo.forget();
    const place = join(folder, "kgateway", FORM);
    for (const name of readdirSync(place)) rmSync(join(place, name));
    cpSync(join(ROOT, "manifests/examples/kgateway", wanted), place, { recursive: true });
    await demo.says(/"component":"dns.watch"/);
  }

  /** What the command prints, with the ports of the pages. */
  async function run({ text }: Command): Promise<string> {
    const onPorts = ports.reduce(
      (all, port, index) => all.replace(new RegExp(`\\b${WRITTEN_PORTS[index]}\\b`, "g"), `${port}`),
      text,
    );
    const url = /http:\/\/[^\s']+/.exec(onPorts)?.[0];
    if (text.startsWith("curl")) {
      const response = await fetch(url!);
      const body = await response.text();
      if (!response.ok) throw new Error(`${response.status}: ${body}`);
      return body;
    }
    const words = wordsOf(onPorts);
    const output = words[0] === "npm" ? await runOwn(words) : await execute(words[0]!, words.slice(1));
    return ports.reduce(
      (all, port, index) => all.replace(new RegExp(`\\b${port}\\b`, "g"), `${WRITTEN_PORTS[index]}`),
      output,
    );
  }

  /** A command of ours, in this process: starting Node for each would take most of the time. */
  async function runOwn(words: readonly string[]): Promise<string> {
    const dashes = words.indexOf("--");
    const name = words[3];
    const args = dashes < 0 ? [] : words.slice(dashes + 1);
    const hasServer = name === "lookup" && args.includes("--server");
    if (!hasServer) args.push(`--api=http://127.0.0.1:${ports[2]}`);
    if (!hasServer && name === "lookup") args.push(`--server=127.0.0.1:${ports[0]}`);
    let printed = "";
    let fault = "";
    const output = {
      out: (text: string) => {
        printed += text;
      },
      error: (text: string) => {
        fault += text;
      },
    };
    const status = await OWN[name!]!(args, output, {});
    if (!MAY_END_WITH.has(status)) throw new Error(`${name} ${args.join(" ")}: ${status}, ${fault}`);
    return printed;
  }

  for (const block of transcripts) {
    const commands = commandsOf(block);
    it(`${block.page}:${block.line} ${commands.map(({ text }) => text).join("; ")}`, async function () {
      const missing = commands.flatMap(({ text }) => MISSING.get(wordsOf(text)[0]!) ?? [])[0];
      if (missing !== undefined) {
        process.stdout.write(`  skipped: ${missing}\n`);
        this.skip();
      }
      for (const { text } of commands) expect(isRunnable(text), text).to.equal(true);
      await load(block.info.get("form") ?? FORM);
      const deadline = performance.now() + (WRITES ? SETTLED_MS : PATIENCE_MS);
      let shown = "";
      for (;;) {
        const texts: string[] = [];
        for (const command of commands) texts.push(`$ ${command.text}\n${trimmed(await run(command))}`);
        shown = texts.join("\n");
        if (comparable(shown) === comparable(block.text) || performance.now() >= deadline) break;
        await setTimeout(AGAIN_MS);
      }
      // What differs in times alone stays as it was.
      if (!WRITES) expect(comparable(shown)).to.equal(comparable(block.text));
      else if (comparable(shown) !== comparable(block.text)) written.push({ block, shown });
    });
  }

  const groups = Map.groupBy(others, ({ text }) => text);
  for (const [text, [command]] of groups) {
    it(`${command!.block.page}:${command!.line} ${text}`, async function () {
      if (MISSING.has(wordsOf(text)[0]!)) this.skip();
      expect(await run(command!)).not.to.equal("");
    });
  }
});

function trimmed(output: string): string {
  return output.replace(/^\s+|\s+$/g, "").replace(/\n{3,}/g, "\n\n");
}

/** Without what differs from run to run: times, TTLs that count down, and the order of addresses. */
function comparable(text: string): string {
  return text
    .split("\n")
    .map((row) =>
      row
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
        .replace(/\d+(?:\.\d+)? ms\b/g, "MS")
        .replace(/\b(?:in )?\d+s\b/g, "SECONDS")
        .replace(/^(\S+\s+)\d+(\s+IN\s)/, "$1TTL$2")
        .replace(/^(\S+\s+(?:A|AAAA|CNAME|SRV)\s+)\d+(?=\s)/, "$1TTL")
        .replace(/(?:httpbin\.org|\S+\.svc\.cluster\.local|backend\d\.example\.com) again/, "NAME again")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .filter((row) => row !== "")
    .sort()
    .join("\n");
}

function execute(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env["PATH"], NO_COLOR: "1" };
    execFile(file, args, { cwd: ROOT, env, timeout: RUN_MS }, (error, output, errorOutput) => {
      if (error !== null && !MAY_END_WITH.has(Number(error.code)))
        reject(new Error(`${file} ${args.join(" ")}: ${errorOutput}${error}`));
      else resolve(output);
    });
  });
}
