/**
 * A data-plane worker thread as the control plane sees it: started, fed, started again when it dies, closed.
 * A new thread gets the whole table first and then the same deltas in the same order as every other.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { BoundAddress, DataPlaneOptions, FromDataPlane, ToDataPlane } from "./data-plane.ts";
import { assertNever, type Closeable, type Logger } from "./runtime.ts";

/** A thread that died is back after this; long enough not to spin on a fault at start. */
const RESTART_DELAY_MS = 100;
/** Longer than the data plane's own grace for what is in flight. */
const CLOSE_GRACE_MS = 6000;

export interface DataPlaneThreadOptions {
  readonly dataPlane: DataPlaneOptions;
  /** The whole table as one packed delta, for a thread that starts with nothing. */
  readonly wholeTable: () => Uint8Array;
  readonly isSynced: () => boolean;
  readonly logger: Logger;
  readonly onApplied: () => void;
  /** The upstream has handed one of our queries back to us. */
  readonly onLoop: (upstream: string) => void;
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
  #worker: Worker | undefined;
  #isClosing = false;
  #restart: NodeJS.Timeout | undefined;
  /** The table version that the thread has wholly applied; 0: an empty table. */
  appliedVersion = 0;
  /** How often the thread died and was started again. */
  restarts = 0;
  listening: readonly BoundAddress[] = [];

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

  /** Resolves once the thread listens; rejects with a DataPlaneStartError when it cannot. */
  async start(): Promise<void> {
    const dataPlane: DataPlaneOptions = { ...this.#options.dataPlane, settings: this.#settings };
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
    this.#post({ kind: "table", delta: this.#options.wholeTable() });
    if (this.#options.isSynced()) this.#post({ kind: "synced" });
  }

  /** Passes a message on; one to a thread that is being started again is covered by the whole table it gets. */
  post(message: ToDataPlane): void {
    if (message.kind === "settings") this.#settings = message.settings;
    if (this.isListening) this.#post(message);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#post({ kind: "close" });
    const timer = setTimeout(() => void worker.terminate(), CLOSE_GRACE_MS);
    await exited;
    clearTimeout(timer);
  }

  #post(message: ToDataPlane): void {
    this.#worker?.postMessage(message);
  }

  #receive(message: FromDataPlane, started: () => void, failed: (error: Error) => void): void {
    const { logger, onApplied, onLoop } = this.#options;
    switch (message.kind) {
      case "listening":
        this.listening = message.addresses;
        started();
        break;
      case "failed":
        failed(
          new DataPlaneStartError(message.code, `${message.message}; choose another address with --listen`),
        );
        break;
      case "applied":
        this.appliedVersion = message.version;
        onApplied();
        break;
      case "loop":
        onLoop(message.upstream);
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
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    this.#restart = setTimeout(() => {
      this.start().catch((error: Error) => {
        this.#options.logger.error(
          { component: "dns.server", error: error.message },
          "data plane could not be started again",
        );
        if (!this.#isClosing) this.#scheduleRestart();
      });
    }, RESTART_DELAY_MS);
  }
}
