/**
 * Which of several replicas writes: the one that holds a Lease object. A holder that cannot renew it stops by its
 * own clock before any other may take over by its own; nobody compares a time of another machine's clock.
 *
 *   holder       renews every 2.0-2.4 s; holds for 10 s from the moment when it sent the last renewal that succeeded
 *   candidates   look every 2.0-2.4 s; take over 12.5 s after they first saw the last renewal, so at most 15 s
 *                after a holder vanished, and never within 2.5 s of the moment when it stopped
 */

import type { Clock, Closeable, Logger, MonotonicMs, Random, Timer } from "../runtime.ts";
import type { ApiCall, WritingApiClient } from "./api-client.ts";
import { objectPath } from "./api-writes.ts";
import { exchange, type StoredObject } from "./exchange.ts";
import { LEASE_RESOURCE, type LeaseRecord, leaseObject, microTime, readLease } from "./lease-record.ts";
import { pause } from "./pause.ts";
import { toWriteFault, WriteFault, type WriteFaultReason } from "./write-fault.ts";

export interface LeaseOptions {
  readonly client: WritingApiClient;
  readonly namespace: string;
  readonly name: string;
  /** Unlike that of any other candidate, and of this one before it was restarted. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whoever writes under the lease is closed before it, so that nothing of ours is on its way when it is released. */
export class Lease implements Closeable {
  readonly #options: LeaseOptions;
  readonly #closing = new AbortController();
  readonly #listeners: ((isHeld: boolean) => void)[] = [];
  #running: Promise<void> | undefined;
  /** Aborted while there is no hold. */
  #hold = AbortSignal.abort() as AbortSignal;
  #endHold = () => {};
  #heldUntilMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  #expiry: Timer | undefined;
  /** As last read or written; undefined: to be read. */
  #stored: StoredObject | undefined;
  #observed: Observed | undefined;
  /** Why the last look failed, and since when they do; each reason is logged when it begins. */
  #fault: { code: WriteFaultReason; readonly sinceWallMs: number; isLogged: boolean } | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** By the clock, so right even where a timer is late: to be asked before each write. */
  get isHeld(): boolean {
    return !this.#hold.aborted && this.#options.clock.nowMs() < this.#heldUntilMs;
  }

  /** Aborted when the present hold ends, and while there is none: the signal for every write. */
  get hold(): AbortSignal {
    return this.#hold;
  }

  /** Who holds it, as far as known; "": nobody. */
  get holder(): string {
    return this.#observed?.record.holder ?? "";
  }

  /** Called when the hold begins or ends. */
  onChange(listener: (isHeld: boolean) => void): void {
    this.#listeners.push(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the hold and releases the lease, so that another replica need not wait for its end. */
  async close(): Promise<void> {
    const wasHeld = this.isHeld;
    this.#lose("closing");
    this.#closing.abort();
    await this.#running;
    if (wasHeld) await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const delayMs = await this.#step();
      if (delayMs > 0) await pause(this.#options.clock, delayMs, signal);
    }
  }

  /** One look or renewal; milliseconds to wait before the next. */
  async #step(): Promise<number> {
    const { clock, random } = this.#options;
    let leastMs = 0;
    try {
      await (this.isHeld ? this.#renew() : this.#look());
      this.#noteReached();
    } catch (error) {
      if (this.#closing.signal.aborted) return 0;
      const fault = toWriteFault(error);
      this.#noteFault(fault);
      // Somebody else wrote: a holder must know at once who that was.
      if (this.isHeld && (fault.code === "conflict" || fault.code === "exists")) return 0;
      const isHopeless = fault.code === "denied" && !this.isHeld;
      leastMs = Math.max(fault.retryAfterMs ?? 0, isHopeless ? DENIED_RETRY_MS : 0);
    }
    const delayMs = LOOK_MS * (1 + LOOK_SPREAD * random.fraction());
    const untilFreeMs = this.isHeld ? 0 : this.#freeAtMs() - clock.nowMs();
    return Math.max(leastMs, untilFreeMs > 0 ? Math.min(delayMs, untilFreeMs) : delayMs);
  }

  async #renew(): Promise<void> {
    const record = this.#observed?.record;
    if (record === undefined || this.#stored === undefined) return await this.#look();
    try {
      await this.#write({ ...record, renewTime: this.#now() });
    } catch (error) {
      const { code } = toWriteFault(error);
      if (code !== "conflict" && code !== "missing") throw error;
      await this.#look();
    }
  }

  /** Reads the lease, and takes it if it is ours or free. */
  async #look(): Promise<void> {
    const stored = await this.#read(this.#closing.signal);
    if (stored !== undefined) this.#observe(stored);
    this.#stored = stored;
    const { identity, clock } = this.#options;
    const record = this.#observed?.record;
    const holder = record?.holder ?? "";
    if (holder !== "" && holder !== identity) {
      this.#lose(`held by ${holder}`);
      // One that was deleted is not free before its holder must have stopped.
      if (clock.nowMs() < this.#freeAtMs()) return;
    }
    const nowText = this.#now();
    await this.#write({
      holder: identity,
      durationSeconds: LEASE_SECONDS,
      transitions: (record?.transitions ?? 0) + (holder === identity || record === undefined ? 0 : 1),
      acquireTime: (holder === identity && record?.acquireTime) || nowText,
      renewTime: nowText,
    });
  }

