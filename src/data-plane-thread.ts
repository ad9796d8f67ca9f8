/**
 * A data-plane worker thread as the control plane sees it: started, fed, started again when it dies, closed.
 * A new thread gets the whole table first and then the same deltas in the same order as every other.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type {
  BoundAddress,
  DataPlaneOptions,
  FromDataPlane,
  ToDataPlane,
  ToldNamespace,
  UpstreamCondition,
} from "./data-plane.ts";
import { type BatchSockets, openBatchSockets } from "./native/batch-sockets.ts";
import type { SystemCalls } from "./native/system-calls.ts";
import { assertNever, type Closeable, type LogFields, type Logger } from "./runtime.ts";
import { ListenError } from "./server/listen-address.ts";

const COMPONENT = "dns.server";
const FAULT_REMEDY = "This is a fault of this program: report it with this line.";
const DEATH_REMEDY =
  "Clients ask again by themselves. Report it with the lines before this one; if there are none, look at the memory limit.";
/** A thread that dies soon after its start is started again after this: long enough not to spin on what ends it. */
const RESTART_DELAY_MS = 100;
/** One that served for longer is started again at once. */
const SOON_MS = 1000;
/** Longer than the data plane's own grace for what is in flight. */
const CLOSE_GRACE_MS = 6000;

export interface DataPlaneThreadOptions {
  readonly dataPlane: DataPlaneOptions;
  /** The whole table as one packed delta, for a thread that starts with nothing. */
  readonly wholeTable: () => Uint8Array;
  /** All known clients and namespaces as one packed delta. */
  readonly wholeClients: () => Uint8Array;
  readonly isSynced: () => boolean;
  readonly logger: Logger;
  readonly onApplied: () => void;
  /** The upstream has handed one of our queries back to us. */
  readonly onLoop: (upstream: string) => void;
  readonly onTold: (told: ToldNamespace) => void;
  /** The upstream is in another condition, as this thread sees it. */
  readonly onUpstream: (upstream: string, condition: UpstreamCondition) => void;
}

/** A listener could not be opened; `code` is the system's (EADDRINUSE ...). */
export class DataPlaneStartError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "DataPlaneStartError";
    this.code = code;
  }
}

export class DataPlaneThread implements Closeable {
  readonly #options: DataPlaneThreadOptions;
  #settings: DataPlaneOptions["settings"];
  /** Of the batching back end; null: the thread opens its own. */
  #sockets: BatchSockets | null = null;
  #worker: Worker | undefined;
  #isClosing = false;
  #isLameduck = false;
  #restart: NodeJS.Timeout | undefined;
  /** The table version that the thread has wholly applied; 0: an empty table. */
  appliedVersion = 0;
  /** How often the thread died and was started again. */
  restarts = 0;
  listening: readonly BoundAddress[] = [];
  #listeningSinceMs = 0;
  #diedAtMs = 0;
  /** Why it could not be started again, as last said. */
  #saidFailure = "";
  /** Upstreams that did not answer this thread when they were last told of. */
  readonly #failingUpstreams = new Set<string>();

  constructor(options: DataPlaneThreadOptions) {
    this.#options = options;
    this.#settings = options.dataPlane.settings;
  }

  get role(): DataPlaneOptions["role"] {
    return this.#options.dataPlane.role;
  }

  get isListening(): boolean {
    return this.listening.length > 0;
  }

  /**
   * Listens here and now: every thread that serves this place goes on with these sockets. Throws a
   * DataPlaneStartError when it cannot.
   */
  openSockets(calls: SystemCalls): void {
    const { listen, reusePort } = this.#options.dataPlane;
    try {
      this.#sockets = openBatchSockets(calls, listen, reusePort);
    } catch (error) {
      throw error instanceof ListenError ? startError(error) : error;
    }
    for (const { message } of this.#sockets.warnings) this.#warnLeftOut(message);
  }

  /** Resolves once the thread listens; rejects with a DataPlaneStartError when it cannot. */
  async start(): Promise<void> {
    const dataPlane: DataPlaneOptions = {
      ...this.#options.dataPlane,
      settings: this.#settings,
      ...(this.#sockets !== null && { batch: this.#sockets.handles }),
    };
    const entry = new URL(`./data-plane${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(entry, { workerData: dataPlane, name: `data-plane ${dataPlane.role}` });
    this.#worker = worker;
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (message: FromDataPlane) => this.#receive(message, resolve, reject));
      worker.on("error", (error) => {
        const message = `fault in ${this.#name}, which ends: ${error.message}`;
        this.#error({ error: error.stack, remedy: FAULT_REMEDY }, message);
        reject(error);
      });
      worker.on("exit", () => {
        reject(new Error(`${this.#name} ended while it started`));
        this.#exited(worker);
      });
    });
    // Before the table, so that the first answers are for the right clients.
    this.#post({ kind: "clients", delta: this.#options.wholeClients() });
    this.#post({ kind: "table", delta: this.#options.wholeTable() });
    if (this.#options.isSynced()) this.#post({ kind: "synced" });
    if (this.#isLameduck) this.#post({ kind: "lameduck" });
  }

  /** Passes a message on; one to a thread that is being started again is covered by all that it gets then. */
  post(message: ToDataPlane): void {
    if (message.kind === "settings") this.#settings = message.settings;
    if (message.kind === "lameduck") this.#isLameduck = true;
    if (this.isListening) this.#post(message);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker !== undefined) await this.#end(worker);
    await this.#sockets?.close();
  }

  async #end(worker: Worker): Promise<void> {
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#post({ kind: "close" });
    const timer = setTimeout(() => void worker.terminate(), CLOSE_GRACE_MS);
    await exited;
    clearTimeout(timer);
  }

  #post(message: ToDataPlane): void {
    this.#worker?.postMessage(message);
    this.#sockets?.wake();
  }

