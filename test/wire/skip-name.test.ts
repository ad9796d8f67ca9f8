import { expect } from "chai";
import fc from "fast-check";
import { expandName, skipName, skipUnexpandedName } from "../../src/wire/skip-name.ts";
import { name, octets, type Part, pointer } from "./octets.ts";

const HEADER = new Uint8Array(12);
const at12 = (...parts: Part[]) => octets(HEADER, ...parts);

describe("skipName and expandName", () => {
  it("the root", () => {
    const message = at12(octets(0));
    expect(skipName(message, 12, message.length)).to.equal(13);
    expect([...expandName(message, 12)]).to.deep.equal([0]);
  });
  it("a name without compression", () => {
    const message = at12(name("a.bc"), octets("rest"));
    expect(skipName(message, 12, message.length)).to.equal(18);
    expect([...expandName(message, 12)]).to.deep.equal([...name("a.bc")]);
  });
  it("a pointer ends the name; what it leads to may hold pointers", () => {
    const message = octets(HEADER, name("com"), 3, "foo", pointer(12), 3, "www", pointer(17), 99);
    expect(skipName(message, 23, message.length)).to.equal(29);
    expect([...expandName(message, 23)]).to.deep.equal([...name("www.foo.com")]);
    expect(skipName(octets(message.subarray(0, 27), pointer(23)), 27, 29)).to.equal(-1);
  });
  it("a pointer to the end of a name there", () => {
    const message = octets(HEADER, name("www.foo.com"), pointer(16));
    expect(skipName(message, 25, message.length)).to.equal(27);
    expect([...expandName(message, 25)]).to.deep.equal([...name("foo.com")]);
  });
  for (const [title, message, at] of [
    ["to itself", octets(HEADER, pointer(12)), 12],
    ["to a label before it in the same name", octets(HEADER, 1, "a", pointer(12)), 12],
    ["forward", octets(HEADER, pointer(14), 0), 12],
    ["into the header", octets(HEADER, pointer(11)), 12],
    ["to a pointer that leads back to it", octets(HEADER, pointer(14), pointer(12)), 14],
    ["past the end", octets(HEADER, pointer(0x3fff)), 12],
    ["cut in half", octets(HEADER, 0xc0), 12],
    ["to labels that run into it again", octets(HEADER, 1, "a", 1, "b", pointer(12)), 14],
  ] as const) {
    it(`no pointer ${title}`, () => {
      expect(skipName(message, at, message.length)).to.equal(-1);
    });
  }
  it("no label past the end, no missing root, no reserved label type", () => {
    for (const wrong of [
      octets(),
      octets(3, "ab"),
      octets(1, "a"),
      octets(0x40, 0),
      octets(0x80, 0),
      octets(0xbf, 0),
    ]) {
      const message = octets(HEADER, wrong);
      expect(skipName(message, 12, message.length)).to.equal(-1);
    }
  });
  it("the end is where it is said to be", () => {
    const message = octets(HEADER, name("a.bc"));
    expect(skipName(message, 12, message.length - 1)).to.equal(-1);
    const short = octets(HEADER, name("a"), pointer(12));
    expect(skipName(short, 15, short.length)).to.equal(17);
    expect(skipName(short, 15, short.length - 1)).to.equal(-1);
  });
  it("255 octets once expanded, not 256", () => {
    const rest = name(["x".repeat(63), "x".repeat(63), "x".repeat(63)].join("."));
    const with61 = octets(HEADER, rest, 61, "y".repeat(61), pointer(12));
    expect(skipName(with61, 12 + rest.length, with61.length)).to.equal(with61.length);
    expect(expandName(with61, 12 + rest.length).length).to.equal(255);
    const with62 = octets(HEADER, rest, 62, "y".repeat(62), pointer(12));
    expect(skipName(with62, 12 + rest.length, with62.length)).to.equal(-1);
  });
  it("127 pointers in a name, not 128", () => {
    const chain = (length: number) =>
      octets(HEADER, 0, ...Array.from({ length }, (_, index) => pointer(index === 0 ? 12 : 11 + 2 * index)));
    expect(skipName(chain(127), 13 + 2 * 126, 13 + 2 * 127)).to.equal(13 + 2 * 127);
    expect(skipName(chain(128), 13 + 2 * 127, 13 + 2 * 128)).to.equal(-1);
  });
  it("any bytes: what is accepted can be expanded, to a whole name of at most 255 octets", () => {
    // Small octets and pointers near by make names that come far.
    const octet = fc.oneof(
      fc.nat({ max: 3 }),
      fc.constant(0xc0),
      fc.integer({ min: 12, max: 40 }),
      fc.nat({ max: 255 }),
    );
    fc.assert(
      fc.property(fc.array(octet, { maxLength: 60 }), fc.nat({ max: 60 }), (body, offset) => {
        const message = octets(HEADER, body);
        const behind = skipName(message, 12 + offset, message.length);
        if (behind === -1) return;
        expect(skipUnexpandedName(message, 12 + offset, message.length)).to.equal(behind);
        expect(behind).to.be.within(13 + offset, message.length);
        const expanded = expandName(message, 12 + offset);
        expect(expanded.length).to.be.within(1, 255);
        const alone = octets(HEADER, expanded);
        expect(skipName(alone, 12, alone.length)).to.equal(alone.length);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("skipUnexpandedName", () => {
  const skip = (message: Uint8Array, at = 12) => skipUnexpandedName(message, at, message.length);
  it("ends behind the root or the first pointer, wherever that one leads", () => {
    expect(skip(octets(HEADER, name("a.bc"), 99))).to.equal(18);
    expect(skip(octets(HEADER, 0xff, 1, "a", pointer(12)), 13)).to.equal(17);
  });
  it("takes no pointer forward, to its own name, into the header or cut in half", () => {
    expect(skip(octets(HEADER, pointer(14), 0))).to.equal(-1);
    expect(skip(octets(HEADER, 1, "a", pointer(12)))).to.equal(-1);
    expect(skip(octets(HEADER, pointer(11)))).to.equal(-1);
    expect(skipUnexpandedName(octets(HEADER, 0, pointer(12)), 13, 14)).to.equal(-1);
  });
  it("takes no name past the end, no reserved label type, no more than 255 octets", () => {
    for (const wrong of [octets(), octets(3, "ab"), octets(1, "a"), octets(0x40, 0), octets(0x80, 0)]) {
      expect(skip(octets(HEADER, wrong))).to.equal(-1);
    }
    expect(skip(octets(HEADER, name(Array(127).fill("a").join("."))))).to.equal(12 + 255);
    expect(skip(octets(HEADER, name(Array(128).fill("a").join("."))))).to.equal(-1);
    const with256 = ["x".repeat(63), "bb", ...Array(94).fill("a")].join(".");
    expect(name(with256).length).to.equal(256);
    expect(skip(octets(HEADER, name(with256)))).to.equal(-1);
    expect(skip(octets(HEADER, name("x".repeat(63))))).to.equal(12 + 65);
  });
});
