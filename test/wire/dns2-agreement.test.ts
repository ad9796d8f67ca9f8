import { expect } from "chai";
import DNS from "dns2";
import fc from "fast-check";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from "../../src/wire/message.ts";
import { plainNames, questions, recordKinds, records, uint8, uint16s } from "./arbitrary-message.ts";

const { Packet } = DNS;

/**
 * What both codecs can say: ASCII names and strings in one letter case (dns2 compresses names that differ in it),
 * TTLs below 2^31 and so extended RCODEs below 128 (dns2 clips others), no Z bit (dns2 clears it).
 */
const asciiStrings = fc.stringMatching(/^[ -~]{1,40}$/);
const plainRecords = fc.array(
  records(plainNames, recordKinds(plainNames, asciiStrings), fc.nat({ max: 2 ** 31 - 1 })),
  {
    maxLength: 5,
  },
);
const flags = uint16s.map((bits) => bits & ~0x0040);
const messages: fc.Arbitrary<Message> = fc
  .tuple(
    fc.record({
      id: uint16s,
      flags,
      questions: fc.array(questions(plainNames), { maxLength: 1 }),
      answers: plainRecords,
      authorities: plainRecords,
      additionals: plainRecords,
    }),
    fc.option(
      fc.record({
        size: fc.integer({ min: 1, max: 65535 }),
        version: uint8,
        dnssecOk: fc.boolean(),
        extendedRcode: fc.nat({ max: 127 }),
        options: fc.constant([]),
      }),
    ),
  )
  .map(([message, edns]) => (edns === null ? message : { ...message, edns }));

/** A record of ours in dns2's words. */
function fields({ name, type, class: recordClass, ttlSeconds: ttl, data }: ResourceRecord): object {
  const head = { name, type, class: recordClass, ttl };
  switch (data.kind) {
    case "A":
    case "AAAA":
      return { ...head, address: data.address };
    case "name":
      return type === 2 ? { ...head, ns: data.name } : { ...head, domain: data.name };
    case "SOA":
      return {
        ...head,
        primary: data.mname,
        admin: data.rname,
        serial: data.serial,
        refresh: data.refreshSeconds,
        retry: data.retrySeconds,
        expiration: data.expireSeconds,
        minimum: data.minimumSeconds,
      };
    case "SRV": {
      const { kind: _kind, ...numbers } = data;
      return { ...head, ...numbers };
    }
    case "MX":
      return { ...head, priority: data.preference, exchange: data.exchange };
    case "TXT":
      return { ...head, data: data.strings };
    default:
      throw new Error(`no ${data.kind} record is made here`);
  }
}

function canonical(resource: object): object {
  const address = "address" in resource ? parseIpAddress(String(resource.address)) : null;
  return address === null ? { ...resource } : { ...resource, address };
}

describe("dns2, as a second opinion", () => {
  it("reads what we encode", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const packet = Packet.parse(Buffer.from(encodeMessage(message)));
        expect(packet.errors).to.deep.equal([]);
        const { id, qr, opcode, aa, tc, rd, ra, rcode } = packet.header;
        expect(id).to.equal(message.id);
        const bits =
          (qr << 15) | (opcode << 11) | (aa << 10) | (tc << 9) | (rd << 8) | (ra << 7) | (rcode & 15);
        expect(bits).to.equal(message.flags & ~0x0030);
        expect(packet.questions.map((question) => ({ ...question }))).to.deep.equal(message.questions);
        expect(packet.answers.map(canonical)).to.deep.equal(message.answers.map(fields));
        expect(packet.authorities.map(canonical)).to.deep.equal(message.authorities.map(fields));
        const [opt] = packet.additionals.filter(({ type }) => type === 41);
        const others = packet.additionals.filter(({ type }) => type !== 41);
        expect(others.map(canonical)).to.deep.equal(message.additionals.map(fields));
        expect(opt !== undefined).to.equal(message.edns !== undefined);
        if (message.edns === undefined) return;
        const { size, version, dnssecOk, extendedRcode } = message.edns;
        expect(opt).to.include({ type: 41, class: size, version, doFlag: dnssecOk, extendedRcode });
      }),
      { numRuns: 300 },
    );
  });
  it("writes what we decode", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const again = Packet.parse(Buffer.from(encodeMessage(message))).toBuffer();
        expect(decodeMessage(again)).to.deep.equal(message);
      }),
      { numRuns: 300 },
    );
  });
});
