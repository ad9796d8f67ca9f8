/**
 * The last good objects and resolutions on disk, so that a program that starts while the API server is away
 * answers what it answered before. Written beside the work and never awaited by it.
 */

import { join } from "node:path";
import type { MeshStore } from "../mesh/mesh-store.ts";
import type { KeptName } from "../mesh/resolution.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Timer } from "../runtime.ts";
import { errorCode, reasonOf } from "./folder-listing.ts";
import { prepareFolder, readSnapshot, SNAPSHOT_FILE, writeSnapshot } from "./snapshot-file.ts";
import { keptObjects, restoreObjects } from "./snapshot-objects.ts";

export interface SnapshotOptions {
  readonly folder: string;
  /** Of the program. */
  readonly version: string;
  readonly store: MeshStore;
  /** What is known of the names that are resolved. */
  readonly names: () => readonly KeptName[];
  /** Whether the store is in step with the API server now. */
  readonly isConfirmed: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Changes within this time after a write go into the next one; default 10 s. */
  readonly apartMs?: number;
}

export class Snapshot implements Closeable {
  readonly #options: SnapshotOptions;
  /** Of the state on disk, when it was last in step with the API server; undefined: there is none. */
  #confirmedAtMs: number | undefined;
  #writtenAtMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  /** How long the last write took. */
  #tookMs = 0;
  #timer: Timer | undefined;
  #timerAtMs: MonotonicMs = Number.POSITIVE_INFINITY;
  #writing: Promise<void> | undefined;
  #isChangedMeanwhile = false;
  /** "starting": nothing is written yet. */
  #phase: "starting" | "on" | "off" = "starting";
  /** What went wrong last, which is said once. */
  #fault: string | undefined;

  constructor(options: SnapshotOptions) {
    this.#options = options;
    options.store.onChange(() => this.noteChange());
  }

  /** Seconds since the state on disk was in step with the API server; undefined: there is none. */
  get ageSeconds(): number | undefined {
    if (this.#confirmedAtMs === undefined) return undefined;
    return Math.max(0, (this.#options.clock.wallMs() - this.#confirmedAtMs) / 1000);
  }

  /**
   * Puts what is on disk in force: first the names, by `recall`, then the objects. Returns whether there was
   * anything. To be called before the source starts: its first list of each kind replaces what this brought.
   */
  restore(recall: (names: readonly KeptName[]) => void): boolean {
    const { folder, version, store, clock, logger } = this.#options;
    const read = readSnapshot(folder, version, clock.wallMs());
    if (read.kind === "none") return false;
    if (read.kind === "refused") {
      const { reason, remedy } = read;
      logger.warn({ ...this.#fields, remedy }, `the snapshot ${reason}: it is not used`);
      return false;
    }
    const { confirmedAtMs, names, objects } = read.content;
    this.#confirmedAtMs = confirmedAtMs;
    recall(names);
    restoreObjects(objects, store, clock.nowMs());
    const ageSeconds = Math.round(this.ageSeconds ?? 0);
    logger.info(
      { ...this.#fields, objects: objects.length, names: names.length, ageSeconds },
      "answering from the snapshot until the API server's first list",
    );
    return true;
  }

  /** Begins to write. Where that is not possible, says so and stays off; never rejects. */
  async start(): Promise<void> {
    try {
      await prepareFolder(this.#options.folder);
      this.#phase = "on";
      this.noteChange();
    } catch (error) {
      this.#turnOff(error);
    }
  }

  /** What is to be kept is another now. The store's changes need not be told. */
  noteChange(): void {
    const { apartMs = APART_MS, clock } = this.#options;
    const restMs = Math.max(apartMs, Math.min(this.#tookMs * REST_FACTOR, AGAIN_MS));
    this.#writeAt(Math.max(this.#writtenAtMs + restMs, clock.nowMs() + SETTLE_MS));
  }

  /** Writes a last time. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    if (this.#phase === "on") await this.#write();
    this.#phase = "off";
    this.#timer?.cancel();
  }

  #writeAt(atMs: MonotonicMs): void {
    if (this.#phase !== "on" || this.#timerAtMs <= atMs) return;
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.setTimer(atMs - clock.nowMs(), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      if (this.#writing === undefined) this.#writing = this.#writeAndGoOn();
      else this.#isChangedMeanwhile = true;
    });
  }

  async #writeAndGoOn(): Promise<void> {
    await this.#write();
    this.#writing = undefined;
    // Unchanged it is written again now and then: its age is that of the last look.
    this.#writeAt(this.#options.clock.nowMs() + AGAIN_MS);
    if (this.#isChangedMeanwhile) this.noteChange();
    this.#isChangedMeanwhile = false;
  }

  async #write(): Promise<void> {
    const { folder, version, store, names, isConfirmed, clock, logger } = this.#options;
    const startMs = clock.nowMs();
    const confirmedAtMs = isConfirmed() ? clock.wallMs() : this.#confirmedAtMs;
    // Before the first lists are through there is nothing that is worth keeping.
    if (confirmedAtMs === undefined) return;
    const objects = keptObjects(store);
    try {
      const octets = await writeSnapshot(folder, version, { confirmedAtMs, objects, names: names() });
      this.#confirmedAtMs = confirmedAtMs;
      this.#fault = undefined;
      this.#tookMs = Math.round(clock.nowMs() - startMs);
      const milliseconds = this.#tookMs;
      logger.debug({ ...this.#fields, objects: objects.length, octets, milliseconds }, "snapshot written");
    } catch (error) {
      if (HOPELESS.has(String(errorCode(error)))) this.#turnOff(error);
      else this.#noteFault(reasonOf(error), "the snapshot could not be written and is tried again");
    }
    this.#writtenAtMs = clock.nowMs();
  }

  #turnOff(error: unknown): void {
    this.#phase = "off";
    const remedy = `Mount a volume that can be written at ${this.#options.folder}, or set snapshot to off.`;
    this.#options.logger.warn({ ...this.#fields, reason: reasonOf(error), remedy }, "snapshots are off");
  }

  #noteFault(reason: string, message: string): void {
    if (reason === this.#fault) return;
    this.#fault = reason;
    this.#options.logger.warn({ ...this.#fields, reason }, message);
  }

  get #fields() {
    return { component: "dns.watch", file: join(this.#options.folder, SNAPSHOT_FILE) };
  }
}

const APART_MS = 10_000;
/** What changes together is written together. */
const SETTLE_MS = 1000;
/** Of the time at most a fiftieth is spent with writing, however much there is. */
const REST_FACTOR = 50;
/** As old may the expiry of addresses and the age be, where nothing else changes. */
const AGAIN_MS = 300_000;
/** Nothing that passes by itself. */
const HOPELESS: ReadonlySet<string> = new Set(["EROFS", "EACCES", "EPERM", "ENOTDIR"]);
