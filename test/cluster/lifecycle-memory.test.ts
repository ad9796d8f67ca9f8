/** Whatever comes and goes leaves nothing behind; `node bench/churn/main.ts` is the long form. */

import { expect } from "chai";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { aliveKiB, ChurnWorld, hostOfCycle, objectsOfCycle } from "../support/churn-world.ts";

const CYCLES = 600;
/**
 * Each cycle has seven objects: a third of a kilobyte kept of each would show. Pools of shared values fill up to their
 * bounds, and after many other tests the heap is not quite still.
 */
const MOST_GROWTH_KIB = 800;
const NAMES = 50;
const HOUR_MS = 3_600_000;
const STEP_MS = 1000;

describe("memory", function () {
  this.timeout(240_000);
  let world: ChurnWorld;

  beforeEach(() => {
    world = new ChurnWorld();
  });
  afterEach(() => world.close());

  async function cycles(from: number, to: number): Promise<void> {
    for (let cycle = from; cycle < to; cycle += 1) {
      const objects = objectsOfCycle(cycle);
      world.tell("ADDED", ...objects);
      await world.pass(40);
      expect(world.table.findHost(hostOfCycle("static", cycle))).to.not.equal(NOT_FOUND);
      world.tell("DELETED", ...objects.toReversed());
      await world.pass(40);
      expect(world.table.size).to.equal(0);
    }
  }

  it("is as it was after objects of every form came and went", async () => {
    await cycles(0, CYCLES / 3);
    const before = [world.problems, world.clock.timers];
    const beforeKiB = aliveKiB();
    await cycles(CYCLES / 3, CYCLES);
    expect(aliveKiB() - beforeKiB).to.be.below(MOST_GROWTH_KIB);
    expect([world.problems, world.clock.timers]).to.deep.equal(before);
    const scraped = await world.scrape();
    expect(scraped).to.include(
      `serviceentry_dns_events_total{kind="ServiceEntry",type="deleted"} ${5 * CYCLES}`,
    );
    expect(scraped).to.match(/dns_programming_duration_seconds_count\{kind="ServiceEntry"\} [1-9]/);
    expect(scraped.split("\n")).to.have.length.below(400);
  });

  it("is flat through an hour in which no refresh succeeds", async () => {
    for (let cycle = 0; cycle < NAMES; cycle += 1) world.tell("ADDED", ...objectsOfCycle(cycle));
    await world.pass(1000);
    world.upstream = { kind: "failed", failure: "servfail" };
    await hours(0.25);
    const before = { kib: aliveKiB(), lookups: world.lookups, timers: world.clock.timers };
    await hours(0.75);
    expect(world.lookups - before.lookups).to.be.above(NAMES * 10);
    expect(aliveKiB() - before.kib).to.be.below(MOST_GROWTH_KIB);
    expect(world.clock.timers).to.be.at.most(before.timers + 2);
  });

  async function hours(count: number): Promise<void> {
    for (let leftMs = count * HOUR_MS; leftMs > 0; leftMs -= STEP_MS) {
      world.clock.advance(STEP_MS);
      await new Promise(setImmediate);
    }
  }
});
