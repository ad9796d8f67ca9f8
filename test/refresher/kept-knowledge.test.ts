import { expect } from "chai";
import { keep, recall } from "../../src/refresher/kept-knowledge.ts";
import { type Knowledge, knowNothing, lapse, learn } from "../../src/refresher/knowledge.ts";
import type { LookupResult } from "../../src/refresher/lookup.ts";
import { addresses, failed, NODATA, NXDOMAIN, ONE } from "./scripted-upstream.ts";

const WALL_AHEAD_MS = 1_700_000_000_000;
const MAX_STALE_MS = 3_600_000;
const GOOD = addresses(["198.51.100.1", "198.51.100.2"], 30);

function knownAfter(...results: readonly LookupResult[]): Knowledge {
  return results.reduce(
    (known, result, at) => learn(known, { result, server: ONE }, at * 1000, MAX_STALE_MS),
    knowNothing(0),
  );
}

/** After a restart, `laterMs` by the wall clock; the monotonic clock of the new process begins somewhere else. */
function recalled(known: Knowledge, laterMs: number): Knowledge | undefined {
  const nowMs = 50;
  return recall(keep("A", known, WALL_AHEAD_MS).A, nowMs, WALL_AHEAD_MS + laterMs - nowMs, MAX_STALE_MS);
}

describe("what is kept of a name over a restart", () => {
  it("is nothing where nothing is known, or only that it failed", () => {
    for (const known of [
      knownAfter(),
      knownAfter(failed("timeout")),
      knownAfter(NXDOMAIN, failed("servfail")),
    ])
      expect(keep("A", known, WALL_AHEAD_MS)).to.deep.equal({});
  });

  it("is the addresses with the moment of their expiry", () => {
    expect(keep("AAAA", knownAfter(GOOD), WALL_AHEAD_MS)).to.deep.equal({
      AAAA: {
        state: "resolved",
        addresses: ["198.51.100.1", "198.51.100.2"],
        ttlSeconds: 30,
        expiresAtWallMs: WALL_AHEAD_MS + 30_000,
      },
    });
    const again = recalled(knownAfter(GOOD), 10_000);
    expect(again?.resolution).to.deep.equal({
      state: "fresh",
      addresses: ["198.51.100.1", "198.51.100.2"],
      expiresAtMs: 50 + 20_000,
    });
  });

  it("is the last good addresses while refreshes fail, and so they stay after a failure", () => {
    const again = recalled(knownAfter(GOOD, failed("servfail")), 60_000)!;
    expect(again.resolution).to.deep.include({ state: "fresh", expiresAtMs: 50 - 30_000 });
    const after = learn(again, { result: failed("timeout"), server: ONE }, 100, MAX_STALE_MS);
    expect(after.resolution).to.deep.include({ state: "stale", failure: "timeout" });
  });

  it("is given no longer than stale addresses may be", () => {
    expect(recalled(knownAfter(GOOD), 30_000 + MAX_STALE_MS - 1)).not.to.equal(undefined);
    expect(recalled(knownAfter(GOOD), 30_000 + MAX_STALE_MS)).to.equal(undefined);
    const last = recalled(knownAfter(GOOD), 30_000 + MAX_STALE_MS - 1)!;
    const failing = learn(last, { result: failed("timeout"), server: ONE }, 50, MAX_STALE_MS);
    expect(lapse(failing, 52, MAX_STALE_MS).resolution.state).to.equal("failed");
  });

  it("does not live longer than its TTL where the clock was set back", () => {
    const again = recalled(knownAfter(GOOD), -7 * 24 * 3_600_000);
    expect(again?.resolution).to.deep.include({ state: "fresh", expiresAtMs: 50 + 30_000 });
  });

  it("is a denial too, so that a family without addresses is not waited for", () => {
    const again = recalled(knownAfter(NODATA), 10_000)!;
    expect(again.resolution).to.deep.equal({ state: "denied", by: "nodata" });
    const after = learn(again, { result: GOOD, server: ONE }, 100, MAX_STALE_MS);
    expect(after.resolution.state).to.equal("fresh");
  });
});
