/**
 * The control plane: builds every part, starts them in order, stops them in reverse. Its wiring lines are the
 * architecture: a source fills the store, the registry compiles it, the data planes answer from the result, and
 * the refresher resolves the names that the registry wants.
 */

import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { setTimeout } from "node:timers/promises";
import { ClusterAccessError, connectCluster, findClusterAccess } from "./cluster/connection.ts";
import { registerClusterMetrics } from "./cluster/metrics.ts";
import type { LoadedSettings, SettingsInputs } from "./config/load-settings.ts";
import type { Settings } from "./config/settings.ts";
import { watchSettings } from "./config/watch-settings.ts";
import {
  type BoundAddress,
  type DataPlaneOptions,
  type DataPlaneSettings,
  dataPlaneSeries,
} from "./data-plane.ts";
import { DataPlaneThread } from "./data-plane-thread.ts";
import { LoopLog } from "./forwarder/loop-log.ts";
import { MeshStore } from "./mesh/mesh-store.ts";
import { objectKey } from "./mesh/objects.ts";
import { PROBLEMS, type Problem, ProblemBook } from "./mesh/problem.ts";
import { dataPlaneSettings, refresherSettings, registrySettings } from "./part-settings.ts";
import { createCaresLookup } from "./refresher/lookup.ts";
import { registerRefresherMetrics } from "./refresher/metrics.ts";
import { Refresher } from "./refresher/refresher.ts";
import { registerRegistryMetrics } from "./registry/metrics.ts";
import { type ConditionChange, Registry } from "./registry/registry.ts";
import { type Closeable, systemClock, systemRandom } from "./runtime.ts";
import { SharedSeries } from "./series.ts";
import type { TableDelta } from "./table/host-record.ts";
import { packDelta } from "./table/packed-delta.ts";
import { createAdminServer, createApiServer } from "./telemetry/admin-server.ts";
import type { HostsReport, ProblemReport } from "./telemetry/api-reports.ts";
import { createLogger, type LevelledLogger } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { ClusterSource } from "./watcher/cluster-source.ts";
import { FolderSource } from "./watcher/folder-source.ts";
import { registerWatcherMetrics } from "./watcher/metrics.ts";

