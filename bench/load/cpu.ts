/**
 * What an answer costs in processor time, with either UDP back end, beside the least that any server has to do, in C and on
 * the same back end, and beside other servers that are installed.
 */

import { join } from "node:path";
import { cpuMs, residentMiB } from "../support/child.ts";
import type { Report } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { writeStaticFolder } from "./manifests.ts";
import { startCoreDns, startDnsdist, startDnsmasq, startFloor, startUnbound } from "./peers.ts";
import { generatorName, runLoad } from "./query-load.ts";
import { type Responder, startBareResponder, startBatchResponder } from "./responders.ts";
import { UNCACHED } from "./uncached.ts";
import { withWorkspace } from "./workspace.ts";

const ENTRIES = 10_000;
const ROUNDS = 5;
const RUN_SECONDS = 2;
const RATE = 10_000;

/** `isShort`: to see that it works, not to measure. */
export function measureCpu(isShort: boolean): Promise<Report> {
  const rounds = isShort ? 1 : ROUNDS;
  const seconds = isShort ? 0.5 : RUN_SECONDS;
  return withWorkspace(async ({ folder, upstreamPort, startServer }) => {
    const hosts = writeStaticFolder(join(folder, "entries"), ENTRIES);
    const options = { folder, hosts, upstreamPort };
    const cases = casesOf(hosts);
    const servers: Server[] = [];
    const add = (key: ServerKey, { pid, port }: Pick<Server, "pid" | "port">) =>
      servers.push({ key, pid, port });
    add("batch", await startServer(join(folder, "entries"), "batch"));
    add("dgram", await startServer(join(folder, "entries"), "dgram"));
    const others: (readonly [ServerKey, () => Promise<Responder | null>])[] = [
      ["floor", () => startFloor(options)],
      ["batchFloor", () => startBatchResponder(hosts[0]!)],
      ["dgramFloor", () => startBareResponder(hosts[0]!)],
      ["unbound", () => startUnbound(options)],
      ["dnsdist", () => startDnsdist(options)],
      ["dnsmasq", () => startDnsmasq(options)],
      ["coredns", () => startCoreDns(options)],
    ];
    const started: Responder[] = [];
    try {
      for (const [key, start] of others) {
        const each = await start();
        if (each === null) continue;
        started.push(each);
        add(key, each);
      }
      const rows: Row[] = cases.map((each) => ({ ...each, us: {} }));
      for (const row of rows) {
        // The first queries of their kind run code that is not compiled yet, and fill caches.
        for (let round = -1; round < rounds; round += 1) {
          for (const { key, pid, port } of servers) {
            if (row.isForwarded ? IS_FLOOR[key] : key === "coredns") continue;
            const us = await microsecondsPerAnswer(pid, port, row, seconds);
            row.us[key] ??= [];
            if (round >= 0) row.us[key].push(us);
          }
        }
      }
      const memory = new Map(servers.map(({ key, pid }) => [key, residentMiB(pid).now]));
      const introduction = `${INTRODUCTION} Generator: ${await generatorName()}.`;
      return { title: "Processor time per answer", text: `${introduction}\n\n${table(rows, memory)}` };
    } finally {
      for (const each of started) await each.stop();
    }
  });
}

const INTRODUCTION = `User and system time of the server process per answered query, in microseconds, over UDP, ${ENTRIES.toLocaleString("en")} hosts; medians of
${ROUNDS} runs of ${RUN_SECONDS} s each, taking turns. Batch and dgram are the program with either UDP back end. The floors send one ready answer to
whatever comes, with nothing but the ID written into it: in C with recvmmsg and sendmmsg, and on the program's own back ends.
Ratios are medians of the rounds' own. Saturated: a hundred queries always on their way. The last row is the resident memory of each
process after all runs, in MiB; CoreDNS has none of the hosts.`;

