/**
 * What the plots show: the program's counters, kept over the last quarter of an hour, as rates, ratios and
 * quantiles. The server keeps no history for the page.
 */

import type { StatusReport } from "../../api-status.ts";
import type { Counts, Durations } from "../../metric-samples.ts";

/** What happened in the time before a moment. */
export interface Point {
  /** Since 1970. */
  readonly atSeconds: number;
  /** By source, in the last seconds. */
  readonly queriesPerSecond: Counts;
  readonly answers: Latency;
  /** Null: nobody asked the cache. */
  readonly cacheHitRatio: number | null;
  /** By result, in the last minute. */
  readonly refreshesPerMinute: Counts;
  readonly upstreams: Readonly<Record<string, UpstreamPoint>>;
}

/** Null: there was none. */
export interface Latency {
  readonly medianSeconds: number | null;
  readonly p99Seconds: number | null;
}

export interface UpstreamPoint extends Latency {
  readonly isUp: boolean;
  readonly failuresPerMinute: number;
}

export const KEPT_SECONDS = 900;
/** A page that has just been opened shows this much, not one point in a quarter of an hour of nothing. */
const SHORTEST_SECONDS = 120;
/** Queries are many: a short time gives a steady rate. */
const SHORT_SECONDS = 10;
/** Refreshes and lookups upstream may be few. */
const LONG_SECONDS = 60;

export class History {
  readonly #reports: StatusReport[] = [];
  readonly #points: Point[] = [];

  get points(): readonly Point[] {
    return this.#points;
  }

  /** The first report after a start of the program, or of the page, gives no point: there is nothing before it. */
  add(report: StatusReport): void {
    if (this.#reports.at(-1)?.startedAt !== report.startedAt) this.#reports.length = 0;
    this.#reports.push(report);
    dropBefore(this.#reports, secondsOf(report) - LONG_SECONDS, secondsOf);
    const point = pointOf(this.#before(report, SHORT_SECONDS), this.#before(report, LONG_SECONDS), report);
    if (this.#reports.length > 1) this.#points.push(point);
    dropBefore(this.#points, point.atSeconds - KEPT_SECONDS, ({ atSeconds }) => atSeconds);
  }

  /** The youngest report that is so much older; without one, the oldest. */
  #before(report: StatusReport, seconds: number): StatusReport {
    const since = secondsOf(report) - seconds;
    return this.#reports.findLast((each) => secondsOf(each) <= since) ?? this.#reports[0]!;
  }
}

/** From when to when the plots show points of these times, which ascend; `nowSeconds`: where there is none. */
export function timeRange(times: ArrayLike<number>, nowSeconds: number): [number, number] {
  const last = times[times.length - 1] ?? nowSeconds;
  const start = times[0] ?? last;
  return [last - Math.min(KEPT_SECONDS, Math.max(SHORTEST_SECONDS, last - start)), last];
}

/** `q` from 0 to 1, of what was observed between two readings; null: nothing was. Within a bucket, by its part. */
export function quantile(before: Durations, after: Durations, q: number): number | null {
  const counts = after.counts.map((count, at) => count - (before.counts[at] ?? 0));
  const all = counts.at(-1) ?? 0;
  if (all <= 0) return null;
  const rank = q * all;
  const at = counts.findIndex((count) => count >= rank);
  const upper = after.boundsSeconds[at];
  const lower = at === 0 ? 0 : after.boundsSeconds[at - 1]!;
  // Above the last bound nothing more is known.
  if (upper === undefined) return lower;
  const below = at === 0 ? 0 : counts[at - 1]!;
  return lower + (upper - lower) * ((rank - below) / (counts[at]! - below));
}

function pointOf(short: StatusReport, long: StatusReport, now: StatusReport): Point {
  const shortSeconds = secondsOf(now) - secondsOf(short);
  const longMinutes = (secondsOf(now) - secondsOf(long)) / 60;
  return {
    atSeconds: secondsOf(now),
    queriesPerSecond: rates(short.queries.bySource, now.queries.bySource, shortSeconds),
    answers: latency(short.queries.duration, now.queries.duration),
    cacheHitRatio: hitRatio(short, now),
    refreshesPerMinute: rates(long.refreshes.byResult, now.refreshes.byResult, longMinutes),
    upstreams: Object.fromEntries(
      now.upstreams.map((upstream) => {
        const before = long.upstreams.find(({ address }) => address === upstream.address) ?? upstream;
        const failures = total(upstream.failures) - total(before.failures);
        const point = {
          ...latency(before.duration, upstream.duration),
          isUp: upstream.up && !upstream.looping,
          failuresPerMinute: longMinutes === 0 ? 0 : failures / longMinutes,
        };
        return [upstream.address, point];
      }),
    ),
  };
}

export function total(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function rates(before: Counts, after: Counts, time: number): Counts {
  return Object.fromEntries(
    Object.entries(after).map(([key, count]) => [key, time === 0 ? 0 : (count - (before[key] ?? 0)) / time]),
  );
}

function latency(before: Durations, after: Durations): Latency {
  return { medianSeconds: quantile(before, after, 0.5), p99Seconds: quantile(before, after, 0.99) };
}

function hitRatio({ cache: before }: StatusReport, { cache: after }: StatusReport): number | null {
  const hits = after.hits - before.hits;
  const all = hits + after.misses - before.misses;
  return all === 0 ? null : hits / all;
}

function secondsOf({ time }: StatusReport): number {
  return Date.parse(time) / 1000;
}

/** Keeps the newest one that is older, so that there is something to compare with. */
function dropBefore<Value>(values: Value[], seconds: number, secondsOfValue: (value: Value) => number): void {
  let dropped = 0;
  while (values[dropped + 1] !== undefined && secondsOfValue(values[dropped + 1]!) <= seconds) dropped += 1;
  values.splice(0, dropped);
}
