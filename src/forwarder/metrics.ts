/** What the forwarder counts: the groups `cache` and `upstream`. */

import type { SeriesDefinition, SharedSeries } from "../series.ts";
import { MISMATCH_REASONS, type MismatchReason } from "./reply-check.ts";
import { type SocketAddress, socketAddressText } from "./upstream-sockets.ts";

/** What a cached reply says. */
export const REPLY_KINDS = ["positive", "negative", "error"] as const;
export type ReplyKind = (typeof REPLY_KINDS)[number];

/** Why an upstream was of no help to a query. */
const FAILURE_REASONS = ["timeout", "connection_refused", "network_error", "servfail", "refused"] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

/** Too many in all, of one client at once, of one client per second. */
const REJECTION_REASONS = ["overload", "client", "rate"] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** Label `to` of upstreams that came with new settings: series are made once, at the start. */
const OTHER_UPSTREAM = "other";

/** 0.25 ms to 4.1 s, doubling. */
const DURATION_BUCKETS_SECONDS = Array.from({ length: 15 }, (_, power) => 0.00025 * 2 ** power);

/** The series of a forwarder with these upstreams, for `SharedSeries`. */
export function forwarderSeries(settings: {
  readonly upstreams: readonly SocketAddress[];
  readonly clusterUpstreams: readonly SocketAddress[];
}): readonly SeriesDefinition[] {
  const addresses = [...settings.upstreams, ...settings.clusterUpstreams].map(socketAddressText);
  const to = [...new Set([...addresses, OTHER_UPSTREAM])];
  const kind = REPLY_KINDS;
  return [
    gauge("cache_entries", "Replies in the cache, expired ones that may still be served included.", { kind }),
    gauge("cache_bytes", "Memory that the cache has in use."),
    gauge(
      "cache_max_bytes",
      "Memory that the cache may use: its setting, or less while the process is near its own limit.",
    ),
    counter("cache_hits_total", "Queries answered with a cached reply that was still valid.", { kind }),
    counter("cache_misses_total", "Queries that the cache may answer but could not."),
    counter("cache_evictions_total", "Replies dropped to make room for others."),
    counter("cache_stale_served_total", "Queries answered with an expired reply because upstream failed."),
    counter("cache_prefetch_total", "Cached replies renewed before their end because they are in use."),
    counter("cache_coalesced_total", "Queries that waited for the reply to an equal one."),
    {
      ...counter("upstream_request_duration_seconds", "Time from a query's sending to its reply.", { to }),
      type: "histogram",
      buckets: DURATION_BUCKETS_SECONDS,
    },
    {
      ...gauge("upstream_up", "Whether every thread asks the upstream: 1, or 0 while one only probes it.", {
        to,
      }),
      across: "min",
    },
    {
      ...gauge(
        "upstream_looping",
        "Whether the upstream hands our queries back to us: 1, and it is not asked.",
        {
          to,
        },
      ),
      across: "max",
    },
    counter("upstream_failures_total", "Queries that an upstream did not help with.", {
      to,
      reason: FAILURE_REASONS,
    }),
    counter("upstream_resends_total", "Queries sent once more because no reply had come."),
    counter("upstream_rejected_total", "Forwarded queries given up because there were too many.", {
      reason: REJECTION_REASONS,
    }),
    counter("upstream_mismatch_total", "Messages from upstreams that were no reply to a question of ours.", {
      reason: MISMATCH_REASONS,
    }),
  ];
}

/** The forwarder's own hand on its series: every index looked up once. */
export class ForwarderMetrics {
  readonly #series: SharedSeries;
  readonly #hits: Readonly<Record<ReplyKind, number>>;
  readonly #entries: Readonly<Record<ReplyKind, number>>;
  readonly #mismatches: Readonly<Record<MismatchReason, number>>;
  readonly #cacheBytes: number;
  readonly #cacheMaxBytes: number;
  readonly #misses: number;
  readonly #evictions: number;
  readonly #staleServed: number;
  readonly #prefetches: number;
  readonly #coalesced: number;
  readonly #resends: number;
  readonly #rejections: Readonly<Record<RejectionReason, number>>;

