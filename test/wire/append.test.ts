import { expect } from "chai";
import fc from "fast-check";
import {
  appendHinfo,
  appendOpt,
  appendRecordHead,
  appendSoa,
  MAX_ERROR_TEXT_OCTETS,
  MAX_OPT_OCTETS,
  OPT_OCTETS,
  RECORD_HEAD_OCTETS,
  readUint16,
  readUint32,
  writeUint16,
  writeUint32,
} from "../../src/wire/append.ts";
import { decodeMessage } from "../../src/wire/message.ts";
import { header, name, octets, opt, option, question, record, uint16 } from "./octets.ts";

/** What a writer wrote into a buffer of dirt, and that it wrote nothing else. */
function written(write: (buffer: Uint8Array, at: number) => number): Uint8Array {
  const buffer = new Uint8Array(400).fill(0xee);
  const end = write(buffer, 7);
  expect([...buffer.subarray(0, 7), ...buffer.subarray(end)].every((octet) => octet === 0xee)).to.equal(true);
  return buffer.slice(7, end);
}

const same = (actual: Uint8Array, expected: Uint8Array) => expect([...actual]).to.deep.equal([...expected]);

describe("numbers", () => {
  it("are read as they were written, most significant octet first", () => {
    same(
      written((buffer, at) => writeUint16(buffer, at, 0xf00d)),
      octets(0xf0, 0x0d),
    );
    same(
      written((buffer, at) => writeUint32(buffer, at, 0xfeedf00d)),
      octets(0xfe, 0xed, 0xf0, 0x0d),
    );
    const buffer = new Uint8Array(8);
    fc.assert(
      fc.property(fc.nat({ max: 0xffff }), fc.integer({ min: 0, max: 0xffff_ffff }), (small, large) => {
        expect(writeUint16(buffer, 1, small)).to.equal(3);
        expect(writeUint32(buffer, 3, large)).to.equal(7);
        expect(readUint16(buffer, 1)).to.equal(small);
        expect(readUint32(buffer, 3)).to.equal(large);
      }),
    );
  });
});

describe("appendOpt", () => {
  it("version 0, our size, no options", () => {
    same(
      written((buffer, at) => appendOpt(buffer, at, false)),
      opt(),
    );
    same(
      written((buffer, at) => appendOpt(buffer, at, true)),
      opt({ flags: 0x8000 }),
    );
    expect(opt().length).to.equal(OPT_OCTETS);
  });
  it("the upper bits of BADVERS", () => {
    const actual = written((buffer, at) => appendOpt(buffer, at, true, undefined, 1));
    same(actual, opt({ flags: 0x8000, extendedRcode: 1 }));
  });
  it("an Extended DNS Error with text and without", () => {
    const error = { code: 22, text: "no upstream answered" };
    same(
      written((buffer, at) => appendOpt(buffer, at, false, error)),
      opt({ rdata: option(15, octets(uint16(22), error.text)) }),
    );
    const bare = written((buffer, at) => appendOpt(buffer, at, false, { code: 3, text: "" }));
    same(bare, opt({ rdata: option(15, octets(uint16(3))) }));
  });
  it("text is cut to 100 octets", () => {
    const actual = written((buffer, at) => appendOpt(buffer, at, false, { code: 3, text: "x".repeat(101) }));
    same(actual, opt({ rdata: option(15, octets(uint16(3), "x".repeat(100))) }));
    expect(actual.length).to.equal(MAX_OPT_OCTETS);
  });
  it("any text is cut between characters, and is never longer than it may be", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 120 }), (text) => {
        const actual = written((buffer, at) => appendOpt(buffer, at, false, { code: 3, text }));
        expect(actual.length).to.be.at.most(MAX_OPT_OCTETS);
        const textOctets = actual.subarray(OPT_OCTETS + 6);
        const kept = new TextDecoder("utf-8", { fatal: true }).decode(textOctets);
        expect(text.startsWith(kept)).to.equal(true);
        // Nothing was cut that would have fit.
        const next = [...text.slice(kept.length)][0];
        if (next !== undefined) {
          expect(textOctets.length + Buffer.byteLength(next)).to.be.greaterThan(MAX_ERROR_TEXT_OCTETS);
        }
      }),
    );
  });
});

describe("records", () => {
  const MESSAGE = octets(header(0x8180, [1, 0, 0, 0]), question("www.example.com"));

  /** The record that a writer puts into the section whose count lies at `countAt`, read by the other codec. */
  function appended(countAt: number, write: (buffer: Uint8Array, at: number) => number) {
    const buffer = new Uint8Array(512);
    buffer.set(MESSAGE);
    writeUint16(buffer, countAt, 1);
    const message = decodeMessage(buffer.subarray(0, write(buffer, MESSAGE.length)));
    if ("fault" in message) throw new Error(message.fault);
    return [...message.answers, ...message.authorities][0];
  }

  it("a head: owner by pointer, class IN", () => {
    const actual = written((buffer, at) => appendRecordHead(buffer, at, 12, 28, 4_000_000_000, 16));
    same(actual, record([0xc0, 12], 28, 4_000_000_000, new Uint8Array(16)).subarray(0, RECORD_HEAD_OCTETS));
    expect(actual.length).to.equal(RECORD_HEAD_OCTETS);
    same(
      written((buffer, at) => appendRecordHead(buffer, at, 0x3fff, 1, 0, 4)).subarray(0, 2),
      octets(255, 255),
    );
  });
  it("a SOA owned by any end of the question's name", () => {
    const mname = name("serviceentry-dns.cluster.local");
    const rname = name("hostmaster.serviceentry-dns.cluster.local");
    const actual = appended(8, (buffer, at) => appendSoa(buffer, at, 16, 30, 5, 4_294_967_295, mname, rname));
    expect(actual).to.deep.equal({
      name: "example.com",
      type: 6,
      class: 1,
      ttlSeconds: 30,
      data: {
        kind: "SOA",
        mname: "serviceentry-dns.cluster.local",
        rname: "hostmaster.serviceentry-dns.cluster.local",
        serial: 4_294_967_295,
        refreshSeconds: 3600,
        retrySeconds: 600,
        expireSeconds: 86400,
        minimumSeconds: 5,
      },
    });
  });
  it("a HINFO, octet by octet", () => {
    const actual = written((buffer, at) => appendHinfo(buffer, at, 12, 60, "RFC8482", "x"));
    same(actual, record([0xc0, 12], 13, 60, octets(7, "RFC8482", 1, "x")));
  });
  it("a HINFO", () => {
    expect(appended(6, (buffer, at) => appendHinfo(buffer, at, 12, 3600, "RFC8482", ""))).to.deep.equal({
      name: "www.example.com",
      type: 13,
      class: 1,
      ttlSeconds: 3600,
      data: { kind: "HINFO", cpu: "RFC8482", os: "" },
    });
  });
});
