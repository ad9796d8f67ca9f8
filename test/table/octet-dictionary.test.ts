import { expect } from "chai";
import fc from "fast-check";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { OctetDictionary } from "../../src/table/octet-dictionary.ts";

describe("OctetDictionary", () => {
  it("counts who holds each string, as a map would (property)", () => {
    // Some thirty at once in 64 slots: runs of slots, and gaps within them, are the rule.
    const text = fc.nat(60).map((each) => `n${each * 7}`);
    const step = fc.record({ text, isTaken: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 300 }), (steps) => {
        const dictionary = new OctetDictionary();
        const model = new Map<string, { id: number; holders: number }>();
        for (const { text, isTaken } of steps) {
          // At an odd place among other octets.
          const octets = Buffer.from(`xx${text}yyy`);
          const known = model.get(text);
          if (isTaken) {
            const id = dictionary.acquire(octets, 2, text.length);
            expect(id).to.be.above(0);
            if (known !== undefined) expect(id).to.equal(known.id);
            model.set(text, { id, holders: (known?.holders ?? 0) + 1 });
          } else if (known !== undefined) {
            expect(dictionary.release(known.id)).to.equal(known.holders === 1);
            if (known.holders === 1) model.delete(text);
            else model.set(text, { ...known, holders: known.holders - 1 });
          }
        }
        expect(dictionary.size).to.equal(model.size);
        for (let each = 0; each <= 60; each += 1) {
          const name = Buffer.from(`n${each * 7}`);
          const known = model.get(name.toString());
          expect(dictionary.find(name, 0, name.length)).to.equal(known?.id ?? NOT_FOUND);
          if (known !== undefined) expect(Buffer.from(dictionary.octetsOf(known.id))).to.deep.equal(name);
        }
        expect(new Set([...model.values()].map(({ id }) => id)).size).to.equal(model.size);
      }),
      { numRuns: 200 },
    );
  });

  it("holds thousands, the empty string too", () => {
    const dictionary = new OctetDictionary();
    const names = Array.from({ length: 3000 }, (_, each) => Buffer.from(each === 0 ? "" : `name-${each}`));
    const ids = names.map((name) => dictionary.acquire(name, 0, name.length));
    expect(new Set(ids).size).to.equal(3000);
    for (const [each, name] of names.entries())
      expect(dictionary.find(name, 0, name.length)).to.equal(ids[each]);
  });

  it("has no string for a number that nobody holds", () => {
    const dictionary = new OctetDictionary();
    const id = dictionary.acquire(Buffer.from("a"), 0, 1);
    dictionary.release(id);
    expect(() => dictionary.octetsOf(id)).to.throw(RangeError);
    expect(() => dictionary.octetsOf(0)).to.throw(RangeError);
    expect(dictionary.release(0)).to.equal(false);
  });
});
