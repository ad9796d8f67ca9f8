/**
 * The control plane: builds every part, starts them in order, stops them in reverse. Its wiring lines are the
 * architecture: a source fills the store, the registry compiles it, the data planes answer from the result, and
 * the refresher resolves the names that the registry wants.
 */

import { setTimeout } from "node:timers/promises";
import type { AppEndpoints } from "./app-endpoints.ts";
import { logCondition, logProblem, logSolved } from "./app-log.ts";
import type { ClusterWriters } from "./cluster-writers.ts";
import type { LoadedSettings, SettingsInputs } from "./config/load-settings.ts";
import type { Settings } from "./config/settings.ts";
import { socketAddressText } from "./config/socket-address.ts";
import { watchSettings } from "./config/watch-settings.ts";
import { DataPlanes } from "./data-planes.ts";
import { LoopLog } from "./forwarder/loop-log.ts";
import { UpstreamLog } from "./forwarder/upstream-log.ts";
import { MemoryReturn } from "./memory-return.ts";
import { MeshStore } from "./mesh/mesh-store.ts";
import { ProblemBook, problem } from "./mesh/problem.ts";
import {
  clientSettings,
  needSettings,
  publishNeedSettings,
  refresherSettings,
  registrySettings,
} from "./part-settings.ts";
import { PublishedHosts } from "./publisher/published-hosts.ts";
import { ClusterNamesCheck } from "./refresher/cluster-names-check.ts";
import { createCaresLookup } from "./refresher/lookup.ts";
import { Refresher } from "./refresher/refresher.ts";
import { Clients } from "./registry/clients.ts";
import { Registry } from "./registry/registry.ts";
import { type Closeable, systemClock, systemRandom } from "./runtime.ts";
import { packClientDelta } from "./table/client-delta.ts";
import { createLogger, type LevelledLogger } from "./telemetry/log.ts";
import type { ClusterSource } from "./watcher/cluster-source.ts";
import type { FolderSource } from "./watcher/folder-source.ts";
import { Snapshot } from "./watcher/snapshot.ts";

export interface AppOptions {
  readonly inputs: SettingsInputs;
  readonly loaded: LoadedSettings;
  /** The cluster, or files and folders of manifests. */
  readonly source: "kubernetes" | readonly string[];
  /** Of the program. */
  readonly version: string;
}

export class App {
  readonly #options: AppOptions;
  readonly #logger: LevelledLogger;
  readonly #problems = new ProblemBook(
    systemClock.wallMs,
    (each) => {
      logProblem(this.#logger, each);
      this.#writers?.noteProblem(each);
    },
    (each, sinceMs) => {
      if (!this.#isStopping) logSolved(this.#logger, each, sinceMs, systemClock.wallMs());
    },
  );
  readonly #store = new MeshStore();
  readonly #startedAtMs = systemClock.wallMs();
  /** Undefined before the start, as is the next. */
  #endpoints: AppEndpoints | undefined;
  /** Undefined where manifests are served. */
  #cluster: ClusterSource | undefined;
  /** Undefined where there is no cluster, or nothing to write to it. */
  #writers: ClusterWriters | undefined;
  readonly #published: PublishedHosts;
  /** Undefined where none is kept. */
  #snapshot: Snapshot | undefined;
  readonly #refresher: Refresher;
  readonly #registry: Registry;
  readonly #clients: Clients;
  readonly #dataPlanes: DataPlanes;
  readonly #loops: LoopLog;
  readonly #upstreamLog: UpstreamLog;
  readonly #clusterNames: ClusterNamesCheck;
  /** What runs, in the order in which it was started. */
  readonly #running: Closeable[] = [];
  #settings: Settings;
  #isSynced = false;
  #isReady = false;
  /** All was there to be ready. */
  #isComplete = false;
  #isStopping = false;

  constructor(options: AppOptions) {
    const { version } = options;
    const { settings } = options.loaded;
    const logger = createLogger(settings.logLevel);
    const clock = systemClock;
    const lookup = createCaresLookup();
    this.#options = options;
    this.#settings = settings;
    this.#logger = logger;

    this.#refresher = new Refresher({
      lookup,
      settings: refresherSettings(settings),
      clock,
      random: systemRandom,
      logger,
      onChanged: (name, family) => {
        this.#registry.resolutionChanged(name, family);
        this.#snapshot?.noteChange();
      },
      onTouched: (name, family, expiresAtMs) => this.#registry.resolutionTouched(name, family, expiresAtMs),
    });

