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
} from "./data-plane.ts";
import { type BatchSockets, openBatchSockets } from "./native/batch-sockets.ts";
import type { SystemCalls } from "./native/system-calls.ts";
import { assertNever, type Closeable, type Logger } from "./runtime.ts";
import { ListenError } from "./server/listen-address.ts";

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
    for (const { message } of this.#sockets.warnings)
      this.#options.logger.warn({ component: "dns.server" }, message);
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
        this.#options.logger.error(
          { component: "dns.server", role: dataPlane.role, error: error.stack },
          "data plane failed",
        );
        reject(error);
      });
      worker.on("exit", () => {
        reject(new Error(`data plane ${dataPlane.role} ended while it started`));
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
    const { logger, onApplied, onLoop, onTold } = this.#options;
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
      case "warning":
        logger.warn({ component: "dns.server" }, message.message);
        break;
      case "fault":
        logger.error({ component: "dns.server", stack: message.stack }, message.message);
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
    const served = this.isListening;
    this.#worker = undefined;
    this.listening = [];
    this.appliedVersion = 0;
    if (this.#isClosing || !served) return;
    this.restarts += 1;
    const role = this.#options.dataPlane.role;
    this.#options.logger.error(
      { component: "dns.server", role, restarts: this.restarts },
      "data plane died; starting it again",
    );
    this.#scheduleRestart(performance.now() - this.#listeningSinceMs > SOON_MS ? 0 : RESTART_DELAY_MS);
  }

  #scheduleRestart(delayMs: number): void {
    this.#restart = setTimeout(() => {
      this.start().catch((error: Error) => {
        this.#options.logger.error(
          { component: "dns.server", error: error.message },
          "data plane could not be started again",
        );
        if (!this.#isClosing) this.#scheduleRestart(RESTART_DELAY_MS);
      });
    }, delayMs);
  }
}

function startError({
  code,
  message,
}: {
  readonly code: string;
  readonly message: string;
}): DataPlaneStartError {
  return new DataPlaneStartError(code, `${message}; choose another address with --listen`);
}
