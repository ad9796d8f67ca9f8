#!/usr/bin/env -S node --single-threaded-gc --max-semi-space-size=4
/** The program: argv, environment and settings file become settings; starts the app or a command; signals. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { App, type AppOptions } from "./app.ts";
import { type CommandName, commandList } from "./cli/command-list.ts";
import { DemoUsageError, demoHelp, runDemo } from "./cli/demo.ts";
import { serveHelp } from "./config/help.ts";
import { type LoadedSettings, loadSettings, type SettingsInputs } from "./config/load-settings.ts";
import { nearestName } from "./config/nearest-name.ts";
import { SettingsError } from "./config/settings-error.ts";

const USAGE = 2;
const FAILED = 1;
/** As a shell tells it of a program that SIGPIPE ended. */
const NOBODY_READS = 141;

const HELP = `Usage: serviceentry-dns COMMAND [OPTION]...

Makes the hosts of Istio ServiceEntries resolvable by name, and forwards all
other names.

${commandList()}
  --help     this text; COMMAND --help explains one command
  --version  the version

Exit status: 0 done, 1 failed, 2 wrong usage; commands that ask something have
more, see their help.
NO_COLOR switches colours off.
`;

const COMMANDS: Readonly<Record<CommandName, (argv: readonly string[]) => Promise<number>>> = {
  serve,
  demo,
  // Loaded when they are called, so that a server carries none of their packages.
  lookup: async (argv) => (await import("./cli/lookup.ts")).runLookup(argv),
  check: async (argv) => (await import("./cli/check.ts")).runCheck(argv, { version: version() }),
  hosts: async (argv) => (await import("./cli/hosts.ts")).runHosts(argv),
  problems: async (argv) => (await import("./cli/problems.ts")).runProblems(argv),
  diff: async (argv) => (await import("./cli/diff.ts")).runDiff(argv),
  doctor: async (argv) => (await import("./cli/doctor.ts")).runDoctor(argv),
  refresh: async (argv) => (await import("./cli/act.ts")).runRefresh(argv),
  cache: async (argv) => (await import("./cli/act.ts")).runCache(argv),
  "log-level": async (argv) => (await import("./cli/act.ts")).runLogLevel(argv),
  config: async (argv) => (await import("./cli/config.ts")).runConfig(argv),
  corefile: async (argv) => (await import("./cli/corefile.ts")).runCorefile(argv),
  inject: async (argv) => (await import("./cli/inject.ts")).runInject(argv),
  completion: async (argv) => (await import("./cli/completion.ts")).runCompletion(argv),
  "stand-in": async (argv) => (await import("./cli/stand-in.ts")).runStandIn(argv),
};

/** The folder that holds package.json and manifests/, beside src/ or dist/. */
const ROOT = fileURLToPath(new URL("..", import.meta.url));

process.exitCode = await run(process.argv.slice(2));

async function run([command, ...argv]: readonly string[]): Promise<number> {
  // A server's lines are not written there.
  if (command !== "serve") process.stdout.on("error", endWithReader);
  if (command === undefined || command === "--help" || command === "help") {
    process.stdout.write(HELP);
    return command === undefined ? USAGE : 0;
  }
  if (command === "--version") {
    process.stdout.write(`serviceentry-dns ${version()}\n`);
    return 0;
  }
  if (!isCommand(command)) {
    const nearest = nearestName(command, Object.keys(COMMANDS));
    const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
    process.stderr.write(
      `serviceentry-dns: there is no command ${JSON.stringify(command)}.${hint}\n\n${HELP}`,
    );
    return USAGE;
  }
  try {
    return await COMMANDS[command](argv);
  } catch (error) {
    return explain(command, error);
  }
}

/** Who reads the output, `head` say, has seen enough. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(NOBODY_READS);
}

function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}

async function serve(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    process.stdout.write(serveHelp());
    return 0;
  }
  const inputs: SettingsInputs = { argv, env: process.env };
  const loaded = loadSettings(inputs);
  const stopped = stopSignal();
  const { source } = loaded.settings;
  const app = newApp(inputs, loaded, source === "kubernetes" ? source : [source]);
  const start = app.start();
  // Who stops it while it still waits, for an API server say, does not wait for that.
  if ((await Promise.race([start, stopped.first])) !== undefined) {
    start.catch(() => {});
    await app.stop(0);
    return 0;
  }
  const signal = await stopped.first;
  const lameduck = signal === "SIGTERM" ? loaded.settings.lameduck * 1000 : 0;
  await app.stop(lameduck, stopped.second);
  return 0;
}

async function demo(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help")) {
    process.stdout.write(demoHelp());
    return 0;
  }
  await runDemo(argv, {
    root: ROOT,
    program: [fileURLToPath(import.meta.url)],
    env: process.env,
    async start(inputs, loaded, folders) {
      const app = newApp(inputs, loaded, folders);
      await app.start();
      return { hosts: () => app.hosts(), listening: app.listening, close: () => app.stop(0) };
    },
    write: (text) => process.stdout.write(text),
    stopped: stopSignal().first.then(() => {}),
  });
  return 0;
}

function newApp(inputs: SettingsInputs, loaded: LoadedSettings, source: AppOptions["source"]): App {
  return new App({ inputs, loaded, source, version: version() });
}

/** Also that of a terminal that closes (SIGHUP). The second one, whichever it is, is for those who will not wait. */
function stopSignal(): { readonly first: Promise<NodeJS.Signals>; readonly second: Promise<NodeJS.Signals> } {
  const first = Promise.withResolvers<NodeJS.Signals>();
  const second = Promise.withResolvers<NodeJS.Signals>();
  let count = 0;
  const receive = (signal: NodeJS.Signals) => {
    count += 1;
    (count === 1 ? first : second).resolve(signal);
  };
  process.on("SIGTERM", receive).on("SIGINT", receive).on("SIGHUP", receive);
  return { first: first.promise, second: second.promise };
}

/** What went wrong, for the person in front of the terminal; a fault of ours with its stack. */
function explain(command: string, error: unknown): number {
  const write = (text: string) => process.stderr.write(`serviceentry-dns ${command}: ${text}\n`);
  if (error instanceof SettingsError || error instanceof DemoUsageError) {
    for (const line of error.message.split("\n")) write(line);
    write(`--help lists the options`);
    return USAGE;
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string") write(error.message);
  else write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return FAILED;
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as { version: string };
  return text;
}
