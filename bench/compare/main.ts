/**
 * `node bench/compare/main.ts [--rounds N] [--seconds N] [--dry]`: what an answer and 10,000 hosts cost this program and
 * other DNS servers, side by side on this machine, into docs/comparison.md; `--dry` prints it instead. Servers that are not
 * installed are left out (CoreDNS by the environment variable COREDNS, else all by PATH).
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeStaticFolder } from "../load/manifests.ts";
import { generatorName, runLoad } from "../load/query-load.ts";
import type { Responder } from "../load/responders.ts";
import { UNCACHED } from "../load/uncached.ts";
import { withWorkspace } from "../load/workspace.ts";
import { cpuMs, residentMiB } from "../support/child.ts";
import { loadNow, machineFacts } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { PEERS } from "./peers.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    dry: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(values.rounds);
const RUN_SECONDS = Number(values.seconds);
const HOSTS = 10_000;
const RATE = 10_000;
const PAGE = fileURLToPath(new URL("../../docs/comparison.md", import.meta.url));
const BEGIN = "<!-- cost: written by the bench -->";
const END = "<!-- cost: end -->";

interface Server {
  readonly name: string;
  readonly hasHosts: boolean;
  readonly pid: number;
  readonly port: number;
}

interface Case {
  readonly title: string;
  readonly names: readonly string[];
  readonly isOwn: boolean;
  /** Per second; absent: saturated. */
  readonly rate?: number;
}

const loadBefore = loadNow();
const text = await withWorkspace(async ({ folder, upstreamPort, startServer }) => {
  const hosts = writeStaticFolder(join(folder, "entries"), HOSTS);
  const cases: readonly Case[] = [
    { title: "own hosts", names: hosts, isOwn: true },
    { title: "own hosts, 10,000 a second", names: hosts, isOwn: true, rate: RATE },
    { title: "from the cache", names: namesOf(1000, "cached-"), isOwn: false },
    { title: "from upstream", names: namesOf(100_000, UNCACHED), isOwn: false },
  ];
  const servers: Server[] = [];
  for (const udp of ["batch", "dgram"] as const) {
    process.stderr.write(`serviceentry-dns, ${udp} ...\n`);
    const { pid, port } = await startServer(join(folder, "entries"), udp);
    servers.push({ name: `serviceentry-dns, udp ${udp}`, hasHosts: true, pid, port });
  }
  const missing: string[] = [];
  const peers: Responder[] = [];
  try {
    for (const { name, hasHosts, start } of PEERS) {
      const peer = await start({ folder, hosts, upstreamPort });
      if (peer === null) {
        missing.push(name);
        continue;
      }
      peers.push(peer);
      servers.push({ name, hasHosts, pid: peer.pid, port: peer.port });
    }
    return await report(servers, cases, missing);
  } finally {
    for (const peer of peers) await peer.stop();
  }
});

if (values.dry) process.stdout.write(`${text}\n`);
else {
  const page = readFileSync(PAGE, "utf8");
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error("docs/comparison.md has no place for the figures");
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${text}\n\n${page.slice(end)}`);
}

async function report(
  servers: readonly Server[],
  cases: readonly Case[],
  missing: readonly string[],
): Promise<string> {
  // The first queries of a process run code that is not compiled, or read pages that are not in memory.
  for (const server of servers) for (const each of cases) await microseconds(server, each);
  const us = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round += 1)
    for (const each of cases)
      for (const server of servers) {
        if (each.isOwn && !server.hasHosts) continue;
        const key = `${server.name} ${each.title}`;
        us.set(key, [...(us.get(key) ?? []), await microseconds(server, each)]);
      }
  const head = ["server", ...cases.map(({ title }) => title), "memory, MiB"];
  const rows = servers.map((server) => [
    server.name,
    ...cases.map(({ title }) => {
      const samples = us.get(`${server.name} ${title}`);
      return samples === undefined ? "–" : median(samples).toFixed(1);
    }),
    server.hasHosts ? residentMiB(server.pid).now.toFixed(0) : "–",
  ]);
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  const lines = [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const left = missing.length === 0 ? "" : ` Not installed, so left out: ${missing.join("; ")}.`;
  return `Processor time of the server per answered query, user and system, in microseconds over UDP: medians of ${ROUNDS} runs of
${RUN_SECONDS} s each, taking turns; saturated, but for the second column. Each server has ${HOSTS.toLocaleString("en")} hosts, which it answers itself, and one
upstream on the same machine. Memory: resident, after all runs. Generator: ${await generatorName()}.${left}

${lines.join("\n")}

${machineFacts(loadBefore)}`;
}

async function microseconds({ pid, port, hasHosts }: Server, each: Case): Promise<number> {
  if (each.isOwn && !hasHosts) return 0;
  const { names, rate } = each;
  const before = cpuMs(pid);
  const { answered } = await runLoad({
    port,
    names,
    seconds: RUN_SECONDS,
    ...(rate !== undefined && { rate }),
  });
  return ((cpuMs(pid) - before) * 1000) / answered;
}

function namesOf(count: number, prefix: string): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}.example.org`);
}
