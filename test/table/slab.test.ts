import { expect } from "chai";
import fc from "fast-check";
import { Slab } from "../../src/table/slab.ts";

const lengths = fc.oneof(
  fc.integer({ min: 1, max: 400 }),
  fc.integer({ min: 8, max: 15 }).chain((power) => fc.integer({ min: 2 ** power - 1, max: 2 ** power + 1 })),
  fc.integer({ min: 1, max: 60_000 }),
);

describe("Slab", () => {
  it("deals out blocks that keep what is written into them until they are freed", () => {
    // A negative step frees one of the blocks in use, a positive one allocates so many octets.
    const steps = fc.array(fc.oneof(lengths, fc.integer({ min: -50, max: -1 })), { maxLength: 80 });
    fc.assert(
      fc.property(steps, (all) => {
        const slab = new Slab();
        const used: { block: number; length: number; mark: number }[] = [];
        for (const [index, step] of all.entries()) {
          if (step > 0) {
            const block = slab.allocate(step);
            expect(block).to.be.above(0);
            expect(block + step).to.be.at.most(slab.octets.length);
            slab.octets.fill(index & 0xff, block, block + step);
            used.push({ block, length: step, mark: index & 0xff });
          } else if (used.length > 0) {
            const [freed] = used.splice(-step % used.length, 1);
            slab.free(freed!.block, freed!.length);
          }
        }
        for (const { block, length, mark } of used) {
          expect(slab.octets.subarray(block, block + length).every((octet) => octet === mark)).to.equal(true);
        }
      }),
    );
  });

  it("grows at once to whatever a block needs", () => {
    const slab = new Slab();
    const block = slab.allocate(1_000_000);
    expect(slab.octets.length).to.be.at.least(block + 1_000_000);
  });

  it("uses freed blocks again, after growing too", () => {
    fc.assert(
      fc.property(fc.array(lengths, { minLength: 1, maxLength: 30 }), (all) => {
        const slab = new Slab();
        const first = all.map((length) => slab.allocate(length));
        for (const [index, block] of first.entries()) slab.free(block, all[index]!);
        slab.allocate(slab.octets.length);
        const second = all.map((length) => slab.allocate(length));
        expect(new Set(second)).to.deep.equal(new Set(first));
      }),
    );
  });

  it("wastes at most 15 octets of a small block and a fifth of a large one", () => {
    for (let length = 1; length < 5000; length += 1) {
      const slab = new Slab();
      const room = -slab.allocate(length) + slab.allocate(length);
      expect(room - length, `${length}`).to.be.within(0, Math.max(15, room / 5));
    }
  });
});
