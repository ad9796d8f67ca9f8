import { expect } from "chai";
import fc from "fast-check";
import { Schedule } from "../../src/refresher/schedule.ts";

describe("Schedule", () => {
  it("gives nothing before its time, and things in the order of their times, then of their setting", () => {
    const schedule = new Schedule<string>();
    schedule.set("late", 30);
    schedule.set("early", 10);
    schedule.set("early too", 10);
    expect(schedule.nextDueAtMs).to.equal(10);
    expect(schedule.takeDue(9)).to.equal(undefined);
    expect(schedule.takeDue(20)).to.include({ item: "early", dueAtMs: 10 });
    expect(schedule.takeDue(20)).to.include({ item: "early too", dueAtMs: 10 });
    expect(schedule.takeDue(20)).to.equal(undefined);
    expect(schedule.dueAtMs("late")).to.equal(30);
    expect(schedule.dueAtMs("early")).to.equal(undefined);
  });

  it("is empty at first: nothing is ever due", () => {
    const schedule = new Schedule<string>();
    expect(schedule.nextDueAtMs).to.equal(Number.POSITIVE_INFINITY);
    expect(schedule.takeDue(Number.MAX_SAFE_INTEGER)).to.equal(undefined);
    schedule.remove("never set");
    expect(schedule.size).to.equal(0);
  });

  it("agrees with a sorted list, whatever is set, moved and removed", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), item: fc.nat(30), dueAtMs: fc.nat(100) }),
      fc.record({ kind: fc.constant("remove" as const), item: fc.nat(30), dueAtMs: fc.constant(0) }),
      fc.record({ kind: fc.constant("take" as const), item: fc.constant(0), dueAtMs: fc.nat(100) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const schedule = new Schedule<number>();
        let list: { item: number; dueAtMs: number }[] = [];
        for (const { kind, item, dueAtMs } of steps) {
          if (kind !== "take") list = list.filter((each) => each.item !== item);
          if (kind === "remove") schedule.remove(item);
          if (kind === "set") {
            schedule.set(item, dueAtMs);
            list.push({ item, dueAtMs });
            list.sort((one, other) => one.dueAtMs - other.dueAtMs);
          }
          if (kind === "take") {
            const expected = list[0] !== undefined && list[0].dueAtMs <= dueAtMs ? list.shift() : undefined;
            expect(schedule.takeDue(dueAtMs)?.item).to.equal(expected?.item);
          }
          expect(schedule.size).to.equal(list.length);
          expect(schedule.nextDueAtMs).to.equal(list[0]?.dueAtMs ?? Number.POSITIVE_INFINITY);
        }
      }),
    );
  });
});
