/**
 * Names that are not ours: from the cache, else together with an equal query that is on its way, else from
 * upstream. This file decides which and serves the clients; the parts know nothing of each other.
 */

import type { Client, Clock, Random } from "../runtime.ts";
import type { SharedSeries } from "../series.ts";
import { readUint16, writeUint16 } from "../wire/append.ts";
import { MAX_MESSAGE_OCTETS } from "../wire/constants.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { type Asked, udpOctetsFor } from "./asked.ts";
import { type CacheLimits, NO_ENTRY, ReplyCache } from "./cache.ts";
import { LOOPING, NO_REPLY, UNREACHABLE, writeServerFailure, writeTruncated } from "./error-reply.ts";
import type { Forwarder } from "./forwarder-interface.ts";
import { InFlight } from "./in-flight.ts";
import { queryWithoutKeepalive } from "./keepalive.ts";
import { type LoopProbeOptions, LoopWatch } from "./loop-watch.ts";
import { ForwarderMetrics, type RejectionReason } from "./metrics.ts";
import type { PendingQuery, Waiter } from "./pending-query.ts";
import type { Upstream } from "./upstream.ts";
import type { SocketAddress, UpstreamSockets } from "./upstream-sockets.ts";
import { choose, Upstreams } from "./upstreams.ts";
import { Zones } from "./zones.ts";

/** What may change while the forwarder runs. */
export interface ForwarderSettings extends CacheLimits, AdmissionLimits {
  readonly upstreams: readonly SocketAddress[];
  /** For names at or below the cluster domain. */
  readonly clusterUpstreams: readonly SocketAddress[];
  /** As a host name: `cluster.local`. */
  readonly clusterDomain: string;
  /** An expired reply is served when upstream has not replied for this long. */
  readonly staleAfterMs: number;
  /** Names that are not ours are refused; cluster upstreams ask us first. */
  readonly refuse: boolean;
}

export type ForwarderOptions = Omit<ForwarderSettings, OptionalSetting> &
  Partial<Pick<ForwarderSettings, OptionalSetting>> & {
    readonly sockets: UpstreamSockets;
    readonly clock: Clock;
    readonly random: Random;
    /** Made with `forwarderSeries`, maybe among others. */
    readonly series: SharedSeries;
    /** None: upstreams that hand queries back are not looked for. */
    readonly loopProbes?: LoopProbeOptions;
  };
type OptionalSetting = "staleAfterMs" | "maxStaleSeconds" | "rateLimit" | "trustedForwarders" | "refuse";

export interface ConfigurableForwarder extends Forwarder {
  /** Takes new settings; queries on their way are not lost, the cache is emptied if its size changes. */
  update(settings: Partial<ForwarderSettings>): void;
  /** Another thread of the process has seen that the upstream hands queries back. */
  noteLoop(upstream: string): void;
}

const DEFAULTS: Pick<ForwarderSettings, OptionalSetting> = {
  staleAfterMs: 1_000,
  maxStaleSeconds: 3_600,
  rateLimit: 0,
  trustedForwarders: [],
  refuse: false,
};
/** Throws when `clusterDomain` is no host name. No socket is opened before the first query or probe. */
export function createForwarder(options: ForwarderOptions): ConfigurableForwarder {
  return new UpstreamForwarder(options);
}

class UpstreamForwarder implements ConfigurableForwarder {
  readonly #clock: Clock;
  readonly #metrics: ForwarderMetrics;
  readonly #upstreams: Upstreams;
  readonly #inFlight: InFlight;
  readonly #admission: Admission;
  readonly #loops: LoopWatch | null;
  /** For replies that are made later than `forward` returns; `Client.send` copies. */
  readonly #scratch = new Uint8Array(MAX_MESSAGE_OCTETS);
  #settings: ForwarderSettings;
  #zones: Zones;
  #cache: ReplyCache;