  /** When a lease that somebody else holds may be taken. */
  #freeAtMs(): MonotonicMs {
    if (this.#observed === undefined) return Number.NEGATIVE_INFINITY;
    const { record, sinceMs } = this.#observed;
    // Who wrote a shorter duration than ours may still be one of us, half released.
    return sinceMs + Math.max(record.durationSeconds, LEASE_SECONDS) * 1000 - LOOK_ALLOWANCE_MS;
  }

  /** Counts from the moment of sending: nobody can have seen it earlier. */
  async #write(record: LeaseRecord): Promise<void> {
    const { clock, namespace, name } = this.#options;
    const sentAtMs = clock.nowMs();
    const stored = this.#stored;
    const body = leaseObject(namespace, name, record, stored);
    const call: ApiCall =
      stored === undefined
        ? { method: "POST", path: objectPath(LEASE_RESOURCE, namespace), body: json(body) }
        : { method: "PUT", path: this.#path, body: json(body) };
    try {
      this.#stored = await this.#exchange(call, this.#closing.signal);
    } catch (error) {
      // Whatever became of it, what we know of the lease may be out of date.
      this.#stored = undefined;
      throw error;
    }
    if (this.#closing.signal.aborted) return;
    this.#observed = { record, text: JSON.stringify(record), sinceMs: sentAtMs };
    this.#extend(sentAtMs + HOLD_MS);
  }

  async #read(signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      return await this.#exchange({ method: "GET", path: this.#path }, signal);
    } catch (error) {
      if (toWriteFault(error).code === "missing") return undefined;
      throw error;
    }
  }

  /** The time of a record is that of the look that first saw it. */
  #observe(stored: StoredObject): void {
    const record = readLease(stored);
    const text = JSON.stringify(record);
    if (this.#observed?.text === text) return;
    if (record.holder !== this.holder && record.holder !== "")
      this.#options.logger.info({ ...this.#fields, holder: record.holder }, "the lease has a new holder");
    this.#observed = { record, text, sinceMs: this.#options.clock.nowMs() };
  }

