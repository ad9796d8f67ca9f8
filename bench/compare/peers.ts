/** Other DNS servers, set up alike: the hosts as data of their own where they have such, and all else forwarded. */

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { exchange } from "../../src/cli/exchange.ts";
import { RecordType } from "../../src/wire/constants.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { freePort } from "../../test/support/program.ts";
import { startUnbound } from "../load/peers.ts";
import type { Responder } from "../load/responders.ts";
import { stop } from "../support/child.ts";

export interface PeerInputs {
  /** For configuration files. */
  readonly folder: string;
  readonly hosts: readonly string[];
  readonly upstreamPort: number;
}

export interface Peer {
  readonly name: string;
  /** Whether it has data of its own to answer from. */
  readonly hasHosts: boolean;
  /** Null: it is not installed. */
  readonly start: (inputs: PeerInputs) => Promise<Responder | null>;
}

export const PEERS: readonly Peer[] = [
  {
    name: "Unbound, 1 thread",
    hasHosts: true,
    start: ({ folder, hosts, upstreamPort }) => startUnbound(folder, hosts, upstreamPort),
  },
  { name: "dnsmasq", hasHosts: true, start: startDnsmasq },
  { name: "dnsdist, packet cache", hasHosts: false, start: startDnsdist },
  { name: "CoreDNS, plugins cache and forward", hasHosts: false, start: startCoredns },
];

const ADDRESS = "192.0.2.1";
/** Besides those of PATH, which leaves them out for ordinary users. */
const SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];
const READY_MS = 10_000;
const ASK_AGAIN_MS = 50;

async function startDnsmasq({ folder, hosts, upstreamPort }: PeerInputs): Promise<Responder | null> {
  const program = pathOf("dnsmasq");
  if (program === null) return null;
  const port = await freePort();
  const file = join(folder, "hosts");
  writeFileSync(file, hosts.map((host) => `${ADDRESS} ${host}\n`).join(""));
  const args = [
    "--keep-in-foreground --no-resolv --no-hosts --bind-interfaces --listen-address=127.0.0.1 --conf-file=/dev/null",
    `--port=${port} --server=127.0.0.1#${upstreamPort} --addn-hosts=${file} --cache-size=10000 --dns-forward-max=1000`,
    `--pid-file=${join(folder, "dnsmasq.pid")} --user=root --log-facility=${join(folder, "dnsmasq.log")}`,
  ];
  return run(program, args.join(" ").split(" "), port);
}

async function startDnsdist({ folder, upstreamPort }: PeerInputs): Promise<Responder | null> {
  const program = pathOf("dnsdist");
  if (program === null) return null;
  const port = await freePort();
  const file = join(folder, "dnsdist.conf");
  writeFileSync(
    file,
    `setLocal("127.0.0.1:${port}")
newServer({address="127.0.0.1:${upstreamPort}", healthCheckMode="up"})
getPool(""):setCache(newPacketCache(100000))
setSecurityPollSuffix("")
`,
  );
  return run(program, ["--supervised", "--disable-syslog", "--config", file], port);
}

async function startCoredns({ folder, upstreamPort }: PeerInputs): Promise<Responder | null> {
  const program = process.env["COREDNS"] ?? pathOf("coredns");
  if (program === null) return null;
  const port = await freePort();
  const file = join(folder, "Corefile");
  writeFileSync(
    file,
    `.:${port} {
  bind 127.0.0.1
  cache 30
  forward . 127.0.0.1:${upstreamPort}
}
`,
  );
  return run(program, ["-conf", file], port);
}

/** Resolves when it answers whatever it is asked. */
async function run(program: string, args: readonly string[], port: number): Promise<Responder> {
  const child = spawn(program, args, { stdio: "ignore" });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const server = { address: parseIpAddress("127.0.0.1")!, port };
  for (const deadlineMs = performance.now() + READY_MS; performance.now() < deadlineMs; ) {
    const { packet } = await exchange(server, { name: "ready.example.org", type: RecordType.A }, "udp");
    if (packet !== undefined) return { pid: child.pid!, port, stop: () => stop(child) };
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
  kill();
  throw new Error(`${program} ${args.join(" ")} does not answer`);
}

function pathOf(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}
