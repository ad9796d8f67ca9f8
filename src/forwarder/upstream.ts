/** One upstream: how fast it answers, and whether it does. It knows no sockets. */

import type { MonotonicMs } from "../runtime.ts";
import type { FailureReason, UpstreamMetrics } from "./metrics.ts";
import { RoundTrips } from "./round-trips.ts";
import { SlidingCount } from "./sliding-count.ts";
import type { SocketAddress } from "./upstream-sockets.ts";

/** Perhaps it is silent about one name alone: after so many sends and so long without any reply it is probed. */
const SENDS_BEFORE_DOUBT = 4;
const SILENCE_BEFORE_DOUBT_MS = 1_000;
/** Dead after this many sends ... */
const SENDS_BEFORE_DEAD = 8;
/** ... and this long without any reply: 2 s, and room for an upstream whose replies take just that. */
const SILENCE_BEFORE_DEAD_MS = 2_200;
/** What was sent before so long a pause is not waited for any more, and says nothing about now. */
const PAUSE_MS = 5_000;
/** By what an upstream is taken to be faster each time that another is preferred, so that it gets a new chance. */
const FADING = 0.98;
/** When much is in flight, resends are at most this share of first sends. */
const RESEND_SHARE = 0.2;
/** A resend waits for this many times the round trip that nearly all replies keep to ... */
const PATIENCE = 2;
/** ... but no longer than this: there must be time left for resends. */
const MAX_PATIENCE_MS = 2_200;

export interface UpstreamOptions {
  readonly to: SocketAddress;
  readonly metrics: UpstreamMetrics;
  /** The upstream may be dead: probe it once. */
  readonly onDoubt: (upstream: Upstream) => void;
  /** The upstream has died: probe it. */
  readonly onDead: (upstream: Upstream) => void;
  /** A dead one has answered. */
  readonly onRevived: (upstream: Upstream) => void;
}

export class Upstream {
  readonly to: SocketAddress;
  /** The share of all UDP sockets that may lead to it at once; at least 2. */
  maxSockets: number;
  readonly #metrics: UpstreamMetrics;
  readonly #onDoubt: (upstream: Upstream) => void;
  readonly #onDead: (upstream: Upstream) => void;
  readonly #onRevived: (upstream: Upstream) => void;
  readonly #roundTrips = new RoundTrips();
  readonly #firstSends = new SlidingCount();
  readonly #resends = new SlidingCount();
  /** `FADING`, as often as others were preferred since it was asked last. */
  #fading = 1;
  #isDoubted = false;
  #isDead = false;
  #isLooping = false;
  /** It told so itself, by ECONNREFUSED. */
  #hasRefused = false;
  #sendsSinceReply = 0;
  #silentSinceMs: MonotonicMs = 0;
  #lastSendAtMs: MonotonicMs = 0;

  constructor(options: UpstreamOptions, maxSockets: number) {
    this.to = options.to;
    this.maxSockets = maxSockets;
    this.#metrics = options.metrics;
    this.#onDoubt = options.onDoubt;
    this.#onDead = options.onDead;
    this.#onRevived = options.onRevived;
    this.report(true);
  }

  /** Shows its state in its series, which it may share with others; one that is not asked any more is not up. */
  report(isAsked: boolean): void {
    this.#metrics.setUp(isAsked && !this.#isDead);
    this.#metrics.setLooping(isAsked && this.#isLooping);
  }

  /** To be probed only. */
  get isDead(): boolean {
    return this.#isDead;
  }

  get hasRefused(): boolean {
    return this.#hasRefused;
  }

  /** It hands our queries back to us. */
  get isLooping(): boolean {
    return this.#isLooping;
  }

  set isLooping(isLooping: boolean) {
    this.#isLooping = isLooping;
    this.#metrics.setLooping(isLooping);
  }

  /** What to compare upstreams by: the smaller, the better; 0 until the first reply, so that each is tried. */
  get expectedMs(): number {
    return this.#roundTrips.smoothedMs * this.#fading;
  }

  /** How long after its sending a query that has no reply is worth sending again. */
  get patienceMs(): number {
    return Math.min(PATIENCE * this.#roundTrips.percentile95Ms, MAX_PATIENCE_MS);
  }

  /** Whether one more resend stays within the share of them that is good for an upstream under load. */
  mayResend(nowMs: MonotonicMs): boolean {
    return this.#resends.at(nowMs) < this.#firstSends.at(nowMs) * RESEND_SHARE;
  }

  noteSend(nowMs: MonotonicMs, isResend: boolean): void {
    (isResend ? this.#resends : this.#firstSends).add(nowMs);
    if (nowMs - this.#lastSendAtMs >= PAUSE_MS) this.#sendsSinceReply = 0;
    if (this.#sendsSinceReply === 0) {
      this.#silentSinceMs = nowMs;
      this.#isDoubted = false;
    }
    this.#sendsSinceReply += 1;
    this.#lastSendAtMs = nowMs;
    this.#fading = 1;
  }

  /** What was counted by `noteSend` did not leave this machine: that there is no reply says nothing about upstream. */
  noteUnsent(): void {
    this.#sendsSinceReply = Math.max(0, this.#sendsSinceReply - 1);
  }

  /** A valid reply, late or not: the upstream lives. */
  noteReply(roundTripMs: number): void {
    this.#metrics.replied(roundTripMs / 1000);
    this.#roundTrips.add(roundTripMs);
    this.#sendsSinceReply = 0;
    this.#hasRefused = false;
    if (!this.#isDead) return;
    this.#isDead = false;
    this.#metrics.setUp(true);
    this.#onRevived(this);
  }

  /** No reply for this long: its round trip is no shorter. */
  noteWaiting(waitedMs: number): void {
    this.#roundTrips.noteWaiting(waitedMs);
  }

  noteNotPreferred(): void {
    this.#fading *= FADING;
  }

  noteFailure(reason: FailureReason): void {
    this.#metrics.failed(reason);
  }

  noteRefusal(): void {
    this.#hasRefused = true;
    this.#die();
  }

  /** To be called now and then while replies are awaited. */
  checkSilence(nowMs: MonotonicMs): void {
    if (this.#isDead || this.#sendsSinceReply < SENDS_BEFORE_DOUBT) return;
    const silenceMs = nowMs - this.#silentSinceMs;
    if (!this.#isDoubted && silenceMs >= SILENCE_BEFORE_DOUBT_MS) {
      this.#isDoubted = true;
      this.#onDoubt(this);
    }
    if (this.#sendsSinceReply >= SENDS_BEFORE_DEAD && silenceMs >= SILENCE_BEFORE_DEAD_MS) this.#die();
  }

  #die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#metrics.setUp(false);
    this.#onDead(this);
  }
}
