import { expect } from "chai";
import fc from "fast-check";
import { Multimap } from "../../src/registry/multimap.ts";

describe("Multimap", () => {
  it("keeps what a map of sets keeps, in the order of coming", () => {
    const step = fc.record({
      isAdding: fc.boolean(),
      key: fc.constantFrom("k", "l"),
      value: fc.constantFrom("a", "b", "c", "d"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const multimap = new Multimap<string, string>();
        const sets = new Map<string, Set<string>>();
        for (const { isAdding, key, value } of steps) {
          const set = sets.get(key) ?? new Set();
          sets.set(key, set);
          if (isAdding) {
            multimap.add(key, value);
            set.add(value);
          } else expect(multimap.drop(key, value)).to.equal(set.delete(value));
          for (const [each, values] of sets) {
            expect([...multimap.get(each)]).to.deep.equal([...values]);
            expect(multimap.has(each)).to.equal(values.size > 0);
          }
          expect([...multimap.keys()].sort()).to.deep.equal(
            [...sets.keys()].filter((each) => sets.get(each)!.size > 0).sort(),
          );
        }
        multimap.clear();
        expect([...multimap.keys()]).to.deep.equal([]);
      }),
    );
  });
});