  constructor(options: ForwarderOptions) {
    const { clock, random, sockets, series, loopProbes, ...settings } = options;
    this.#settings = { ...DEFAULTS, ...settings };
    this.#clock = clock;
    this.#metrics = new ForwarderMetrics(series);
    this.#zones = new Zones(settings.clusterDomain);
    this.#cache = new ReplyCache(this.#settings, this.#metrics);
    this.#admission = new Admission(this.#settings, (waiter) => this.#shed(waiter));
    this.#inFlight = new InFlight({
      clock,
      random,
      metrics: this.#metrics,
      staleAfterMs: this.#settings.staleAfterMs,
      events: {
        onReply: (query, reply) => {
          this.#cache.store(query, reply, clock.nowMs());
          this.#relay(query, reply);
        },
        onUnhelpfulReply: (query, reply) => {
          // A good reply, even if expired, is not displaced by SERVFAIL.
          if (this.#serveStale(query)) return;
          this.#cache.store(query, reply, clock.nowMs());
          this.#relay(query, reply);
        },
        onFailure: (query) => {
          if (!this.#serveStale(query)) this.#fail(query);
        },
        onSlow: (query) => this.#serveStale(query),
      },
    });
    this.#upstreams = new Upstreams({
      clock,
      random,
      sockets,
      metrics: this.#metrics,
      events: this.#inFlight,
      probe: (upstream) => this.#inFlight.probe(upstream),
    });
    this.#upstreams.configure(settings.upstreams, settings.clusterUpstreams);
    const parts = {
      clock,
      upstreams: this.#upstreams,
      inFlight: this.#inFlight,
      clusterDomain: this.#zones.clusterDomain,
      clusterMayAskUs: () => this.#settings.refuse,
    };
    this.#loops = loopProbes === undefined ? null : new LoopWatch(loopProbes, parts);
  }

  forward(message: Uint8Array, query: Query, client: Client, reply: Uint8Array): number {
    const nowMs = this.#clock.nowMs();
    if (this.#admission.isTooFast(client.address, nowMs)) {
      this.#reject("rate", message, query, client);
      return 0;
    }
    const isLoopProbe = this.#loops?.isProbe(query) ?? false;
    if (isLoopProbe && this.#loops?.takesBack(query)) {
      client.send(this.#scratch, writeServerFailure(this.#scratch, message, query.id, query, LOOPING));
      return 0;
    }
    const key = query.isCacheable && !isLoopProbe ? this.#cache.keyOf(query) : null;
    const entry = key === null ? NO_ENTRY : this.#cache.find(key, nowMs);
    if (entry !== NO_ENTRY) {
      const isFresh = this.#cache.isFresh(entry, nowMs);
      if (isFresh) {
        this.#metrics.cacheHit(this.#cache.kindOf(entry));
        if (this.#cache.noteHit(entry, nowMs)) this.#prefetch(message, query, client, key, nowMs);
      }
      if (isFresh || this.#cache.isHeld(entry, nowMs)) {
        return this.#fromCache(entry, query, query.id, message, client, reply);
      }
    }
    if (key !== null) this.#metrics.cacheMiss();
    const outgoing = client.transport === "tcp" ? queryWithoutKeepalive(message, query) : message;
    const octets = outgoing === message ? query.length : outgoing.length;
    const refusal = this.#admission.refusal(client, octets);
    if (refusal !== null) {
      this.#reject(refusal, message, query, client);
      return 0;
    }
    const equal = isLoopProbe ? null : this.#inFlight.findEqual(outgoing, octets, query, client.transport);
    if (equal !== null) {
      this.#metrics.coalesced();
      const spelling = isSpelledAlike(equal, message) ? null : message.slice(0, query.questionEnd);
      this.#admission.add(equal.addWaiter(client, query.id, spelling), spelling?.length ?? 0);
      return 0;
    }
    const upstreams = this.#upstreams.setFor(this.#zones.isClusterName(query));
    const upstream = choose(upstreams, nowMs, null, [], isLoopProbe);
    if (upstream === null) {
      if (entry !== NO_ENTRY) return this.#fromCache(entry, query, query.id, message, client, reply);
      this.#refuse(message, query, client, upstreams);
      return 0;
    }
    const fields = {
      message: Buffer.from(outgoing.subarray(0, octets)),
      asked: query,
      transport: client.transport,
      startedAtMs: nowMs,
      cacheKey: key,
      isShortLived: key !== null && this.#zones.isShortLived(query),
      generation: this.#cache.generation,
      upstreams,
      isLoopProbe,
    };
    const pending = this.#inFlight.ask(fields, !query.hasSignature && !isLoopProbe, upstream);
    this.#admission.add(pending.addWaiter(client, query.id, null), octets);
    return 0;
  }

  noteRefused(query: Query): void {
    if (this.#loops?.isProbe(query)) this.#loops.takesBack(query);
  }

  noteLoop(upstream: string): void {
    this.#loops?.note(upstream);
  }

  forget(name: Uint8Array, isWildcard: boolean): void {
    this.#cache.forget(name, isWildcard);
  }

  update(changes: Partial<ForwarderSettings>): void {
    const old = this.#settings;
    const settings = { ...old, ...changes };
    this.#zones = new Zones(settings.clusterDomain);
    this.#settings = settings;
    this.#admission.limits = settings;
    if (this.#loops !== null) this.#loops.clusterDomain = this.#zones.clusterDomain;
    if (settings.cacheOctets === old.cacheOctets) this.#cache.limits = settings;
    else this.#cache = this.#cache.resized(settings);
    if (settings.staleAfterMs !== old.staleAfterMs) this.#inFlight.staleAfterMs = settings.staleAfterMs;
    const left = this.#upstreams.configure(settings.upstreams, settings.clusterUpstreams);
    for (const upstream of left) this.#inFlight.abandon(upstream);
  }

  async close(): Promise<void> {
    this.#loops?.close();
    this.#inFlight.close();
    for (const upstream of this.#upstreams.all()) {
      upstream.udp.closeAll();
      upstream.tcp.close();
    }
    this.#upstreams.close();
  }

  /** The waiter has given way to another one. */
  #shed(waiter: Waiter): void {
    const { query, client, id, spelling } = waiter;
    query.waiters.splice(query.waiters.indexOf(waiter), 1);
    if (query.waiters.length === 0) this.#inFlight.cancel(query);
    this.#reject("overload", spelling ?? query.message, query, client, id);
  }

  #reject(
    reason: RejectionReason,
    message: Uint8Array,
    asked: Query | PendingQuery,
    client: Client,
    id = idOf(message),
  ): void {
    this.#metrics.rejected(reason);
    // A client that asks too much over UDP comes again over TCP; a silent drop would cost it 5 s.
    const write = reason === "overload" || client.transport === "tcp" ? writeServerFailure : writeTruncated;
    client.send(this.#scratch, write(this.#scratch, message, id, asked));
  }

  /** Asks anew what the cache answers for a short while yet; nobody waits for it. */
  #prefetch(message: Uint8Array, query: Query, client: Client, key: string | null, nowMs: number): void {
    if (this.#inFlight.count >= this.#settings.maxInFlight) return;
    if (this.#inFlight.findEqual(message, query.length, query, client.transport) !== null) return;
    const upstreams = this.#upstreams.setFor(this.#zones.isClusterName(query));
    const upstream = choose(upstreams, nowMs, null, []);
    if (upstream === null) return;
    this.#metrics.prefetch();
    const fields = {
      message: Buffer.from(message.subarray(0, query.length)),
      asked: query,
      transport: client.transport,
      startedAtMs: nowMs,
      cacheKey: key,
      isShortLived: false,
      generation: this.#cache.generation,
      upstreams,
      isLoopProbe: false,
    };
    this.#inFlight.ask(fields, true, upstream);
  }

  /** No upstream is alive. */
  #refuse(message: Uint8Array, query: Query, client: Client, upstreams: readonly Upstream[]): void {
    const isLooping = upstreams.some((upstream) => upstream.isLooping);
    const hasRefused = upstreams.every((upstream) => upstream.hasRefused);
    const error = isLooping ? LOOPING : hasRefused ? UNREACHABLE : NO_REPLY;
    client.send(this.#scratch, writeServerFailure(this.#scratch, message, query.id, query, error));
  }

  #relay(query: PendingQuery, reply: Uint8Array): void {
    // Those who spelled the name as it was sent get the octets that came; then the others' spellings are put in.
    for (const { client, id, spelling } of query.waiters) {
      if (spelling === null) this.#sendWithId(client, reply, id);
    }
    for (const { client, id, spelling } of query.waiters) {
      if (spelling === null) continue;
      reply.set(spelling.subarray(QUESTION_NAME_AT, QUESTION_NAME_AT + query.nameLength), QUESTION_NAME_AT);
      this.#sendWithId(client, reply, id);
    }
    this.#dismiss(query);
  }

  #sendWithId(client: Client, reply: Uint8Array, id: number): void {
    writeUint16(reply, 0, id);
    client.send(reply, reply.length);
  }

  #fail(query: PendingQuery): void {
    const error = query.hadNetworkError ? UNREACHABLE : NO_REPLY;
    for (const { client, id, spelling } of query.waiters) {
      const length = writeServerFailure(this.#scratch, spelling ?? query.message, id, query, error);
      client.send(this.#scratch, length);
    }
    this.#dismiss(query);
  }

  /** Serves the waiters with the expired reply, if there is one; the query stays on its way, to refresh it. */
  #serveStale(query: PendingQuery): boolean {
    if (query.cacheKey === null) return false;
    const nowMs = this.#clock.nowMs();
    const entry = this.#cache.find(query.cacheKey, nowMs);
    if (entry === NO_ENTRY) return false;
    this.#cache.hold(entry, nowMs);
    for (const { client, id, spelling } of query.waiters) {
      const message = spelling ?? query.message;
      const length = this.#fromCache(entry, query, id, message, client, this.#scratch);
      client.send(this.#scratch, length);
    }
    this.#dismiss(query);
    return true;
  }

  #fromCache(
    entry: number,
    asked: Asked,
    id: number,
    message: Uint8Array,
    client: Client,
    out: Uint8Array,
  ): number {
    const nowMs = this.#clock.nowMs();
    if (!this.#cache.isFresh(entry, nowMs)) this.#metrics.staleServed();
    const maxOctets = client.transport === "tcp" ? MAX_MESSAGE_OCTETS : udpOctetsFor(asked);
    return this.#cache.write(entry, asked, id, message, out, maxOctets, nowMs);
  }

  /** The waiters have been served. */
  #dismiss(query: PendingQuery): void {
    for (const waiter of query.waiters) this.#admission.remove(waiter);
    query.waiters = [];
  }
}

function idOf(message: Uint8Array): number {
  return readUint16(message, 0);
}

function isSpelledAlike(query: PendingQuery, message: Uint8Array): boolean {
  const nameEnd = QUESTION_NAME_AT + query.nameLength;
  for (let at = QUESTION_NAME_AT; at < nameEnd; at += 1) {
    if (query.message[at] !== message[at]) return false;
  }
  return true;
}
