/**
 * `demo`: everything on this machine, without a cluster. Serves the example objects on loopback, with a
 * child process in the place of CoreDNS that can be stopped and started again by hand.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { meaningLines, settingsHelp } from "../config/help.ts";
import { type LoadedSettings, loadSettings, type SettingsInputs } from "../config/load-settings.ts";
import { SETTING_KEYS } from "../config/settings.ts";
import { socketAddressText } from "../config/socket-address.ts";

const FORMS = ["static", "dns", "pods", "workload-entries"] as const;
const DEFAULT_FORM = "static";
const DEFAULT_STAND_IN = "127.0.0.1:1054";
/** What differs from `serve`: everything stays on this machine. */
const DEFAULTS = {
  listen: "127.0.0.1:1053,[::1]:1053",
  admin: "127.0.0.1:9153",
  source: "manifests/examples",
};
/** Where `lookup` asks when it is told nothing. */
const DEFAULT_LOOKUP_SERVER = "127.0.0.1:1053";
const DEFAULT_API_ADDRESS = "127.0.0.1:9154";
/** A child that has said nothing after this long will not. */
const STAND_IN_START_MS = 10_000;
/** As long as a query would wait. */
const FIRST_ANSWERS_MS = 2500;

export function demoHelp(): string {
  return `Usage: serviceentry-dns demo [--form FORM] [SETTING]...

Serves manifests/examples on this machine, without a cluster and without a
network. Edit, add or delete a file there while it runs: the answers follow.

  --form FORM
${meaningLines(`Which example of the host with several kinds of endpoints to load: ${FORMS.join(", ")}.`)}
      (default: ${DEFAULT_FORM})
  --stand-in ADDR:PORT
${meaningLines("Where the stand-in for CoreDNS answers; names that are not ours are asked there.")}
      (default: ${DEFAULT_STAND_IN})
  --examples DIR
      Folder of the examples. (default: manifests/examples of this project)
  --help
      This text.

Settings of serve are taken too; listen, admin and api are on loopback unless
given.

${settingsHelp(SETTING_KEYS.filter((key) => !["source", "upstreams", "clusterUpstreams"].includes(key)))}`;
}

/** The running program, as far as the demo shows it. */
export interface RunningDemo {
  readonly hosts: () => readonly DemoHost[];
  /** As text, `127.0.0.1:1053`. */
  readonly listening: readonly string[];
  readonly close: () => Promise<void>;
}

interface DemoHost {
  readonly host: string;
  readonly resolution: string;
  readonly state: string;
}

export interface DemoParts {
  /** The root of the project, where `manifests/` is. */
  readonly root: string;
  /** Arguments of node that run this program, in front of a command. */
  readonly program: readonly string[];
  readonly env: SettingsInputs["env"];
  readonly start: (
    inputs: SettingsInputs,
    loaded: LoadedSettings,
    folders: readonly string[],
  ) => Promise<RunningDemo>;
  readonly write: (text: string) => void;
  /** Resolves when the user wants the demo to end. */
  readonly stopped: Promise<void>;
}

/** A fault of the command line that is no setting's. */
export class DemoUsageError extends Error {}

/** Runs until `stopped`. Throws `SettingsError`, `DemoUsageError`, and what `start` throws. */
export async function runDemo(argv: readonly string[], parts: DemoParts): Promise<void> {
  const inputs: SettingsInputs = {
    argv,
    env: parts.env,
    ownFlags: ["--form", "--stand-in", "--examples"],
    defaults: { ...DEFAULTS, upstreams: DEFAULT_STAND_IN },
  };
  const { ownFlags } = loadSettings(inputs);
  const form = ownFlags.get("--form") ?? DEFAULT_FORM;
  if (!FORMS.some((each) => each === form)) {
    throw new DemoUsageError(`--form ${JSON.stringify(form)} is not one of ${FORMS.join(", ")}.`);
  }
  const standIn = ownFlags.get("--stand-in") ?? DEFAULT_STAND_IN;
  const withStandIn = { ...inputs, defaults: { ...DEFAULTS, upstreams: standIn } };
  const examples = ownFlags.get("--examples") ?? join(parts.root, "manifests/examples");
  const folders = [join(examples, "kmesh"), join(examples, "kgateway", form)];

  const child = await startStandIn(parts.program, standIn);
  try {
    const loaded = loadSettings(withStandIn);
    const running = await parts.start(withStandIn, loaded, folders);
    try {
      await firstAnswers(running);
      parts.write(banner(running, loaded, folders, standIn, child.pid));
      await parts.stopped;
    } finally {
      await running.close();
    }
  } finally {
    child.kill();
  }
}

async function startStandIn(program: readonly string[], address: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...program, "stand-in", `--listen=${address}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    said += `${line}\n`;
  });
  const hasStarted = await Promise.race([
    once(lines, "line").then(() => true),
    once(child, "close").then(() => false),
    setTimeout(STAND_IN_START_MS, false, { ref: false }),
  ]);
  if (hasStarted) return child;
  child.kill();
  throw new DemoUsageError(
    `The stand-in for CoreDNS did not start on ${address}. Does another demo run? Else choose another address with --stand-in. It said:\n${said.trim()}`,
  );
}

/** Until no host waits for its first addresses any more, so that the list shows what there is. */
async function firstAnswers(running: RunningDemo): Promise<void> {
  const deadlineMs = performance.now() + FIRST_ANSWERS_MS;
  while (performance.now() < deadlineMs && running.hosts().some(({ state }) => state === "pending")) {
    await setTimeout(20);
  }
}

function banner(
  running: RunningDemo,
  { settings }: LoadedSettings,
  folders: readonly string[],
  standIn: string,
  standInId: number | undefined,
): string {
  const hosts = running.hosts();
  const places = folders.map((folder) => relative(process.cwd(), folder) || ".").join(" and ");
  const { address, port } = settings.listen[0]!;
  const server = running.listening[0]!;
  // Two entries may claim one host, and a wildcard host is asked for by some name below it.
  const names = [...new Set(hosts.map(({ host }) => host.replace(/^\*\./, "any.")))];
  const example = names[0] ?? "example.com";
  const isFoundByDefault =
    server === DEFAULT_LOOKUP_SERVER && socketAddressText(settings.api) === DEFAULT_API_ADDRESS;
  const options = isFoundByDefault ? "" : ` --server ${server} --api ${socketAddressText(settings.api)}`;
  const dig = (question: string) => `  dig @${address} -p ${port} ${question}\n`;
  const list = hosts
    .map(({ host, resolution, state }) => `  ${host.padEnd(34)} ${resolution.padEnd(16)} ${state}\n`)
    .join("");
  return `
serviceentry-dns demo: answering on ${running.listening.join(", ")} (UDP and TCP)

Hosts from ${places}
${list === "" ? "  none: there is no ServiceEntry in these folders, so every name is forwarded\n" : list}
Try
${names.map(dig).join("")}${dig(`${example} AAAA +tcp`)}  npm run -s lookup -- ${example}${options}
  curl -s http://${socketAddressText(settings.admin)}/metrics | grep serviceentry_dns_
  curl -s http://${socketAddressText(settings.api)}/api/hosts
and look at http://${socketAddressText(settings.api)}/ in a browser.

Edit, add or delete a file in these folders: the answers follow within a second.
Stop and start what stands in for CoreDNS on ${standIn}:
  kill ${standInId}
  npm run -s stand-in -- --listen ${standIn}

Ctrl-C ends the demo. State changes are logged below.

`;
}
