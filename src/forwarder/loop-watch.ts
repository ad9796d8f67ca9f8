/**
 * Watches for upstreams that hand our queries back to us: asks each a name of our own now and then, and takes it
 * for a loop when that question arrives here. Such an upstream is not asked until a while after the last arrival.
 */

import type { Clock, MonotonicMs, Timer } from "../runtime.ts";
import type { Query } from "../wire/query.ts";
import type { InFlight } from "./in-flight.ts";
import { LoopNames } from "./loop-names.ts";
import type { Upstream } from "./upstream.ts";
import { socketAddressText } from "./upstream-sockets.ts";
import type { Upstreams } from "./upstreams.ts";

/** The listeners are open by then. */
const FIRST_PROBE_AFTER_MS = 200;
const PROBE_INTERVAL_MS = 60_000;
/** How soon an upstream is asked that is new, or lives again. */
const LOOK_INTERVAL_MS = 1_000;
/** The next probe has had its time to come back. */
export const LOOP_HEALS_AFTER_MS = PROBE_INTERVAL_MS + 6_000;
/** One probe may arrive several times: it was sent again, or the upstream asks more than one of us. */
const SAME_ARRIVAL_MS = 1_000;

export interface LoopProbeOptions {
  /** The same in all threads of the process, and in no other process. */
  readonly key: Uint8Array;
  /** One thread asks for all. */
  readonly isAsker: boolean;
  /** A probe has come back; the other threads must be told (`noteLoop`). `upstream`: as text. */
  readonly onLoop: (upstream: string) => void;
}

export interface LoopWatchParts {
  readonly clock: Clock;
  readonly upstreams: Upstreams;
  readonly inFlight: InFlight;
  /** Wire octets. */
  readonly clusterDomain: Uint8Array;
  /** Upstreams of cluster names ask us first, and may hand those names to us. */
  readonly clusterMayAskUs: () => boolean;
}

export class LoopWatch {
  readonly #options: LoopProbeOptions;
  readonly #parts: LoopWatchParts;
  readonly #healing = new Map<Upstream, { readonly timer: Timer; readonly sinceMs: number }>();
  readonly #askedAtMs = new WeakMap<Upstream, MonotonicMs>();
  #names: LoopNames;
  #lookTimer: Timer | null = null;

  constructor(options: LoopProbeOptions, parts: LoopWatchParts) {
    this.#options = options;
    this.#parts = parts;
    this.#names = new LoopNames(options.key, parts.clusterDomain);
    if (options.isAsker) this.#lookAfter(FIRST_PROBE_AFTER_MS);
  }

  set clusterDomain(octets: Uint8Array) {
    this.#names = new LoopNames(this.#options.key, octets);
  }

  /** Whether it is a probe, of whomever. */
  isProbe(query: Query): boolean {
    return this.#names.isProbe(query);
  }

  /** A probe has arrived; whether it is ours, which is not to be passed on. */
  takesBack(query: Query): boolean {
    const { clock, upstreams } = this.#parts;
    const origin = this.#names.origin(query, upstreams.texts(), clock.nowMs());
    if (origin === null) return false;
    if (this.note(origin)) this.#options.onLoop(origin);
    return true;
  }

  /** The upstream hands queries back; whether that is news. */
  note(text: string): boolean {
    const { clock, upstreams } = this.#parts;
    const upstream = upstreams.find(text);
    if (upstream === undefined) return false;
    const before = this.#healing.get(upstream);
    const nowMs = clock.nowMs();
    if (before !== undefined && nowMs - before.sinceMs < SAME_ARRIVAL_MS) return false;
    before?.timer.cancel();
    upstream.isLooping = true;
    const timer = clock.setTimer(LOOP_HEALS_AFTER_MS, () => {
      this.#healing.delete(upstream);
      upstream.isLooping = false;
    });
    this.#healing.set(upstream, { timer, sinceMs: nowMs });
    return true;
  }

  close(): void {
    this.#lookTimer?.cancel();
    this.#lookTimer = null;
    for (const { timer } of this.#healing.values()) timer.cancel();
    this.#healing.clear();
  }

  #lookAfter(delayMs: number): void {
    this.#lookTimer = this.#parts.clock.setTimer(delayMs, () => {
      this.#lookAfter(LOOK_INTERVAL_MS);
      this.#look();
    });
  }

  #look(): void {
    const { clock, upstreams } = this.#parts;
    const nowMs = clock.nowMs();
    for (const upstream of upstreams.all()) {
      const askedAtMs = this.#askedAtMs.get(upstream) ?? Number.NEGATIVE_INFINITY;
      // What a dead one was asked may be lost; once it lives it is asked again.
      if (upstream.isDead) this.#askedAtMs.delete(upstream);
      else if (nowMs - askedAtMs >= PROBE_INTERVAL_MS) this.#ask(upstream, nowMs);
    }
  }

  #ask(upstream: Upstream, nowMs: MonotonicMs): void {
    const { upstreams, inFlight, clusterMayAskUs } = this.#parts;
    this.#askedAtMs.set(upstream, nowMs);
    const isCluster = upstreams.setFor(true).includes(upstream);
    if (isCluster && clusterMayAskUs()) return;
    inFlight.probeLoop(upstream, this.#names.make(socketAddressText(upstream.to), isCluster, nowMs));
  }
}