const SERVERS = {
  floor: "floor, C",
  batchFloor: "floor, batch",
  batch: "batch",
  dgramFloor: "floor, dgram",
  dgram: "dgram",
  unbound: "unbound, 1 thread",
  dnsdist: "dnsdist",
  dnsmasq: "dnsmasq",
  coredns: "CoreDNS",
} as const;
type ServerKey = keyof typeof SERVERS;
const KEYS = Object.keys(SERVERS) as ServerKey[];
const IS_FLOOR: Readonly<Partial<Record<ServerKey, true>>> = {
  floor: true,
  batchFloor: true,
  dgramFloor: true,
};

interface Server {
  readonly key: ServerKey;
  readonly pid: number;
  readonly port: number;
}

/** At most so many times the best of these. */
interface Goal {
  readonly than: readonly ServerKey[];
  readonly most: number;
}

interface Case {
  readonly name: string;
  readonly names: readonly string[];
  /** Absent: saturated. */
  readonly rate?: number;
  readonly isForwarded?: true;
  readonly goals: readonly Goal[];
}

interface Row extends Case {
  readonly us: Partial<Record<ServerKey, number[]>>;
}

const CACHED_NAMES = Array.from({ length: 1000 }, (_, index) => `name-${index}.example.org`);
const UNCACHED_NAMES = Array.from({ length: 100_000 }, (_, index) => `${UNCACHED}${index}.example.org`);

function casesOf(hosts: readonly string[]): readonly Case[] {
  const rate = RATE.toLocaleString("en");
  const cached = { names: CACHED_NAMES, isForwarded: true } as const;
  const atRate = { rate: RATE, goals: [{ than: ["unbound"], most: 1.2 }] } as const;
  return [
    {
      name: "local, saturated",
      names: hosts,
      goals: [
        { than: ["floor"], most: 1.3 },
        { than: ["unbound"], most: 0.75 },
      ],
    },
    { ...atRate, name: `local, ${rate} per second`, names: hosts },
    { ...cached, name: "from the cache, saturated", goals: [{ than: ["unbound", "dnsdist"], most: 1 }] },
    { ...cached, ...atRate, name: `from the cache, ${rate} per second` },
    {
      name: "from upstream, saturated",
      names: UNCACHED_NAMES,
      isForwarded: true,
      goals: [
        { than: ["unbound"], most: 1 },
        { than: ["coredns"], most: 0.4 },
      ],
    },
  ];
}

async function microsecondsPerAnswer(
  pid: number,
  port: number,
  { names, rate }: Case,
  seconds: number,
): Promise<number> {
  const before = cpuMs(pid);
  const { answered } = await runLoad({ port, names, seconds, ...(rate !== undefined && { rate }) });
  return ((cpuMs(pid) - before) * 1000) / answered;
}

function table(rows: readonly Row[], memory: ReadonlyMap<ServerKey, number>): string {
  const keys = KEYS.filter((key) => rows.some(({ us }) => us[key] !== undefined));
  const head = ["", ...keys.map((key) => SERVERS[key]), "batch against the best of"];
  const lines = rows.map(({ name, us, goals }) => [
    name,
    ...keys.map((key) => (us[key] === undefined ? "-" : median(us[key]).toFixed(1))),
    goals.flatMap((goal) => verdict(goal, us)).join("; "),
  ]);
  const last = ["memory", ...keys.map((key) => memory.get(key)?.toFixed(0) ?? "-"), ""];
  return [head, head.map(() => "---"), ...lines, last].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Neighbours in time share what else the machine does. */
function verdict({ than, most }: Goal, us: Row["us"]): readonly string[] {
  const measured = than.filter((key) => us[key] !== undefined);
  if (measured.length === 0) return [];
  const best = (round: number) => Math.min(...measured.map((key) => us[key]![round]!));
  const ratio = median((us.batch ?? []).map((each, round) => each / best(round)));
  const names = measured.map((key) => SERVERS[key]).join(", ");
  return [`${names}: ${ratio.toFixed(2)} (at most ${most}: ${ratio <= most ? "met" : "**not met**"})`];
}
