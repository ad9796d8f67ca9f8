import { expect } from "chai";
import fc from "fast-check";
import { SLOT_OCTETS, SlotStore, slotsFor } from "../../src/forwarder/slot-store.ts";

describe("SlotStore", () => {
  it("gives back what was put, whatever was put and freed in between", () => {
    const length = fc.oneof(
      fc.integer({ min: 1, max: 3 * SLOT_OCTETS }),
      fc.constantFrom(1, SLOT_OCTETS, SLOT_OCTETS + 1),
    );
    const step = fc.oneof(fc.record({ put: length, fill: fc.nat(255) }), fc.record({ free: fc.nat(20) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new SlotStore(12);
        const kept: { first: number; octets: Uint8Array }[] = [];
        let used = 0;
        for (const action of steps) {
          if ("put" in action) {
            if (slotsFor(action.put) > store.freeCount) continue;
            const octets = Uint8Array.from({ length: action.put }, (_, at) => action.fill + at * 7);
            kept.push({ first: store.put(octets, octets.length), octets });
            used += slotsFor(action.put);
          } else if (kept.length > 0) {
            const [gone] = kept.splice(action.free % kept.length, 1);
            store.free(gone!.first);
            used -= slotsFor(gone!.octets.length);
          }
          expect(store.freeCount).to.equal(12 - used);
          for (const { first, octets } of kept) {
            const copy = new Uint8Array(octets.length);
            store.copy(first, octets.length, copy);
            expect(copy).to.deep.equal(octets);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("fills up to the last slot", () => {
    const store = new SlotStore(3);
    const firsts = [1, 2, 3].map((fill) => store.put(new Uint8Array(SLOT_OCTETS).fill(fill), SLOT_OCTETS));
    expect(new Set(firsts).size).to.equal(3);
    expect(store.freeCount).to.equal(0);
    for (const first of firsts) store.free(first);
    expect(store.freeCount).to.equal(3);
  });
});
