import { expect } from "chai";
import {
  type Knowledge,
  knowNothing,
  lapse,
  lapsesAtMs,
  learn,
  nextDelayMs,
} from "../../src/refresher/knowledge.ts";
import type { LookupResult } from "../../src/refresher/lookup.ts";
import { addresses, failed, NODATA, NXDOMAIN, ONE, TWO } from "./scripted-upstream.ts";

const MAX_STALE_MS = 1_000_000;
const GOOD = addresses(["198.51.100.1", "198.51.100.2"], 30);

/** What is known after these results, one per second from 0 on. */
function knownAfter(...results: readonly LookupResult[]): Knowledge {
  return results.reduce(
    (known, result, at) => learn(known, { result, server: ONE }, at * 1000, MAX_STALE_MS),
    knowNothing(0),
  );
}

const delay = (known: Knowledge, chance: number) =>
  nextDelayMs(known, { fraction: () => chance, uint16: () => 0 });

describe("what is known of a name", () => {
  const servfail = failed("servfail");
  for (const [story, results, state] of [
    ["nothing at all", [], "pending"],
    ["addresses", [GOOD], "fresh"],
    ["a failure, nothing before", [servfail], "failed"],
    ["a denial, nothing before", [NXDOMAIN], "denied"],
    ["a failure behind a denial", [NXDOMAIN, servfail], "failed"],
    ["a denial behind a failure", [servfail, NODATA], "denied"],
    ["a failure behind addresses that have not expired", [GOOD, servfail], "fresh"],
    ["a denial behind addresses", [GOOD, NXDOMAIN], "fresh"],
    ["two denials behind addresses", [GOOD, NXDOMAIN, NODATA], "denied"],
    ["two denials with a failure between", [GOOD, NXDOMAIN, servfail, NXDOMAIN], "denied"],
    ["two denials with addresses between", [GOOD, NXDOMAIN, GOOD, NXDOMAIN], "fresh"],
    ["addresses behind a denial", [NXDOMAIN, GOOD], "fresh"],
    ["addresses behind a failure", [servfail, GOOD], "fresh"],
    ["a denial behind addresses behind a denial", [NXDOMAIN, GOOD, NXDOMAIN], "fresh"],
  ] as const) {
    it(`is "${state}" after ${story}`, () => {
      expect(knownAfter(...results).resolution.state).to.equal(state);
    });
  }

  it("keeps the array of addresses that are the same, and the value of a state that lasts", () => {
    const first = knownAfter(GOOD);
    const second = learn(
      first,
      { result: addresses(["198.51.100.1", "198.51.100.2"], 9), server: TWO },
      5000,
      0,
    );
    expect(second.good?.addresses).to.equal(first.good?.addresses);
    expect(second.resolution).to.deep.include({ expiresAtMs: 14_000 });
    const other = learn(first, { result: addresses(["198.51.100.1"]), server: ONE }, 5000, 0);
    expect(other.good?.addresses).to.deep.equal(["198.51.100.1"]);
    for (const [results, more] of [
      [[servfail], failed("refused")],
      [[NXDOMAIN], NODATA],
      [[GOOD], NXDOMAIN],
    ] as const) {
      const known = knownAfter(...results);
      expect(learn(known, { result: more, server: ONE }, 1000, MAX_STALE_MS).resolution).to.equal(
        known.resolution,
      );
    }
  });

  it("lapses at the expiry when a refresh has failed, and maxStale later", () => {
    const failing = knownAfter(GOOD, servfail);
    expect(lapsesAtMs(failing, MAX_STALE_MS)).to.equal(30_000);
    expect(lapse(failing, 29_999, MAX_STALE_MS)).to.equal(failing);
    const stale = lapse(failing, 30_000, MAX_STALE_MS);
    expect(stale.resolution).to.deep.equal({
      state: "stale",
      addresses: ["198.51.100.1", "198.51.100.2"],
      failure: "servfail",
    });
    expect(lapsesAtMs(stale, MAX_STALE_MS)).to.equal(1_030_000);
    expect(lapse(stale, 1_029_999, MAX_STALE_MS)).to.equal(stale);
    const gone = lapse(stale, 1_030_000, MAX_STALE_MS);
    expect(gone.resolution).to.deep.equal({ state: "failed", failure: "servfail" });
    expect(lapsesAtMs(gone, MAX_STALE_MS)).to.equal(Number.POSITIVE_INFINITY);
  });

  it("goes straight to failed at the expiry where nothing stale may be given", () => {
    expect(lapse(knownAfter(GOOD, servfail), 30_000, 0).resolution.state).to.equal("failed");
  });

  it("does not lapse where no refresh has failed, however late the next one comes", () => {
    expect(lapsesAtMs(knownAfter(GOOD), MAX_STALE_MS)).to.equal(Number.POSITIVE_INFINITY);
    expect(lapse(knownAfter(GOOD), 10_000_000, MAX_STALE_MS).resolution.state).to.equal("fresh");
  });

  it("lapses to denied 60 s after a denial that was held back", () => {
    const doubtful = knownAfter(GOOD, NXDOMAIN);
    expect(lapsesAtMs(doubtful, MAX_STALE_MS)).to.equal(61_000);
    expect(lapse(doubtful, 60_999, MAX_STALE_MS)).to.equal(doubtful);
    expect(lapse(doubtful, 61_000, MAX_STALE_MS).resolution).to.deep.equal({
      state: "denied",
      by: "nxdomain",
    });
  });

  it("has an error from the first failure on, since then, until an answer comes", () => {
    const known = knownAfter(GOOD, servfail, failed("timeout"));
    expect(known.lastError).to.deep.equal({
      code: "timeout",
      message: "192.0.2.53:53 gave no reply within 4.5 s",
      sinceMs: 1000,
    });
    expect(knownAfter(NXDOMAIN).lastError).to.include({ code: "nxdomain", sinceMs: 0 });
    expect(knownAfter(servfail, NODATA).lastError).to.equal(null);
    expect(knownAfter(servfail, GOOD).lastError).to.equal(null);
  });

  it("is asked for again when the kind of the last answer says", () => {
    expect(delay(knownAfter(GOOD), 0)).to.equal(27_000);
    expect(delay(knownAfter(addresses(["198.51.100.1"], 1)), 0.9)).to.equal(5000);
    expect(delay(knownAfter(addresses(["198.51.100.1"], 4000)), 0.9)).to.equal(300_000);
    expect(delay(knownAfter(GOOD, NXDOMAIN), 0)).to.equal(5000);
    // Now it stands, and the doubling begins.
    expect(delay(knownAfter(GOOD, NXDOMAIN, NXDOMAIN), 0)).to.equal(5000);
    expect(delay(knownAfter(GOOD, NXDOMAIN, NXDOMAIN, NXDOMAIN), 0)).to.equal(10_000);
    expect(delay(knownAfter(NXDOMAIN), 0)).to.equal(5000);
    expect(delay(knownAfter(NXDOMAIN, NXDOMAIN), 0)).to.equal(10_000);
    expect(delay(knownAfter(...Array.from({ length: 50 }, () => NODATA)), 0)).to.equal(30_000);
    expect(delay(knownAfter(servfail), 0.5)).to.equal(200);
    expect(delay(knownAfter(servfail, servfail), 0)).to.equal(320);
    expect(delay(knownAfter(servfail, servfail), 1)).to.be.closeTo(480, 0.001);
    expect(delay(knownAfter(...Array.from({ length: 5000 }, () => servfail)), 0.5)).to.equal(30_000);
  });
});
