/**
 * All data-plane threads as one: what is told to one is told to each, in the same order. TCP has a thread and a
 * table of its own, so that its streams never delay a datagram.
 */

import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { isIPv6 } from "node:net";
import { setPriority } from "node:os";
import type { Settings } from "./config/settings.ts";
import type {
  BoundAddress,
  DataPlaneOptions,
  DataPlaneSettings,
  ToDataPlane,
  UpstreamCondition,
} from "./data-plane.ts";
import { dataPlaneSeries } from "./data-plane-series.ts";
import { DataPlaneStartError, DataPlaneThread, type DataPlaneThreadOptions } from "./data-plane-thread.ts";
import { chooseBackEnd } from "./native/choose-back-end.ts";
import { NativeUnavailableError } from "./native/system-calls.ts";
import { dataPlaneSettings } from "./part-settings.ts";
import type { Closeable } from "./runtime.ts";
import { type SeriesDefinition, SharedSeries } from "./series.ts";

export interface DataPlanesOptions
  extends Pick<DataPlaneThreadOptions, "wholeTable" | "wholeClients" | "isSynced" | "logger" | "onLoop"> {
  readonly settings: Settings;
  /** Of the program. */
  readonly version: string;
  /** An upstream answers no longer, or again, as this thread sees it. */
  readonly onUpstream: (thread: string, upstream: string, condition: UpstreamCondition) => void;
}

export class DataPlanes implements Closeable {
  /** What every thread counts, and where. */
  readonly definitions: readonly SeriesDefinition[];
  readonly #options: DataPlanesOptions;
  readonly #threads: readonly { readonly thread: DataPlaneThread; readonly series: SharedSeries }[];
  /** Undefined before the launch. */
  #starts: readonly Promise<void>[] | undefined;
  /** Threads that were there before any that answers: V8's, which compile what has become hot. */
  #helpers: readonly number[] = [];
  #isClosed = false;
  #tellApplied = () => {};

  constructor(options: DataPlanesOptions) {
    const { settings, onLoop, onUpstream } = options;
    this.#options = options;
    const definitions = dataPlaneSeries(settings);
    this.definitions = definitions;
    const loopKey = randomBytes(LOOP_KEY_OCTETS);
    const roles = [...Array<"udp">(settings.threads).fill("udp"), "tcp" as const];
    this.#threads = roles.map((role, index) => {
      const series = new SharedSeries(definitions);
      const dataPlane: DataPlaneOptions = {
        role,
        listen: settings.listen,
        reusePort: role === "udp" && settings.threads > 1,
        loopKey,
        series: series.buffer,
        settings: this.#settingsOf(settings, role),
      };
      const thread = new DataPlaneThread({
        ...options,
        dataPlane,
        onApplied: () => this.#tellApplied(),
        onUpstream: (upstream, condition) => onUpstream(`${role} ${index}`, upstream, condition),
        onLoop: (upstream) => {
          onLoop(upstream);
          this.post({ kind: "loop", upstream });
        },
        onTold: (told) => {
          for (const other of this.#threads) if (other.thread !== thread) other.thread.post(told);
        },
      });
      return { thread, series };
    });
  }

  /** Resolves when the threads are coming up, which they do on their own, whatever this thread does meanwhile. */
  async launch(): Promise<void> {
    await this.#openSockets();
    this.#helpers = threadNumbers().filter((thread) => thread !== process.pid);
    this.#starts = this.#threads.map(({ thread }) => thread.start());
    // Told by `start`.
    for (const each of this.#starts) each.catch(() => {});
  }

  /** Resolves when every thread listens; of those that cannot the first one is told of. */
  async start(): Promise<void> {
    if (this.#starts === undefined) await this.launch();
    for (const each of this.#starts ?? []) await each;
  }

  /**
   * From here on the calling thread, those that it makes, and V8's wait for threads that answer, where processors are scarce.
   * Linux has a niceness for each thread, and takes none back: a data plane that is started again has it too.
   */
  giveWay(): void {
    if (process.platform !== "linux") return;
    yieldTo(process.pid, CONTROL_PLANE_NICENESS);
    for (const thread of this.#helpers) yieldTo(thread, HELPER_NICENESS);
  }

  /** Where UDP is served in batches: its sockets are made here, so that they outlive a thread. */
  async #openSockets(): Promise<void> {
    const { settings, logger } = this.#options;
    const choice = await chooseBackEnd(settings.udp).catch((error: unknown) => {
      if (!(error instanceof NativeUnavailableError)) throw error;
      throw new DataPlaneStartError(
        "ENOSYS",
        `cannot serve UDP in batches (setting udp): ${error.message}. Give --udp auto, which serves it otherwise then.`,
      );
    });
    if (choice.kind === "dgram") {
      const fields = { component: "dns.server", udp: "dgram", reason: choice.reason };
      logger.info(fields, "UDP is served by Node's dgram, one datagram at a time");
      return;
    }
    logger.info({ component: "dns.server", udp: "batch" }, "UDP is served in batches of system calls");
    for (const { thread } of this.#threads) {
      if (thread.role === "udp") thread.openSockets(choice.calls);
    }
  }

  post(message: ToDataPlane): void {
    for (const { thread } of this.#threads) thread.post(message);
  }

  updateSettings(settings: Settings): void {
    for (const { thread } of this.#threads)
      thread.post({ kind: "settings", settings: this.#settingsOf(settings, thread.role) });
  }

  /** Whether some thread has not wholly applied this version of the table. */
  isBehind(version: number): boolean {
    return this.#threads.some(({ thread }) => thread.appliedVersion < version);
  }

  /** Resolves when no thread is behind `version` (asked anew each time), or when it is closed. */
  async applied(version: () => number): Promise<void> {
    while (this.isBehind(version()) && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#tellApplied = resolve;
      });
    }
  }

  /** Those who wait for a start or a version wait no longer. */
  giveUp(): void {
    this.#isClosed = true;
    this.#tellApplied();
  }

  async close(): Promise<void> {
    this.giveUp();
    // One that still comes up could not be told to close.
    await Promise.allSettled(this.#starts ?? []);
    for (const { thread } of this.#threads.toReversed()) await thread.close();
  }

  series(): readonly SharedSeries[] {
    return this.#threads.map(({ series }) => series);
  }

  bound(): readonly BoundAddress[] {
    return this.#threads.flatMap(({ thread }) => thread.listening);
  }

  /** Where DNS is answered, `127.0.0.1:1053`, each address once. */
  listening(): readonly string[] {
    const texts = this.bound().map(({ address, port }) =>
      isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`,
    );
    return [...new Set(texts)];
  }

  #settingsOf(settings: Settings, role: DataPlaneOptions["role"]): DataPlaneSettings {
    return dataPlaneSettings(settings, this.#options.version, role === "udp" ? 1 / settings.threads : 1);
  }
}

/** A tenth of the weight of a thread that answers. */
const CONTROL_PLANE_NICENESS = 10;
/** A seventieth: there are several, and what they do can wait. */
const HELPER_NICENESS = 19;

function yieldTo(thread: number, niceness: number): void {
  try {
    setPriority(thread, niceness);
  } catch {
    // It has ended; or this is forbidden, and all share alike.
  }
}

/** Of this process, by the number that Linux knows them by; none where it does not tell. */
function threadNumbers(): readonly number[] {
  try {
    return readdirSync("/proc/self/task").map(Number);
  } catch {
    return [];
  }
}

/** For a digest that nobody guesses. */
const LOOP_KEY_OCTETS = 32;
