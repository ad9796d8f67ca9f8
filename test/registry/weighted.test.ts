import { expect } from "chai";
import * as fc from "fast-check";
import { addWeighted, UNKNOWN_LOCALITY, type Weighted, WeightedList } from "../../src/registry/weighted.ts";

const HERE = { ...UNKNOWN_LOCALITY, zone: "here" };
const THERE = { ...UNKNOWN_LOCALITY, zone: "there" };

describe("WeightedList", () => {
  it("holds what addWeighted makes of the same values, however many there are", () => {
    const anyValue = fc.record({
      key: fc.nat(60).map(String),
      weight: fc.nat(3),
      locality: fc.constantFrom(UNKNOWN_LOCALITY, HERE, THERE),
    });
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 120 }), (values) => {
        const list = new WeightedList<(typeof values)[number]>(({ key }) => key);
        const map = new Map<string, Weighted>();
        for (const value of values) {
          expect(list.has(value.key)).to.equal(map.has(value.key));
          list.add(value);
          addWeighted(map, value.key, { weight: value.weight, locality: value.locality });
          expect(list.size).to.equal(map.size);
        }
        expect(list.toArray()).to.deep.equal([...map].map(([key, weighted]) => ({ key, ...weighted })));
      }),
    );
  });
});
