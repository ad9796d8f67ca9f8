/** What the page makes of counters: rates, ratios and quantiles, also over restarts and pauses. */

import { expect } from "chai";
import fc from "fast-check";
import type { StatusReport } from "../../../src/telemetry/api-status.ts";
import { History, KEPT_SECONDS, quantile, timeRange } from "../../../src/telemetry/page/browser/history.ts";
import { quietStatus } from "./stage.ts";

const START = Date.UTC(2026, 0, 1);
const quiet = quietStatus();

/** A report at a second, with what has been counted until then. */
function reportAt(
  second: number,
  counts: Partial<Record<"static" | "hits" | "misses" | "changed" | "up", number>>,
) {
  const { queries, cache, refreshes, upstreams } = quiet;
  return {
    ...quiet,
    time: new Date(START + second * 1000).toISOString(),
    startedAt: new Date(START - 1000).toISOString(),
    queries: { ...queries, bySource: { static: counts.static ?? 0 } },
    cache: { ...cache, hits: counts.hits ?? 0, misses: counts.misses ?? 0 },
    refreshes: { ...refreshes, byResult: { changed: counts.changed ?? 0 } },
    upstreams: upstreams.map((each) => ({ ...each, up: counts.up !== 0 })),
  } satisfies StatusReport;
}

function histogram(...values: readonly number[]) {
  const boundsSeconds = [1, 2, 4];
  const counts = [...boundsSeconds, Infinity].map((bound) => values.filter((value) => value <= bound).length);
  return { boundsSeconds, counts, sumSeconds: values.reduce((sum, value) => sum + value, 0) };
}

describe("status page: history", () => {
  it("shows the time that ends with the newest point, however few there are", () => {
    expect(timeRange([], 5000)).to.deep.equal([4880, 5000]);
    expect(timeRange([4000], 5000)).to.deep.equal([3880, 4000]);
    expect(timeRange([4000, 4300], 5000)).to.deep.equal([4000, 4300]);
    expect(timeRange([1000, 4300], 5000)).to.deep.equal([3400, 4300]);
  });

  it("has nothing to say of one report", () => {
    const history = new History();
    history.add(reportAt(0, { static: 1000 }));
    expect(history.points).to.deep.equal([]);
  });

  it("gives rates over the last 10 s, refreshes over the last minute", () => {
    const history = new History();
    for (let second = 0; second <= 120; second += 2) {
      // 5 queries and a tenth of a refresh per second; from 110 s on ten times as many.
      const late = Math.max(0, second - 110);
      history.add(reportAt(second, { static: 5 * second + 45 * late, changed: second / 10 + 0.9 * late }));
    }
    const last = history.points.at(-1)!;
    expect(last.queriesPerSecond["static"]).to.be.closeTo(50, 1e-9);
    expect(last.refreshesPerMinute["changed"]).to.be.closeTo(6 + 9, 1e-9);
    expect(history.points.at(-6)!.queriesPerSecond["static"]).to.be.closeTo(5, 1e-9);
    expect(history.points).to.have.length(60);
  });

  it("knows no hit ratio while nobody asks the cache", () => {
    const history = new History();
    history.add(reportAt(0, { hits: 10, misses: 10 }));
    history.add(reportAt(2, { hits: 10, misses: 10 }));
    history.add(reportAt(4, { hits: 13, misses: 11 }));
    expect(history.points.map(({ cacheHitRatio }) => cacheHitRatio)).to.deep.equal([null, 0.75]);
  });

  it("starts anew with the program: nothing is negative", () => {
    const history = new History();
    history.add(reportAt(0, { static: 1000 }));
    history.add(reportAt(2, { static: 1010 }));
    const restarted = { startedAt: new Date(START + 3000).toISOString() };
    history.add({ ...reportAt(4, { static: 2 }), ...restarted });
    expect(history.points).to.have.length(1);
    history.add({ ...reportAt(6, { static: 8 }), ...restarted });
    expect(history.points.at(-1)!.queriesPerSecond["static"]).to.equal(3);
  });

  it("gives the mean of a time in which the page was not seen", () => {
    const history = new History();
    history.add(reportAt(0, {}));
    history.add(reportAt(2, { static: 2 }));
    history.add(reportAt(302, { static: 602 }));
    expect(history.points.at(-1)!.queriesPerSecond["static"]).to.equal(2);
  });

  it("says when an upstream was down", () => {
    const history = new History();
    for (const [second, up] of [1, 1, 0, 1].entries()) history.add(reportAt(second, { up }));
    expect(history.points.map((point) => Object.values(point.upstreams)[0]!.isUp)).to.deep.equal([
      true,
      false,
      true,
    ]);
  });

  it("keeps a quarter of an hour", () => {
    const history = new History();
    for (let second = 0; second < 3000; second += 2) history.add(reportAt(second, {}));
    expect(history.points.length).to.be.within(KEPT_SECONDS / 2, KEPT_SECONDS / 2 + 1);
  });

  describe("quantile", () => {
    const none = histogram();

    it("is nothing of nothing, also where there was something before", () => {
      expect(quantile(none, none, 0.5)).to.equal(null);
      expect(quantile(histogram(1, 3), histogram(1, 3), 0.5)).to.equal(null);
    });

    it("is what came since, by its part of the bucket", () => {
      expect(quantile(histogram(0.5, 0.5, 0.5), histogram(0.5, 0.5, 0.5, 3, 3), 0.5)).to.equal(3);
      expect(quantile(none, histogram(0.5, 1.5), 0.5)).to.equal(1);
      expect(quantile(none, histogram(0.5, 1.5), 0.75)).to.equal(1.5);
      expect(quantile(none, histogram(9, 9), 0.5), "above all bounds").to.equal(4);
    });

    it("lies in the bucket of the true one", () => {
      const seconds = fc.array(fc.double({ min: 0.001, max: 4, noNaN: true }), {
        minLength: 1,
        maxLength: 50,
      });
      const quantiles = fc.double({ min: 0.01, max: 1, noNaN: true });
      fc.assert(
        fc.property(seconds, seconds, quantiles, (before, since, q) => {
          const found = quantile(histogram(...before), histogram(...before, ...since), q)!;
          const truth = since.toSorted((a, b) => a - b)[Math.ceil(q * since.length) - 1]!;
          const upper = [1, 2, 4].find((bound) => truth <= bound)!;
          expect(found).to.be.within(upper === 1 ? 0 : upper / 2, upper);
        }),
      );
    });
  });
});
