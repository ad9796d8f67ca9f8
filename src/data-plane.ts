/**
 * The data plane of one thread: server, table and forwarder, fed by messages of the control plane. This module
 * is the worker thread's entry, and `startDataPlane` the same for any other thread.
 */

import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { SocketAddress } from "./config/socket-address.ts";
import { type DataPlaneRole, dataPlaneSeries } from "./data-plane-series.ts";
import { type ConfigurableForwarder, createForwarder } from "./forwarder/forwarder.ts";
import type { LoopProbeOptions } from "./forwarder/loop-watch.ts";
import type { UpstreamCondition } from "./forwarder/upstream-log.ts";
import { openBatchBackEnd } from "./native/batch-back-end.ts";
import type { BatchHandles } from "./native/batch-sockets.ts";
import { assertNever, type Clock, type Random, systemClock, systemRandom } from "./runtime.ts";
import { SharedSeries } from "./series.ts";
import { DgramBackEnd } from "./server/dgram-back-end.ts";
import { Engine } from "./server/engine.ts";
import type { ServerIdentity } from "./server/identity.ts";
import { type BoundAddress, type ListenAddress, ListenError } from "./server/listen-address.ts";
import { QueryMetrics } from "./server/metrics.ts";
import type { DatagramListener, SocketBackEnd } from "./server/socket-back-end.ts";
import { openTcpListener, type TcpListener } from "./server/tcp-listener.ts";
import { ClientIndex, ClientKind, type SuffixAnswer } from "./table/client-index.ts";
import { FlatTable } from "./table/flat-table.ts";
import { NOT_FOUND } from "./table/host-table.ts";
import type { HostName } from "./wire/host-name.ts";
import type { IpPrefix } from "./wire/ip-address.ts";

export type { UpstreamCondition } from "./forwarder/upstream-log.ts";
export type { BoundAddress, ListenAddress } from "./server/listen-address.ts";

/** One thread's, given when it starts. */
export interface DataPlaneOptions {
  readonly role: DataPlaneRole;
  readonly listen: readonly ListenAddress[];
  /** Several threads of this role share the port. */
  readonly reusePort: boolean;
  /** The sockets of the batching back end; none: it listens itself, with dgram. */
  readonly batch?: BatchHandles;
  /** By which all threads of the process know its loop probes; none: upstreams are not probed. */
  readonly loopKey?: Uint8Array;
  /** Of a `SharedSeries` with `dataPlaneSeries(settings)`. */
  readonly series: SharedArrayBuffer;
  readonly settings: DataPlaneSettings;
}

/** May change while the thread runs. */
export interface DataPlaneSettings {
  readonly clusterDomain: HostName;
  readonly upstreams: readonly SocketAddress[];
  /** For names at or below the cluster domain. */
  readonly clusterUpstreams: readonly SocketAddress[];
  readonly pendingTimeoutMs: number;
  readonly negativeTtlSeconds: number;
  readonly cacheOctets: number;
  readonly cacheMaxTtlSeconds: number;
  readonly staleAfterMs: number;
  readonly maxStaleSeconds: number;
  readonly maxInFlight: number;
  readonly maxInFlightPerClient: number;
  readonly rateLimit: number;
  readonly trustedForwarders: readonly IpPrefix[];
  /** Names that are not ours are refused. */
  readonly refuse: boolean;
  readonly tcpConnections: number;
  readonly tcpPerAddress: number;
  readonly relayHttps: boolean;
  /** Suffixes of clients' search lists besides those of Kubernetes. */
  readonly searchSuffixes: readonly HostName[];
  /** What a host with a search suffix is answered with, where a namespace does not say it. */
  readonly suffixAnswer: SuffixAnswer;
  /** Whether search suffixes tell the namespace of clients that are no known pods. */
  readonly suffixView: boolean;
  readonly shortServiceNames: boolean;
  /** Whether known pods may ask `_why.<host>`. */
  readonly explainTxt: boolean;
  /** What is told to clients that ask who we are; undefined: nothing. */
  readonly identity?: ServerIdentity | undefined;
}

/** A client that is no known pod has told one thread its namespace, by its search suffix; for all others. */
export interface ToldNamespace {
  readonly kind: "told";
  readonly address: string;
  readonly namespace: Uint8Array;
}

export type ToDataPlane =
  /** A packed delta of the table. */
  | { readonly kind: "table"; readonly delta: Uint8Array }
  /** A packed delta of the client index. */
  | { readonly kind: "clients"; readonly delta: Uint8Array }
  | { readonly kind: "settings"; readonly settings: DataPlaneSettings }
  /** Another thread has seen that the upstream hands our queries back to us. */
  | { readonly kind: "loop"; readonly upstream: string }
  | ToldNamespace
  /** The deltas so far hold every host. */
  | { readonly kind: "synced" }
  /** Drop what is cached for the name (in octets), or with `isWildcard` for all below it. */
  | { readonly kind: "forget"; readonly name: Uint8Array; readonly isWildcard: boolean }
  /** The end is near: answers go on, clients are told to close their TCP connections. */
  | { readonly kind: "lameduck" }
  /** Take no more queries, finish what is in flight, end. */
  | { readonly kind: "close" };

