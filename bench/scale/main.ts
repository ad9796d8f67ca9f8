/**
 * `node bench/scale/main.ts [COUNT]...`: so many ServiceEntries with as many Pods (without arguments 1,000, 10,000 and
 * 100,000), from an API server to the answers; and many names with the same TTL. Writes its part of
 * docs/performance.md where all is measured.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { apiEntryAt } from "../load/api-objects.ts";
import { UPSTREAM_ADDRESS, untilAnswered } from "../load/messages.ts";
import { quiet, sleep, withWorkspace } from "../load/workspace.ts";
import { cpuMs, residentMiB } from "../support/child.ts";
import { type Figure, figureTable, loadNow, writeReport } from "../support/performance-page.ts";
import { type ListeningProgram, startServe } from "../support/program.ts";
import { median } from "../support/statistics.ts";
import { type Cluster, NAMESPACES, startCluster } from "./cluster.ts";
import { FORMS, type Form } from "./forms.ts";
import type { PartName, Parts } from "./parts.ts";
import { measureStorm, type Storm } from "./storm.ts";

const SIZES = [1000, 10_000, 100_000];
const LARGEST = 100_000;
const EDITS = 15;
/** In step with nothing. */
const BETWEEN_EDITS_MS = 170;
const WITHIN_MS = 30_000;
/** Until what was only needed for the start has been given back. */
const REST_MS = 10_000;
/** Its entries are deleted; no other figure asks for them. */
const DROPPED_NAMESPACE = 7;

const MOST_READY_MS = 5000;
const MOST_RESIDENT_MIB = 450;
const MOST_CHANGE_MS = 50;

interface Measured {
  readonly count: number;
  readonly hostsReadyMs: number;
  readonly readyMs: number;
  readonly readyCpuMs: number;
  readonly listMiB: number;
  /** Until a client that does nothing with them has the same lists. */
  readonly floorMs: number;
  readonly residentMiB: number;
  readonly mostMiB: number;
  readonly changeMs: readonly number[];
  readonly deletionMs: number;
  readonly deleted: number;
  readonly parts: Parts;
}

function measureSize(count: number): Promise<Measured> {
  return withWorkspace(async ({ folder, upstreamPort }) => {
    const kubeconfig = join(folder, "kubeconfig");
    const cluster = await startCluster(count, kubeconfig);
    try {
      // The server makes the octets of its lists once.
      await readLists(kubeconfig);
      const floorMs = await readLists(kubeconfig);
      const hostsReadyMs = await startWithoutPods(kubeconfig, upstreamPort);
      const before = await cluster.sentOctets();
      const server = await startServe({ source: "kubernetes", kubeconfig, upstreamPorts: [upstreamPort] });
      try {
        const readyCpuMs = cpuMs(server.pid);
        const listMiB = ((await cluster.sentOctets()) - before) / 2 ** 20;
        await quiet(server.pid);
        await sleep(REST_MS);
        const { now, most } = residentMiB(server.pid);
        return {
          count,
          hostsReadyMs,
          readyMs: server.readyAfterMs,
          readyCpuMs,
          listMiB,
          floorMs,
          residentMiB: now,
          mostMiB: most,
          changeMs: await measureChanges(cluster, server, count),
          ...(await measureDeletion(cluster, server, count)),
          parts: partsOf(count),
        };
      } finally {
        await server.stop();
      }
    } finally {
      await cluster.stop();
    }
  });
}

/** Where every client gets the same answers nobody reads pods. */
async function startWithoutPods(kubeconfig: string, upstreamPort: number): Promise<number> {
  const flags = ["--answer=resolved"];
  const server = await startServe({ source: "kubernetes", kubeconfig, upstreamPorts: [upstreamPort], flags });
  await server.stop();
  return server.readyAfterMs;
}

/** Page by page. */
async function readLists(kubeconfig: string): Promise<number> {
  const { clusters } = JSON.parse(readFileSync(kubeconfig, "utf8")) as {
    readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
  };
  const startMs = performance.now();
  for (const path of ["/apis/networking.istio.io/v1/serviceentries", "/api/v1/pods"]) {
    for (let token: string | undefined = ""; token !== undefined; ) {
      const query = new URLSearchParams({ limit: "500", ...(token === "" ? {} : { continue: token }) });
      const response = await fetch(`${clusters[0]!.cluster.server}${path}?${query}`);
      const octets = Buffer.from(await response.arrayBuffer());
      token = /"continue":"([^"]+)"/.exec(octets.toString("latin1", 0, HEAD_OCTETS))?.[1];
    }
  }
  return performance.now() - startMs;
}

