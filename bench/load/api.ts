/** 10,000 ServiceEntries from an API server: until they are answered, memory, one change, many changes, and who waits. */

import { join } from "node:path";
import { freePort } from "../../test/support/program.ts";
import { residentMiB } from "../support/child.ts";
import { type Figure, figureTable, type Report } from "../support/performance-page.ts";
import { type ListeningProgram, startServe } from "../support/program.ts";
import { bucketQuantile, scrapeHistogram } from "../support/scrape.ts";
import { median } from "../support/statistics.ts";
import { apiEntryAt } from "./api-objects.ts";
import { type ApiServer, startApiServer } from "./api-servers.ts";
import { IDLE_IS, idleFigure, idleShare } from "./idle.ts";
import { untilAnswered } from "./messages.ts";
import { generatorName, type LoadResult, runLoad } from "./query-load.ts";
import { quiet, sleep, withWorkspace } from "./workspace.ts";

const ENTRIES = 10_000;
const RUNS = 5;
const EDITS = 20;
/** In step with nothing. */
const BETWEEN_EDITS_MS = 170;
const WITHIN_MS = 5000;
const CHANGES_PER_SECOND = 200;
/** Long enough for V8 to have collected the old part of the heap, which it does when that has grown for minutes. */
const CHANGE_SECONDS = 300;
const ROUNDS = 5;
const RUN_SECONDS = 3;
const QUERIES_PER_SECOND = 1000;
/** Entries that never change, the first ones: they are asked for. */
const KEPT = 100;
const OTHERS = { from: KEPT, count: ENTRIES - KEPT } as const;

const MOST_READY_MS = 3000;
const MOST_RESIDENT_MIB = 300;
const MOST_CHANGE_MS = 50;
const MOST_TIMES_IDLE = 2;
const MOST_PROPAGATION_MS = { p50: 50, p99: 500 } as const;
/** Of resident memory, from the first third to the last of the changes. */
const MOST_GROWTH = 0.05;

export function measureApi(): Promise<Report> {
  return withWorkspace(async ({ folder, upstreamPort }) => {
    const kubeconfig = join(folder, "kubeconfig");
    const api = await startApiServer(kubeconfig);
    const adminPort = await freePort();
    const start = () =>
      startServe({ source: "kubernetes", kubeconfig, adminPort, upstreamPorts: [upstreamPort] });
    try {
      await api.tell({ kind: "fill", from: 0, count: ENTRIES, quietly: false });
      const figures = await measureStarts(api, start);
      const server = await start();
      try {
        figures.push(idleFigure("idle", await idleShare(server.pid), true));
        figures.push(...(await measureEdits(api, server)));
        figures.push(...(await measureWaits(api, server, adminPort)));
      } finally {
        await server.stop();
      }
      const text = `${INTRODUCTION} Generator: ${await generatorName()}.\n\n${figureTable(figures)}`;
      return { title: "10,000 ServiceEntries from an API server", text };
    } finally {
      await api.stop();
    }
  });
}

const INTRODUCTION = `STATIC entries of 1.6 kB each, as kubectl applies them, served by the tests' scripted API server in a process of its
own, over HTTP on loopback. Ready and memory as above, of ${RUNS} starts. Idle: ${IDLE_IS}. One change: from before the object is written
until a query is answered with the new address, asked about every millisecond; median and worst of ${EDITS}. Answers: ${QUERIES_PER_SECOND.toLocaleString("en")}
queries per second over UDP for ${KEPT} hosts that never change; median / 99 % / 99.9 %, each the median of ${ROUNDS} runs of ${RUN_SECONDS} s,
from the moment at which all others appear in a new list; and of one run of ${CHANGE_SECONDS} s in which ${CHANGES_PER_SECOND} objects change per second.`;

async function measureStarts(api: ApiServer, start: () => Promise<ListeningProgram>): Promise<Figure[]> {
  const readyMs: number[] = [];
  const nowMiB: number[] = [];
  const mostMiB: number[] = [];
  const listMiB: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const before = await api.tell({ kind: "tell" });
    const server = await start();
    try {
      listMiB.push(((await api.tell({ kind: "tell" })) - before) / 2 ** 20);
      readyMs.push(server.readyAfterMs);
      await quiet(server.pid);
      const { now, most } = residentMiB(server.pid);
      nowMiB.push(now);
      mostMiB.push(most);
    } finally {
      await server.stop();
    }
  }
  const worstMs = Math.max(...readyMs);
  return [
    {
      name: "ready",
      measured: `${(median(readyMs) / 1000).toFixed(2)} s, worst ${(worstMs / 1000).toFixed(2)} s`,
      goal: `< ${MOST_READY_MS / 1000} s`,
      isMet: median(readyMs) < MOST_READY_MS,
    },
    {
      name: "resident memory",
      measured: `${median(nowMiB).toFixed(0)} MiB, most ${Math.max(...mostMiB).toFixed(0)} MiB`,
      goal: `< ${MOST_RESIDENT_MIB} MiB`,
      isMet: median(nowMiB) < MOST_RESIDENT_MIB,
    },
    { name: "octets of the lists", measured: `${median(listMiB).toFixed(1)} MiB` },
  ];
}

