/**
 * `node bench/publisher/main.ts [HOSTS] [CHANGES]`: the program publishes 5,000 hosts with 20,000 endpoints in a
 * scripted API server, then follows 50 changes of endpoints a second. Prints a table, writes nothing.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PUBLISHED_NAMESPACE } from "../../src/mesh/publication.ts";
import { serviceName } from "../../src/publisher/names.ts";
import { isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { kmeshEntry, publishingCluster } from "../../test/publisher/replica.ts";
import { freePort } from "../../test/support/program.ts";
import type { ApiObject } from "../../test/support/scripted-api-server.ts";
import { until } from "../../test/support/waiting.ts";
import { type Figure, figureTable } from "../support/performance-page.ts";
import { startServe } from "../support/program.ts";

const HOSTS = Number(process.argv[2] ?? 5000);
const CHANGES = Number(process.argv[3] ?? 1000);
const ENDPOINTS = 4;
const CHANGES_PER_SECOND = 50;
const WITHIN_MS = 600_000;
const LOOK_MS = 2;
const MOST_WRITES_PER_SECOND = 100;

const server = await publishingCluster();
const folder = mkdtempSync(join(tmpdir(), "bench-publisher-"));
try {
  for (let index = 0; index < HOSTS; index += 1) server.apply(entry(index, 0));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, server.kubeconfig());
  const adminPort = await freePort();
  const program = await startServe({ source: "kubernetes", upstreamPorts: [9], kubeconfig, adminPort });
  try {
    const startedMs = performance.now();
    const quietMiB = await residentMiB(adminPort);
    await until(() => count("EndpointSlice") === HOSTS, "all hosts published", {
      withinMs: WITHIN_MS,
      everyMs: 100,
    });
    const publishedMs = performance.now() - startedMs;
    const writesAtStart = writes();
    await sleep(5000);
    const publishedMiB = await residentMiB(adminPort);
    const idleWrites = writes() - writesAtStart;
    const { tookMs, seconds } = await change();
    const changeWrites = writes() - writesAtStart - idleWrites;
    const sorted = tookMs.sort((a, b) => a - b);
    const at = (share: number) =>
      `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(0)} ms`;
    const startRate = (writesAtStart / publishedMs) * 1000;
    const figures: Figure[] = [
      {
        name: `${HOSTS} hosts, ${HOSTS * ENDPOINTS} endpoints: until all are published`,
        measured: `${(publishedMs / 1000).toFixed(1)} s, ${writesAtStart} writes`,
      },
      {
        name: "writes per second meanwhile",
        measured: startRate.toFixed(0),
        goal: `at most ${MOST_WRITES_PER_SECOND} and a burst`,
        isMet: writesAtStart <= (publishedMs / 1000) * MOST_WRITES_PER_SECOND + 300,
      },
      {
        name: "writes while nothing changes, 5 s",
        measured: String(idleWrites),
        goal: "none but the Lease's",
        isMet: idleWrites <= 5,
      },
      {
        name: `${CHANGES} changes, ${(CHANGES / seconds).toFixed(0)} a second: writes per second`,
        measured: (changeWrites / seconds).toFixed(0),
      },
      { name: "from the change of an entry to its slice, median", measured: at(0.5) },
      { name: "the same, 99th percentile and worst", measured: `${at(0.99)}, ${at(1)}` },
      {
        name: "memory of the program when ready, when all is published, after the changes",
        measured: `${quietMiB}, ${publishedMiB}, ${await residentMiB(adminPort)} MiB`,
      },
    ];
    process.stdout.write(`${figureTable(figures)}\n`);
    process.exitCode = figures.every(({ isMet }) => isMet !== false) ? 0 : 1;
  } finally {
    await program.stop();
  }
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}

/** One endpoint of a host is another one, 50 times a second; how long each took to stand in its slice. */
async function change(): Promise<{ tookMs: number[]; seconds: number }> {
  const waiting = new Map<number, { readonly address: string; readonly sinceMs: number }>();
  const tookMs: number[] = [];
  const startedMs = performance.now();
  for (let made = 0; tookMs.length < CHANGES; ) {
    const nowMs = performance.now();
    while (made < CHANGES && made < ((nowMs - startedMs) / 1000) * CHANGES_PER_SECOND) {
      const index = (made * 37) % HOSTS;
      const edition = 1 + Math.floor(made / HOSTS);
      server.apply(entry(index, edition));
      waiting.set(index, { address: addressOf(index, 0, edition), sinceMs: nowMs });
      made += 1;
    }
    for (const [index, { address, sinceMs }] of waiting) {
      const slice = server.get("EndpointSlice", PUBLISHED_NAMESPACE, `${nameOf(index)}-v4-0`);
      if (!JSON.stringify(slice?.["endpoints"]).includes(`"${address}"`)) continue;
      tookMs.push(performance.now() - sinceMs);
      waiting.delete(index);
    }
    if (performance.now() - startedMs > WITHIN_MS) throw new Error(`${waiting.size} changes never came`);
    await sleep(LOOK_MS);
  }
  return { tookMs, seconds: (performance.now() - startedMs) / 1000 };
}

function entry(index: number, edition: number): ApiObject {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, at) => ({
    address: addressOf(index, at, at === 0 ? edition : 0),
  }));
  return kmeshEntry({ hosts: [hostOf(index)], endpoints }, { name: `entry-${index}` });
}

function hostOf(index: number): string {
  return `host-${index}.example.com`;
}

function addressOf(index: number, at: number, edition: number): string {
  return `10.${1 + edition * ENDPOINTS + at}.${index >> 8}.${index & 255}`;
}

function nameOf(index: number): string {
  const host = parseHostName(hostOf(index));
  if (!isHostName(host)) throw new Error(host.fault);
  return serviceName("default", `entry-${index}`, host);
}

function count(kind: "Service" | "EndpointSlice"): number {
  return server.all(kind).length;
}

function writes(): number {
  return server.requests.filter(({ method }) => method !== "GET").length;
}

async function residentMiB(adminPort: number): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const octets = /^process_resident_memory_bytes (\S+)/m.exec(text)?.[1];
  return (Number(octets) / 2 ** 20).toFixed(0);
}

function sleep(ms: number): Promise<void> {
  return new Promise((next) => setTimeout(next, ms));
}
