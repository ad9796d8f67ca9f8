/** The completion scripts in the shells that they are for: each loads one and completes words, as Tab does. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { runCompletion, type SHELLS } from "../../src/cli/completion.ts";
import { CommandOutput } from "./command-output.ts";

type Shell = (typeof SHELLS)[number];

/** What is written, and what its last word may become. */
const CASES: readonly (readonly [line: string, words: readonly string[]])[] = [
  ["serviceentry-dns ch", ["check"]],
  ["serviceentry-dns check --fail", ["--fail-on"]],
  ["serviceentry-dns check -o s", ["sarif"]],
  ["serviceentry-dns check --output j", ["json", "junit"]],
  ["serviceentry-dns log-level d", ["debug"]],
  ["serviceentry-dns serve --answer v", ["virtual"]],
  ["serviceentry-dns config print negativeT", ["negativeTtl"]],
];

/** Runs a shell with a script as its input. */
function run(shell: Shell, args: readonly string[], input: string): string {
  const env = { ...process.env, TERM: "dumb", HOME: tmpdir() };
  return execFileSync(shell, args, {
    input,
    encoding: "utf8",
    timeout: 20_000,
    env,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** One list of words for each line, all by one start of the shell. `file`: the completion script. */
const COMPLETERS: Readonly<Record<Shell, (file: string, lines: readonly string[]) => readonly string[][]>> = {
  bash(file, lines) {
    const asked = lines.map((line) => {
      const words = line.split(" ");
      return `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; COMPREPLY=(); _serviceentry_dns; echo "\${COMPREPLY[@]}"`;
    });
    return rowsOf(run("bash", ["--norc", "-s"], `source '${file}'\n${asked.join("\n")}\n`));
  },
  fish(file, lines) {
    const asked = lines.map((line) => `echo (complete -C '${line}' | cut -f 1)`);
    return rowsOf(run("fish", ["--no-config", "-c", `source '${file}'\n${asked.join("\n")}`], ""));
  },
  // Its completion needs a line editor: so a second zsh in a terminal of the first gets keys, and shows its line.
  zsh(file, lines) {
    const asked = lines.map(
      (line) =>
        `zpty -n -w z '${line}'$'\\t\\a'; zpty -r z out '*<<*>>*'; print -r -- "\${\${out##*<<}%%>>*}"`,
    );
    const setUp = [
      "PROMPT= RPROMPT=; setopt no_beep menu_complete; autoload -Uz compinit; compinit -u -D",
      `source '${file}'`,
      'show() { zle -I; print -r -- "<<$BUFFER>>"; BUFFER=; }; zle -N show; bindkey "^G" show; bindkey "^I" complete-word',
      "print READY$((1+1))",
    ];
    const script = [
      "zmodload zsh/zpty; zpty z zsh -f -i",
      ...setUp.map((line) => `zpty -w z ${JSON.stringify(line).replaceAll("$", "\\$")}`),
      "zpty -r z out '*READY2*'",
      ...asked,
      "zpty -d z",
    ];
    return rowsOf(run("zsh", ["-f"], `${script.join("\n")}\n`)).map((words) => words.slice(-1));
  },
};

function rowsOf(text: string): string[][] {
  return text
    .trimEnd()
    .split("\n")
    .map((row) => row.trim().split(/\s+/));
}

describe("completion scripts", function () {
  this.timeout(30_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-completion-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const shell of Object.keys(COMPLETERS) as Shell[]) {
    it(`${shell} loads its script, and completes commands, options and their values`, async function () {
      const absence = absenceOf(shell);
      if (absence !== undefined) {
        process.stdout.write(`    skipped: ${absence}\n`);
        this.skip();
      }
      const output = new CommandOutput();
      expect(await runCompletion([shell], output)).to.equal(0);
      const file = join(folder, shell);
      writeFileSync(file, output.text);
      const completed = COMPLETERS[shell](
        file,
        CASES.map(([line]) => line),
      );
      for (const [index, [line, words]] of CASES.entries()) {
        // Where several fit, zsh puts in the first of them.
        const expected = shell === "zsh" ? words.slice(0, 1) : words;
        expect(completed[index], line).to.deep.equal(expected);
      }
    });
  }

  it("zsh takes its script from the fpath too", async function () {
    const absence = absenceOf("zsh");
    if (absence !== undefined) {
      process.stdout.write(`    skipped: ${absence}\n`);
      this.skip();
    }
    const output = new CommandOutput();
    await runCompletion(["zsh"], output);
    writeFileSync(join(folder, "_serviceentry_dns"), output.text);
    const source = join(folder, "set-fpath");
    writeFileSync(source, `fpath=('${folder}' $fpath); compinit -u -D\n`);
    expect(COMPLETERS.zsh(source, ["serviceentry-dns ch"])).to.deep.equal([["check"]]);
  });
});

function absenceOf(shell: Shell): string | undefined {
  try {
    execFileSync(shell, ["-c", "exit 0"], { stdio: "pipe" });
    return undefined;
  } catch {
    return `there is no ${shell} here`;
  }
}
