/** How soon an edited entry is answered, among 10,000. */

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Figure, figureTable, type Report } from "../support/performance-page.ts";
import type { ListeningProgram } from "../support/program.ts";
import { median } from "../support/statistics.ts";
import { entryAt, FORMS, fileOf, manifest, writeFolder } from "./manifests.ts";
import { untilAnswered } from "./messages.ts";
import { quiet, sleep, withWorkspace } from "./workspace.ts";

const ENTRIES = 10_000;
const EDITS = 20;
/** Not in step with the polls of the program. */
const BETWEEN_EDITS_MS = 170;
const WITHIN_MS = 5000;
/** When the start is over its memory goes back to the system, once, which stops the control plane for some tenths of a second. */
const AFTER_START_MS = 8000;
const MOST_MS = 50;

export function measureChange(): Promise<Report> {
  return withWorkspace(async ({ folder, startServer }) => {
    const entries = join(folder, "entries");
    writeFolder(entries, ENTRIES);
    const server = await startServer(entries);
    await quiet(server.pid);
    await sleep(AFTER_START_MS);
    const inPlace = await measureEdits(server, entries, 1, (path, text) => writeFileSync(path, text));
    const renamed = await measureEdits(server, entries, 2, (path, text) => {
      const temporary = join(entries, ".new");
      writeFileSync(temporary, text);
      renameSync(temporary, path);
    });
    const figures = [
      figure("a file written in place", inPlace),
      figure("a file renamed into place", renamed),
    ];
    return { title: "One changed entry among 10,000", text: `${INTRODUCTION}\n\n${figureTable(figures)}` };
  });
}

const INTRODUCTION = `From before the file is written until a query over UDP is answered with the new address, asked about every
millisecond; median and worst of ${EDITS} edits. The program waits 15 ms for a writer to have finished. The edits begin ${AFTER_START_MS / 1000} s after the start: once, soon
after it, the control plane gives memory back and takes no change for some tenths of a second.`;

async function measureEdits(
  server: ListeningProgram,
  folder: string,
  edition: number,
  write: (path: string, text: string) => void,
): Promise<number[]> {
  const tookMs: number[] = [];
  for (let edit = 0; edit < EDITS; edit += 1) {
    const index = edit * FORMS * 101;
    const { host, address } = entryAt(index, edition);
    await untilAnswered(server.port, host, entryAt(index, edition - 1).address, performance.now(), WITHIN_MS);
    const startedMs = performance.now();
    write(fileOf(folder, index), manifest(index, edition));
    tookMs.push(await untilAnswered(server.port, host, address, startedMs, WITHIN_MS));
    await sleep(BETWEEN_EDITS_MS);
  }
  return tookMs;
}

function figure(name: string, tookMs: readonly number[]): Figure {
  const worst = Math.max(...tookMs);
  return {
    name,
    measured: `${median(tookMs).toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
    goal: `< ${MOST_MS} ms`,
    isMet: worst < MOST_MS,
  };
}