/** What stands before the items. */
const HEAD_OCTETS = 300;

async function measureChanges(
  cluster: Cluster,
  { port }: ListeningProgram,
  count: number,
): Promise<readonly number[]> {
  const tookMs: number[] = [];
  for (let edit = 0; edit < EDITS; edit += 1) {
    const index = Math.floor(((edit + 0.5) * count) / EDITS / NAMESPACES) * NAMESPACES + 1;
    const { host, address } = apiEntryAt(index, 1);
    await untilAnswered(port, host, apiEntryAt(index).address, performance.now(), WITHIN_MS);
    const startedMs = performance.now();
    const told = cluster.edit(index, 1);
    tookMs.push(await untilAnswered(port, host, address, startedMs, WITHIN_MS));
    await told;
    await sleep(BETWEEN_EDITS_MS);
  }
  return tookMs;
}

/** Until the last of them is forwarded. */
async function measureDeletion(
  cluster: Cluster,
  { port }: ListeningProgram,
  count: number,
): Promise<Pick<Measured, "deletionMs" | "deleted">> {
  const deleted = Math.ceil((count - DROPPED_NAMESPACE) / NAMESPACES);
  const last = DROPPED_NAMESPACE + (deleted - 1) * NAMESPACES;
  const startedMs = performance.now();
  const told = cluster.dropNamespace(DROPPED_NAMESPACE, count);
  const { host } = apiEntryAt(last);
  const deletionMs = await untilAnswered(port, host, UPSTREAM_ADDRESS, startedMs, WITHIN_MS);
  await told;
  return { deletionMs, deleted };
}

function partsOf(count: number): Parts {
  return JSON.parse(runAlone("parts.ts", String(count))) as Parts;
}

/** In a process of its own, whose heap can be measured. */
function runAlone(program: string, argument: string): string {
  const flags = ["--expose-gc", "--single-threaded-gc", "--max-semi-space-size=4"];
  const path = fileURLToPath(new URL(program, import.meta.url));
  return execFileSync(process.execPath, [...flags, path, argument], { encoding: "utf8" });
}

function reportText(
  sizesMeasured: readonly Measured[],
  forms: readonly [Form, number][],
  { lookupsPerSecond, ...rest }: Storm,
): string {
  const columns = sizesMeasured.map(({ count }) => count.toLocaleString("en"));
  const row = (name: string, show: (each: Measured) => string) =>
    `| ${name} | ${sizesMeasured.map(show).join(" | ")} |`;
  const each = (name: string, part: PartName) =>
    row(name, ({ parts }) => `${parts.octets[part].toFixed(0)}, ${parts.milliseconds[part].toFixed(0)} ms`);
  const table = [
    `| hosts, and as many pods | ${columns.join(" | ")} |`,
    `|---|${columns.map(() => "---:|").join("")}`,
    row("ready without pods, answers being the same for all (s)", ({ hostsReadyMs }) =>
      (hostsReadyMs / 1000).toFixed(1),
    ),
    row("ready (s)", ({ readyMs }) => (readyMs / 1000).toFixed(1)),
    row("the lists alone, read by a client that does nothing (s)", ({ floorMs }) =>
      (floorMs / 1000).toFixed(1),
    ),
    row("processor time until ready (s)", ({ readyCpuMs }) => (readyCpuMs / 1000).toFixed(1)),
    row("octets of the lists (MiB)", ({ listMiB }) => listMiB.toFixed(1)),
    row("resident memory (MiB)", ({ residentMiB: now }) => now.toFixed(0)),
    row("the most it ever was (MiB)", ({ mostMiB }) => mostMiB.toFixed(0)),
    row("one change, median and worst (ms)", ({ changeMs }) =>
      [median(changeMs), Math.max(...changeMs)].map((ms) => ms.toFixed(0)).join(", "),
    ),
    row(
      "a namespace deleted (entries, ms)",
      ({ deleted, deletionMs }) => `${deleted}, ${deletionMs.toFixed(0)}`,
    ),
    each("heap of an entry as it is kept, reading 1,000", "entries"),
    each("heap of its host in the registry, compiling 1,000", "registry"),
    each("heap of a pod as it is kept, reading 1,000", "pods"),
    each("heap of it as a client, telling 1,000", "clients"),
    row("packed for the workers, host and pod", ({ parts }) =>
      [parts.deltaOctets, parts.clientDeltaOctets].map((octets) => octets.toFixed(0)).join(", "),
    ),
  ].join("\n");
  const largest = sizesMeasured.find(({ count }) => count === LARGEST);
  return [
    INTRODUCTION,
    table,
    ...(largest === undefined ? [] : [figureTable(goals(largest))]),
    formsText(forms),
    stormText(),
  ].join("\n\n");

  function stormText(): string {
    const { names, ttlSeconds, firstSeconds, late, refreshCpuUs, questionCpuUs } = rest;
    const share = lookupsPerSecond.mean * ((refreshCpuUs + questionCpuUs) / 1e6);
    return (
      `${names.toLocaleString("en")} names with a TTL of ${ttlSeconds} s that all begin at once, A and AAAA, of ${NAMESPACES} namespaces: ` +
      `all known after ${firstSeconds.toFixed(1)} s (upstream answering within 2 ms); from then on ${lookupsPerSecond.mean.toFixed(0)} lookups per second, ` +
      `at most ${lookupsPerSecond.most} in one, ${late} of them more than a second late; ` +
      `${refreshCpuUs.toFixed(0)} us of processor time for each, and ${questionCpuUs.toFixed(0)} us for its question: ` +
      `${(share * 100).toFixed(0)} % of a processor.`
    );
  }
}

