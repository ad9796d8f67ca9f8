/** What an answer costs in processor time, beside the least that any server on Node's dgram has to do. */

import { join } from "node:path";
import { type Figure, figureTable, type Report } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { cpuMs } from "./child.ts";
import { writeStaticFolder } from "./manifests.ts";
import { generatorName, runLoad } from "./query-load.ts";
import { startBareResponder } from "./responders.ts";
import { UNCACHED } from "./uncached.ts";
import { withWorkspace } from "./workspace.ts";

const ENTRIES = 1000;
const ROUNDS = 7;
const RUN_SECONDS = 2;
const RATE = 5000;
const MOST_TIMES_BARE = 1.3;

export function measureCpu(): Promise<Report> {
  return withWorkspace(async ({ folder, startServer }) => {
    const hosts = writeStaticFolder(join(folder, "entries"), ENTRIES);
    const cases = casesOf(hosts);
    const server = await startServer(join(folder, "entries"));
    const bare = await startBareResponder(hosts[0]!);
    try {
      const series = cases.map((each) => ({ ...each, bareUs: [] as number[], ownUs: [] as number[] }));
      // The first queries of a process run code that is not compiled yet.
      for (const { pid, port } of [bare, server]) await microsecondsPerAnswer(pid, port, cases[0]!);
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const each of series) {
          if (each.isCompared) each.bareUs.push(await microsecondsPerAnswer(bare.pid, bare.port, each));
          each.ownUs.push(await microsecondsPerAnswer(server.pid, server.port, each));
        }
      }
      const introduction = `${INTRODUCTION} Generator: ${await generatorName()}.`;
      return {
        title: "Processor time per answer",
        text: `${introduction}\n\n${figureTable(series.map(figure))}`,
      };
    } finally {
      await bare.stop();
    }
  });
}

const INTRODUCTION = `User and system time of the server process per answered query, over UDP; medians of ${ROUNDS} runs of ${RUN_SECONDS} s each, taking
turns. Bare: a dgram socket that sends one ready answer to whatever comes, with nothing but the ID written into it; so
the ratio is what reading, deciding, counting and writing add. Saturated: a hundred queries always on their way.`;

interface Case {
  readonly name: string;
  readonly names: readonly string[];
  /** Absent: saturated. */
  readonly rate?: number;
  readonly isCompared: boolean;
}

const CACHED_NAMES = Array.from({ length: 1000 }, (_, index) => `name-${index}.example.org`);
const UNCACHED_NAMES = Array.from({ length: 100_000 }, (_, index) => `${UNCACHED}${index}.example.org`);

function casesOf(hosts: readonly string[]): readonly Case[] {
  const atRate = `local answer, ${RATE.toLocaleString("en")} per second`;
  return [
    { name: "local answer, saturated", names: hosts, isCompared: true },
    { name: atRate, names: hosts, rate: RATE, isCompared: true },
    { name: "forwarded, answered from the cache, saturated", names: CACHED_NAMES, isCompared: false },
    { name: "forwarded, asked upstream, saturated", names: UNCACHED_NAMES, isCompared: false },
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

function figure({ name, bareUs, ownUs, isCompared }: Case & { bareUs: number[]; ownUs: number[] }): Figure {
  const own = median(ownUs);
  if (!isCompared) return { name, measured: `${own.toFixed(1)} us` };
  const bare = median(bareUs);
  // Neighbours in time share what else the machine does.
  const ratio = median(ownUs.map((us, round) => us / bareUs[round]!));
  return {
    name,
    measured: `${own.toFixed(1)} us, bare ${bare.toFixed(1)} us: ${ratio.toFixed(2)} x`,
    goal: `at most ${MOST_TIMES_BARE} x`,
    isMet: ratio <= MOST_TIMES_BARE,
  };
}
