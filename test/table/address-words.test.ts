import { expect } from "chai";
import fc from "fast-check";
import { addressWords } from "../../src/table/address-words.ts";
import { ipAddressFromOctets, ipAddressOctets, parseIpAddress } from "../../src/wire/ip-address.ts";

const words = new Uint32Array(4);

function read(text: string): readonly number[] {
  return [...words.subarray(0, addressWords(text, words))];
}

/** The octets of an address, four to a word. */
function wordsOf(octets: Uint8Array): readonly number[] {
  const buffer = Buffer.from(octets);
  return Array.from({ length: octets.length / 4 }, (_, word) => buffer.readUInt32BE(word * 4));
}

describe("addressWords", () => {
  it("reads every address as the control plane does (property)", () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      // Mostly zeros: `::` stands anywhere.
      fc
        .array(fc.constantFrom(0, 0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
        .map((each) => Uint8Array.from(each)),
    );
    fc.assert(
      fc.property(octets, (each) => {
        const address = ipAddressFromOctets(Uint8Array.from(each));
        expect(read(address), address).to.deep.equal(wordsOf(ipAddressOctets(address)));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads any spelling that a socket may give", () => {
    for (const text of [
      "::",
      "::1",
      "1::",
      "fe80::1",
      "FE80::ABCD",
      "0:0:0:0:0:0:0:1",
      "2001:0db8:0000:0000:0000:0000:0000:0001",
      "64:ff9b::192.0.2.33",
      "1:2:3:4:5:6:192.0.2.33",
      "::192.0.2.33",
    ]) {
      expect(read(text), text).to.deep.equal(wordsOf(ipAddressOctets(parseIpAddress(text)!)));
    }
    expect(read("fe80::1%eth0")).to.deep.equal(read("fe80::1"));
    expect(read("fe80::1%1:2")).to.deep.equal(read("fe80::1"));
  });

  it("takes IPv4 in IPv6 for the IPv4 address", () => {
    for (const text of ["::ffff:192.0.2.33", "::ffff:c000:221", "0:0:0:0:0:ffff:c000:0221"])
      expect(read(text), text).to.deep.equal([0xc0000221]);
    expect(read("255.255.255.255")).to.deep.equal([0xffffffff]);
  });

  it("reads nothing from what is no address", () => {
    for (const text of [
      "",
      "example.com",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "1.2.3.-4",
      "1:2:3",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:1.2.3.4",
      "::g",
      "::1.2.3",
    ]) {
      expect(read(text), text).to.deep.equal([]);
    }
  });
});
