import { expect } from "chai";
import fc from "fast-check";
import type { FamilyAnswer, HostRecord } from "../../src/table/host-record.ts";
import {
  ANSWER_OCTETS,
  ANSWER_SOURCES,
  addressAtShare,
  addressCount,
  answersAt,
  errorCode,
  errorTextAt,
  errorTextLength,
  expiresAtMs,
  FamilyIndex,
  FamilyKind,
  familyKind,
  familyTtlSeconds,
  forwardsDnssec,
  isAuthoritative,
  isPass,
  isRecordOf,
  isStale,
  isWildcardRecord,
  nameAt,
  nameLabelCount,
  nameLength,
  negativeTtlSeconds,
  packRecord,
  recordLength,
  shareCount,
  sourceIndex,
  touchRecord,
  ttlSeconds,
  unpackRecord,
  untilMs,
} from "../../src/table/packed-record.ts";
import { hostNameOctets, isWildcard, wildcardRest } from "../../src/wire/host-name.ts";
import { FAMILIES, ipAddressOctets } from "../../src/wire/ip-address.ts";
import { addresses, fewHosts, hostName, hostRecord, ip, record, resolved } from "./samples.ts";

const { A, AAAA } = FamilyIndex;

/** Packed at an odd place among other octets, as in a table. */
function packedAt(value: HostRecord, at = 7): Uint8Array {
  const packed = packRecord(value);
  const octets = new Uint8Array(at + packed.length + 9).fill(0xee);
  octets.set(packed, at);
  return octets;
}

describe("packRecord and unpackRecord", () => {
  it("give back what was packed, wherever it lies and however many views it has", () => {
    fc.assert(
      fc.property(hostRecord(fewHosts, { minLength: 0, maxLength: 3 }), fc.nat(20), (value, at) => {
        const octets = packedAt(value, at);
        expect(unpackRecord(octets, at)).to.deep.equal(value);
        expect(recordLength(octets, at)).to.equal(octets.length - at - 9);
      }),
    );
  });

  it("hold 256 addresses of each family", () => {
    const each = Array.from({ length: 256 }, (_, index) => index);
    const value = record(
      "*.example.com",
      addresses(...each.map((index) => `10.0.0.${index}`)),
      addresses(...each.map((index) => `2001:db8::${(index + 1).toString(16)}`)),
    );
    expect(unpackRecord(packRecord(value), 0)).to.deep.equal(value);
  });

  it("refuse octets that are no record", () => {
    const octets = packRecord(record("a.example.com"));
    octets[nameAt(0) + 1] = 0x20;
    expect(() => unpackRecord(octets, 0)).to.throw(/label/);
    const failed = packRecord(record("a.example.com", { kind: "failed", error: 14, text: "" }));
    failed[failed.indexOf(14)] = 200;
    expect(() => unpackRecord(failed, 0)).to.throw(/200/);
  });
});

