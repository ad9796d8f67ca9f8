/** The servers that are asked, each a child process on loopback that forwards to the same upstream. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort, ROOT } from "../support/program.ts";
import { exchange } from "./exchange.ts";
import { FLAGS } from "./numbers.ts";
import { message, nameOf, question } from "./octets.ts";

export interface Server {
  readonly port: number;
  stop(): Promise<void>;
}

/** Why a server cannot be asked on this machine. */
export interface Missing {
  readonly missing: string;
}

export const PEERS = ["unbound", "coredns"] as const;
export type PeerName = (typeof PEERS)[number];

export function startOurs(upstreamPort: number): Promise<Server> {
  return start((port, folder) => {
    const source = join(folder, "objects");
    mkdirSync(source);
    return [
      process.execPath,
      "--single-threaded-gc",
      join(ROOT, "src/main.ts"),
      "serve",
      ...["--source", source],
      ...["--listen", `127.0.0.1:${port}`],
      ...["--upstreams", `127.0.0.1:${upstreamPort}`],
      ...["--admin", "127.0.0.1:0"],
      ...["--api", "127.0.0.1:0"],
    ];
  });
}

export async function startPeer(name: PeerName, upstreamPort: number): Promise<Server | Missing> {
  const { variable, command, configure } = KNOWN_PEERS[name];
  const file = process.env[variable] ?? findCommand(command);
  if (file === null) return { missing: `no ${command} in PATH, and ${variable} is not set` };
  if (!isExecutable(file)) return { missing: `${variable} is ${file}, which cannot be run` };
  return start((port, folder) => [file, ...configure(port, upstreamPort, folder)]);
}

interface KnownPeer {
  /** Names the program in the environment. */
  readonly variable: string;
  readonly command: string;
  /** Writes its configuration into the folder; returns its arguments. */
  readonly configure: (port: number, upstreamPort: number, folder: string) => readonly string[];
}

const KNOWN_PEERS: Readonly<Record<PeerName, KnownPeer>> = {
  unbound: {
    variable: "UNBOUND",
    command: "unbound",
    configure: (port, upstreamPort, folder) => {
      const file = join(folder, "unbound.conf");
      writeFileSync(file, unboundConfiguration(port, upstreamPort, folder));
      return ["-d", "-p", "-c", file];
    },
  },
  coredns: {
    variable: "COREDNS",
    command: "coredns",
    configure: (port, upstreamPort, folder) => {
      const file = join(folder, "Corefile");
      writeFileSync(file, coreDnsConfiguration(port, upstreamPort));
      return ["-conf", file];
    },
  },
};

/** A forwarder without DNSSEC that leaves out nothing and keeps the order of records. */
function unboundConfiguration(port: number, upstreamPort: number, folder: string): string {
  return `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 0
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow_setrd
  do-ip6: no
  module-config: "iterator"
  do-not-query-localhost: no
  rrset-roundrobin: no
  minimal-responses: no
  trust-anchor-signaling: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstreamPort}
`;
}

function coreDnsConfiguration(port: number, upstreamPort: number): string {
  return `.:${port} {
  bind 127.0.0.1
  cache
  forward . 127.0.0.1:${upstreamPort} {
    max_fails 0
  }
}
`;
}

/** Debian keeps servers where users' PATH does not lead. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

function findCommand(command: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...MORE_FOLDERS];
  const files = folders.filter((folder) => folder !== "").map((folder) => join(folder, command));
  return files.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** For a child to answer its first question. */
const START_MS = 60_000;
const STOP_MS = 20_000;

/** `commandFor`: program and arguments; the folder is the child's own and goes with it. */
async function start(commandFor: (port: number, folder: string) => readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "interop-"));
  const port = await freePort();
  const [file, ...arguments_] = commandFor(port, folder);
  const child = spawn(file!, arguments_, {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const hear = (text: Buffer) => {
    said = (said + text).slice(-4_000);
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const ended = once(child, "close").catch(() => {});
  const tidyUp = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", tidyUp);
  const stop = async () => {
    await end(child, ended);
    process.off("exit", tidyUp);
    tidyUp();
  };
  try {
    await answers(port, child);
  } catch (error) {
    await stop();
    throw new Error(`${file} did not answer; it said:\n${said}`, { cause: error });
  }
  return { port, stop };
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  const first = question(nameOf("plain.start.interop.example"), 1, 1);
  const octets = message({ id: 4_711, flags: FLAGS.RD, questions: [first] });
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await accepts(port)) {
      const reply = await exchange(octets, "tcp", port);
      if (reply !== null && (reply.readUInt16BE(2) & 15) === 0) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("no good answer");
}

/** Whether there is a listener yet. */
function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1", () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}
