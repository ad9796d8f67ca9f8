/** How long the program takes to be ready with 10,000 entries, how much memory it holds then, and what it costs idle. */

import { join } from "node:path";
import { residentMiB } from "../support/child.ts";
import { type Figure, figureTable, type Report } from "../support/performance-page.ts";
import { median } from "../support/statistics.ts";
import { IDLE_IS, idleFigure, idleShare } from "./idle.ts";
import { writeBigFile, writeFolder, writeStaticFolder } from "./manifests.ts";
import { quiet, sleep, type Workspace, withWorkspace } from "./workspace.ts";

const ENTRIES = 10_000;
const RUNS = 5;
/** When the start is over its memory goes back to the system. */
const AFTER_START_MS = 5000;
const MOST_READY_MS = 3000;
const MOST_RESIDENT_MIB = 250;

export function measureStart(): Promise<Report> {
  return withWorkspace(async (workspace) => {
    const folder = join(workspace.folder, "entries");
    const file = join(workspace.folder, "entries.yaml");
    writeFolder(folder, ENTRIES);
    writeBigFile(file, ENTRIES);
    const fixed = join(workspace.folder, "static");
    writeStaticFolder(fixed, ENTRIES);
    const server = await workspace.startServer(fixed);
    const fixedIdle = await idleShare(server.pid);
    await server.stop();
    const figures = [
      ...(await measureSource(workspace, folder, "10,000 files")),
      ...(await measureSource(workspace, file, "one file")),
      idleFigure("10,000 files, all STATIC: idle", fixedIdle, true),
    ];
    return { title: "10,000 ServiceEntries from files", text: `${INTRODUCTION}\n\n${figureTable(figures)}` };
  });
}

const INTRODUCTION = `A third each of the entries are STATIC, DNS with an endpoint name of its own (3,333 names, resolved by an upstream
on the same machine) and STATIC with a selector and its WorkloadEntry. Ready: from the start of the process until every
data plane answers from the whole table; median and worst of ${RUNS} starts. Memory: resident, of the whole process (median),
${AFTER_START_MS / 1000} s after all names were resolved; and the most it ever was. Idle, of the last start: ${IDLE_IS}:
the refresh of the names, and looking after the files.`;

async function measureSource(workspace: Workspace, source: string, name: string): Promise<Figure[]> {
  const readyMs: number[] = [];
  const nowMiB: number[] = [];
  const mostMiB: number[] = [];
  let idle = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const server = await workspace.startServer(source);
    readyMs.push(server.readyAfterMs);
    await quiet(server.pid);
    await sleep(AFTER_START_MS);
    const { now, most } = residentMiB(server.pid);
    nowMiB.push(now);
    mostMiB.push(most);
    if (run === RUNS - 1) idle = await idleShare(server.pid);
    await server.stop();
  }
  const resident = median(nowMiB);
  const most = Math.max(...mostMiB);
  return [
    {
      name: `${name}: ready`,
      measured: `${(median(readyMs) / 1000).toFixed(2)} s, worst ${(Math.max(...readyMs) / 1000).toFixed(2)} s`,
      goal: `< ${MOST_READY_MS / 1000} s`,
      isMet: median(readyMs) < MOST_READY_MS,
    },
    {
      name: `${name}: resident memory`,
      measured: `${resident.toFixed(0)} MiB, most ${most.toFixed(0)} MiB`,
      goal: `< ${MOST_RESIDENT_MIB} MiB`,
      isMet: resident < MOST_RESIDENT_MIB,
    },
    idleFigure(`${name}: idle`, idle, false),
  ];
}
