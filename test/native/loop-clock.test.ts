/** The loop's time and timers. */

import { expect } from "chai";
import fc from "fast-check";
import { LoopClock } from "../../src/native/loop-clock.ts";
import type { Timer } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";

describe("loop clock", () => {
  it("stands still during a turn", () => {
    const source = new FakeClock(100);
    const clock = new LoopClock(source);
    source.advance(5);
    expect(clock.nowMs()).to.equal(100);
    expect([clock.stamp(), clock.nowMs()]).to.deep.equal([105, 105]);
  });

  it("calls back what is due in the order of time, and never what was cancelled", () => {
    const delay = fc.integer({ min: 0, max: 50 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), delay }),
      fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }),
      fc.record({ kind: fc.constant("run" as const), delay }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const source = new FakeClock(0);
        const clock = new LoopClock(source);
        const expected = new Map<number, number>();
        const timers: Timer[] = [];
        const ran: number[] = [];
        const run = () => {
          clock.stamp();
          ran.length = 0;
          const nowMs = clock.nowMs();
          const due = [...expected].filter(([, atMs]) => atMs <= nowMs);
          clock.runDue();
          expect([...ran].sort((a, b) => a - b)).to.deep.equal(due.map(([id]) => id));
          const times = ran.map((id) => expected.get(id)!);
          expect(times).to.deep.equal([...times].sort((a, b) => a - b));
          for (const id of ran) expected.delete(id);
        };
        for (const each of steps) {
          if (each.kind === "set") {
            const id = timers.length;
            expected.set(id, clock.nowMs() + each.delay);
            timers.push(clock.setTimer(each.delay, () => ran.push(id)));
          } else if (each.kind === "cancel") {
            const id = each.which % Math.max(1, timers.length);
            timers[id]?.cancel();
            expected.delete(id);
          } else {
            source.advance(each.delay);
            run();
          }
          const next = Math.min(...expected.values());
          // One that was cancelled may still be waited for, but none is waited for too long.
          expect(clock.nextDueMs).to.be.at.most(next);
        }
        source.advance(1000);
        run();
        expect(clock.nextDueMs).to.equal(Number.POSITIVE_INFINITY);
      }),
    );
  });

  it("leaves a timer that is set in a callback to the next turn", () => {
    const clock = new LoopClock(new FakeClock());
    let calls = 0;
    const again = () => {
      calls += 1;
      clock.setTimer(0, again);
    };
    clock.setTimer(0, again);
    clock.runDue();
    expect(calls).to.equal(1);
    clock.runDue();
    expect(calls).to.equal(2);
  });

  it("keeps no more cancelled timers than others", () => {
    const clock = new LoopClock(new FakeClock(0));
    const kept = clock.setTimer(10, () => {});
    for (let count = 0; count < 100_000; count += 1) clock.setTimer(5, () => {}).cancel();
    expect(clock.timerCount).to.be.below(1000);
    kept.cancel();
    kept.cancel();
  });
});