    this.#dataPlanes = new DataPlanes({
      settings,
      version,
      logger,
      wholeTable: () => this.#registry.packedSnapshot(),
      wholeClients: () => packClientDelta(this.#clients.snapshot()),
      isSynced: () => this.#isSynced,
      onLoop: (upstream) => this.#loops.note(upstream),
      onUpstream: (thread, upstream, condition) => this.#upstreamLog.note(thread, upstream, condition),
    });
    this.#published = new PublishedHosts({
      mode: settings.publish,
      store: this.#store,
      clock,
      isSynced: () => this.#isSynced,
      onChanged: (host) => this.#registry.publicationChanged(host),
      onAvailable: () => {
        this.#registry.publishingChanged();
        this.#writers?.followHosts();
      },
    });
    this.#registry = new Registry({
      store: this.#store,
      settings: registrySettings(settings),
      problems: this.#problems,
      clock,
      resolutions: (name) => this.#refresher.resolution(name),
      describeName: (name) => this.#refresher.describe(name),
      wanted: this.#refresher,
      emit: (_delta, packed) => this.#dataPlanes.post({ kind: "table", delta: packed }),
      onConditionChanged: (change) => {
        logCondition(logger, change, this.#isReady);
        this.#writers?.noteCondition(change, this.#registry.lastErrorOf(change.host));
      },
      onPropagated: (milliseconds) => this.#endpoints?.observers.observePropagation(milliseconds),
      onProgrammed: (...written) => this.#endpoints?.observers.observeProgramming(...written),
      ...(options.source === "kubernetes" ? { publishing: this.#published } : {}),
    });
    this.#clients = new Clients({
      store: this.#store,
      settings: clientSettings(settings),
      clock,
      emit: (delta) => this.#dataPlanes.post({ kind: "clients", delta: packClientDelta(delta) }),
    });
    this.#loops = new LoopLog({
      clock,
      logger,
      isRefusing: () => this.#settings.refuse,
      onHealed: () => this.#becomeReady(),
      onChanged: () => this.#reportLoops(),
    });
    this.#upstreamLog = new UpstreamLog({
      clock,
      logger,
      upstreams: () => {
        const { upstreams, clusterUpstreams } = this.#settings;
        return [...new Set([...upstreams, ...clusterUpstreams].map(socketAddressText))];
      },
    });
    this.#clusterNames = new ClusterNamesCheck({ lookup, clock, problems: this.#problems });
  }

  /**
   * Resolves when answers are out: the source is read and compiled, and every data plane has applied the result.
   * Rejects when a part cannot start, or when `stop` is called first.
   */
  async start(): Promise<void> {
    const { inputs, loaded } = this.#options;
    const log = this.#logger;
    try {
      this.#running.push(this.#dataPlanes);
      await this.#dataPlanes.launch();
      // While the threads come up, and before what no answer needs is even loaded.
      const isRestored = this.#restore();
      if (isRestored) {
        await this.#dataPlanes.start();
        await this.#openAnswers();
      }
      await this.#openEndpoints();
      await this.#dataPlanes.start();
      this.#throwIfStopping();
      this.#askForClusterNames();
      const source = await this.#openSource();
      if (isRestored) this.#runAside(source);
      else {
        await this.#run(source);
        await this.#openAnswers();
      }
      if (this.#snapshot !== undefined) await this.#run(this.#snapshot);
      if (this.#writers !== undefined) this.#runAside(this.#writers);
      this.#running.push(
        watchSettings({
          inputs,
          current: loaded,
          log,
          onChange: (settings) => this.#update(settings),
          onRead: (isTaken) => this.#endpoints?.noteSettingsRead(isTaken),
        }),
      );
      await this.#run(new MemoryReturn({ clock: systemClock }));
    } catch (error) {
      await this.#close();
      throw error;
    }
    this.#dataPlanes.giveWay();
    this.#isComplete = true;
    this.#becomeReady();
  }

  /**
   * Not ready at once; answers go on for `lameduckMs`, or until `hurry` is settled; then everything stops, in the
   * reverse order of the start.
   */
  async stop(lameduckMs: number, hurry: Promise<unknown> = new Promise(() => {})): Promise<void> {
    this.#isReady = false;
    this.#isComplete = false;
    this.#isStopping = true;
    this.#dataPlanes.giveUp();
    this.#dataPlanes.post({ kind: "lameduck" });
    const message = lameduckMs > 0 ? `stopping: answers go on for ${lameduckMs / 1000} s` : "stopping";
    this.#logger.info({ component: "dns.server", lameduckSeconds: lameduckMs / 1000 }, message);
    if (lameduckMs > 0) await Promise.race([setTimeout(lameduckMs, undefined, { ref: false }), hurry]);
    await this.#close();
    this.#logger.info({ component: "dns.server" }, "stopped");
  }

  /** Where DNS is answered, `127.0.0.1:1053`, each address once. */
  get listening(): readonly string[] {
    return this.#dataPlanes.listening();
  }

  /** Every claimed host, as `/api/hosts` shows it. */
  hosts(): ReturnType<Registry["hosts"]> {
    return this.#registry.hosts();
  }

  /** Whether there was a snapshot, which is in force now: the cluster may be away for as long as it likes. */
  #restore(): boolean {
    const { source, version, loaded } = this.#options;
    const { snapshot } = loaded.settings;
    if (source !== "kubernetes" || snapshot === undefined) return false;
    this.#snapshot = new Snapshot({
      folder: snapshot,
      version,
      store: this.#store,
      names: () => this.#refresher.kept(),
      isConfirmed: () => this.#cluster?.isLive ?? false,
      clock: systemClock,
      logger: this.#logger,
    });
    return this.#snapshot.restore((names) => this.#refresher.recall(names));
  }

  /** What the store holds by now is answered when this resolves, and what it lacks is not ours. */
  async #openAnswers(): Promise<void> {
    this.#clients.settle();
    this.#registry.settle();
    this.#isSynced = true;
    this.#dataPlanes.post({ kind: "synced" });
    await this.#dataPlanes.applied(() => this.#registry.version);
  }

  async #openEndpoints(): Promise<void> {
    const { AppEndpoints } = await import("./app-endpoints.ts");
    const endpoints = new AppEndpoints({
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      logger: this.#logger,
      settings: () => this.#settings,
      store: this.#store,
      problems: this.#problems,
      refresher: this.#refresher,
      registry: this.#registry,
      clients: this.#clients,
      dataPlanes: this.#dataPlanes,
      cluster: () => this.#cluster,
      writers: () => this.#writers,
      snapshotAgeSeconds: () => this.#snapshot?.ageSeconds,
      missing: () => this.#missing(),
      isReady: () => this.#isReady,
      isSynced: () => this.#isSynced,
    });
    this.#endpoints = endpoints;
    // Closed last: while the others finish they are still alive, and not ready.
    this.#running.unshift(endpoints);
    await endpoints.start();
    this.#throwIfStopping();
  }

  async #openSource(): Promise<FolderSource | ClusterSource> {
    const { source } = this.#options;
    const parts = {
      store: this.#store,
      problems: this.#problems,
      clock: systemClock,
      logger: this.#logger,
      onSynced: () => {},
    };
    if (source !== "kubernetes") {
      const { FolderSource } = await import("./watcher/folder-source.ts");
      return new FolderSource({ ...parts, path: source });
    }
    const { openCluster } = await import("./app-cluster.ts");
    const { writeCounts: counts, observeWritten } = this.#endpoints!;
    const {
      client,
      source: cluster,
      writers,
    } = await openCluster({
      ...parts,
      settings: this.#settings,
      counts,
      hosts: this.#published,
      isSynced: () => this.#isSynced,
      observeWritten,
    });
    this.#running.push(client);
    this.#cluster = cluster;
    this.#writers = writers;
    return cluster;
  }

  async #run(part: Closeable & { start(): Promise<unknown> }): Promise<void> {
    this.#running.push(part);
    await part.start();
    this.#throwIfStopping();
  }

  #throwIfStopping(): void {
    if (this.#isStopping) throw new Error("stopped before it was ready");
  }

  /** As `#run`, without waiting for it. */
  #runAside(part: Closeable & { start(): unknown }): void {
    this.#running.push(part);
    void part.start();
  }

  async #close(): Promise<void> {
    for (const part of this.#running.splice(0).reverse()) await part.close();
    await this.#clusterNames.close();
    await this.#loops.close();
    await this.#upstreamLog.close();
    await this.#refresher.close();
    this.#clients.close();
    this.#published.close();
    this.#registry.close();
  }

  #update(settings: Settings): void {
    this.#settings = settings;
    this.#logger.setLevel(settings.logLevel);
    this.#refresher.update(refresherSettings(settings));
    this.#published.mode = settings.publish;
    this.#registry.updateSettings(registrySettings(settings));
    this.#clients.updateSettings(clientSettings(settings));
    this.#cluster?.updateSettings(needSettings(settings), publishNeedSettings(settings));
    this.#writers?.updateSettings({ virtualRanges: settings.virtualRanges ?? [] });
    this.#dataPlanes.updateSettings(settings);
    this.#askForClusterNames();
  }

  /** A folder of manifests may be served where there is no cluster; who names its DNS servers has one. */
  #askForClusterNames(): void {
    const { source, loaded } = this.#options;
    if (source !== "kubernetes" && loaded.sources.clusterUpstreams.kind === "default") return;
    this.#clusterNames.ask(this.#settings.clusterUpstreams, this.#settings.clusterDomain);
  }

  #reportLoops(): void {
    const found = this.#loops.present.map((upstream) => {
      const subject = { kind: "Upstream", namespace: "", name: upstream } as const;
      const message = `Upstream ${upstream} hands our queries back to us; it is not asked any more.`;
      return problem("UpstreamLoop", subject, "upstreams", message);
    });
    this.#problems.replace("upstream loops", found);
  }

  /** A loop that is known by now keeps us from it; one that appears later does not end it. */
  #becomeReady(): void {
    if (!this.#isComplete || this.#isReady || this.#loops.present.length > 0) return;
    this.#isReady = true;
    const entries = this.#store.all("ServiceEntry").size;
    this.#logger.info({ component: "dns.server", listening: this.listening, entries }, "ready");
  }

  /** What keeps us from being ready; once ready, only stopping ends it. */
  #missing(): readonly string[] {
    if (this.#isReady) return [];
    if (!this.#isSynced) {
      if (this.#options.source !== "kubernetes") return ["the manifests have not been read"];
      return this.#cluster?.missing() ?? ["the API server has not been asked"];
    }
    if (this.#dataPlanes.isBehind(this.#registry.version)) return ["a data plane has not applied the table"];
    const [upstream] = this.#loops.present;
    if (upstream !== undefined) return [`upstream ${upstream} hands our queries back to us`];
    return ["the server is stopping"];
  }
}
