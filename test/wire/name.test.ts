import { expect } from "chai";
import fc from "fast-check";
import { equalNames, LOWER_CASE, lowerCaseName, nameFromText, nameToText } from "../../src/wire/name.ts";
import { name, octets } from "./octets.ts";

/** Any name of at most 255 octets. */
const wireNames = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 8 })
  .map((labels) => octets(...labels.flatMap((label) => [label.length, label]), 0))
  .filter((wire) => wire.length <= 255);

function parsed(text: string): number[] | string {
  const result = nameFromText(text);
  return result instanceof Uint8Array ? [...result] : result.fault;
}

describe("names as text", () => {
  for (const [text, wire] of [
    [".", octets(0)],
    ["com", name("com")],
    ["www.Example.COM", name("www.Example.COM")],
    ["*._tcp.x-y", name("*._tcp.x-y")],
    ["a\\.b.c", octets(3, "a.b", 1, "c", 0)],
    ["a\\\\.b", octets(2, "a\\", 1, "b", 0)],
    ["\\000\\032\\127\\255", octets(4, 0, 32, 127, 255, 0)],
  ] as const) {
    it(`${text} and back`, () => {
      expect(parsed(text)).to.deep.equal([...wire]);
      expect(nameToText(wire)).to.equal(text);
      if (text !== ".") expect(parsed(`${text}.`)).to.deep.equal([...wire]);
    });
  }
  it("a name inside a message", () => {
    expect(nameToText(octets(99, 99, name("a.b"), 99), 2)).to.equal("a.b");
  });
  it("escapes that need not be", () => {
    expect(parsed("\\a\\-\\046\\ x")).to.deep.equal([...octets(5, "a-. x", 0)]);
    expect(parsed('a b"(')).to.deep.equal([...octets(5, 'a b"(', 0)]);
  });
  for (const [text, fault] of [
    ["", "is empty"],
    ["..", "empty label"],
    [".a", "empty label"],
    ["a..b", "empty label"],
    ["a..", "empty label"],
    ["a\\", "unfinished escape"],
    ["a\\1", "unfinished escape"],
    ["a\\12.b", "unfinished escape"],
    ["a\\256", "not ASCII"],
    ["bücher.example", "not ASCII"],
    ["\\ü", "not ASCII"],
    ["😀", "not ASCII"],
    ["x".repeat(64), "longer than 63"],
    [Array(128).fill("a").join("."), "longer than 255"],
  ] as const) {
    it(`${JSON.stringify(text.slice(0, 20))} ${fault}`, () => {
      expect(parsed(text)).to.be.a("string").that.includes(fault);
    });
  }
  it("the longest label and the longest name", () => {
    expect(parsed("x".repeat(63))).to.have.length(65);
    expect(parsed(Array(127).fill("a").join("."))).to.have.length(255);
    expect(parsed("\\000".repeat(63))).to.have.length(65);
  });
  it("any name becomes printable text and itself again", () => {
    fc.assert(
      fc.property(wireNames, (wire) => {
        const text = nameToText(wire);
        expect(text).to.match(/^[!-~]+$/);
        expect(parsed(text)).to.deep.equal([...wire]);
      }),
    );
  });
  it("any text is a name or has a fault", () => {
    const piece = fc.constantFrom("a", ".", "\\", "0", "12", "\\032", "é", "-");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (text) => {
          const result = nameFromText(text);
          if (result instanceof Uint8Array) expect(parsed(nameToText(result))).to.deep.equal([...result]);
          else expect(result.fault).to.match(/^(is|has) /);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("letter case", () => {
  it("only A to Z have one", () => {
    for (let octet = 0; octet < 256; octet += 1) {
      const isUpper = octet >= "A".charCodeAt(0) && octet <= "Z".charCodeAt(0);
      expect(LOWER_CASE[octet]).to.equal(isUpper ? octet + 32 : octet);
    }
  });
  it("lowerCaseName copies", () => {
    const wire = name("wWw.A-Z");
    expect([...lowerCaseName(wire)]).to.deep.equal([...name("www.a-z")]);
    expect([...wire]).to.deep.equal([...name("wWw.A-Z")]);
  });
  it("equal names differ in letter case alone", () => {
    expect(equalNames(name("WWW.example"), name("www.EXAMPLE"))).to.equal(true);
    expect(equalNames(name("a.b"), octets(3, "a\x01b", 0))).to.equal(false);
    expect(equalNames(name("a"), name("a.b"))).to.equal(false);
    expect(equalNames(octets(1, 0xc9, 0), octets(1, 0xe9, 0))).to.equal(false);
    expect(equalNames(name("["), name("{"))).to.equal(false);
    expect(equalNames(name("@"), name("`"))).to.equal(false);
  });
  it("a name equals its lower case, and no other name that has another", () => {
    fc.assert(
      fc.property(wireNames, wireNames, (one, other) => {
        expect(equalNames(one, lowerCaseName(one))).to.equal(true);
        const isSame = Buffer.compare(lowerCaseName(one), lowerCaseName(other)) === 0;
        expect(equalNames(one, other)).to.equal(isSame);
      }),
    );
  });
});
