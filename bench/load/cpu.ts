/**
 * What an answer costs in processor time, with either UDP back end, beside the least that any server has to do, in C and on
 * the same back end, and beside other servers that are installed.
 */

import { join } from "node:path";
import { cpuMs, residentMiB } from "../support/child.ts";
import type { Report } from "../support/performance-page.ts";
import { bind, MAY_BIND } from "../support/processors.ts";
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

/** Where the generator is beside the server whose turn it is. */
const PLACES = {
  apart: { generator: 0, server: 1, says: "generator on another processor" },
  together: { generator: 0, server: 0, says: "generator on the same processor" },
} as const;
type Place = keyof typeof PLACES;

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
      const rows: Row[] = cases.map((each) => ({ ...each, values: {} }));
      for (const row of rows) {
        // The first queries of their kind run code that is not compiled yet, and fill caches.
        for (let round = -1; round < rounds; round += 1) {
          for (const { key, pid, port } of servers) {
            if (row.isForwarded ? IS_FLOOR[key] : key === "coredns") continue;
            const value = await measure(pid, port, row, seconds);
            row.values[key] ??= [];
            if (round >= 0) row.values[key].push(value);
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
Ratios are medians of the rounds' own. Saturated: a hundred queries always on their way. The costs at ${RATE.toLocaleString("en")} per second are with generator and
server bound to processors, because what waking each other costs depends on where they are: left alone, the scheduler keeps one server beside the
generator and another away from it, which alone makes a factor of two. Time until an answer: the 99th percentile, in milliseconds, of the
quietest run: where a neighbour of the machine takes its processors for 20 ms, that is the 99th percentile of 2 s. The last row is the resident memory of each process after all runs, in MiB; CoreDNS has none of the hosts.`;

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
  /** Absent: as the scheduler likes. */
  readonly place?: Place;
  /** The 99th percentile of the time until an answer, and not processor time. */
  readonly isLatency?: true;
  readonly isForwarded?: true;
  readonly goals: readonly Goal[];
}

interface Row extends Case {
  /** One of each round: microseconds, or milliseconds of latency. */
  readonly values: Partial<Record<ServerKey, number[]>>;
}

const CACHED_NAMES = Array.from({ length: 1000 }, (_, index) => `name-${index}.example.org`);
const UNCACHED_NAMES = Array.from({ length: 100_000 }, (_, index) => `${UNCACHED}${index}.example.org`);

function casesOf(hosts: readonly string[]): readonly Case[] {
  const cached = { names: CACHED_NAMES, isForwarded: true } as const;
  return [
    {
      name: "local, saturated",
      names: hosts,
      goals: [
        { than: ["floor"], most: 1.3 },
        { than: ["unbound"], most: 0.75 },
      ],
    },
    ...atRate({ name: "local", names: hosts }),
    { ...cached, name: "from the cache, saturated", goals: [{ than: ["unbound", "dnsdist"], most: 1 }] },
    ...atRate({ ...cached, name: "from the cache" }),
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

/** The same at a fixed rate: what it costs in each place; and how long it takes, where the generator may use both processors. */
function atRate(what: Pick<Case, "name" | "names" | "isForwarded">): readonly Case[] {
  const name = `${what.name}, ${RATE.toLocaleString("en")} per second`;
  const shared = { ...what, rate: RATE } as const;
  const cost = { ...shared, goals: [{ than: ["unbound"], most: 1.2 }] } as const;
  const latency = { ...shared, isLatency: true, goals: [{ than: ["unbound"], most: 1 }] } as const;
  if (!MAY_BIND) return [{ ...cost, name }];
  return [
    { ...cost, place: "apart", name: `${name}, ${PLACES.apart.says}` },
    { ...cost, place: "together", name: `${name}, ${PLACES.together.says}` },
    { ...latency, name: `${name}, time until an answer` },
  ];
}

async function measure(pid: number, port: number, each: Case, seconds: number): Promise<number> {
  const { names, rate, place, isLatency } = each;
  if (place !== undefined) bind(pid, PLACES[place].server);
  const before = cpuMs(pid);
  const { answered, p99 } = await runLoad({
    port,
    names,
    seconds,
    ...(rate !== undefined && { rate }),
    ...(place !== undefined && { processor: PLACES[place].generator }),
    ...(isLatency && { hasLatencies: true }),
  });
  const us = ((cpuMs(pid) - before) * 1000) / answered;
  if (place !== undefined) bind(pid, null);
  return isLatency ? p99 : us;
}

function table(rows: readonly Row[], memory: ReadonlyMap<ServerKey, number>): string {
  const keys = KEYS.filter((key) => rows.some(({ values }) => values[key] !== undefined));
  const head = ["", ...keys.map((key) => SERVERS[key]), "batch against the best of"];
  const lines = rows.map(({ name, values, goals, isLatency }) => [
    name,
    ...keys.map((key) => {
      const measured = values[key];
      if (measured === undefined) return "-";
      return isLatency ? Math.min(...measured).toFixed(2) : median(measured).toFixed(1);
    }),
    goals.flatMap((goal) => verdict(goal, values, isLatency)).join("; "),
  ]);
  const last = ["memory", ...keys.map((key) => memory.get(key)?.toFixed(0) ?? "-"), ""];
  return [head, head.map(() => "---"), ...lines, last].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Neighbours in time share what else the machine does; of latencies the quietest runs are compared. */
function verdict({ than, most }: Goal, values: Row["values"], isLatency = false): readonly string[] {
  const measured = than.filter((key) => values[key] !== undefined);
  if (measured.length === 0) return [];
  const best = (round: number) => Math.min(...measured.map((key) => values[key]![round]!));
  const ours = values.batch ?? [];
  const ratio = isLatency
    ? Math.min(...ours) / Math.min(...ours.map((_, round) => best(round)))
    : median(ours.map((each, round) => each / best(round)));
  const names = measured.map((key) => SERVERS[key]).join(", ");
  return [`${names}: ${ratio.toFixed(2)} (at most ${most}: ${ratio <= most ? "met" : "**not met**"})`];
}
