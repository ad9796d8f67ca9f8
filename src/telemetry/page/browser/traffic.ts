/** The four plots. */

import type { StatusReport } from "../../api-status.ts";
import { bytesText, countText, latencyText, percentText, plural, rateText, shortText } from "./format.ts";
import { type Point, total } from "./history.ts";
import { Plot, type PlotColumns, type PlotSeries } from "./plots.ts";

/** By where answers come from: our own ones, the cache, upstream, and what is no answer. */
const SOURCES: readonly PlotSeries[] = [
  { key: "error", label: "error", color: "--plot-red" },
  { key: "negative", label: "negative", color: "--plot-orange" },
  { key: "stale", label: "stale", color: "--plot-yellow" },
  { key: "forward", label: "forwarded", color: "--plot-gray" },
  { key: "cache", label: "cache", color: "--plot-violet" },
  { key: "suffix", label: "suffix", color: "--plot-lime" },
  { key: "workload", label: "workload", color: "--plot-teal" },
  { key: "virtual", label: "virtual", color: "--plot-sky" },
  { key: "resolved", label: "resolved", color: "--plot-green" },
  { key: "static", label: "static", color: "--plot-blue" },
];

const RESULTS: readonly PlotSeries[] = [
  { key: "failed", label: "failed", color: "--plot-red" },
  { key: "denied", label: "denied", color: "--plot-orange" },
  { key: "changed", label: "changed", color: "--plot-sky" },
  { key: "unchanged", label: "unchanged", color: "--plot-green" },
];
/** Results of a lookup that is right as it is; every other one is a failure. */
const DENIALS: readonly string[] = ["nxdomain", "nodata"];
const SUCCESSES: readonly string[] = ["changed", "unchanged"];

const UPSTREAM_COLORS = [
  "--plot-blue",
  "--plot-teal",
  "--plot-violet",
  "--plot-yellow",
  "--plot-sky",
  "--plot-lime",
];

export class Traffic {
  readonly #queries = new Plot({
    title: "Queries",
    unit: "per second, by source",
    series: SOURCES,
    isStacked: true,
    text: rateText,
    axisText: shortText,
    atLeast: 1,
  });
  readonly #cache = new Plot({
    title: "Cache hits",
    unit: "of forwarded queries",
    series: [{ key: "ratio", label: "hit ratio", color: "--plot-violet" }],
    isStacked: false,
    text: percentText,
    axisText: (ratio) => `${Math.round(ratio * 100)} %`,
    atLeast: 1,
    atMost: 1,
  });
  readonly #refreshes = new Plot({
    title: "Refreshes",
    unit: "per minute, by result",
    series: RESULTS,
    isStacked: true,
    text: rateText,
    axisText: shortText,
    atLeast: 1,
  });
  readonly #upstreams: Plot;

  /** Upstreams that come later are seen in the list of upstreams only. */
  constructor(parent: HTMLElement, { upstreams }: StatusReport) {
    this.#upstreams = new Plot({
      title: "Upstream latency",
      unit: "median, last minute",
      series: upstreams.slice(0, UPSTREAM_COLORS.length).map(({ address }, at) => ({
        key: address,
        label: address,
        color: UPSTREAM_COLORS[at]!,
      })),
      isStacked: false,
      text: latencyText,
      axisText: (seconds) => (seconds === 0 ? "0" : latencyText(seconds)),
      faultLabel: "an upstream down",
      atLeast: 0.001,
    });
    const plots = [this.#queries, this.#cache, this.#refreshes, this.#upstreams];
    parent.replaceChildren(...plots.map(({ card }) => card));
  }

  show(report: StatusReport, points: readonly Point[]): void {
    const last = points.at(-1);
    if (last === undefined) return;
    const times = points.map(({ atSeconds }) => atSeconds);
    this.#showQueries(report, last, times, points);
    this.#showCache(report, last, times, points);
    this.#showRefreshes(report, last, times, points);
    this.#showUpstreams(report, last, times, points);
  }

  #showQueries(
    { queries }: StatusReport,
    last: Point,
    times: readonly number[],
    points: readonly Point[],
  ): void {
    const { medianSeconds, p99Seconds } = last.answers;
    const took =
      medianSeconds === null || p99Seconds === null
        ? "no queries now"
        : `median ${latencyText(medianSeconds)}, 99 % within ${latencyText(p99Seconds)}`;
    const columns = columnsOf(SOURCES, points, ({ queriesPerSecond }, key) => queriesPerSecond[key] ?? 0);
    const waiting = queries.inFlight === 0 ? "" : `, ${countText(queries.inFlight)} waiting`;
    this.#queries.show(`${rateText(total(last.queriesPerSecond))}/s`, took + waiting, times, columns);
  }

  #showCache({ cache }: StatusReport, last: Point, times: readonly number[], points: readonly Point[]): void {
    const figure = last.cacheHitRatio === null ? "–" : percentText(last.cacheHitRatio);
    const size = `${plural(cache.entries, "reply", "replies")}, ${bytesText(cache.bytes)} of ${bytesText(cache.maxBytes)}`;
    this.#cache.show(figure, size, times, { ratio: points.map(({ cacheHitRatio }) => cacheHitRatio) });
  }

  #showRefreshes(
    { refreshes }: StatusReport,
    last: Point,
    times: readonly number[],
    points: readonly Point[],
  ): void {
    const columns = columnsOf(RESULTS, points, ({ refreshesPerMinute }, group) =>
      Object.entries(refreshesPerMinute).reduce(
        (sum, [result, rate]) => (groupOf(result) === group ? sum + rate : sum),
        0,
      ),
    );
    const retries =
      refreshes.waiting === 0 ? "no retries" : `${plural(refreshes.waiting, "name")} to be retried`;
    const running = refreshes.inFlight === 0 ? "" : `, ${countText(refreshes.inFlight)} running`;
    this.#refreshes.show(
      `${rateText(total(last.refreshesPerMinute))}/min`,
      retries + running,
      times,
      columns,
    );
  }

  #showUpstreams(
    { upstreams }: StatusReport,
    last: Point,
    times: readonly number[],
    points: readonly Point[],
  ): void {
    const medians = Object.values(last.upstreams).flatMap(({ medianSeconds }) => medianSeconds ?? []);
    const down = upstreams.filter(({ up, looping }) => !up || looping).length;
    const columns = Object.fromEntries(
      upstreams.map(({ address }) => [
        address,
        points.map((point) => point.upstreams[address]?.medianSeconds ?? null),
      ]),
    );
    const health = `${upstreams.length - down} of ${plural(upstreams.length, "upstream")} up`;
    const figure = medians.length === 0 ? "–" : latencyText(Math.max(...medians));
    const isFaulty = points.map((point) => Object.values(point.upstreams).some(({ isUp }) => !isUp));
    this.#upstreams.show(figure, health, times, columns, isFaulty);
  }
}

function groupOf(result: string): string {
  if (SUCCESSES.includes(result)) return result;
  return DENIALS.includes(result) ? "denied" : "failed";
}

function columnsOf(
  series: readonly PlotSeries[],
  points: readonly Point[],
  read: (point: Point, key: string) => number,
): PlotColumns {
  return Object.fromEntries(series.map(({ key }) => [key, points.map((point) => read(point, key))]));
}
