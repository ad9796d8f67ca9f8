import { isIP } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import {
  type HostName,
  hostNameOctets,
  isAtOrBelow,
  isHostName,
  isWildcard,
  parseHostName,
  wildcardRest,
} from "../../src/wire/host-name.ts";
import { nameFromText, nameToText } from "../../src/wire/name.ts";
import { name } from "./octets.ts";

function host(text: string): HostName {
  const parsed = parseHostName(text);
  if (!isHostName(parsed)) throw new Error(`${text} ${parsed.fault}`);
  return parsed;
}

const label = fc.stringMatching(/^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,10}[a-zA-Z0-9_])?$/);
const hostNames = fc
  .tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 8 }))
  .map(([wild, labels]) => (wild ? "*." : "") + labels.join("."))
  .filter((text) => isHostName(parseHostName(text)));

describe("parseHostName", () => {
  it("takes exactly the names that its rule says, as they are", () => {
    const part = fc.constantFrom(
      "a",
      "z",
      "0",
      "9",
      "-",
      "_",
      ".",
      "`",
      "{",
      "/",
      ":",
      "ab-1",
      "x".repeat(61),
    );
    const texts = fc.oneof(
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join("")),
      fc
        .array(fc.constantFrom("1", "25", "256", "a1", "a".repeat(62)), { maxLength: 6 })
        .map((parts) => parts.join(".")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const bare = text.replace(/\.$/, "");
        const isName =
          bare.length <= 253 &&
          isIP(bare) === 0 &&
          bare
            .split(".")
            .every((each) => each.length <= 63 && /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/.test(each));
        const parsed = parseHostName(text);
        expect(isHostName(parsed)).to.equal(isName);
        if (isName) expect(parsed).to.equal(bare);
      }),
      { numRuns: 3000 },
    );
  });

  for (const [text, parsed] of [
    ["httpbin.org", "httpbin.org"],
    ["HttpBin.ORG", "httpbin.org"],
    ["httpbin.org.", "httpbin.org"],
    ["localhost", "localhost"],
    ["*.example.com", "*.example.com"],
    ["*.com", "*.com"],
    ["_dmarc.example.com", "_dmarc.example.com"],
    ["a_b-c.example", "a_b-c.example"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["1.2.3", "1.2.3"],
    ["123.example", "123.example"],
    ["__proto__", "__proto__"],
    [`${"x".repeat(63)}.example`, `${"x".repeat(63)}.example`],
    [Array(127).fill("a").join("."), Array(127).fill("a").join(".")],
  ] as const) {
    it(`${text.slice(0, 30)}`, () => {
      expect(parseHostName(text)).to.equal(parsed);
    });
  }
  for (const [text, fault] of [
    ["", "is empty"],
    [".", "is empty"],
    ["a..b", "empty label"],
    [".a", "empty label"],
    ["a..", "empty label"],
    ["192.0.2.1", "IP address"],
    ["192.0.2.1.", "IP address"],
    ["::1", "IP address"],
    ["::ffff:192.0.2.1", "IP address"],
    ["*", 'label "*"'],
    ["*.", 'label "*"'],
    ["a.*.b", 'label "*"'],
    ["*a.b", 'label "*a"'],
    ["**.b", 'label "**"'],
    ["-a.b", 'label "-a"'],
    ["a-.b", 'label "a-"'],
    ["a b", 'label "a b"'],
    ["a/b", 'label "a/b"'],
    ["unix:", 'label "unix:"'],
    ["bücher.example", "label"],
    // The Kelvin sign, whose lower case is an ASCII "k".
    ["\u212Aubernetes.example", "label"],
    ["a\n", "label"],
    [`${"x".repeat(64)}.example`, "longer than 63"],
    [Array(128).fill("a").join("."), "longer than 253"],
  ] as const) {
    it(`${JSON.stringify(text.slice(0, 30))}: ${fault}`, () => {
      const parsed = parseHostName(text);
      expect(isHostName(parsed)).to.equal(false);
      if (!isHostName(parsed)) expect(parsed.fault).to.include(fault);
    });
  }
  it("any text is a host name in lower case or has a fault", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.domain(), hostNames), (text) => {
        const parsed = parseHostName(text);
        if (!isHostName(parsed)) {
          expect(parsed.fault).to.match(/^(is|has) /);
          return;
        }
        expect(parsed).to.match(/^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
        expect(parseHostName(parsed)).to.equal(parsed);
        expect(parseHostName(`${parsed}.`)).to.equal(parsed);
        expect(parseHostName(parsed.toUpperCase())).to.equal(parsed);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("host names", () => {
  it("wildcards and what they stand above", () => {
    expect(isWildcard(host("*.example.com"))).to.equal(true);
    expect(isWildcard(host("www.example.com"))).to.equal(false);
    expect(wildcardRest(host("*.example.com"))).to.equal("example.com");
    expect(wildcardRest(host("www.example.com"))).to.equal("www.example.com");
  });
  it("at or below a zone, by whole labels", () => {
    expect(isAtOrBelow("cluster.local", "cluster.local")).to.equal(true);
    expect(isAtOrBelow("a.b.cluster.local", "cluster.local")).to.equal(true);
    expect(isAtOrBelow("mycluster.local", "cluster.local")).to.equal(false);
    expect(isAtOrBelow("local", "cluster.local")).to.equal(false);
    expect(isAtOrBelow("cluster.local.example", "cluster.local")).to.equal(false);
  });
  it("on the wire", () => {
    for (const text of ["a", "httpbin.org", "*.example.com", "www.a.bcd.efghij"]) {
      expect([...hostNameOctets(host(text))]).to.deep.equal([...name(text)]);
    }
  });
  it("any of them, on the wire, is what the presentation text says", () => {
    fc.assert(
      fc.property(hostNames, (text) => {
        const wire = hostNameOctets(host(text));
        expect(nameToText(wire)).to.equal(text.toLowerCase());
        expect(nameFromText(host(text))).to.deep.equal(wire);
        expect(wire.length).to.be.at.most(255);
      }),
    );
  });
});