async function measureEdits(api: ApiServer, { port }: ListeningProgram): Promise<Figure[]> {
  const tookMs: number[] = [];
  const before = await api.tell({ kind: "tell" });
  let octets = before;
  for (let edit = 0; edit < EDITS; edit += 1) {
    const index = KEPT + edit * 101;
    const { host, address } = apiEntryAt(index, 1);
    await untilAnswered(port, host, apiEntryAt(index).address, performance.now(), WITHIN_MS);
    const startedMs = performance.now();
    const told = api.tell({ kind: "edit", index, edition: 1 });
    tookMs.push(await untilAnswered(port, host, address, startedMs, WITHIN_MS));
    octets = await told;
    await sleep(BETWEEN_EDITS_MS);
  }
  const worstMs = Math.max(...tookMs);
  return [
    {
      name: "one change",
      measured: `${median(tookMs).toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`,
      goal: `< ${MOST_CHANGE_MS} ms`,
      isMet: worstMs < MOST_CHANGE_MS,
    },
    { name: "octets of a watch per change", measured: ((octets - before) / EDITS).toFixed(0) },
  ];
}

async function measureWaits(api: ApiServer, server: ListeningProgram, adminPort: number): Promise<Figure[]> {
  const names = Array.from({ length: KEPT }, (_, index) => apiEntryAt(index).host);
  const load = (seconds: number) =>
    runLoad({ port: server.port, names, seconds, rate: QUERIES_PER_SECOND, hasLatencies: true });
  const idle: LoadResult[] = [];
  const listing: LoadResult[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await api.tell({ kind: "clear", ...OTHERS });
    await sleep(WITHIN_MS / 5);
    await quiet(server.pid);
    idle.push(await load(RUN_SECONDS));
    const filled = api.tell({ kind: "fill", ...OTHERS, quietly: true });
    listing.push(await load(RUN_SECONDS));
    await filled;
    await quiet(server.pid);
  }

  const before = await scrapeHistogram(adminPort, PROPAGATION);
  const changing = api.tell({
    kind: "churn",
    ...OTHERS,
    perSecond: CHANGES_PER_SECOND,
    seconds: CHANGE_SECONDS,
  });
  const memory = sampleMemory(server.pid);
  const changed = await load(CHANGE_SECONDS);
  await changing;
  const samplesMiB = memory.end();
  const after = await scrapeHistogram(adminPort, PROPAGATION);
  const p50Ms = bucketQuantile(before, after, 0.5) * 1000;
  const p99Ms = bucketQuantile(before, after, 0.99) * 1000;
  const third = Math.floor(samplesMiB.length / 3);
  const [early, late] = [median(samplesMiB.slice(0, third)), median(samplesMiB.slice(-third))];
  const idleP99 = median(idle.map(({ p99 }) => p99));
  return [
    answers("answers, idle", idle, undefined),
    answers("answers while all others are listed anew", listing, idleP99),
    answers(`answers at ${CHANGES_PER_SECOND} changes per second`, [changed], idleP99),
    {
      name: `propagation at ${CHANGES_PER_SECOND} changes per second`,
      measured: `50 % within ${p50Ms} ms, 99 % within ${p99Ms} ms`,
      goal: `${MOST_PROPAGATION_MS.p50} ms, ${MOST_PROPAGATION_MS.p99} ms`,
      isMet: p50Ms <= MOST_PROPAGATION_MS.p50 && p99Ms <= MOST_PROPAGATION_MS.p99,
    },
    {
      name: `resident memory, first and last third of ${CHANGE_SECONDS} s of changes`,
      measured: `${early.toFixed(0)} MiB, ${late.toFixed(0)} MiB`,
      goal: `grows by less than ${MOST_GROWTH * 100} %`,
      isMet: late < early * (1 + MOST_GROWTH),
    },
  ];
}

const PROPAGATION = "serviceentry_dns_propagation_seconds";
const MEMORY_SAMPLE_MS = 1000;

function sampleMemory(pid: number): { end(): readonly number[] } {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMiB(pid).now), MEMORY_SAMPLE_MS);
  return {
    end() {
      clearInterval(timer);
      return samples;
    },
  };
}

function answers(name: string, results: readonly LoadResult[], idleP99: number | undefined): Figure {
  const [p50, p99, p999] = (["p50", "p99", "p999"] as const).map((key) =>
    median(results.map((each) => each[key])),
  );
  const lost = results.reduce((sum, each) => sum + each.lost, 0);
  const measured = `${[p50, p99, p999].map((ms) => ms!.toFixed(2)).join(" / ")} ms, ${lost} lost`;
  if (idleP99 === undefined) return { name, measured };
  const times = p99! / idleP99;
  return {
    name,
    measured,
    goal: `99 %: at most ${MOST_TIMES_IDLE} x idle (is ${times.toFixed(1)} x)`,
    isMet: times <= MOST_TIMES_IDLE,
  };
}
