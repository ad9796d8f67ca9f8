/**
 * What the program tells over HTTP: its metrics, its health, its hosts and why they are answered as they are. A
 * module of its own, because no answer needs it: it is loaded once there is nothing more urgent.
 */

import { apiActions } from "./app-actions.ts";
import { problemReports } from "./app-log.ts";
import { registerClusterMetrics, registerWriteMetrics, WriteCounts } from "./cluster/metrics.ts";
import type { ClusterWriters } from "./cluster-writers.ts";
import type { Settings } from "./config/settings.ts";
import type { DataPlanes } from "./data-planes.ts";
import { createExplain } from "./explain/explain.ts";
import type { MeshStore } from "./mesh/mesh-store.ts";
import type { ProblemBook } from "./mesh/problem.ts";
import { dataPlaneSettings } from "./part-settings.ts";
import { registerPublisherMetrics } from "./publisher/metrics.ts";
import { registerRefresherMetrics } from "./refresher/metrics.ts";
import type { Refresher } from "./refresher/refresher.ts";
import type { Clients } from "./registry/clients.ts";
import { type RegistryObservers, registerRegistryMetrics } from "./registry/metrics.ts";
import type { Registry } from "./registry/registry.ts";
import { registerReporterMetrics } from "./reporter/metrics.ts";
import { type Closeable, systemClock, systemRandom } from "./runtime.ts";
import { createAdminServer, createApiServer } from "./telemetry/admin-server.ts";
import { statusReport } from "./telemetry/api-status.ts";
import type { HttpEndpoint } from "./telemetry/http-endpoint.ts";
import type { LevelledLogger } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import type { ClusterSource } from "./watcher/cluster-source.ts";
import { registerSnapshotMetrics, registerWatcherMetrics } from "./watcher/metrics.ts";

export interface AppEndpointsOptions {
  /** Of the program. */
  readonly version: string;
  /** When the program started, milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly logger: LevelledLogger;
  /** Those in force now. */
  readonly settings: () => Settings;
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  readonly refresher: Refresher;
  readonly registry: Registry;
  readonly clients: Clients;
  readonly dataPlanes: DataPlanes;
  /** Undefined: there is none, or not yet. */
  readonly cluster: () => ClusterSource | undefined;
  readonly writers: () => ClusterWriters | undefined;
  readonly snapshotAgeSeconds: () => number | undefined;
  /** What is missing to be ready, in words; empty: ready. */
  readonly missing: () => readonly string[];
  readonly isReady: () => boolean;
  readonly isSynced: () => boolean;
}

export class AppEndpoints implements Closeable {
  /** For those that write to the cluster. */
  readonly writeCounts = new WriteCounts();
  readonly observers: RegistryObservers;
  /** From the change of a published host to its being written. */
  readonly observeWritten: (milliseconds: number) => void;
  readonly #metrics: Metrics;
  readonly #servers: readonly HttpEndpoint[];

  constructor(options: AppEndpointsOptions) {
    const { version, logger, store, problems, refresher, registry, dataPlanes } = options;
    const { cluster, writers, missing } = options;
    const { wallMs } = systemClock;
    this.#metrics = createMetrics({
      version,
      isReady: options.isReady,
      listenPorts: () => dataPlanes.bound().map(({ port }) => port),
    });
    const { registry: register } = this.#metrics;
    registerWatcherMetrics(register, store, problems, wallMs);
    registerRefresherMetrics(register, refresher.counts, () => refresher.gauges());
    registerClusterMetrics(register, () => cluster()?.watches() ?? []);
    registerSnapshotMetrics(register, options.snapshotAgeSeconds);
    registerWriteMetrics(register, this.writeCounts, () => writers()?.isLeading ?? false);
    registerReporterMetrics(register, () => writers()?.reporterNumbers());
    this.observeWritten = registerPublisherMetrics(register, () =>
      writers()?.publisherNumbers(),
    ).observeWritten;
    this.observers = registerRegistryMetrics(register, () => registry.hostCounts(), options.startedAtMs);
    this.#metrics.addSharedSeries([...dataPlanes.definitions], () => dataPlanes.series());

    const { admin, api } = options.settings();
    this.#servers = [
      createAdminServer({ address: admin, log: logger, ready: missing, metrics: this.#metrics }),
      createApiServer({
        address: api,
        log: logger,
        hosts: () => ({ version: registry.version, hosts: registry.hosts() }),
        problems: () => problemReports(problems),
        status: () =>
          statusReport({
            registry: register,
            version,
            missing,
            tableVersion: () => registry.version,
            nowMs: wallMs,
          }),
        explain: createExplain({
          ...options,
          clock: systemClock,
          random: systemRandom,
          settings: () => dataPlaneSettings(options.settings(), version),
        }),
        actions: apiActions(options),
      }),
    ];
  }

  /** Counts a reading of a changed settings file. */
  noteSettingsRead(isTaken: boolean): void {
    this.#metrics.noteSettingsRead(isTaken);
  }

  /** Resolves when both listen; rejects with telemetry's ListenError. */
  async start(): Promise<void> {
    for (const server of this.#servers) await server.start();
  }

  async close(): Promise<void> {
    for (const server of this.#servers.toReversed()) await server.close();
    this.#metrics.close();
  }
}
