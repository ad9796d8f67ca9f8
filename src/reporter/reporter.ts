/**
 * Tells the owners of ServiceEntries what happens to their hosts: as Events and, where that is wanted, as the
 * status condition `Resolved`. All replicas take notes; the one that holds the lease writes.
 */

import type { WritingApiClient } from "../cluster/api-client.ts";
import { ApiWriter } from "../cluster/api-writes.ts";
import type { Lease } from "../cluster/lease.ts";
import type { WriteCounts } from "../cluster/metrics.ts";
import { pause } from "../cluster/pause.ts";
import { toWriteFault, type WriteFault } from "../cluster/write-fault.ts";
import type { MeshState } from "../mesh/mesh-store.ts";
import { objectKey, type ServiceEntry } from "../mesh/objects.ts";
import type { Problem } from "../mesh/problem.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Random } from "../runtime.ts";
import { ConditionWriter } from "./condition-writer.ts";
import { EntryStandings } from "./entry-standings.ts";
import { EventQueue } from "./event-queue.ts";
import {
  type ConditionChange,
  type Happening,
  happeningOfChange,
  happeningOfProblem,
  isOfEndpoints,
  NO_ADDRESSES,
} from "./event-reasons.ts";
import { EventWriter } from "./event-writer.ts";
import { ReporterCounts, type ReporterNumbers } from "./metrics.ts";

