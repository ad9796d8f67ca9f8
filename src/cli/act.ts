/** `refresh`, `cache flush` and `log-level`: what a running server is told to do, by POST at its API endpoint. */

import { isHostName, parseHostName } from "../wire/host-name.ts";
import { ApiError, askApi, type Environment } from "./api.ts";
import { fieldsOf, listOf, textOf } from "./check/raw.ts";
import { type CommandSpec, requestedApi, requestedFormat, runCommand, UsageError } from "./command.ts";
import { formatted } from "./formats.ts";
import { API_NOTES, API_OPTION, FORMAT_OPTION, HELP_OPTION, helpText } from "./help-text.ts";
import { printable } from "./printable.ts";
import { type Output, processOutput } from "./usage.ts";

const COMMON = {
  options: [API_OPTION, FORMAT_OPTION, HELP_OPTION],
  notes: `${API_NOTES}
Of several replicas only the one behind the endpoint is told.`,
  status: "0 done, 1 the server refuses or knows nothing of it, 2 usage, 3 no API endpoint",
} as const;

export const REFRESH_HELP = helpText({
  usage: "refresh HOST [options]",
  about: "Has a running server ask upstream again for the names behind HOST, now.",
  ...COMMON,
});

export const CACHE_HELP = helpText({
  usage: "cache flush NAME [options]",
  about: `Has a running server forget what it cached for NAME, or for all names below *.suffix. "." forgets everything. Own hosts are not in the cache; see refresh.`,
  ...COMMON,
});

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export const LOG_LEVEL_HELP = helpText({
  usage: `log-level ${LOG_LEVELS.join("|")} [options]`,
  about: "Has a running server log from this level on, until its settings are read anew or it ends.",
  ...COMMON,
});

export const ACT_OPTIONS = {
  api: { type: "string" },
  output: { type: "string", short: "o", default: "table" },
  help: { type: "boolean", default: false },
} as const;

type ActSpec = CommandSpec<typeof ACT_OPTIONS>;

const REFRESH: ActSpec = {
  name: "refresh",
  help: REFRESH_HELP,
  options: ACT_OPTIONS,
  words: [{ name: "HOST" }],
};
const CACHE: ActSpec = {
  name: "cache",
  help: CACHE_HELP,
  options: ACT_OPTIONS,
  words: [{ name: "flush" }, { name: "NAME" }],
};
const LOG_LEVEL: ActSpec = {
  name: "log-level",
  help: LOG_LEVEL_HELP,
  options: ACT_OPTIONS,
  words: [{ name: "LEVEL" }],
};

export function runRefresh(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return act(REFRESH, argv, output, env, ([host = ""]) => ({
    path: "/api/refresh",
    query: { host: readName("HOST", host) },
    say: (reply) => {
      const names = listOf(reply["names"]).map((each) => printable(textOf(each) ?? ""));
      return names.length === 0
        ? `${host} needs no name of upstream\n`
        : `asking upstream for ${names.join(", ")}\n`;
    },
  }));
}

export function runCache(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return act(CACHE, argv, output, env, ([action, name = ""]) => {
    if (action !== "flush") throw new UsageError(`${action} is no action; there is flush`);
    return {
      path: "/api/cache/flush",
      query: { name: name === "." ? name : readName("NAME", name) },
      say: () => (name === "." ? "the whole cache is forgotten\n" : `${name} is forgotten\n`),
    };
  });
}

export function runLogLevel(
  argv: readonly string[],
  output: Output = processOutput,
  env: Environment = process.env,
): Promise<number> {
  return act(LOG_LEVEL, argv, output, env, ([level = ""]) => {
    if (!LOG_LEVELS.some((each) => each === level))
      throw new UsageError(`${level} is not one of ${LOG_LEVELS.join(", ")}`);
    return {
      path: "/api/log-level",
      query: { level },
      say: (reply) => `log level ${level}, before it ${printable(textOf(reply["before"]) ?? "unknown")}\n`,
    };
  });
}

/** RFC 9110 15.5.6: of a server that only shows. */
const METHOD_NOT_ALLOWED = 405;

interface Act {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** What the reply means, for people. */
  readonly say: (reply: Readonly<Record<string, unknown>>) => string;
}

function act(
  spec: ActSpec,
  argv: readonly string[],
  output: Output,
  env: Environment,
  plan: (words: readonly string[]) => Act,
): Promise<number> {
  return runCommand(spec, argv, output, async (values, words) => {
    const format = requestedFormat(values.output);
    const base = requestedApi(values.api, env);
    const { path, query, say } = plan(words);
    try {
      const reply = fieldsOf(await askApi(base, path, { method: "POST", query })) ?? {};
      output.out(formatted(format, reply, () => say(reply)));
      return 0;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === undefined) throw error;
      const isOther = error.status === METHOD_NOT_ALLOWED;
      const said = isOther
        ? `What answers at ${base.origin} takes no orders: it is another version.`
        : error.message;
      output.error(`${spec.name}: ${said}\n`);
      return 1;
    }
  });
}

function readName(word: string, text: string): string {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new UsageError(`${word} ${JSON.stringify(text)} ${name.fault}`);
  return name;
}