const INTRODUCTION = `STATIC entries of 1.6 kB, as kubectl applies them, and Pods of 6 kB (a third is managed fields), over ${NAMESPACES} namespaces, served
by the tests' scripted API server in a process of its own, over HTTP on loopback, from octets that it has ready: it shares the processors. One host has a
virtual address, so that pods are watched. Memory: ${REST_MS / 1000} s after it was ready. One change: from before the object is
written until a query is answered with the new address; ${EDITS} of them. A namespace deleted: until the last of its entries
is forwarded. The parts, in a process of their own: octets of heap for each after a collection.`;

function formsText(forms: readonly [Form, number][]): string {
  const said = forms.map(([form, octets]) => `${FORM_NAMES[form]} ${octets.toFixed(0)}`).join(", ");
  return `Octets of heap for a host by the form of its entry, the entry and all that hangs on it: ${said}.`;
}

const FORM_NAMES: Readonly<Record<Form, string>> = {
  static: "STATIC with one address",
  allocated: "the same with an address that a mesh has allocated (and its reverse name)",
  dns: "DNS with a name of its own that is resolved",
};

function goals({ hostsReadyMs, readyMs, residentMiB: now, changeMs }: Measured): readonly Figure[] {
  const worstMs = Math.max(...changeMs);
  return [
    {
      name: "100,000 hosts: ready",
      measured: `${(hostsReadyMs / 1000).toFixed(1)} s`,
      goal: `${MOST_READY_MS / 1000} s`,
      isMet: hostsReadyMs <= MOST_READY_MS,
    },
    {
      name: "100,000 hosts and pods: ready",
      measured: `${(readyMs / 1000).toFixed(1)} s`,
      goal: `${MOST_READY_MS / 1000} s`,
      isMet: readyMs <= MOST_READY_MS,
    },
    {
      name: "100,000 hosts and pods: resident memory",
      measured: `${now.toFixed(0)} MiB`,
      goal: `at most ${MOST_RESIDENT_MIB} MiB`,
      isMet: now <= MOST_RESIDENT_MIB,
    },
    {
      name: "100,000 hosts and pods: one change",
      measured: `${median(changeMs).toFixed(0)} ms, worst ${worstMs.toFixed(0)} ms`,
      goal: `within ${MOST_CHANGE_MS} ms`,
      isMet: worstMs <= MOST_CHANGE_MS,
    },
  ];
}

const asked = process.argv.slice(2).map(Number);
const sizes = asked.length > 0 ? asked : SIZES;
const loadBefore = loadNow();
const measured: Measured[] = [];
for (const count of sizes) {
  process.stdout.write(`${count}: load average ${loadNow()}\n`);
  measured.push(await measureSize(count));
}
const forms = FORMS.map((form): [Form, number] => [form, Number(runAlone("forms.ts", form))]);
const text = reportText(measured, forms, await measureStorm());
process.stdout.write(`${text}\n`);
if (asked.length === 0)
  writeReport("scale", { title: "From 1,000 to 100,000 hosts and pods", text }, loadBefore);
