/**
 * What waits to be written as Events: one per object and reason, with all that happened meanwhile in it; bounded,
 * the oldest goes first. Knows no timers and no API.
 */

import { objectKey } from "../mesh/objects.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { Happening } from "./event-reasons.ts";

export interface WaitingEvent extends Pick<Happening, "object" | "reason"> {
  readonly key: string;
  /** What was said, each once, the newest last. */
  readonly messages: readonly string[];
  /** How often it happened since the last write. */
  readonly count: number;
  readonly firstAtMs: MonotonicMs;
  readonly notBeforeMs: MonotonicMs;
}

export class EventQueue {
  readonly #waiting = new Map<string, WaitingEvent>();
  /** When each was last written, the latest last. */
  readonly #written = new Map<string, MonotonicMs>();
  #dropped = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** How many were lost because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  note({ object, reason, message }: Happening, nowMs: MonotonicMs): void {
    const key = `${objectKey(object)} ${reason}`;
    const known = this.#waiting.get(key);
    const messages = [...(known?.messages ?? []).filter((each) => each !== message), message];
    this.#put({
      key,
      object,
      reason,
      messages: messages.slice(-MOST_MESSAGES),
      count: (known?.count ?? 0) + 1,
      firstAtMs: known?.firstAtMs ?? nowMs,
      notBeforeMs: known?.notBeforeMs ?? (this.#written.get(key) ?? Number.NEGATIVE_INFINITY) + APART_MS,
    });
  }

  /** Takes out the oldest that may be written now. */
  take(nowMs: MonotonicMs): WaitingEvent | undefined {
    for (const event of this.#waiting.values()) {
      if (event.notBeforeMs > nowMs) continue;
      this.#waiting.delete(event.key);
      return event;
    }
    return undefined;
  }

  /** When the next may be written; Infinity: none waits. */
  get nextAtMs(): MonotonicMs {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { notBeforeMs } of this.#waiting.values()) nextMs = Math.min(nextMs, notBeforeMs);
    return nextMs;
  }

  noteWritten({ key }: WaitingEvent, nowMs: MonotonicMs): void {
    this.#written.delete(key);
    this.#written.set(key, nowMs);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) this.#waiting.set(key, { ...waiting, notBeforeMs: nowMs + APART_MS });
    if (this.#written.size <= MOST_WRITTEN) return;
    for (const oldest of this.#written.keys()) {
      this.#written.delete(oldest);
      return;
    }
  }

  /** It could not be written, and waits again; what happened meanwhile is put together with it. */
  putBack(event: WaitingEvent, notBeforeMs: MonotonicMs): void {
    const since = this.#waiting.get(event.key);
    const messages = [
      ...event.messages.filter((each) => !since?.messages.includes(each)),
      ...(since?.messages ?? []),
    ];
    this.#put({
      ...event,
      messages: messages.slice(-MOST_MESSAGES),
      count: event.count + (since?.count ?? 0),
      notBeforeMs,
    });
  }

  /** Forgets what began before that moment: another replica wrote it. */
  forgetBefore(atMs: MonotonicMs): void {
    for (const { key, firstAtMs } of this.#waiting.values()) {
      if (firstAtMs >= atMs) return;
      this.#waiting.delete(key);
    }
  }

  #put(event: WaitingEvent): void {
    this.#waiting.set(event.key, event);
    if (this.#waiting.size <= MOST_WAITING) return;
    for (const oldest of this.#waiting.keys()) {
      this.#waiting.delete(oldest);
      this.#dropped += 1;
      return;
    }
  }
}

/** Of one object and reason. */
const APART_MS = 60_000;
/** At twenty a second that is nearly a minute of writing. */
const MOST_WAITING = 1000;
/** Beyond this some reason may be written twice a minute. */
const MOST_WRITTEN = 10_000;
/** One Event has room for about so many sentences. */
const MOST_MESSAGES = 3;
