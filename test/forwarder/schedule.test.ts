import { expect } from "chai";
import fc from "fast-check";
import { Schedule, type Scheduled } from "../../src/forwarder/schedule.ts";
import { FakeClock } from "../support/fake-clock.ts";

class Item implements Scheduled<Item> {
  readonly startedAtMs: number;
  isSettled = false;
  nextInStep: Item | null = null;
  readonly seen: (readonly [step: number, afterMs: number])[] = [];
  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs;
  }
}

const DELAYS_MS = [30, 70, 70, 200];

function makeSchedule(clock: FakeClock): Schedule<Item> {
  return new Schedule<Item>(clock, DELAYS_MS, (item, step) => {
    item.seen.push([step, clock.nowMs() - item.startedAtMs]);
    if (step === DELAYS_MS.length - 1) item.isSettled = true;
  });
}

describe("Schedule", () => {
  it("takes each item through its steps in time, until it is settled", () => {
    const event = fc.record({ waitMs: fc.integer({ min: 0, max: 60 }), settle: fc.option(fc.nat(5)) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const clock = new FakeClock();
        const schedule = makeSchedule(clock);
        const items: Item[] = [];
        const settledAfterMs = new Map<Item, number>();
        for (const { waitMs, settle } of events) {
          clock.advance(waitMs);
          const item = new Item(clock.nowMs());
          items.push(item);
          schedule.start(item);
          const other = settle === null ? undefined : items.at(-1 - settle);
          if (other === undefined || other.isSettled) continue;
          other.isSettled = true;
          settledAfterMs.set(other, clock.nowMs() - other.startedAtMs);
        }
        clock.advance(1_000);
        for (const item of items) {
          const untilMs = settledAfterMs.get(item) ?? Number.POSITIVE_INFINITY;
          const expected = DELAYS_MS.map((delayMs, step) => [step, delayMs]);
          expect(item.seen).to.deep.equal(expected.filter(([, delayMs]) => delayMs! <= untilMs));
        }
        expect(clock.timers).to.equal(0);
      }),
    );
  });

  it("keeps one timer for any number of items, and none once closed", () => {
    const clock = new FakeClock();
    const schedule = makeSchedule(clock);
    const items = Array.from({ length: 100 }, () => new Item(clock.nowMs()));
    for (const item of items) schedule.start(item);
    expect(clock.timers).to.equal(1);
    clock.advance(50);
    expect(clock.timers).to.equal(1);
    schedule.close();
    expect(clock.timers).to.equal(0);
    clock.advance(1_000);
    for (const item of items) expect(item.seen).to.deep.equal([[0, 30]]);
  });
});
