/**
 * One way to read the words of a command: unknown options named with the nearest, help, usage faults with their
 * remedy. A command says its options and gives what to do with them.
 */

import { type ParseArgsConfig, parseArgs } from "node:util";
import { ApiError, apiBase, type Environment } from "./api.ts";
import { type Format, readFormat } from "./formats.ts";
import { EXIT_USAGE, type Output, readArguments, unknownOptionMessage, usageMessage } from "./usage.ts";

/** The server's API endpoint, or the DNS server that was to be asked, does not answer. */
export const EXIT_UNREACHABLE = 3;

type Options = NonNullable<ParseArgsConfig["options"]>;

export interface CommandSpec<T extends Options> {
  /** As in messages: `config print`. */
  readonly name: string;
  readonly help: string;
  readonly options: T;
  /** How many words besides options it takes; what they are called. */
  readonly words: readonly {
    readonly name: string;
    readonly isOptional?: boolean;
    readonly isRepeated?: boolean;
  }[];
}

export type CommandValues<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>
>["values"];

/** A usage fault that only the command itself can see; the end of a sentence. */
export class UsageError extends Error {}

/** `text`: of `--output`. */
export function requestedFormat(text: string): Format {
  const format = readFormat(text);
  if (typeof format !== "string") throw new UsageError(format.fault);
  return format;
}

/** `flag`: of `--api`. */
export function requestedApi(flag: string | undefined, env: Environment): URL {
  const base = apiBase(flag, env);
  if ("fault" in base) throw new UsageError(base.fault);
  return base;
}

/** Resolves with the exit status. `run` may throw UsageError and ApiError. */
export async function runCommand<T extends Options>(
  spec: CommandSpec<T>,
  argv: readonly string[],
  output: Output,
  run: (values: CommandValues<T>, words: readonly string[]) => Promise<number>,
): Promise<number> {
  const { name, help, options, words } = spec;
  const wrong = (fault: string) => {
    output.error(usageMessage(name, fault));
    return EXIT_USAGE;
  };
  if (argv.includes("--help")) {
    output.out(help);
    return 0;
  }
  const unknown = unknownOptionMessage(name, argv, Object.keys(options));
  if (unknown !== undefined) {
    output.error(unknown);
    return EXIT_USAGE;
  }
  const parsed = readArguments(name, () => parseArgs({ args: [...argv], options, allowPositionals: true }));
  if ("fault" in parsed) {
    output.error(String(parsed.fault));
    return EXIT_USAGE;
  }
  const { values, positionals } = parsed;
  const missing = words.find((word, index) => !word.isOptional && positionals[index] === undefined);
  if (missing !== undefined) return wrong(`there is no ${missing.name}; write: ${name} ${missing.name}`);
  const excess = words.some(({ isRepeated }) => isRepeated) ? undefined : positionals[words.length];
  if (excess !== undefined) return wrong(`there is one word too many: ${excess}`);
  try {
    return await run(values, positionals);
  } catch (error) {
    if (error instanceof UsageError) return wrong(error.message);
    if (!(error instanceof ApiError)) throw error;
    output.error(`${name}: ${error.message}\n`);
    return EXIT_UNREACHABLE;
  }
}
