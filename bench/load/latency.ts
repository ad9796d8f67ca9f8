/** Whether work of the control plane delays answers: latencies while it is idle and while it is as busy as it gets. */

import { spawn } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { stop } from "../support/child.ts";
import { figureTable, type Report } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { writeFolder, writeStaticFolder } from "./manifests.ts";
import { startFloor } from "./peers.ts";
import { generatorName, type LoadResult, runLoad } from "./query-load.ts";
import { quiet, withWorkspace } from "./workspace.ts";

const ENTRIES = 10_000;
const ROUNDS = 5;
const RUN_SECONDS = 3;
const QUERIES_PER_SECOND = 1000;
const MOST_TIMES_IDLE = 2;

export function measureLatency(): Promise<Report> {
  return withWorkspace(async ({ folder, upstreamPort, startServer }) => {
    const source = join(folder, "source");
    const kept = writeStaticFolder(join(source, "kept"), KEPT);
    const inside = join(source, "entries");
    const first = join(folder, "first");
    const second = join(folder, "second");
    writeFolder(first, ENTRIES, 0);
    writeFolder(second, ENTRIES, 1);
    const server = await startServer(source);
    const floor = await startFloor({ folder, hosts: kept, upstreamPort });
    const load = {
      port: server.port,
      names: kept,
      seconds: RUN_SECONDS,
      rate: QUERIES_PER_SECOND,
      hasLatencies: true,
    };
    const idle: LoadResult[] = [];
    const shared: LoadResult[] = [];
    const loading: LoadResult[] = [];
    const changing: LoadResult[] = [];
    const floorIdle: LoadResult[] = [];
    const floorBeside: LoadResult[] = [];
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        await quiet(server.pid);
        idle.push(await runLoad(load));
        shared.push(await beside(() => runLoad(load)));
        renameSync(first, inside);
        loading.push(await runLoad(load));
        await quiet(server.pid);
        renameSync(inside, first);
        renameSync(second, inside);
        changing.push(await runLoad(load));
        await quiet(server.pid);
        renameSync(inside, second);
        if (floor === null) continue;
        await quiet(server.pid);
        floorIdle.push(await runLoad({ ...load, port: floor.port }));
        renameSync(first, inside);
        floorBeside.push(await runLoad({ ...load, port: floor.port }));
        await quiet(server.pid);
        renameSync(inside, first);
      }
    } finally {
      await floor?.stop();
    }
    const idleP99 = median(idle.map(({ p99 }) => p99));
    const row = (name: string, results: readonly LoadResult[], isGoal: boolean) => {
      const [p50, p99, p999] = (["p50", "p99", "p999"] as const).map((key) =>
        median(results.map((each) => each[key])),
      );
      const lost = results.reduce((sum, each) => sum + each.lost, 0);
      return {
        name,
        measured: `${[p50, p99, p999].map((ms) => ms!.toFixed(2)).join(" / ")} ms, ${lost} lost`,
        ...(isGoal && {
          goal: `99 %: at most ${MOST_TIMES_IDLE} x idle (is ${(p99! / idleP99).toFixed(1)} x)`,
          isMet: p99! <= MOST_TIMES_IDLE * idleP99,
        }),
      };
    };
    const figures = [
      row("idle", idle, false),
      row("idle, beside a process that has nothing to do with it and never rests", shared, false),
      row("10,000 entries come", loading, true),
      row("all 10,000 change at once", changing, true),
      ...(floor === null
        ? []
        : [
            row("floor in C, idle", floorIdle, false),
            row("floor in C, while 10,000 entries come to the program", floorBeside, false),
          ]),
    ];
    const introduction = `${INTRODUCTION} Generator: ${await generatorName()}.`;
    return {
      title: "Answers while the control plane is busy",
      text: `${introduction}\n\n${figureTable(figures)}`,
    };
  });
}

const INTRODUCTION = `${QUERIES_PER_SECOND.toLocaleString("en")} queries per second over UDP for hosts that do not change, for ${RUN_SECONDS} s from the moment at which a
folder of 10,000 files (as above) is moved into the source, or exchanged for one in which every address and every name is
another. The second row tells how much of a delay comes from sharing the processors with anything at all; so do the last two: the
floor (floor.c) is a process of its own that sends one ready answer to whatever comes, asked while the program has the same to do. Latency: median / 99 % / 99.9 %, each the median of ${ROUNDS} runs.`;

/** As busy as the control plane is in the other runs, in a process of its own. */
async function beside<Result>(work: () => Promise<Result>): Promise<Result> {
  const program = `for (const end = Date.now() + ${2000 * RUN_SECONDS}; Date.now() < end;);`;
  const busy = spawn(process.execPath, ["-e", program]);
  try {
    return await work();
  } finally {
    await stop(busy);
  }
}

/** Hosts that are there all the time. */
const KEPT = 100;
