/** Other servers to measure beside, where this machine has them: each on a port of 127.0.0.1, with one upstream. */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/program.ts";
import { stop } from "../support/child.ts";
import { oneAnswer, UPSTREAM_ADDRESS, untilAnswered } from "./messages.ts";
import type { Responder } from "./responders.ts";

/** Found besides those of PATH, which leaves them out for ordinary users. */
const SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];
const READY_MS = 15_000;
const ASK_AGAIN_MS = 250;
/** What a server has to hold beside the hosts. */
const CACHED_NAMES = 200_000;

export interface PeerOptions {
  /** For configuration files. */
  readonly folder: string;
  /** Names to answer with 192.0.2.1. */
  readonly hosts: readonly string[];
  /** For all other names. */
  readonly upstreamPort: number;
}

/** One thread of unbound with the hosts as local data; null, here and below: it is not installed. */
export async function startUnbound({ folder, hosts, upstreamPort }: PeerOptions): Promise<Responder | null> {
  return startPeer("unbound", (port) => {
    const file = join(folder, "unbound.conf");
    writeFileSync(file, unboundConfiguration(folder, port, hosts, upstreamPort));
    return ["-d", "-c", file];
  });
}

/** dnsmasq with the hosts in a file. */
export async function startDnsmasq({ folder, hosts, upstreamPort }: PeerOptions): Promise<Responder | null> {
  return startPeer("dnsmasq", (port) => {
    const file = join(folder, "dnsmasq.hosts");
    writeFileSync(file, hosts.map((host) => `192.0.2.1 ${host}\n`).join(""));
    return [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--pid-file=",
      `--user=${process.getuid?.() === 0 ? "root" : ""}`,
      `--port=${port}`,
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      "--no-resolv",
      "--no-hosts",
      `--addn-hosts=${file}`,
      "--local-ttl=60",
      `--server=127.0.0.1#${upstreamPort}`,
      "--cache-size=10000",
      "--dns-forward-max=2000",
    ];
  });
}

/** dnsdist with a packet cache; it makes answers for the hosts itself. */
export async function startDnsdist({ folder, hosts, upstreamPort }: PeerOptions): Promise<Responder | null> {
  return startPeer("dnsdist", (port) => {
    const file = join(folder, "dnsdist.conf");
    const lines = [
      `setLocal("127.0.0.1:${port}")`,
      `newServer("127.0.0.1:${upstreamPort}"):setUp()`,
      `getPool(""):setCache(newPacketCache(${CACHED_NAMES}))`,
      "hosts = newSuffixMatchNode()",
      ...hosts.map((host) => `hosts:add(newDNSName("${host}."))`),
      'addAction(SuffixMatchNodeRule(hosts), SpoofAction({"192.0.2.1"}))',
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    return ["--supervised", "--disable-syslog", "-C", file];
  });
}

/** CoreDNS with a cache; `COREDNS` names its file where PATH does not have it. It has none of the hosts. */
export async function startCoreDns({ folder, upstreamPort }: PeerOptions): Promise<Responder | null> {
  return startPeer(process.env["COREDNS"] ?? "coredns", (port) => {
    const file = join(folder, "Corefile");
    const cache = `cache 3600 {\n success ${CACHED_NAMES}\n}`;
    writeFileSync(file, `.:${port} {\nbind 127.0.0.1\n${cache}\nforward . 127.0.0.1:${upstreamPort}\n}\n`);
    return ["-quiet", "-conf", file];
  });
}

/** The least that any server does, in C (floor.c); null: there is no compiler. */
export async function startFloor({ folder, hosts }: PeerOptions): Promise<Responder | null> {
  const compiler = pathOf("cc");
  if (compiler === null) return null;
  const program = join(folder, "floor");
  const answer = join(folder, "answer");
  execFileSync(compiler, ["-O2", "-o", program, fileURLToPath(new URL("floor.c", import.meta.url))]);
  writeFileSync(answer, oneAnswer(hosts[0]!));
  const child = spawn(program, [answer], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  return { pid: child.pid!, port: Number(port), stop: () => stop(child) };
}

async function startPeer(
  name: string,
  argumentsFor: (port: number) => readonly string[],
): Promise<Responder | null> {
  const program = pathOf(name);
  if (program === null) return null;
  const port = await freePort();
  const child = spawn(program, argumentsFor(port), { stdio: ["ignore", "ignore", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const peer = { pid: child.pid!, port, stop: () => stop(child) };
  for (const startMs = performance.now(); child.exitCode === null; ) {
    const asked = untilAnswered(
      port,
      "name-0.example.org",
      UPSTREAM_ADDRESS,
      performance.now(),
      ASK_AGAIN_MS,
    );
    if (await asked.then(Number.isFinite, () => false)) return peer;
    if (performance.now() - startMs > READY_MS) break;
  }
  await peer.stop();
  throw new Error(`${name} does not answer`);
}

function unboundConfiguration(
  folder: string,
  port: number,
  hosts: readonly string[],
  upstreamPort: number,
): string {
  return `server:
  num-threads: 1
  interface: 127.0.0.1@${port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "${folder}"
  pidfile: "${folder}/unbound.pid"
  use-syslog: no
  logfile: "${folder}/unbound.log"
  do-not-query-localhost: no
  module-config: "iterator"
  so-rcvbuf: 4m
  outgoing-range: 4096
  num-queries-per-thread: 2048
  msg-cache-size: 64m
  rrset-cache-size: 128m
${hosts.map((host) => `  local-data: "${host}. 60 A 192.0.2.1"`).join("\n")}
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstreamPort}
`;
}

/** `name`: or a whole path. */
function pathOf(name: string): string | null {
  if (name.includes("/")) return existsSync(name) ? name : null;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}
