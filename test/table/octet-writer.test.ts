import { expect } from "chai";
import * as fc from "fast-check";
import { OctetWriter } from "../../src/table/octet-writer.ts";

describe("OctetWriter", () => {
  it("holds what was appended, however it grew, with zeros where nothing was written", () => {
    const anyPiece = fc.oneof(fc.uint8Array({ maxLength: 700 }), fc.nat(700));
    fc.assert(
      fc.property(fc.array(anyPiece, { maxLength: 12 }), (pieces) => {
        const out = new OctetWriter();
        const expected: number[] = [];
        for (const piece of pieces) {
          if (typeof piece === "number") {
            expect(out.grow(piece)).to.equal(expected.length);
            expected.push(...Array<number>(piece).fill(0));
          } else {
            out.append(piece);
            expected.push(...piece);
          }
          expect(out.length).to.equal(expected.length);
        }
        expect([...out.toOctets()]).to.deep.equal(expected);
      }),
    );
  });

  it("gives octets with a buffer of their own, which may be transferred", () => {
    const out = new OctetWriter();
    out.append(Uint8Array.of(1, 2, 3));
    const octets = out.toOctets();
    expect(octets.buffer.byteLength).to.equal(3);
    out.octets[0] = 9;
    expect(octets[0]).to.equal(1);
  });
});