export type FromDataPlane =
  | { readonly kind: "listening"; readonly addresses: readonly BoundAddress[] }
  /** A default address was left out because this machine does not have it. */
  | { readonly kind: "warning"; readonly message: string }
  /** The upstream has handed one of our queries back to us. */
  | { readonly kind: "loop"; readonly upstream: string }
  | ToldNamespace
  /** An upstream answers no longer, or again, as far as this thread sees it. */
  | { readonly kind: "upstream"; readonly upstream: string; readonly condition: UpstreamCondition }
  /** The delta with this version is wholly applied. */
  | { readonly kind: "applied"; readonly version: number }
  /** It cannot listen, and has ended. `code`: Node's own, such as `EADDRINUSE`. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  /** The first error that the program did not foresee; the thread goes on. */
  | { readonly kind: "fault"; readonly message: string; readonly stack: string }
  | { readonly kind: "closed" };

/** The control plane's end of the line; `MessagePort` is one. */
export interface DataPlanePort {
  postMessage(message: FromDataPlane): void;
  on(event: "message", listener: (message: ToDataPlane) => void): unknown;
}

/** What a test may want otherwise. */
export interface DataPlaneParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly createForwarder: typeof createForwarder;
  readonly localAddresses?: () => readonly string[];
}

const SYSTEM_PARTS: DataPlaneParts = { clock: systemClock, random: systemRandom, createForwarder };

/** Queries that wait for a host's first addresses, of all hosts together. */
const MAX_HELD = 4096;
/** For what is in flight when the thread is told to close; a client waits no longer than this for any reply. */
const CLOSE_MS = 5000;

/**
 * Builds the parts, listens and serves until it is told to close; everything it has to say goes to `port`.
 * Resolves once it listens or has said why it cannot.
 */
export async function startDataPlane(
  options: DataPlaneOptions,
  port: DataPlanePort,
  parts: Partial<DataPlaneParts> = {},
): Promise<void> {
  const allParts = { ...SYSTEM_PARTS, ...parts };
  const backEnd = await backEndFor(options, allParts.clock);
  const dataPlane = new DataPlane(options, port, allParts, backEnd);
  port.on("message", (message) => dataPlane.receive(message));
  await dataPlane.open();
}

async function backEndFor({ batch }: DataPlaneOptions, clock: Clock): Promise<SocketBackEnd> {
  return batch === undefined ? new DgramBackEnd(clock) : openBatchBackEnd({ handles: batch });
}

