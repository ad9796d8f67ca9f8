/**
 * The two sets of upstreams, for names of the cluster and for the rest, and the choice among them. An upstream
 * that stands in both is one. Dead ones are probed once per second and asked nothing else.
 */

import type { Clock, MonotonicMs, Timer } from "../runtime.ts";
import type { ForwarderMetrics } from "./metrics.ts";
import { Upstream } from "./upstream.ts";
import type { UpstreamCondition } from "./upstream-log.ts";
import { type SocketAddress, socketAddressText, type UpstreamSockets } from "./upstream-sockets.ts";

const PROBE_INTERVAL_MS = 1_000;

export interface UpstreamsOptions {
  readonly clock: Clock;
  readonly sockets: Pick<UpstreamSockets, "maxUdpSockets">;
  readonly metrics: ForwarderMetrics;
  /** Asks the upstream something; any reply shows that it lives. */
  readonly probe: (upstream: Upstream) => void;
  /** One of them is in another condition, after some time of service or at its end. */
  readonly onCondition?: ((upstream: string, condition: UpstreamCondition) => void) | undefined;
}

export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #known = new Map<string, Upstream>();
  readonly #probeTimers = new Map<Upstream, Timer>();
  #cluster: readonly Upstream[] = [];
  #others: readonly Upstream[] = [];

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /** Keeps what is known of upstreams that stay; returns those that left, for the caller to close. */
  configure(upstreams: readonly SocketAddress[], clusterUpstreams: readonly SocketAddress[]): Upstream[] {
    const texts = new Set([...upstreams, ...clusterUpstreams].map(socketAddressText));
    const maxSockets = Math.max(2, Math.floor(this.#options.sockets.maxUdpSockets / Math.max(1, texts.size)));
    const left: Upstream[] = [];
    for (const [text, upstream] of this.#known) {
      upstream.maxSockets = maxSockets;
      if (texts.has(text)) continue;
      this.#known.delete(text);
      this.#stopProbing(upstream);
      upstream.report(false);
      if (upstream.isDead) this.#options.onCondition?.(text, "gone");
      left.push(upstream);
    }
    for (const upstream of this.#known.values()) upstream.report(true);
    const find = (to: SocketAddress) => this.#known.get(socketAddressText(to)) ?? this.#add(to, maxSockets);
    this.#others = upstreams.map(find);
    this.#cluster = clusterUpstreams.map(find);
    return left;
  }

  setFor(isClusterName: boolean): readonly Upstream[] {
    return isClusterName ? this.#cluster : this.#others;
  }

  /** The upstream `10.96.0.10:53`. */
  find(text: string): Upstream | undefined {
    return this.#known.get(text);
  }

  /** `find` finds these. */
  texts(): IterableIterator<string> {
    return this.#known.keys();
  }

  /** Every upstream there is. */
  all(): IterableIterator<Upstream> {
    return this.#known.values();
  }

  close(): void {
    for (const upstream of this.#probeTimers.keys()) this.#stopProbing(upstream);
    this.#known.clear();
    this.#others = [];
    this.#cluster = [];
  }

  #add(to: SocketAddress, maxSockets: number): Upstream {
    const { metrics, probe: onDoubt, onCondition } = this.#options;
    const text = socketAddressText(to);
    const onDead = (dead: Upstream) => {
      onCondition?.(text, dead.hasRefused ? "refuses" : "silent");
      this.#scheduleProbe(dead);
    };
    const onRevived = () => onCondition?.(text, "answers");
    const options = { to, metrics: metrics.upstream(to), onDoubt, onDead, onRevived };
    const upstream = new Upstream(options, maxSockets);
    this.#known.set(text, upstream);
    return upstream;
  }

  #scheduleProbe(upstream: Upstream): void {
    if (this.#known.get(socketAddressText(upstream.to)) !== upstream) return;
    const timer = this.#options.clock.setTimer(PROBE_INTERVAL_MS, () => {
      this.#probeTimers.delete(upstream);
      if (!upstream.isDead) return;
      this.#options.probe(upstream);
      this.#scheduleProbe(upstream);
    });
    this.#probeTimers.set(upstream, timer);
  }

  #stopProbing(upstream: Upstream): void {
    this.#probeTimers.get(upstream)?.cancel();
    this.#probeTimers.delete(upstream);
  }
}

/**
 * The live upstream with the shortest expected round trip; `last`, which was asked before, only if there is no other.
 * `unhelpful` ones are left out, and those that hand queries back to us unless `mayLoop`. Null: there is none.
 */
export function choose(
  set: readonly Upstream[],
  nowMs: MonotonicMs,
  last: Upstream | null,
  unhelpful: readonly Upstream[],
  mayLoop = false,
): Upstream | null {
  let best: Upstream | null = null;
  let mayAskLast = false;
  for (const upstream of set) {
    upstream.checkSilence(nowMs);
    if (upstream.isDead || (upstream.isLooping && !mayLoop) || unhelpful.includes(upstream)) continue;
    if (upstream === last) mayAskLast = true;
    else if (best === null || upstream.expectedMs < best.expectedMs) best = upstream;
  }
  return best ?? (mayAskLast ? last : null);
}

/** `chosen` was asked first: the others' old measurements count a little less. */
export function fadeOthers(set: readonly Upstream[], chosen: Upstream): void {
  for (const upstream of set) if (upstream !== chosen) upstream.noteNotPreferred();
}