  #receive(message: FromDataPlane, started: () => void, failed: (error: Error) => void): void {
    const { onApplied, onLoop, onTold, onUpstream } = this.#options;
    switch (message.kind) {
      case "listening":
        this.listening = message.addresses;
        this.#listeningSinceMs = performance.now();
        started();
        break;
      case "failed":
        failed(startError(message));
        break;
      case "applied":
        this.appliedVersion = message.version;
        onApplied();
        break;
      case "loop":
        onLoop(message.upstream);
        break;
      case "told":
        onTold(message);
        break;
      case "upstream":
        if (message.condition === "answers" || message.condition === "gone")
          this.#failingUpstreams.delete(message.upstream);
        else this.#failingUpstreams.add(message.upstream);
        onUpstream(message.upstream, message.condition);
        break;
      case "warning":
        this.#warnLeftOut(message.message);
        break;
      case "fault":
        this.#error(
          { error: message.stack, remedy: FAULT_REMEDY },
          `fault in ${this.#name}, which goes on: ${message.message}`,
        );
        break;
      case "closed":
        void this.#worker?.terminate();
        break;
      default:
        assertNever(message);
    }
  }

  #exited(worker: Worker): void {
    if (worker !== this.#worker) return;
    this.#sockets?.reclaim();
    for (const upstream of this.#failingUpstreams) this.#options.onUpstream(upstream, "gone");
    this.#failingUpstreams.clear();
    const served = this.isListening;
    this.#worker = undefined;
    this.listening = [];
    this.appliedVersion = 0;
    if (this.#isClosing || !served) return;
    this.restarts += 1;
    this.#diedAtMs = performance.now();
    const servedMs = this.#diedAtMs - this.#listeningSinceMs;
    const fields = {
      restarts: this.restarts,
      servedSeconds: Math.round(servedMs / 1000),
      remedy: DEATH_REMEDY,
    };
    this.#error(fields, `${this.#name} died after ${Math.round(servedMs / 1000)} s and is started again`);
    this.#scheduleRestart(servedMs > SOON_MS ? 0 : RESTART_DELAY_MS);
  }

  #scheduleRestart(delayMs: number): void {
    this.#restart = setTimeout(() => {
      this.start().then(
        () => this.#noteRestarted(),
        (error: Error) => {
          if (this.#isClosing) return;
          const message = `${this.#name} cannot be started again; it is tried every ${RESTART_DELAY_MS} ms`;
          // What stays the same is said once.
          if (error.message !== this.#saidFailure) this.#error({ reason: error.message }, message);
          this.#saidFailure = error.message;
          this.#scheduleRestart(RESTART_DELAY_MS);
        },
      );
    }, delayMs);
  }

  #noteRestarted(): void {
    this.#saidFailure = "";
    const afterMs = Math.round(performance.now() - this.#diedAtMs);
    const { logger } = this.#options;
    logger.info({ component: COMPONENT, role: this.role, afterMs }, `${this.#name} answers again`);
  }

  /** As the log calls it. */
  get #name(): string {
    return `the thread that answers ${this.role.toUpperCase()}`;
  }

  #warnLeftOut(message: string): void {
    this.#options.logger.warn({ component: COMPONENT }, `${message}; this default address is left out`);
  }

  #error(fields: LogFields, message: string): void {
    this.#options.logger.error({ component: COMPONENT, role: this.role, ...fields }, message);
  }
}

/** What else helps, as the end of a sentence. */
const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: ", or end the other program (ss -lntup shows it)",
  EACCES: ", or allow the port to everybody with sysctl -w net.ipv4.ip_unprivileged_port_start=53",
};

function startError({
  code,
  message,
}: {
  readonly code: string;
  readonly message: string;
}): DataPlaneStartError {
  const remedy = LISTEN_REMEDIES[code] ?? "";
  return new DataPlaneStartError(
    code,
    `${message}. Choose another address with --listen ADDR:PORT${remedy}.`,
  );
}
