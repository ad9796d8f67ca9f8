/**
 * Names that are not ours: from the cache, else together with an equal query that is on its way, else from
 * upstream. This file decides which; the parts know nothing of it.
 */

import type { Client, Clock } from "../runtime.ts";
import { copyOf } from "../wire/copy-octets.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import { Admission } from "./admission.ts";
import { NO_ENTRY, ReplyCache } from "./cache.ts";
import { ClientReplies } from "./client-replies.ts";
import type { Forwarder } from "./forwarder-interface.ts";
import { DEFAULT_SETTINGS, type ForwarderOptions, type ForwarderSettings } from "./forwarder-settings.ts";
import { InFlight } from "./in-flight.ts";
import { queryWithoutKeepalive } from "./keepalive.ts";
import { LoopWatch } from "./loop-watch.ts";
import { MemoryWatch, systemMemoryShare } from "./memory-watch.ts";
import { ForwarderMetrics } from "./metrics.ts";
import type { PendingQuery, PendingQueryFields, Waiter } from "./pending-query.ts";
import { choose, Upstreams } from "./upstreams.ts";
import { Zones } from "./zones.ts";

export interface ConfigurableForwarder extends Forwarder {
  /** Takes new settings; queries on their way are not lost, the cache is emptied if its size changes. */
  update(settings: Partial<ForwarderSettings>): void;
  /** Another thread of the process has seen that the upstream hands queries back. */
  noteLoop(upstream: string): void;
}

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
  readonly #cache: ReplyCache;
  readonly #memory: MemoryWatch;
  readonly #replies: ClientReplies;
  #settings: ForwarderSettings;
  #zones: Zones;

  constructor(options: ForwarderOptions) {
    const { clock, random, sockets, series, loopProbes, memoryShare, isForwarder, onUpstream, ...settings } =
      options;
    this.#settings = { ...DEFAULT_SETTINGS, ...settings };
    this.#clock = clock;
    const metrics = new ForwarderMetrics(series);
    this.#metrics = metrics;
    this.#zones = new Zones(settings.clusterDomain);
    const cache = new ReplyCache(this.#settings, metrics);
    this.#cache = cache;
    this.#memory = new MemoryWatch({
      clock,
      memoryShare: memoryShare ?? systemMemoryShare,
      onChange: (part) => {
        cache.part = part;
      },
    });
    this.#admission = new Admission(this.#settings, (waiter) => this.#shed(waiter), isForwarder);
    const replies = new ClientReplies({ clock, metrics, cache, admission: this.#admission });
    this.#replies = replies;
    this.#inFlight = new InFlight({
      clock,
      random,
      sockets,
      metrics,
      staleAfterMs: this.#settings.staleAfterMs,
      events: {
        onReply: (query, reply) => {
          cache.store(query, reply, clock.nowMs());
          replies.relay(query, reply);
        },
        onUnhelpfulReply: (query, reply) => {
          // A good reply, even if expired, is not displaced by SERVFAIL.
          if (replies.serveStale(query)) return;
          cache.store(query, reply, clock.nowMs());
          replies.relay(query, reply);
        },
        onFailure: (query) => {
          if (!replies.serveStale(query)) replies.fail(query);
        },
        onSlow: (query) => replies.serveStale(query),
      },
    });
    this.#upstreams = new Upstreams({
      clock,
      sockets,
      metrics,
      probe: (upstream) => this.#inFlight.probe(upstream),
      onCondition: onUpstream,
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
      this.#replies.reject("rate", message, query, client);
      return 0;
    }
    const isLoopProbe = this.#loops?.isProbe(query) ?? false;
    if (isLoopProbe && this.#loops?.takesBack(query)) {
      this.#replies.refuseLoop(message, query, client);
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
        return this.#replies.writeCached(entry, query, query.id, message, client, reply);
      }
    }
    if (key !== null) this.#metrics.cacheMiss();
    const outgoing = client.transport === "tcp" ? queryWithoutKeepalive(message, query) : message;
    const octets = outgoing === message ? query.length : outgoing.length;
    const refusal = this.#admission.refusal(client, octets);
    if (refusal !== null) {
      this.#replies.reject(refusal, message, query, client);
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
      if (entry !== NO_ENTRY)
        return this.#replies.writeCached(entry, query, query.id, message, client, reply);
      this.#replies.refuse(message, query, client, upstreams);
      return 0;
    }
    const fields: PendingQueryFields = {
      message: copyOf(outgoing, octets),
      asked: query,
      transport: client.transport,
      startedAtMs: nowMs,
      cacheKey: key,
      isShortLived: key !== null && this.#zones.isShortLived(query),
      generation: this.#cache.generation,
      upstreams,
      purpose: isLoopProbe ? "loop" : "reply",
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
    this.#cache.limits = settings;
    if (settings.staleAfterMs !== old.staleAfterMs) this.#inFlight.staleAfterMs = settings.staleAfterMs;
    const left = this.#upstreams.configure(settings.upstreams, settings.clusterUpstreams);
    for (const upstream of left) this.#inFlight.abandon(upstream);
  }

  async close(): Promise<void> {
    this.#loops?.close();
    this.#memory.close();
    this.#inFlight.close();
    this.#upstreams.close();
  }

  /** The waiter has given way to another one. */
  #shed(waiter: Waiter): void {
    const { query, client, id, spelling } = waiter;
    query.waiters.splice(query.waiters.indexOf(waiter), 1);
    if (query.waiters.length === 0) this.#inFlight.cancel(query);
    this.#replies.reject("overload", spelling ?? query.message, query, client, id);
  }

  /** Asks anew what the cache answers for a short while yet; nobody waits for it. */
  #prefetch(message: Uint8Array, query: Query, client: Client, key: string | null, nowMs: number): void {
    if (this.#inFlight.count >= this.#settings.maxInFlight) return;
    if (this.#inFlight.findEqual(message, query.length, query, client.transport) !== null) return;
    const upstreams = this.#upstreams.setFor(this.#zones.isClusterName(query));
    const upstream = choose(upstreams, nowMs, null, []);
    if (upstream === null) return;
    this.#metrics.prefetch();
    const fields: PendingQueryFields = {
      message: copyOf(message, query.length),
      asked: query,
      transport: client.transport,
      startedAtMs: nowMs,
      cacheKey: key,
      isShortLived: false,
      generation: this.#cache.generation,
      upstreams,
      purpose: "reply",
    };
    this.#inFlight.ask(fields, true, upstream);
  }
}

function isSpelledAlike(query: PendingQuery, message: Uint8Array): boolean {
  const nameEnd = QUESTION_NAME_AT + query.nameLength;
  for (let at = QUESTION_NAME_AT; at < nameEnd; at += 1) {
    if (query.message[at] !== message[at]) return false;
  }
  return true;
}
