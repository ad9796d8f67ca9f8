/** What all commands share: where they print, and what they say about options that cannot be meant. */

import { nearestName } from "../config/nearest-name.ts";

/** Where a command prints; each text ends with a newline. */
export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Whether `out` goes to somebody who sees colours. */
  readonly hasColor?: boolean;
  /** Whether `error` goes to a terminal, whose last line may be written over. */
  readonly showsProgress?: boolean;
}

export const processOutput: Output = {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  hasColor: process.stdout.isTTY === true && wantsColor(process.env),
  showsProgress: process.stderr.isTTY === true,
};

/** https://no-color.org: NO_COLOR with any text means no; so does a terminal that has none. */
export function wantsColor(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}

/** Exit status of a command whose words cannot be understood. */
export const EXIT_USAGE = 2;

/** What to say about the first `--option` in `argv` that the command does not have; undefined: it has all. */
export function unknownOptionMessage(
  command: string,
  argv: readonly string[],
  known: readonly string[],
): string | undefined {
  for (const word of argv) {
    if (word === "--") return undefined;
    if (!word.startsWith("--")) continue;
    const name = word.slice(2).replace(/=.*$/s, "");
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const remedy = nearest === undefined ? "" : `; did you mean --${nearest}?`;
    return usageMessage(command, `there is no option --${name}${remedy}`);
  }
  return undefined;
}

/** One line: command, what is wrong with its remedy, and where the help is. */
export function usageMessage(command: string, fault: string): string {
  const end = /[.?!]$/.test(fault) ? "" : ".";
  return `${command}: ${fault}${end} See serviceentry-dns ${command} --help.\n`;
}

/** Runs `parse` (a call of `parseArgs`) and turns what it says about the words into a message. */
export function readArguments<T>(command: string, parse: () => T): T | { readonly fault: string } {
  try {
    return parse();
  } catch (error) {
    const isUsage =
      error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!isUsage) throw error;
    // The first sentence names the option; the rest explains a way of writing that helps here rarely.
    return { fault: usageMessage(command, error.message.split(/\. |\n/)[0]!) };
  }
}