  constructor(series: SharedSeries) {
    this.#series = series;
    const byKind = (name: string) => ({
      positive: series.at(name, "positive"),
      negative: series.at(name, "negative"),
      error: series.at(name, "error"),
    });
    this.#hits = byKind("cache_hits_total");
    this.#entries = byKind("cache_entries");
    const mismatch = (reason: MismatchReason) => series.at("upstream_mismatch_total", reason);
    this.#mismatches = {
      short: mismatch("short"),
      not_response: mismatch("not_response"),
      id: mismatch("id"),
      question_count: mismatch("question_count"),
      question: mismatch("question"),
    };
    this.#cacheBytes = series.at("cache_bytes");
    this.#cacheMaxBytes = series.at("cache_max_bytes");
    this.#misses = series.at("cache_misses_total");
    this.#evictions = series.at("cache_evictions_total");
    this.#staleServed = series.at("cache_stale_served_total");
    this.#prefetches = series.at("cache_prefetch_total");
    this.#coalesced = series.at("cache_coalesced_total");
    this.#resends = series.at("upstream_resends_total");
    const rejection = (reason: RejectionReason) => series.at("upstream_rejected_total", reason);
    this.#rejections = {
      overload: rejection("overload"),
      client: rejection("client"),
      rate: rejection("rate"),
    };
  }

  cacheHit(kind: ReplyKind): void {
    this.#add(this.#hits[kind], 1);
  }

  cacheMiss(): void {
    this.#add(this.#misses, 1);
  }

  /** `octets`: memory taken, or given back if negative, by one entry more or less. */
  cacheChange(kind: ReplyKind, entries: 1 | -1, octets: number): void {
    this.#add(this.#entries[kind], entries);
    this.#add(this.#cacheBytes, octets);
  }

  /** `octets`: all that the cache may take. */
  cacheSize(octets: number): void {
    this.#series.values[this.#cacheMaxBytes] = octets;
  }

  eviction(): void {
    this.#add(this.#evictions, 1);
  }

  staleServed(): void {
    this.#add(this.#staleServed, 1);
  }

  prefetch(): void {
    this.#add(this.#prefetches, 1);
  }

  coalesced(): void {
    this.#add(this.#coalesced, 1);
  }

  resend(): void {
    this.#add(this.#resends, 1);
  }

  rejected(reason: RejectionReason): void {
    this.#add(this.#rejections[reason], 1);
  }

  mismatch(reason: MismatchReason): void {
    this.#add(this.#mismatches[reason], 1);
  }

  /** The series of one upstream. */
  upstream(to: SocketAddress): UpstreamMetrics {
    const series = this.#series;
    const up = series.definitions.find((definition) => definition.name === "upstream_up");
    const text = socketAddressText(to);
    const label = up?.labels["to"]?.includes(text) ? text : OTHER_UPSTREAM;
    const duration = series.at("upstream_request_duration_seconds", label);
    const isUp = series.at("upstream_up", label);
    const isLooping = series.at("upstream_looping", label);
    const failure = (reason: FailureReason) => series.at("upstream_failures_total", label, reason);
    const failures: Readonly<Record<FailureReason, number>> = {
      timeout: failure("timeout"),
      connection_refused: failure("connection_refused"),
      network_error: failure("network_error"),
      servfail: failure("servfail"),
      refused: failure("refused"),
    };
    return {
      replied: (seconds) => series.observe(duration, DURATION_BUCKETS_SECONDS, seconds),
      setUp: (value) => {
        series.values[isUp] = value ? 1 : 0;
      },
      setLooping: (value) => {
        series.values[isLooping] = value ? 1 : 0;
      },
      failed: (reason) => this.#add(failures[reason], 1),
    };
  }

  #add(index: number, count: number): void {
    this.#series.values[index]! += count;
  }
}

export interface UpstreamMetrics {
  replied(seconds: number): void;
  setUp(value: boolean): void;
  setLooping(value: boolean): void;
  failed(reason: FailureReason): void;
}

type Labels = SeriesDefinition["labels"];

function counter(name: string, help: string, labels: Labels = {}): SeriesDefinition {
  return { name, help, type: "counter", labels };
}

function gauge(name: string, help: string, labels: Labels = {}): SeriesDefinition {
  return { name, help, type: "gauge", labels };
}