  #extend(untilMs: MonotonicMs): void {
    const { clock, logger } = this.#options;
    const restMs = untilMs - clock.nowMs();
    if (restMs <= 0) return;
    this.#heldUntilMs = untilMs;
    this.#expiry?.cancel();
    this.#expiry = clock.setTimer(restMs, () => this.#lose(NOT_RENEWED));
    if (!this.#hold.aborted) return;
    const controller = new AbortController();
    this.#hold = controller.signal;
    this.#endHold = () => controller.abort();
    logger.info(this.#fields, "lease acquired: this replica writes");
    this.#tell(true);
  }

  #lose(reason: string): void {
    this.#expiry?.cancel();
    this.#expiry = undefined;
    if (this.#hold.aborted) return;
    this.#heldUntilMs = Number.NEGATIVE_INFINITY;
    this.#endHold();
    const { logger } = this.#options;
    const what = "lease given up: this replica writes no longer";
    if (reason !== NOT_RENEWED) logger.info({ ...this.#fields, reason }, what);
    else {
      const remedy =
        "See the lines before this one. Another replica takes over in 5 s if it reaches the API server.";
      logger.warn({ ...this.#fields, reason, remedy }, what);
    }
    this.#tell(false);
  }

  #tell(isHeld: boolean): void {
    for (const listener of this.#listeners) listener(isHeld);
  }

  /** Best effort: whoever does not see it takes over a little later. */
  async #release(): Promise<void> {
    const { clock } = this.#options;
    const end = new AbortController();
    const timer = clock.setTimer(RELEASE_MS, () => end.abort());
    try {
      const stored = await this.#read(end.signal);
      if (stored === undefined) return;
      const record = readLease(stored);
      if (record.holder !== this.#options.identity) return;
      const free = { ...record, holder: "", durationSeconds: 1, renewTime: this.#now() };
      const body = json(leaseObject(this.#options.namespace, this.#options.name, free, stored));
      await this.#exchange({ method: "PUT", path: this.#path, body }, end.signal);
    } catch (error) {
      const { message } = toWriteFault(error);
      this.#options.logger.info(
        { ...this.#fields, reason: message },
        "the lease could not be released: another replica takes over in 15 s",
      );
    } finally {
      timer.cancel();
    }
  }

  async #exchange(call: ApiCall, signal: AbortSignal): Promise<StoredObject> {
    const { client, clock } = this.#options;
    const object = await exchange({ client, clock, mostSilenceMs: MOST_SILENCE_MS }, call, signal);
    if (object === undefined) throw new WriteFault("broken", "the answer is no Lease");
    return object;
  }

  #noteFault({ code, message }: WriteFault): void {
    const { logger, clock } = this.#options;
    if (code === this.#fault?.code) return;
    this.#fault ??= { code, sinceWallMs: clock.wallMs(), isLogged: false };
    this.#fault.code = code;
    // Two candidates went for it at once, and the other one has it.
    if (code === "conflict" || code === "exists") return;
    this.#fault.isLogged = true;
    const since = new Date(this.#fault.sinceWallMs).toISOString();
    const remedy = code === "denied" ? DENIED_REMEDY : UNREACHED_REMEDY;
    const what = this.isHeld
      ? `the lease could not be renewed: this replica writes for at most ${HOLD_MS / 1000} s more`
      : "the lease could not be read or taken: this replica writes nothing";
    logger.warn({ ...this.#fields, code, reason: message, since, remedy }, what);
  }

  #noteReached(): void {
    const fault = this.#fault;
    this.#fault = undefined;
    if (!fault?.isLogged) return;
    const { logger, clock } = this.#options;
    const failedSeconds = Math.round((clock.wallMs() - fault.sinceWallMs) / 1000);
    logger.info({ ...this.#fields, holder: this.holder, failedSeconds }, "the lease can be read again");
  }

  get #path(): string {
    return objectPath(LEASE_RESOURCE, this.#options.namespace, this.#options.name);
  }

  get #fields() {
    const { namespace, name } = this.#options;
    return { component: "dns.lease", lease: `${namespace}/${name}` };
  }

  #now(): string {
    return microTime(this.#options.clock.wallMs());
  }
}

interface Observed {
  readonly record: LeaseRecord;
  readonly text: string;
  readonly sinceMs: MonotonicMs;
}

const NOT_RENEWED = "it could not be renewed";
const DENIED_REMEDY =
  "Apply manifests/base again: its Role for the Lease is missing or was changed. Answers do not need it.";
const UNREACHED_REMEDY =
  "Look at the API server and the way to it. Answers do not need the Lease; Events and published hosts do.";

const LEASE_SECONDS = 15;
const HOLD_MS = 10_000;
const LOOK_MS = 2000;
const LOOK_SPREAD = 0.2;
/** A renewal is seen up to one look after it was written: by so much less a candidate waits. */
const LOOK_ALLOWANCE_MS = 2500;
/** An API server that has just started denies for some seconds what it allows later. */
const DENIED_RETRY_MS = 10_000;
const RELEASE_MS = 3000;
/** So that one silent call leaves time for another before the hold ends. */
const MOST_SILENCE_MS = 4000;

function json(value: unknown): { readonly mediaType: string; readonly text: string } {
  return { mediaType: "application/json", text: JSON.stringify(value) };
}
