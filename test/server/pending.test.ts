/** Queries that wait, with a stopped clock. */

import { expect } from "chai";
import { PendingQueries, type WaitingQuery } from "../../src/server/pending.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeClient } from "./fixtures.ts";

function stage(limit = 4096) {
  const clock = new FakeClock(0);
  const resumed: [number, number][] = [];
  const pending = new PendingQueries(clock, limit, (query) =>
    resumed.push([query.message[0]!, clock.nowMs()]),
  );
  const waiting = (id: number, untilMs: number): WaitingQuery => ({
    message: Uint8Array.of(id),
    client: new FakeClient(),
    startedMs: clock.nowMs(),
    isDenied: false,
    untilMs,
  });
  return { clock, pending, resumed, waiting };
}

describe("pending queries", () => {
  it("are handled again, in their order, when their host changes", () => {
    const { pending, resumed, waiting, clock } = stage();
    pending.hold("a", waiting(1, 2500));
    pending.hold("b", waiting(2, 2500));
    pending.hold("a", waiting(3, 2500));
    clock.advance(100);
    pending.release("a");
    expect(resumed).to.deep.equal([
      [1, 100],
      [3, 100],
    ]);
    expect(pending.size).to.equal(1);
    pending.release("a");
    pending.release("never held");
    expect(resumed.length).to.equal(2);
  });

  it("are handled again when the first of them has waited long enough", () => {
    const { pending, resumed, waiting, clock } = stage();
    pending.hold("a", waiting(1, 2500));
    pending.hold("a", waiting(2, 900));
    pending.hold("a", waiting(3, 2600));
    clock.advance(899);
    expect(resumed).to.deep.equal([]);
    clock.advance(1);
    expect(resumed).to.deep.equal([
      [1, 900],
      [2, 900],
      [3, 900],
    ]);
    expect(clock.timers).to.equal(0);
  });

  it("never wake before their moment, even where it is no whole millisecond", () => {
    const { pending, resumed, waiting, clock } = stage();
    pending.hold("a", waiting(1, 10.4));
    clock.advance(10.4);
    expect(resumed).to.deep.equal([]);
    clock.advance(0.6);
    expect(resumed).to.deep.equal([[1, 11]]);
  });

  it("are at most 64 per host", () => {
    const { pending, waiting } = stage();
    for (let id = 0; id < 64; id += 1) expect(pending.hold("a", waiting(id, 2500))).to.equal(true);
    expect(pending.hold("a", waiting(64, 2500))).to.equal(false);
    expect(pending.hold("b", waiting(64, 2500))).to.equal(true);
    pending.release("a");
    expect(pending.hold("a", waiting(64, 2500))).to.equal(true);
  });

  it("are at most so many in all", () => {
    const { pending, waiting } = stage(3);
    for (const key of ["a", "b", "c"]) expect(pending.hold(key, waiting(1, 2500))).to.equal(true);
    expect(pending.hold("d", waiting(1, 2500))).to.equal(false);
    expect(pending.hold("a", waiting(1, 2500))).to.equal(false);
    expect(pending.size).to.equal(3);
  });

  it("may be held again while they are released", () => {
    const clock = new FakeClock(0);
    let turns = 0;
    const pending: PendingQueries = new PendingQueries(clock, 10, (query) => {
      turns += 1;
      if (turns < 3) pending.hold("a", { ...query, untilMs: clock.nowMs() + 100 });
    });
    pending.hold("a", {
      message: Uint8Array.of(1),
      client: new FakeClient(),
      startedMs: 0,
      isDenied: false,
      untilMs: 100,
    });
    pending.release("a");
    expect([turns, pending.size]).to.deep.equal([1, 1]);
    clock.advance(1000);
    expect([turns, pending.size, clock.timers]).to.deep.equal([3, 0, 0]);
  });

  it("are all released at once, or those whose key matches", () => {
    const { pending, resumed, waiting, clock } = stage();
    pending.hold("?a", waiting(1, 2500));
    pending.hold("=a", waiting(2, 2500));
    pending.releaseAll((key) => key.startsWith("?"));
    expect(resumed.map(([id]) => id)).to.deep.equal([1]);
    pending.releaseAll();
    expect(resumed.map(([id]) => id)).to.deep.equal([1, 2]);
    expect([pending.size, clock.timers]).to.deep.equal([0, 0]);
  });
});
