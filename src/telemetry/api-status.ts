/**
 * What `/api/status` says: the numbers that the status page plots, small enough to be asked for every two seconds.
 * They are those of `/metrics`, read from the same registry. Only the metrics named here are read: some others
 * (the main thread's lag) start anew with each reading and belong to the scrape, or go through all hosts.
 */

import type { Registry } from "prom-client";
import { type Counts, type Durations, readSamples, type Samples } from "./metric-samples.ts";

/** Counters count since the program's start; times are RFC 3339. */
export interface StatusReport {
  /** Of this report, by the server's clock. */
  readonly time: string;
  readonly version: string;
  readonly startedAt: string;
  readonly ready: boolean;
  /** What is missing to be ready, in words. */
  readonly missing: readonly string[];
  /** When it is another number, some host's answer is another. */
  readonly tableVersion: number;
  readonly queries: {
    /** By where the answer came from: virtual, static … negative, error. */
    readonly bySource: Counts;
    readonly byRcode: Counts;
    readonly inFlight: number;
    readonly duration: Durations;
  };
  readonly cache: {
    readonly hits: number;
    readonly misses: number;
    readonly staleServed: number;
    readonly entries: number;
    readonly bytes: number;
    readonly maxBytes: number;
  };
  readonly refreshes: {
    readonly byResult: Counts;
    readonly inFlight: number;
    /** Names, by family, that wait for a retry. */
    readonly waiting: number;
  };
  readonly upstreams: readonly UpstreamStatus[];
  readonly kinds: readonly KindStatus[];
  /** Present problems by code; the others are left out. */
  readonly problems: Counts;
}

export interface UpstreamStatus {
  readonly address: string;
  readonly up: boolean;
  /** It hands our queries back to us. */
  readonly looping: boolean;
  readonly failures: Counts;
  readonly duration: Durations;
}

/** A kind of object, and whether its changes arrive. */
export interface KindStatus {
  readonly kind: string;
  readonly objects: number;
  /** Null: it is read from files, or not needed, so there is no watch. */
  readonly connected: boolean | null;
  readonly lastEvent: string | null;
  /** How often lists and watches ended otherwise than they usually do. */
  readonly faults: number;
}

export interface StatusSources {
  readonly registry: Registry;
  readonly version: string;
  readonly missing: () => readonly string[];
  readonly tableVersion: () => number;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export async function statusReport(sources: StatusSources): Promise<StatusReport> {
  const { registry, version, nowMs } = sources;
  const metric = await readSamples(registry, METRICS);
  const missing = sources.missing();
  return {
    time: new Date(nowMs()).toISOString(),
    version,
    startedAt: new Date(metric("process_start_time_seconds").sum() * 1000).toISOString(),
    ready: missing.length === 0,
    missing,
    tableVersion: sources.tableVersion(),
    queries: {
      bySource: metric("serviceentry_dns_responses_total").by("source"),
      byRcode: metric("serviceentry_dns_responses_total").by("rcode"),
      inFlight: metric("serviceentry_dns_in_flight").sum(),
      duration: metric("serviceentry_dns_request_duration_seconds").durations(),
    },
    cache: {
      hits: metric("serviceentry_dns_cache_hits_total").sum(),
      misses: metric("serviceentry_dns_cache_misses_total").sum(),
      staleServed: metric("serviceentry_dns_cache_stale_served_total").sum(),
      entries: metric("serviceentry_dns_cache_entries").sum(),
      bytes: metric("serviceentry_dns_cache_bytes").sum(),
      maxBytes: metric("serviceentry_dns_cache_max_bytes").sum(),
    },
    refreshes: {
      byResult: metric("serviceentry_dns_refreshes_total").by("result"),
      inFlight: metric("serviceentry_dns_refresh_in_flight").sum(),
      waiting: metric("serviceentry_dns_refresh_backoff").sum(),
    },
    upstreams: upstreams(metric),
    kinds: kinds(metric),
    problems: present(metric("serviceentry_dns_problems").by("reason")),
  };
}

const METRICS = [
  "process_start_time_seconds",
  "serviceentry_dns_responses_total",
  "serviceentry_dns_in_flight",
  "serviceentry_dns_request_duration_seconds",
  "serviceentry_dns_cache_hits_total",
  "serviceentry_dns_cache_misses_total",
  "serviceentry_dns_cache_stale_served_total",
  "serviceentry_dns_cache_entries",
  "serviceentry_dns_cache_bytes",
  "serviceentry_dns_cache_max_bytes",
  "serviceentry_dns_refreshes_total",
  "serviceentry_dns_refresh_in_flight",
  "serviceentry_dns_refresh_backoff",
  "serviceentry_dns_upstream_up",
  "serviceentry_dns_upstream_looping",
  "serviceentry_dns_upstream_failures_total",
  "serviceentry_dns_upstream_request_duration_seconds",
  "serviceentry_dns_objects",
  "serviceentry_dns_watch_connected",
  "serviceentry_dns_watch_restarts_total",
  "serviceentry_dns_last_event_timestamp_seconds",
  "serviceentry_dns_problems",
] as const;

type ReadMetric = (name: (typeof METRICS)[number]) => Samples;

/** Reasons of `watch_restarts_total` that are no faults. */
const USUAL_ENDS: ReadonlySet<string> = new Set(["ended", "relist"]);

function upstreams(metric: ReadMetric): readonly UpstreamStatus[] {
  const up = metric("serviceentry_dns_upstream_up").by("to");
  const looping = metric("serviceentry_dns_upstream_looping").by("to");
  const found = Object.keys(up).map((address) => ({
    address,
    up: up[address] === 1,
    looping: looping[address] === 1,
    failures: metric("serviceentry_dns_upstream_failures_total").where("to", address).by("reason"),
    duration: metric("serviceentry_dns_upstream_request_duration_seconds").where("to", address).durations(),
  }));
  return found.filter((each) => each.address !== LATER_UPSTREAMS || wasAsked(each));
}

/** Where all are counted that came with new settings; without such, nothing is. */
const LATER_UPSTREAMS = "other";

function wasAsked({ up, failures, duration }: UpstreamStatus): boolean {
  return up || [...Object.values(failures), ...duration.counts].some((count) => count > 0);
}

function kinds(metric: ReadMetric): readonly KindStatus[] {
  const connected = metric("serviceentry_dns_watch_connected").by("kind");
  const lastEvents = metric("serviceentry_dns_last_event_timestamp_seconds").by("kind");
  return Object.entries(metric("serviceentry_dns_objects").by("kind")).map(([kind, objects]) => {
    const ends = metric("serviceentry_dns_watch_restarts_total").where("kind", kind).by("reason");
    const lastEventSeconds = lastEvents[kind] ?? 0;
    return {
      kind,
      objects,
      connected: connected[kind] === undefined ? null : connected[kind] === 1,
      lastEvent: lastEventSeconds === 0 ? null : new Date(lastEventSeconds * 1000).toISOString(),
      faults: Object.entries(ends).reduce((sum, [reason, n]) => sum + (USUAL_ENDS.has(reason) ? 0 : n), 0),
    };
  });
}

function present(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
