/**
 * The control plane and a table as the program wires them, under a clock that stands, for what comes and goes very
 * often: whatever is kept by mistake shows as memory.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Registry as MetricsRegistry } from "prom-client";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { Kind } from "../../src/mesh/objects.ts";
import { parseObject } from "../../src/mesh/parse-object.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { readWrittenAt } from "../../src/mesh/written-at.ts";
import type { LookupResult } from "../../src/refresher/lookup.ts";
import { registerRefresherMetrics } from "../../src/refresher/metrics.ts";
import { Refresher } from "../../src/refresher/refresher.ts";
import { Clients } from "../../src/registry/clients.ts";
import { registerRegistryMetrics } from "../../src/registry/metrics.ts";
import { Registry } from "../../src/registry/registry.ts";
import { silentLogger } from "../../src/runtime.ts";
import { packClientDelta } from "../../src/table/client-delta.ts";
import { ClientIndex } from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { registerWatcherMetrics } from "../../src/watcher/metrics.ts";
import { WatchedObjects } from "../../src/watcher/watched-objects.ts";
import { isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "./arbitrary-objects.ts";
import { FakeClock } from "./fake-clock.ts";

const WINDOW_MS = 20;
const NO_CHANCE = { fraction: () => 0.5, uint16: () => 4711 } as const;

export class ChurnWorld {
  readonly clock = new FakeClock();
  readonly table = new FlatTable(NO_CHANCE);
  readonly clientIndex = new ClientIndex();
  /** What every lookup ends with from now on. */
  upstream: LookupResult = goodReply("198.51.100.7", 30);
  lookups = 0;
  readonly #store = new MeshStore();
  readonly #problems = new ProblemBook(() => this.clock.wallMs());
  readonly #metrics = new MetricsRegistry();
  readonly #refresher: Refresher;
  readonly #registry: Registry;
  readonly #clients: Clients;
  readonly #watched: ReadonlyMap<Kind, WatchedObjects>;

  constructor() {
    const { clock } = this;
    const kinds = ["ServiceEntry", "WorkloadEntry", "Pod"] as const;
    this.#watched = new Map(
      kinds.map((kind) => [kind, new WatchedObjects(kind, this.#store, this.#problems)]),
    );
    const server = { address: "192.0.2.53", port: 53 };
    this.#refresher = new Refresher({
      lookup: async () => {
        this.lookups += 1;
        return this.upstream;
      },
      settings: {
        servers: { cluster: [server], other: [server] },
        clusterDomain: DEFAULT_SETTINGS.clusterDomain,
        maxStaleMs: 3_600_000,
      },
      clock,
      random: NO_CHANCE,
      logger: silentLogger,
      onChanged: (name, family) => this.#registry.resolutionChanged(name, family),
      onTouched: (name, family, expiresAtMs) => this.#registry.resolutionTouched(name, family, expiresAtMs),
    });
    registerWatcherMetrics(this.#metrics, this.#store, this.#problems, () => clock.wallMs());
    registerRefresherMetrics(this.#metrics, this.#refresher.counts, () => this.#refresher.gauges());
    const observers = registerRegistryMetrics(this.#metrics, () => this.#registry.hostCounts(), 0);
    this.#registry = new Registry({
      store: this.#store,
      settings: DEFAULT_SETTINGS,
      problems: this.#problems,
      clock,
      resolutions: (name) => this.#refresher.resolution(name),
      wanted: this.#refresher,
      emit: (delta) => this.table.apply(packDelta(delta), 0, Number.POSITIVE_INFINITY),
      onPropagated: observers.observePropagation,
      onProgrammed: observers.observeProgramming,
    });
    this.#clients = new Clients({
      store: this.#store,
      settings: { trustedForwarders: [], network: undefined },
      clock,
      emit: (delta) => this.clientIndex.apply(packClientDelta(delta), 0, Number.POSITIVE_INFINITY),
    });
  }

  /** Objects as the API server has them come, change or go. */
  tell(type: "ADDED" | "MODIFIED" | "DELETED", ...objects: readonly object[]): void {
    for (const raw of objects) {
      const parsed = parseObject(raw);
      const watched = parsed && this.#watched.get(parsed.kind);
      if (parsed === undefined || watched === undefined) throw new Error("no object that is watched");
      const object = { parsed, writtenAt: readWrittenAt(parsed.kind, raw) };
      watched.apply([{ type, object }], this.clock.nowMs());
    }
  }

  /** Lets time go on and promises be kept, in steps of a batch window. */
  async pass(milliseconds: number): Promise<void> {
    for (let leftMs = milliseconds; leftMs > 0; leftMs -= WINDOW_MS) {
      this.clock.advance(Math.min(leftMs, WINDOW_MS));
      await Promise.resolve();
    }
    await new Promise(setImmediate);
  }

  get problems(): number {
    return [...this.#problems.all()].length;
  }

  async scrape(): Promise<string> {
    return await this.#metrics.metrics();
  }

  async close(): Promise<void> {
    await this.#refresher.close();
    this.#registry.close();
    this.#clients.close();
  }
}

/** KiB that are alive in V8's heap and in arrays beside it. */
export function aliveKiB(): number {
  for (let round = 0; round < 3; round += 1) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1024;
}

export function goodReply(text: string, ttlSeconds: number): LookupResult {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return { kind: "addresses", addresses: [address], ttlSeconds };
}

/** A ServiceEntry of each form, and what its selector finds; every cycle has names and addresses of its own. */
export function objectsOfCycle(cycle: number): readonly object[] {
  const metadata = (name: string) => ({
    name: `${name}-${cycle}`,
    namespace: `team-${cycle % 10}`,
    uid: `${name}-${cycle}`,
    resourceVersion: String(cycle),
    managedFields: [{ manager: "kubectl", time: "2026-01-01T00:00:00Z" }],
  });
  const entry = (name: string, spec: object) => ({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: metadata(name),
    spec: {
      hosts: [`${name}-${cycle}.example.com`],
      ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      ...spec,
    },
  });
  const address = `10.${(cycle >> 16) & 255}.${(cycle >> 8) & 255}.${cycle & 255}`;
  const labels = { app: `app-${cycle}` };
  return [
    entry("static", { resolution: "STATIC", endpoints: [{ address }] }),
    entry("dns", { resolution: "DNS", endpoints: [{ address: `upstream-${cycle}.example.org` }] }),
    entry("wildcard", { hosts: [`*.wild-${cycle}.example.com`], resolution: "NONE", addresses: [address] }),
    entry("selecting", { resolution: "STATIC", workloadSelector: { labels } }),
    entry("broken", { resolution: "STATIC", endpoints: [{ address: "300.1.1.1" }], exportTo: ["."] }),
    {
      apiVersion: "networking.istio.io/v1",
      kind: "WorkloadEntry",
      metadata: metadata("workload"),
      spec: { address, labels },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...metadata("pod"), labels },
      status: { podIPs: [{ ip: address }], conditions: [{ type: "Ready", status: "True" }] },
    },
  ];
}

export function hostOfCycle(form: string, cycle: number) {
  const host = parseHostName(`${form}-${cycle}.example.com`);
  if (!isHostName(host)) throw new Error(`${form}-${cycle} is no host`);
  return host;
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");