/** For a digest that nobody guesses. */
const LOOP_KEY_OCTETS = 32;

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
  readonly #problems = new ProblemBook(systemClock.wallMs, (each) => this.#logProblem(each));
  readonly #store = new MeshStore();
  /** Undefined before the start. */
  #source: FolderSource | ClusterSource | undefined;
  readonly #refresher: Refresher;
  readonly #registry: Registry;
  readonly #dataPlanes: readonly DataPlaneThread[];
  readonly #loops: LoopLog;
  readonly #metrics: Metrics;
  /** What runs, in the order in which it was started. */
  readonly #running: Closeable[] = [];
  #isSynced = false;
  #isReady = false;
  /** All was there to be ready. */
  #isComplete = false;
  #isStopping = false;
  #isRefusing = false;
  #tellApplied = () => {};

  constructor(options: AppOptions) {
    const { version } = options;
    const { settings } = options.loaded;
    const logger = createLogger(settings.logLevel);
    this.#options = options;
    this.#logger = logger;

    this.#refresher = new Refresher({
      lookup: createCaresLookup(),
      settings: refresherSettings(settings),
      clock: systemClock,
      random: systemRandom,
      logger,
      onChanged: (name, family) => this.#registry.resolutionChanged(name, family),
      onTouched: (name, family, expiresAtMs) => this.#registry.resolutionTouched(name, family, expiresAtMs),
    });

    this.#metrics = createMetrics({ version, listenPorts: () => this.#bound().map(({ port }) => port) });
    registerWatcherMetrics(this.#metrics.registry, this.#store, this.#problems, systemClock.wallMs);
    registerRefresherMetrics(this.#metrics.registry, this.#refresher.metrics, () => this.#refresher.gauges());
    registerClusterMetrics(this.#metrics.registry, () =>
      this.#source instanceof ClusterSource ? this.#source.watches() : [],
    );
    const { observePropagation } = registerRegistryMetrics(this.#metrics.registry, () =>
      this.#registry.hostCounts(),
    );

    this.#registry = new Registry({
      store: this.#store,
      settings: registrySettings(settings),
      problems: this.#problems,
      clock: systemClock,
      resolutions: (name) => this.#refresher.resolution(name),
      describeName: (name) => this.#refresher.describe(name),
      wanted: this.#refresher,
      emit: (delta) => this.#publish(delta),
      onConditionChanged: (change) => this.#logCondition(change),
      onPropagated: observePropagation,
    });
    this.#loops = new LoopLog({
      clock: systemClock,
      logger,
      isRefusing: () => this.#isRefusing,
      onHealed: () => this.#becomeReady(),
    });
    this.#isRefusing = settings.refuse;
    this.#dataPlanes = this.#buildDataPlanes(settings);
  }

  /**
   * Resolves when answers are out: the source is read and compiled, and every data plane has applied the result.
   * Rejects when a part cannot start, or when `stop` is called first.
   */
  async start(): Promise<void> {
    const { inputs, loaded } = this.#options;
    const { admin, api } = loaded.settings;
    const log = this.#logger;
    try {
      await this.#run(
        createAdminServer({ address: admin, log, ready: () => this.#missing(), metrics: this.#metrics }),
      );
      await this.#run(
        createApiServer({
          address: api,
          log,
          hosts: () => this.#hosts(),
          problems: () => this.#problemReports(),
        }),
      );
      for (const dataPlane of this.#dataPlanes) await this.#run(dataPlane);
      this.#source = await this.#openSource();
      await this.#run(this.#source);
      this.#isSynced = true;
      for (const dataPlane of this.#dataPlanes) dataPlane.post({ kind: "synced" });
      await this.#everywhereApplied();
      this.#running.push(
        watchSettings({ inputs, current: loaded, log, onChange: (settings) => this.#update(settings) }),
      );
    } catch (error) {
      await this.#close();
      throw error;
    }
    this.#isComplete = true;
    this.#becomeReady();
  }

  /** A loop that is known by now keeps us from it; one that appears later does not end it. */
  #becomeReady(): void {
    if (!this.#isComplete || this.#isReady || this.#loops.present.length > 0) return;
    this.#isReady = true;
    const hosts = this.#store.all("ServiceEntry").size;
    this.#logger.info({ component: "dns.server", listening: this.listening, hosts }, "ready");
  }

  /**
   * Not ready at once; answers go on for `lameduckMs`, or until `hurry` is settled; then everything stops, in the
   * reverse order of the start.
   */
  async stop(lameduckMs: number, hurry: Promise<unknown> = new Promise(() => {})): Promise<void> {
    this.#isReady = false;
    this.#isComplete = false;
    this.#isStopping = true;
    this.#tellApplied();
    this.#logger.info({ component: "dns.server", lameduckSeconds: lameduckMs / 1000 }, "stopping");
    if (lameduckMs > 0) await Promise.race([setTimeout(lameduckMs, undefined, { ref: false }), hurry]);
    await this.#close();
    this.#logger.info({ component: "dns.server" }, "stopped");
  }

  /** Where DNS is answered, `127.0.0.1:1053`, each address once. */
  get listening(): readonly string[] {
    const texts = this.#bound().map(({ address, port }) =>
      isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`,
    );
    return [...new Set(texts)];
  }

  /** Every claimed host, as `/api/hosts` shows it. */
  hosts(): ReturnType<Registry["hosts"]> {
    return this.#registry.hosts();
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
    if (source !== "kubernetes") return new FolderSource({ ...parts, path: source });
    const access = findClusterAccess(process.env);
    if (access === undefined) throw new ClusterAccessError(NO_CLUSTER);
    const client = await connectCluster(access);
    this.#running.push(client);
    return new ClusterSource({ ...parts, random: systemRandom, client });
  }

  async #run(part: Closeable & { start(): Promise<unknown> }): Promise<void> {
    this.#running.push(part);
    await part.start();
    if (this.#isStopping) throw new Error("stopped before it was ready");
  }

  async #close(): Promise<void> {
    for (const part of this.#running.splice(0).reverse()) await part.close();
    await this.#loops.close();
    await this.#refresher.close();
    this.#registry.close();
    this.#metrics.close();
  }

  /** TCP has a thread and a table of its own, so that its streams never delay a datagram. */
  #buildDataPlanes(settings: Settings): readonly DataPlaneThread[] {
    const definitions = dataPlaneSeries(settings);
    const loopKey = randomBytes(LOOP_KEY_OCTETS);
    const roles = [...Array<"udp">(settings.threads).fill("udp"), "tcp" as const];
    const threads = roles.map((role) => {
      const series = new SharedSeries(definitions);
      const dataPlane: DataPlaneOptions = {
        role,
        listen: settings.listen,
        reusePort: role === "udp" && settings.threads > 1,
        loopKey,
        series: series.buffer,
        settings: this.#dataPlaneSettings(settings, role),
      };
      const thread = new DataPlaneThread({
        dataPlane,
        wholeTable: () => packDelta(this.#registry.snapshot()),
        isSynced: () => this.#isSynced,
        logger: this.#logger,
        onApplied: () => this.#tellApplied(),
        onLoop: (upstream) => this.#noteLoop(upstream),
      });
      return { series, thread };
    });
    this.#metrics.addSharedSeries(definitions, () => threads.map(({ series }) => series));
    return threads.map(({ thread }) => thread);
  }

  #noteLoop(upstream: string): void {
    this.#loops.note(upstream);
    for (const dataPlane of this.#dataPlanes) dataPlane.post({ kind: "loop", upstream });
  }

  #publish(delta: TableDelta): void {
    const packed = packDelta(delta);
    for (const dataPlane of this.#dataPlanes) dataPlane.post({ kind: "table", delta: packed });
  }

  #update(settings: Settings): void {
    this.#logger.setLevel(settings.logLevel);
    this.#isRefusing = settings.refuse;
    this.#refresher.update(refresherSettings(settings));
    this.#registry.updateSettings(registrySettings(settings));
    for (const dataPlane of this.#dataPlanes)
      dataPlane.post({ kind: "settings", settings: this.#dataPlaneSettings(settings, dataPlane.role) });
  }

  #dataPlaneSettings(settings: Settings, role: DataPlaneOptions["role"]): DataPlaneSettings {
    return dataPlaneSettings(settings, this.#options.version, role === "udp" ? 1 / settings.threads : 1);
  }

  #behind(): readonly DataPlaneThread[] {
    return this.#dataPlanes.filter(({ appliedVersion }) => appliedVersion < this.#registry.version);
  }

  async #everywhereApplied(): Promise<void> {
    while (this.#behind().length > 0 && !this.#isStopping) {
      await new Promise<void>((resolve) => {
        this.#tellApplied = resolve;
      });
    }
  }

  /** What keeps us from being ready; once ready, only stopping ends it. */
  #missing(): readonly string[] {
    if (this.#isReady) return [];
    if (!this.#isSynced) {
      return this.#source instanceof ClusterSource
        ? this.#source.missing()
        : ["the manifests have not been read"];
    }
    if (this.#behind().length > 0) return ["a data plane has not applied the table"];
    const [upstream] = this.#loops.present;
    if (upstream !== undefined) return [`upstream ${upstream} hands our queries back to us`];
    return ["the server is stopping"];
  }

  #bound(): readonly BoundAddress[] {
    return this.#dataPlanes.flatMap(({ listening }) => listening);
  }

  #hosts(): HostsReport {
    return { version: this.#registry.version, hosts: this.#registry.hosts() };
  }

  #problemReports(): readonly ProblemReport[] {
    return Array.from(this.#problems.all(), ({ problem, sinceMs }) => ({
      ...problem,
      ...PROBLEMS[problem.code],
      sinceMs,
    }));
  }

  #logProblem({ code, object, path, message }: Problem): void {
    const { severity, remedy } = PROBLEMS[code];
    const fields = { component: "dns.registry", code, object: objectKey(object), path, remedy };
    if (severity === "info") this.#logger.debug(fields, message);
    else this.#logger.warn(fields, message);
  }

  /** Without addresses: a large service changes those with every answer. What the first read finds is summed up by "ready". */
  #logCondition({ host, object, before, after, reason }: ConditionChange): void {
    const fields = {
      component: "dns.registry",
      host,
      object: objectKey(object),
      before,
      after,
      reason: reason || undefined,
    };
    if (after === undefined) this.#logger.info(fields, `host ${host} is forwarded now`);
    else if (before === undefined && !this.#isReady) this.#logger.debug(fields, `host ${host} is ${after}`);
    else this.#logger.info(fields, `host ${host} is ${after}`);
  }
}

const NO_CLUSTER =
  "source kubernetes: there is no cluster to be found, neither by KUBECONFIG nor as a pod's service account nor in " +
  "~/.kube/config; for a file or folder of manifests give --source PATH";
