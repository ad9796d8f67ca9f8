/**
 * What an answer costs in processor time, with either UDP back end, beside the least that any server on the same
 * back end has to do, and beside unbound where it is installed.
 */

import { join } from "node:path";
import { cpuMs } from "../support/child.ts";
import type { Report } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { writeStaticFolder } from "./manifests.ts";
import { startUnbound } from "./peers.ts";
import { generatorName, runLoad } from "./query-load.ts";
import { startBareResponder, startBatchResponder } from "./responders.ts";
import { UNCACHED } from "./uncached.ts";
import { withWorkspace } from "./workspace.ts";

const ENTRIES = 1000;
const ROUNDS = 5;
const RUN_SECONDS = 2;
const RATE = 10_000;
const MOST_TIMES_FLOOR = 1.3;

export function measureCpu(): Promise<Report> {
  return withWorkspace(async ({ folder, upstreamPort, startServer }) => {
    const hosts = writeStaticFolder(join(folder, "entries"), ENTRIES);
    const cases = casesOf(hosts);
    const servers: Server[] = [];
    const add = (key: ServerKey, { pid, port }: Pick<Server, "pid" | "port">) =>
      servers.push({ key, pid, port });
    add("batch", await startServer(join(folder, "entries"), "batch"));
    add("dgram", await startServer(join(folder, "entries"), "dgram"));
    const others = [
      ["batchFloor", await startBatchResponder(hosts[0]!)],
      ["dgramFloor", await startBareResponder(hosts[0]!)],
      ["unbound", await startUnbound(folder, hosts, upstreamPort)],
    ] as const;
    try {
      for (const [key, each] of others) if (each !== null) add(key, each);
      // The first queries of a process run code that is not compiled yet.
      for (const { pid, port } of servers) await microsecondsPerAnswer(pid, port, cases[0]!);
      const rows: Row[] = cases.map((each) => ({ ...each, us: {} }));
      for (const row of rows) {
        for (let round = 0; round < ROUNDS; round += 1) {
          for (const { key, pid, port } of servers) {
            if (row.isForwarded && IS_FLOOR[key]) continue;
            row.us[key] ??= [];
            row.us[key].push(await microsecondsPerAnswer(pid, port, row));
          }
        }
      }
      const introduction = `${INTRODUCTION} Generator: ${await generatorName()}.`;
      return { title: "Processor time per answer", text: `${introduction}\n\n${table(rows)}` };
    } finally {
      for (const [, each] of others) await each?.stop();
    }
  });
}

const INTRODUCTION = `User and system time of the server process per answered query, in microseconds, over UDP; medians of ${ROUNDS} runs of
${RUN_SECONDS} s each, taking turns. Batch and dgram are the program with either UDP back end. Their floors send one ready answer to
whatever comes, with the same system calls and nothing but the ID written into it; so the ratio is what reading, deciding,
counting and writing add. Ratios are medians of the rounds' own. Saturated: a hundred queries always on their way.`;

const SERVERS = {
  batchFloor: "floor, batch",
  batch: "batch",
  dgramFloor: "floor, dgram",
  dgram: "dgram",
  unbound: "unbound, 1 thread",
} as const;
type ServerKey = keyof typeof SERVERS;
const KEYS = Object.keys(SERVERS) as ServerKey[];
const IS_FLOOR: Readonly<Partial<Record<ServerKey, true>>> = { batchFloor: true, dgramFloor: true };

interface Server {
  readonly key: ServerKey;
  readonly pid: number;
  readonly port: number;
}

interface Case {
  readonly name: string;
  readonly names: readonly string[];
  /** Absent: saturated. */
  readonly rate?: number;
  readonly isForwarded?: true;
  /** At most so many times unbound. */
  readonly mostTimesUnbound: number;
}

interface Row extends Case {
  readonly us: Partial<Record<ServerKey, number[]>>;
}

const CACHED_NAMES = Array.from({ length: 1000 }, (_, index) => `name-${index}.example.org`);
const UNCACHED_NAMES = Array.from({ length: 100_000 }, (_, index) => `${UNCACHED}${index}.example.org`);

function casesOf(hosts: readonly string[]): readonly Case[] {
  const rate = RATE.toLocaleString("en");
  const cached = { names: CACHED_NAMES, isForwarded: true } as const;
  return [
    { name: "local, saturated", names: hosts, mostTimesUnbound: 0.75 },
    { name: `local, ${rate} per second`, names: hosts, rate: RATE, mostTimesUnbound: 1.2 },
    { ...cached, name: "from the cache, saturated", mostTimesUnbound: 1 },
    { ...cached, name: `from the cache, ${rate} per second`, rate: RATE, mostTimesUnbound: 1.2 },
    { name: "from upstream, saturated", names: UNCACHED_NAMES, isForwarded: true, mostTimesUnbound: 1 },
  ];
}

async function microsecondsPerAnswer(pid: number, port: number, { names, rate }: Case): Promise<number> {
  const before = cpuMs(pid);
  const { answered } = await runLoad({
    port,
    names,
    seconds: RUN_SECONDS,
    ...(rate !== undefined && { rate }),
  });
  return ((cpuMs(pid) - before) * 1000) / answered;
}

function table(rows: readonly Row[]): string {
  const head = ["", ...KEYS.map((key) => SERVERS[key]), "batch / floor", "batch / unbound"];
  const lines = rows.map(({ name, us, mostTimesUnbound }) => [
    name,
    ...KEYS.map((key) => (us[key] === undefined ? "-" : median(us[key]).toFixed(1))),
    verdict(us.batch, us.batchFloor, MOST_TIMES_FLOOR),
    verdict(us.batch, us.unbound, mostTimesUnbound),
  ]);
  return [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Neighbours in time share what else the machine does. */
function verdict(own: readonly number[] = [], other: readonly number[] = [], most: number): string {
  if (other.length === 0) return "-";
  const ratio = median(own.map((us, round) => us / other[round]!));
  return `${ratio.toFixed(2)} (at most ${most}: ${ratio <= most ? "met" : "**not met**"})`;
}