class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #port: DataPlanePort;
  readonly #parts: DataPlaneParts;
  readonly #backEnd: SocketBackEnd;
  readonly #series: SharedSeries;
  readonly #metrics: QueryMetrics;
  readonly #table: FlatTable;
  readonly #clients = new ClientIndex();
  readonly #forwarder: ConfigurableForwarder;
  readonly #engine: Engine;
  #udp: DatagramListener | null = null;
  #tcp: TcpListener | null = null;
  #appliedVersion = 0;
  #isApplying = false;
  /** The first sync ends with the deltas that are being applied. */
  #syncFollows = false;
  #isClosing = false;

  constructor(options: DataPlaneOptions, port: DataPlanePort, parts: DataPlaneParts, backEnd: SocketBackEnd) {
    this.#backEnd = backEnd;
    this.#options = options;
    this.#port = port;
    this.#parts = parts;
    const { random } = parts;
    const { clock, upstreamSockets } = backEnd;
    const { settings } = options;
    this.#series = new SharedSeries(dataPlaneSeries(settings), options.series);
    this.#metrics = new QueryMetrics(this.#series);
    this.#table = new FlatTable(random);
    this.#forwarder = parts.createForwarder({
      ...settings,
      sockets: upstreamSockets,
      series: this.#series,
      clock,
      random,
      isForwarder: (address) => this.#isForwarder(address),
      onUpstream: (upstream, condition) => this.#port.postMessage({ kind: "upstream", upstream, condition }),
      ...this.#loopProbes(),
    });
    this.#engine = new Engine(
      {
        table: this.#table,
        clients: this.#clients,
        forwarder: this.#forwarder,
        metrics: this.#metrics,
        clock,
        random,
        maxHeld: MAX_HELD,
        onTold: (address, namespace) => this.#port.postMessage({ kind: "told", address, namespace }),
        onFault: (error) => this.#reportFault(error),
      },
      settings,
    );
  }

  async open(): Promise<void> {
    try {
      const listener = this.#options.role === "udp" ? await this.#openUdp() : await this.#openTcp();
      for (const { message } of listener.warnings) this.#port.postMessage({ kind: "warning", message });
      this.#backEnd.measure(this.#series, this.#options.role);
      this.#port.postMessage({ kind: "listening", addresses: [...listener.addresses] });
    } catch (error) {
      await this.#forwarder.close();
      await this.#backEnd.close();
      if (!(error instanceof ListenError)) throw error;
      this.#port.postMessage({ kind: "failed", code: error.code, message: error.message });
    }
  }

  async #openUdp(): Promise<DatagramListener> {
    const { localAddresses } = this.#parts;
    const { listen, reusePort } = this.#options;
    const shared = { engine: this.#engine, metrics: this.#metrics, clock: this.#backEnd.clock, reusePort };
    const parts = localAddresses === undefined ? shared : { ...shared, localAddresses };
    this.#udp = await this.#backEnd.openUdp(parts, listen);
    return this.#udp;
  }

  async #openTcp(): Promise<TcpListener> {
    const { clock } = this.#backEnd;
    const { listen, reusePort, settings } = this.#options;
    const parts = { engine: this.#engine, metrics: this.#metrics, clock, reusePort };
    this.#tcp = await openTcpListener(parts, tcpLimits(settings), listen);
    return this.#tcp;
  }

  /** One role asks for all. */
  #loopProbes(): { readonly loopProbes?: LoopProbeOptions } {
    const { loopKey, role } = this.#options;
    if (loopKey === undefined) return {};
    const onLoop = (upstream: string) => this.#port.postMessage({ kind: "loop", upstream });
    return { loopProbes: { key: loopKey, isAsker: role === "udp", onLoop } };
  }

  #isForwarder(address: string): boolean {
    const entry = this.#clients.find(address);
    return entry !== NOT_FOUND && this.#clients.kind(entry) === ClientKind.FORWARDER;
  }

  receive(message: ToDataPlane): void {
    switch (message.kind) {
      case "table":
        this.#engine.applyDelta(message.delta);
        this.#applySoon();
        return;
      case "clients":
        this.#engine.applyClients(message.delta);
        this.#applySoon();
        return;
      case "synced":
        this.#syncFollows = true;
        this.#applySoon();
        return;
      case "settings":
        this.#engine.updateSettings(message.settings);
        this.#forwarder.update(message.settings);
        this.#tcp?.setLimits(tcpLimits(message.settings));
        return;
      case "loop":
        this.#forwarder.noteLoop(message.upstream);
        return;
      case "told":
        this.#engine.hearNamespace(message.address, message.namespace);
        return;
      case "forget":
        this.#forwarder.forget(message.name, message.isWildcard);
        return;
      case "lameduck":
        this.#engine.endConnections();
        return;
      case "close":
        void this.#close();
        return;
      default:
        assertNever(message);
    }
  }

  /** In turns of their own, so that queries are answered in between, however many deltas came together. */
  #applySoon(): void {
    if (this.#isApplying) return;
    this.#isApplying = true;
    this.#backEnd.soon(() => this.#apply());
  }

  #apply(): void {
    this.#isApplying = false;
    const isMore = this.#engine.step();
    const { version } = this.#table;
    if (version !== this.#appliedVersion) {
      this.#appliedVersion = version;
      this.#port.postMessage({ kind: "applied", version });
    }
    if (isMore) {
      this.#applySoon();
    } else if (this.#syncFollows) {
      this.#syncFollows = false;
      this.#engine.setSynced();
    }
  }

  async #close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    const timer = this.#backEnd.clock.setTimer(CLOSE_MS, resolve);
    this.#udp?.stop();
    const tcpClosed = this.#tcp?.close();
    await Promise.race([Promise.all([this.#engine.idle(), tcpClosed]), tooLong]);
    timer.cancel();
    this.#tcp?.destroyConnections();
    await Promise.all([tcpClosed, this.#udp?.close(), this.#forwarder.close()]);
    await this.#backEnd.close();
    this.#port.postMessage({ kind: "closed" });
  }

  #reportFault(error: unknown): void {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.#port.postMessage({ kind: "fault", message, stack: stack ?? "" });
  }
}

function tcpLimits(settings: DataPlaneSettings): {
  readonly connections: number;
  readonly perAddress: number;
} {
  return { connections: settings.tcpConnections, perAddress: settings.tcpPerAddress };
}

if (!isMainThread && parentPort !== null && isDataPlaneThread(workerData)) {
  await startDataPlane(workerData, parentPort);
}

/** Other threads may load this module too (a test runner's, say). */
function isDataPlaneThread(data: unknown): data is DataPlaneOptions {
  return typeof data === "object" && data !== null && "role" in data && "series" in data && "listen" in data;
}