describe("The readers of a packed record", () => {
  it("say what the record says", () => {
    fc.assert(
      fc.property(hostRecord(fewHosts), fc.nat(20), (value, at) => {
        const octets = packedAt(value, at);
        const view = value.views[0]!;
        expect(isPass(octets, at)).to.equal(view.isPass);
        expect(isAuthoritative(octets, at)).to.equal(view.isAuthoritative);
        expect(forwardsDnssec(octets, at)).to.equal(view.forwardsDnssec);
        expect(negativeTtlSeconds(octets, at)).to.equal(view.negativeTtlSeconds);
        expect(ANSWER_SOURCES[sourceIndex(octets, at)]).to.equal(view.source);
        expect(isWildcardRecord(octets, at)).to.equal(isWildcard(value.host));
        const rest = wildcardRest(value.host);
        expect(octets.slice(nameAt(at), nameAt(at) + nameLength(octets, at))).to.deep.equal(
          hostNameOctets(rest),
        );
        expect(nameLabelCount(octets, at)).to.equal(rest.split(".").length);
        for (const family of FAMILIES) expectFamily(octets, at, FamilyIndex[family], view.answers[family]);
      }),
    );
  });

  function expectFamily(octets: Uint8Array, at: number, family: FamilyIndex, answer: FamilyAnswer): void {
    const kind = familyKind(octets, at, family);
    if (answer.kind !== "addresses") expect(addressCount(octets, at, family)).to.equal(0);
    switch (answer.kind) {
      case "addresses":
        expect(kind).to.equal(FamilyKind.ADDRESSES);
        expect(addressCount(octets, at, family)).to.equal(answer.addresses.length);
        expect(ttlSeconds(octets, at, family)).to.equal(answer.ttlSeconds);
        expect(expiresAtMs(octets, at, family)).to.equal(answer.expiresAtMs ?? 0);
        expect(isStale(octets, at, family)).to.equal(answer.isStale);
        return;
      case "empty":
        expect(kind).to.equal(FamilyKind.EMPTY);
        return;
      case "pending":
        expect(kind).to.equal(FamilyKind.PENDING);
        expect(untilMs(octets, at, family)).to.equal(answer.untilMs);
        return;
      case "failed": {
        expect(kind).to.equal(FamilyKind.FAILED);
        expect(errorCode(octets, at, family)).to.equal(answer.error);
        const textAt = errorTextAt(octets, at, family);
        const text = octets.slice(textAt, textAt + errorTextLength(octets, at, family));
        expect(Buffer.from(text).toString()).to.equal(answer.text);
        return;
      }
    }
  }

  it("tell a host from another and from the wildcard above it", () => {
    const octets = packedAt(record("b.example"));
    const asked = new Uint8Array([1, 97, ...hostNameOctets(hostName("b.example"))]);
    const isThis = (isWildcard: boolean, name: Uint8Array, from: number) =>
      isRecordOf(octets, 7, isWildcard, name, from, name.length - from);
    expect(isThis(false, asked, 2)).to.equal(true);
    expect(isThis(true, asked, 2)).to.equal(false);
    expect(isThis(false, asked, 0)).to.equal(false);
    expect(isThis(false, asked.with(3, 97), 2)).to.equal(false);
    expect(isRecordOf(packRecord(record("*.b.example")), 0, true, asked, 2, asked.length - 2)).to.equal(true);
  });

  it("give the resource records as they go on the wire", () => {
    const value = record(
      "a.example.com",
      {
        kind: "addresses",
        addresses: [ip("192.0.2.1"), ip("198.51.100.7")],
        ttlSeconds: 0x01020304,
        isStale: false,
      },
      { kind: "addresses", addresses: [ip("2001:db8::7")], weights: [9], ttlSeconds: 5, isStale: false },
    );
    const octets = packedAt(value);
    const answers = (family: FamilyIndex) => {
      const start = answersAt(octets, 7, family);
      return Buffer.from(
        octets.slice(start, start + addressCount(octets, 7, family) * ANSWER_OCTETS[family]),
      ).toString("hex");
    };
    expect(answers(A)).to.equal(
      "c00c0001000101020304" + "0004c0000201" + "c00c0001000101020304" + "0004c6336407",
    );
    expect(answers(AAAA)).to.equal(
      `c00c001c0001000000050010${Buffer.from(ipAddressOctets(ip("2001:db8::7"))).toString("hex")}`,
    );
  });

  it("deal out the first place by weight", () => {
    const texts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    const weighted = { ...addresses(...texts), weights: [1, 0, 3] };
    const octets = packedAt(record("a.example.com", weighted, addresses("2001:db8::1", "2001:db8::2")));
    const firsts = (family: FamilyIndex) =>
      Array.from({ length: shareCount(octets, 7, family) }, (_, share) =>
        addressAtShare(octets, 7, family, share),
      );
    expect(firsts(A)).to.deep.equal([0, 2, 2, 2]);
    expect(firsts(AAAA)).to.deep.equal([0, 1]);
  });

  it("deal out weights whose sum is beyond 2^32", () => {
    const most = 0xffffffff;
    const weighted = { ...addresses("192.0.2.1", "192.0.2.2"), weights: [most, most] };
    const octets = packRecord(record("a.example.com", weighted));
    expect(shareCount(octets, 0, A)).to.equal(2 * most);
    expect(addressAtShare(octets, 0, A, most - 1)).to.equal(0);
    expect(addressAtShare(octets, 0, A, most)).to.equal(1);
    expect(addressAtShare(octets, 0, A, 2 * most - 1)).to.equal(1);
  });
});

describe("familyTtlSeconds", () => {
  const ttlAt = (answer: FamilyAnswer, nowMs: number) =>
    familyTtlSeconds(packRecord(record("a.example.com", { kind: "empty" }, answer)), 0, AAAA, nowMs);

  it("is constant without a moment of expiry", () => {
    expect(ttlAt(addresses("2001:db8::1"), 1e9)).to.equal(30);
    expect(ttlAt({ ...addresses("2001:db8::1"), ttlSeconds: 2 } as FamilyAnswer, 0)).to.equal(2);
  });

  it("counts down in whole seconds from the cap to five", () => {
    const answer = resolved(100_000, "2001:db8::1");
    const expected = [
      [0, 30],
      [70_000, 30],
      [70_001, 30],
      [71_000, 29],
      [71_500, 29],
      [94_999, 6],
      [95_000, 5],
      [99_999, 5],
      [100_000, 5],
      [1e9, 5],
    ] as const;
    for (const [nowMs, seconds] of expected) expect(ttlAt(answer, nowMs), `at ${nowMs}`).to.equal(seconds);
  });

  it("never says more than a cap below five", () => {
    const answer: FamilyAnswer = {
      kind: "addresses",
      addresses: [ip("2001:db8::1")],
      ttlSeconds: 3,
      expiresAtMs: 10_000,
      isStale: false,
    };
    expect([0, 8500, 20_000].map((nowMs) => ttlAt(answer, nowMs))).to.deep.equal([3, 3, 3]);
  });

  it("counts down to the zero of the clock too", () => {
    expect(ttlAt(resolved(0, "2001:db8::1"), -12_000)).to.equal(12);
  });
});

describe("touchRecord", () => {
  it("moves the moment of that family alone", () => {
    const octets = packRecord(record("a.example.com", resolved(1, "192.0.2.1"), resolved(2, "2001:db8::1")));
    expect(touchRecord(octets, 0, A, 12_345.678)).to.equal(true);
    expect([expiresAtMs(octets, 0, A), expiresAtMs(octets, 0, AAAA)]).to.deep.equal([12_345.678, 2]);
  });

  it("does nothing where no TTL counts down", () => {
    for (const answer of [
      addresses("192.0.2.1"),
      { kind: "empty" },
      { kind: "pending", untilMs: 5 },
    ] as const) {
      const octets = packRecord(record("a.example.com", answer));
      const before = octets.slice();
      expect(touchRecord(octets, 0, A, 99)).to.equal(false);
      expect(octets).to.deep.equal(before);
    }
  });
});
