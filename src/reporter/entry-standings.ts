/** How the hosts of each entry are doing, and which entries' conditions are due to be looked at. No API, no timers. */

import { type ObjectKey, type ObjectRef, objectKey } from "../mesh/objects.ts";
import type { MonotonicMs } from "../runtime.ts";
import { type HostStanding, type ResolvedCondition, resolvedCondition } from "./resolved-condition.ts";

export class EntryStandings {
  readonly #hosts = new Map<ObjectKey, Map<string, HostStanding>>();
  readonly #due = new Map<ObjectKey, DueEntry>();
  readonly #lookedAtMs = new Map<ObjectKey, MonotonicMs>();

  /** `standing` undefined: the entry answers the host no more. */
  note(ref: ObjectRef, host: string, standing: HostStanding | undefined, nowMs: MonotonicMs): void {
    const key = objectKey(ref);
    const hosts = this.#hosts.get(key) ?? new Map<string, HostStanding>();
    if (standing === undefined) hosts.delete(host);
    else hosts.set(host, standing);
    if (hosts.size > 0) this.#hosts.set(key, hosts);
    else this.#hosts.delete(key);
    this.demand(ref, nowMs);
  }

  /** What the entry's condition should say now; undefined: it should have none. */
  wanted(key: ObjectKey): ResolvedCondition | undefined {
    return resolvedCondition(this.#hosts.get(key) ?? NO_HOSTS);
  }

  /** The entry is to be looked at, soon: what changes in one moment is written once. */
  demand(ref: ObjectRef, nowMs: MonotonicMs, delayMs = SETTLE_MS): void {
    const key = objectKey(ref);
    if (this.#due.has(key)) return;
    const againAtMs = (this.#lookedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) + APART_MS;
    this.#due.set(key, { ref, key, atMs: Math.max(nowMs + delayMs, againAtMs) });
  }

  /** Takes out one that is due. */
  take(nowMs: MonotonicMs): DueEntry | undefined {
    for (const due of this.#due.values()) {
      if (due.atMs > nowMs) continue;
      this.#due.delete(due.key);
      this.#lookedAtMs.set(due.key, nowMs);
      return due;
    }
    return undefined;
  }

  /** Infinity: none is due. */
  get nextAtMs(): MonotonicMs {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.#due.values()) nextMs = Math.min(nextMs, atMs);
    return nextMs;
  }

  /** The entry is no more. */
  forget(key: ObjectKey): void {
    this.#hosts.delete(key);
    this.#due.delete(key);
    this.#lookedAtMs.delete(key);
  }

  /** Nothing is due any more: another replica looks. */
  rest(): void {
    this.#due.clear();
  }
}

export interface DueEntry {
  readonly ref: ObjectRef;
  readonly key: ObjectKey;
  readonly atMs: MonotonicMs;
}

const NO_HOSTS: ReadonlyMap<string, HostStanding> = new Map();
const SETTLE_MS = 1000;
const APART_MS = 5000;