export interface ReporterOptions {
  /** Stays open when the reporter is closed. */
  readonly client: WritingApiClient;
  /** Is closed after the reporter. */
  readonly lease: Pick<Lease, "isHeld" | "hold" | "onChange">;
  /** Where the entries are found that the notes are about. */
  readonly store: MeshState;
  /** Whether the status condition is written too. */
  readonly conditions: boolean;
  /** Which replica this is. */
  readonly instance: string;
  readonly counts: WriteCounts;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class Reporter implements Closeable {
  readonly #options: ReporterOptions;
  readonly #counts = new ReporterCounts();
  readonly #events = new EventQueue();
  readonly #standings = new EntryStandings();
  readonly #eventWriter: EventWriter;
  readonly #conditionWriter: ConditionWriter;
  readonly #closing = new AbortController();
  #ofHold: { readonly hold: AbortSignal; readonly signal: AbortSignal } | undefined;
  #running: Promise<void> | undefined;
  #wake = new AbortController();
  /** Entries with a host that were there before the start, and of which it is not known yet how they are doing. */
  readonly #early = new Set<string>();
  /** Entries whose conditions may have been left by another replica were not looked at in this hold. */
  #isSweepDue = true;
  #eventsNotBeforeMs: MonotonicMs = Number.NEGATIVE_INFINITY;
  #conditionsNotBeforeMs: MonotonicMs = Number.NEGATIVE_INFINITY;

  constructor(options: ReporterOptions) {
    const { client, lease, clock, random, counts, instance } = options;
    this.#options = options;
    const writer = new ApiWriter({ client, clock, random, counts, rate: RATE });
    this.#eventWriter = new EventWriter(writer, clock, instance);
    const wanted = (key: string) => this.#standings.wanted(key);
    this.#conditionWriter = new ConditionWriter({ client, writer, clock, wanted });
    lease.onChange((isHeld) => {
      this.#isSweepDue = isHeld;
      if (isHeld) this.#events.forgetBefore(clock.nowMs() - HANDOVER_MS);
      this.#wakeUp();
    });
  }

  /**
   * Begins to write. To be called when what was there at first is compiled: of such hosts it is no news that they
   * have addresses.
   */
  start(): void {
    this.#running ??= this.#run();
  }

  noteCondition(change: ConditionChange): void {
    const { host, object, before, after } = change;
    const key = objectKey(object);
    const claim = `${key} ${host}`;
    const entry = this.#options.store.all("ServiceEntry").get(key);
    if (this.#options.conditions) this.#noteStanding(change, entry);
    if (before === undefined && after === "pending" && this.#running === undefined) this.#early.add(claim);
    const isEarly =
      (before === undefined && this.#running === undefined) ||
      (before === "pending" && this.#early.has(claim));
    if (after !== "pending") this.#early.delete(claim);
    if (entry === undefined || (after === "ok" && isEarly)) return;
    this.#noteHappening(happeningOfChange(change, entry));
  }

  noteProblem(problem: Problem): void {
    this.#noteHappening(happeningOfProblem(problem));
  }

  /** For `registerReporterMetrics`. */
  numbers(): ReporterNumbers {
    return { counts: this.#counts, waiting: this.#events.size, dropped: this.#events.dropped };
  }

  /** What still waits is not written any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wakeUp();
    await this.#running;
  }

  #noteHappening(happening: Happening | undefined): void {
    if (happening === undefined || this.#closing.signal.aborted) return;
    const { clock, lease } = this.#options;
    const nowMs = clock.nowMs();
    if (!lease.isHeld) this.#events.forgetBefore(nowMs - HANDOVER_MS);
    this.#events.note(happening, nowMs);
    this.#wakeUp();
  }

  #noteStanding(
    { host, object, after, reason, error }: ConditionChange,
    entry: ServiceEntry | undefined,
  ): void {
    const nowMs = this.#options.clock.nowMs();
    const standing =
      after === undefined || entry === undefined
        ? undefined
        : {
            condition: after,
            reason: reason === "" ? (error?.message ?? NO_ADDRESSES) : reason,
            isOfEndpoints: isOfEndpoints(reason, error, entry),
          };
    this.#standings.note(object, host, standing, nowMs);
    this.#wakeUp();
  }

  async #run(): Promise<void> {
    const { clock, lease } = this.#options;
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController();
      if (lease.isHeld && (await this.#work())) continue;
      if (!this.#closing.signal.aborted) await pause(clock, this.#restMs(clock.nowMs()), this.#wake.signal);
    }
  }

  #wakeUp(): void {
    this.#wake.abort();
  }

  /** How long there is nothing to do, if nothing comes. */
  #restMs(nowMs: MonotonicMs): number {
    const { lease, conditions } = this.#options;
    if (!lease.isHeld) return MOST_REST_MS;
    const eventMs = Math.max(this.#events.nextAtMs, this.#eventsNotBeforeMs);
    const standingMs = this.#isSweepDue ? nowMs : this.#standings.nextAtMs;
    const conditionMs = conditions
      ? Math.max(standingMs, this.#conditionsNotBeforeMs)
      : Number.POSITIVE_INFINITY;
    return Math.min(Math.max(Math.min(eventMs, conditionMs) - nowMs, 0), MOST_REST_MS);
  }

  /** Writes one thing; returns whether there was one to write. */
  async #work(): Promise<boolean> {
    const nowMs = this.#options.clock.nowMs();
    const signal = this.#signal();
    const hasEvent = nowMs >= this.#eventsNotBeforeMs && (await this.#writeEvent(nowMs, signal));
    const hasCondition =
      this.#options.conditions &&
      nowMs >= this.#conditionsNotBeforeMs &&
      (await this.#writeCondition(nowMs, signal));
    return hasEvent || hasCondition;
  }

  /** Aborted when the present hold ends, or when we close. */
  #signal(): AbortSignal {
    const { hold } = this.#options.lease;
    if (this.#ofHold?.hold !== hold)
      this.#ofHold = { hold, signal: AbortSignal.any([hold, this.#closing.signal]) };
    return this.#ofHold.signal;
  }

  async #writeEvent(nowMs: MonotonicMs, signal: AbortSignal): Promise<boolean> {
    const event = this.#events.take(nowMs);
    if (event === undefined) return false;
    const { store, clock } = this.#options;
    const entry = store.all("ServiceEntry").get(objectKey(event.object));
    // Deleted meanwhile, or so wrong that it counts as absent: there is nothing to attach it to.
    if (entry === undefined) return true;
    try {
      await this.#eventWriter.write(event, entry, signal);
      this.#counts.events[event.reason] += 1;
      this.#events.noteWritten(event, clock.nowMs());
    } catch (error) {
      const fault = toWriteFault(error);
      const delayMs = this.#delayAfter(fault, "events");
      if (delayMs === undefined) this.#counts.refused += 1;
      else {
        this.#eventsNotBeforeMs = clock.nowMs() + delayMs;
        this.#events.putBack(event, this.#eventsNotBeforeMs);
      }
    }
    return true;
  }

  async #writeCondition(nowMs: MonotonicMs, signal: AbortSignal): Promise<boolean> {
    const { store, clock } = this.#options;
    if (this.#isSweepDue) {
      try {
        for (const ref of await this.#conditionWriter.differing(signal))
          this.#standings.demand(ref, nowMs, 0);
        this.#isSweepDue = false;
      } catch (error) {
        const delayMs = this.#delayAfter(toWriteFault(error), "conditions") ?? RETRY_MS;
        this.#conditionsNotBeforeMs = clock.nowMs() + delayMs;
      }
      return true;
    }
    const due = this.#standings.take(nowMs);
    if (due === undefined) return false;
    const entry = store.all("ServiceEntry").get(due.key);
    if (entry === undefined) {
      this.#standings.forget(due.key);
      return true;
    }
    try {
      if (await this.#conditionWriter.write(due.ref, entry.uid, signal)) this.#counts.conditions += 1;
    } catch (error) {
      const delayMs = this.#delayAfter(toWriteFault(error), "conditions");
      if (delayMs === undefined) return true;
      this.#conditionsNotBeforeMs = clock.nowMs() + delayMs;
      this.#standings.demand(due.ref, clock.nowMs(), delayMs);
    }
    return true;
  }

  /** How long the writes of this sort rest after a fault; undefined: it concerns this one alone, which is given up. */
  #delayAfter(fault: WriteFault, what: "events" | "conditions"): number | undefined {
    const { code, message } = fault;
    if (code === "aborted") return 0;
    const fields = { component: COMPONENT, what, code, reason: message };
    if (code === "denied") {
      const rest = { retrySeconds: DENIED_RETRY_MS / 1000, remedy: DENIED_REMEDIES[what] };
      this.#options.logger.warn({ ...fields, ...rest }, `the role does not allow to write ${what}`);
      return DENIED_RETRY_MS;
    }
    this.#options.logger.info(
      fields,
      `${what} could not be written${fault.isTransient ? "; they are tried again" : ""}`,
    );
    if (code === "guard" || code === "conflict") return what === "conditions" ? 0 : undefined;
    return fault.isTransient ? RETRY_MS : undefined;
  }
}

const COMPONENT = "dns.reporter";
const DENIED_REMEDIES = {
  events: "Apply manifests/base again, whose ClusterRole allows it, or set reporter to false.",
  conditions: "Apply manifests/components/status-conditions, or set conditions to false.",
} as const;
/** What a controller usually allows itself. */
const RATE = { perSecond: 20, burst: 50 };
/** What happens while nobody holds the lease is written by whoever has it next. */
const HANDOVER_MS = 20_000;
const RETRY_MS = 30_000;
const DENIED_RETRY_MS = 60_000;
const MOST_REST_MS = 60_000;
