import { expect } from "chai";
import { BackOff } from "../../src/cluster/back-off.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FixedRandom } from "./fixture.ts";

describe("BackOff", () => {
  let clock: FakeClock;
  let random: FixedRandom;
  let backOff: BackOff;

  beforeEach(() => {
    clock = new FakeClock();
    random = new FixedRandom();
    random.value = 1;
    backOff = new BackOff({ clock, random, mostMs: 30_000 });
  });

  it("doubles from 0.8 s to its limit, and stays there", () => {
    const waits = Array.from({ length: 100 }, () => backOff.next());
    expect(waits.slice(0, 8)).to.deep.equal([800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    expect(waits.at(-1)).to.equal(30_000);
  });

  it("waits any part of that, down to nothing", () => {
    random.value = 0.25;
    expect([backOff.next(), backOff.next()]).to.deep.equal([200, 400]);
    random.value = 0;
    expect(backOff.next()).to.equal(0);
  });

  it("takes the first failure for nothing where that is allowed", () => {
    expect([backOff.next(true), backOff.next(true), backOff.next(false)]).to.deep.equal([0, 1600, 3200]);
  });

  it("forgets after 60 s of health in one piece", () => {
    backOff.next();
    backOff.noteHealth();
    clock.advance(59_999);
    backOff.noteHealth();
    expect(backOff.next()).to.equal(1600);
    clock.advance(100_000);
    backOff.noteHealth();
    expect(backOff.next()).to.equal(3200);
    backOff.noteHealth();
    clock.advance(60_000);
    expect(backOff.next()).to.equal(800);
  });
});
