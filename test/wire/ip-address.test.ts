import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import {
  familyOf,
  type IpAddress,
  ipAddressFromOctets,
  ipAddressOctets,
  parseIpAddress,
  parseIpPrefix,
  prefixContains,
} from "../../src/wire/ip-address.ts";

const ipv4Octets = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Zero groups are frequent, so that `::` has something to do. */
const ipv6Octets = fc
  .array(fc.oneof(fc.constant(0), fc.nat({ max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const isMapped = (octets: Uint8Array) => /^(00){10}ffff/.test(Buffer.from(octets).toString("hex"));

function parse(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

describe("parseIpAddress", () => {
  for (const [text, canonical] of [
    ["192.0.2.1", "192.0.2.1"],
    ["255.255.255.255", "255.255.255.255"],
    ["0.0.0.0", "0.0.0.0"],
    ["::", "::"],
    ["::1", "::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::000A", "2001:db8::a"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:0:0:2:0", "2001:db8::2:0"],
    ["fe80::192.0.2.1", "fe80::c000:201"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ] as const) {
    it(`${text} is ${canonical}`, () => {
      expect(parseIpAddress(text)).to.equal(canonical);
    });
  }
  for (const text of [
    "",
    " ",
    "192.0.2",
    "192.0.2.1.1",
    "192.0.2.256",
    "192.0.2.01",
    "0x7f.0.0.1",
    "2130706433",
    "192.0.2.1 ",
    "192.0.2.1/32",
    "192.0.2.1:53",
    "1::2::3",
    ":1",
    "2001:db8::g",
    "[::1]",
    "fe80::1%eth0",
    "::1/128",
    "localhost",
  ]) {
    it(`${JSON.stringify(text)} is none`, () => {
      expect(parseIpAddress(text)).to.equal(null);
    });
  }
  it("agrees with node:net on any text, but for zones", () => {
    const character = fc.constantFrom(..."0123456789abcdefF:.%/ ");
    const number = fc.constantFrom(
      "0",
      "00",
      "01",
      "9",
      "10",
      "99",
      "199",
      "249",
      "255",
      "256",
      "1000",
      "",
      "/",
    );
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
      fc.array(character, { maxLength: 20 }).map((characters) => characters.join("")),
      fc.array(number, { minLength: 3, maxLength: 5 }).map((numbers) => numbers.join(".")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const address = parseIpAddress(text);
        expect(address !== null).to.equal(isIP(text) !== 0 && !text.includes("%"));
        if (address === null) return;
        expect(parseIpAddress(address), "canonical text stays as it is").to.equal(address);
        if (isIPv4(text)) expect(address).to.equal(text);
        expect(familyOf(address)).to.equal(isIPv4(address) ? "A" : "AAAA");
      }),
      { numRuns: 2000 },
    );
  });
});

describe("addresses as octets", () => {
  it("are network order", () => {
    expect([...ipAddressOctets(parse("192.0.2.255"))]).to.deep.equal([192, 0, 2, 255]);
    const v6 = Buffer.from(ipAddressOctets(parse("2001:db8::a:0:1"))).toString("hex");
    expect(v6).to.equal("20010db800000000000000 0a00000001".replace(" ", ""));
    expect(Buffer.from(ipAddressOctets(parse("::102:304"))).toString("hex")).to.equal(
      `${"0".repeat(24)}01020304`,
    );
  });
  it("have 4 or 16 octets", () => {
    for (const length of [0, 3, 5, 15, 17]) {
      expect(() => ipAddressFromOctets(new Uint8Array(length))).to.throw(RangeError);
    }
  });
  it("any octets make canonical text, and the text makes them again", () => {
    fc.assert(
      fc.property(fc.oneof(ipv4Octets, ipv6Octets), (octets) => {
        const address = ipAddressFromOctets(octets);
        const expected = isMapped(octets) ? octets.subarray(12) : octets;
        expect([...ipAddressOctets(address)]).to.deep.equal([...expected]);
        expect(parseIpAddress(address)).to.equal(address);
        expect(isIPv6(address)).to.equal(expected.length === 16);
      }),
      { numRuns: 2000 },
    );
  });
  it("any spelling of the same octets is the same text", () => {
    fc.assert(
      fc.property(ipv6Octets, (octets) => {
        const groups = Array.from(
          { length: 8 },
          (_, index) => (octets[2 * index]! << 8) | octets[2 * index + 1]!,
        );
        const full = groups.map((group) => group.toString(16).padStart(4, "0").toUpperCase()).join(":");
        const dotted = `${groups
          .slice(0, 6)
          .map((group) => group.toString(16))
          .join(":")}:${octets.subarray(12).join(".")}`;
        expect(parseIpAddress(full)).to.equal(ipAddressFromOctets(octets));
        expect(parseIpAddress(dotted)).to.equal(ipAddressFromOctets(octets));
      }),
    );
  });
  it("a mapped address is the IPv4 address", () => {
    fc.assert(
      fc.property(ipv4Octets, (octets) => {
        const mapped = Uint8Array.from([...new Uint8Array(10), 255, 255, ...octets]);
        expect(ipAddressFromOctets(mapped)).to.equal(octets.join("."));
        expect(parseIpAddress(`::ffff:${octets.join(".")}`)).to.equal(octets.join("."));
      }),
    );
  });
});

describe("prefixes", () => {
  for (const [text, address, bits] of [
    ["10.0.0.0/8", "10.0.0.0", 8],
    ["10.1.2.3", "10.1.2.3", 32],
    ["10.1.2.3/32", "10.1.2.3", 32],
    ["0.0.0.0/0", "0.0.0.0", 0],
    ["2001:DB8::/32", "2001:db8::", 32],
    ["::1", "::1", 128],
    ["::/0", "::", 0],
    ["::ffff:10.0.0.0/104", "10.0.0.0", 8],
    ["::ffff:10.0.0.1", "10.0.0.1", 32],
    ["::ffff:10.0.0.1/128", "10.0.0.1", 32],
    ["::ffff:0:0/96", "0.0.0.0", 0],
  ] as const) {
    it(`${text}: ${bits} bits of ${address}`, () => {
      expect(parseIpPrefix(text)).to.deep.equal({ address, bits });
    });
  }
  for (const text of [
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/ 8",
    "10.0.0.0/1e1",
    "10.0.0/8",
    "::/129",
    "::ffff:10.0.0.0/8",
    "fe80::%eth0/64",
    "a/8",
  ]) {
    it(`${JSON.stringify(text)} is none`, () => {
      expect(parseIpPrefix(text)).to.equal(null);
    });
  }
  it("contain addresses of their family alone", () => {
    const all4 = parseIpPrefix("0.0.0.0/0")!;
    const all6 = parseIpPrefix("::/0")!;
    expect(prefixContains(all4, parse("192.0.2.1"))).to.equal(true);
    expect(prefixContains(all4, parse("::1"))).to.equal(false);
    expect(prefixContains(all6, parse("::1"))).to.equal(true);
    expect(prefixContains(all6, parse("192.0.2.1"))).to.equal(false);
  });
  it("contain what node:net says they do", () => {
    const near = (octets: Uint8Array, bit: number) => {
      const flipped = octets.slice();
      flipped[bit >> 3]! ^= 0x80 >> (bit & 7);
      return flipped;
    };
    const cases = fc.oneof(
      fc.tuple(ipv4Octets, fc.nat({ max: 32 }), fc.nat({ max: 31 })),
      fc.tuple(
        ipv6Octets.filter((octets) => octets[0] !== 0),
        fc.nat({ max: 128 }),
        fc.nat({ max: 127 }),
      ),
    );
    fc.assert(
      fc.property(cases, ([octets, bits, flippedBit]) => {
        const family = octets.length === 4 ? "ipv4" : "ipv6";
        const address = ipAddressFromOctets(octets);
        const other = ipAddressFromOctets(near(octets, flippedBit));
        const prefix = parseIpPrefix(`${address}/${bits}`)!;
        expect(prefixContains(prefix, address)).to.equal(true);
        expect(prefixContains(prefix, other), `${other} in ${address}/${bits}`).to.equal(flippedBit >= bits);
        // A BlockList takes no prefix of 0 bits.
        if (bits === 0) return;
        const list = new BlockList();
        list.addSubnet(address, bits, family);
        expect(prefixContains(prefix, other)).to.equal(list.check(other, family));
      }),
      { numRuns: 1000 },
    );
  });
});
