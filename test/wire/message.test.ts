import { expect } from "chai";
import fc from "fast-check";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message, type RecordData } from "../../src/wire/message.ts";
import { nameFromText } from "../../src/wire/name.ts";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { ReplySummary, readReply } from "../../src/wire/read-reply.ts";
import { processorMs } from "../support/waiting.ts";
import { anyMessages } from "./arbitrary-message.ts";
import {
  header,
  name,
  octets,
  opt,
  option,
  pointer,
  pointerChainMessage,
  question,
  record,
  uint16,
  uint32,
} from "./octets.ts";

const EMPTY: Message = {
  id: 0x1234,
  flags: 0x8180,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};

function decoded(message: Uint8Array): Message {
  const result = decodeMessage(message);
  if ("fault" in result) throw new Error(`the message ${result.fault}`);
  return result;
}

function fault(message: Uint8Array): string {
  const result = decodeMessage(message);
  return "fault" in result ? result.fault : "none";
}

function answer(type: number, data: RecordData, recordClass = 1): Message {
  return { ...EMPTY, answers: [{ name: "www.example.com", type, class: recordClass, ttlSeconds: 60, data }] };
}

const same = (actual: Uint8Array, expected: Uint8Array) => expect([...actual]).to.deep.equal([...expected]);

describe("encodeMessage", () => {
  it("header, question and OPT record", () => {
    const edns = { size: 4096, version: 1, dnssecOk: true, extendedRcode: 2, options: [] };
    const message: Message = {
      ...EMPTY,
      flags: 0x0100,
      questions: [{ name: "a.Bc", type: 28, class: 3 }],
      edns,
    };
    same(
      encodeMessage(message),
      octets(
        header(0x0100, [1, 0, 0, 1]),
        question("a.Bc", 28, 3),
        opt({ size: 4096, version: 1, flags: 0x8000, extendedRcode: 2 }),
      ),
    );
  });
  it("puts the OPT record before the other additional ones, so that TSIG is the last", () => {
    const options = [{ code: 3, data: octets("x") }];
    const edns = { size: 1232, version: 0, dnssecOk: false, extendedRcode: 0, options };
    const data = { kind: "raw", octets: octets(1, 2) } as const;
    const additionals = [{ name: "key", type: 250, class: 1, ttlSeconds: 0, data }];
    same(
      encodeMessage({ ...EMPTY, additionals, edns }),
      octets(
        header(0x8180, [0, 0, 0, 2]),
        opt({ rdata: option(3, octets("x")) }),
        record(name("key"), 250, 0, octets(1, 2)),
      ),
    );
  });
  it("compresses owners and names in RDATA of RFC 1035 types, and keeps letter case", () => {
    const owner = { class: 1, ttlSeconds: 60 };
    const message: Message = {
      ...EMPTY,
      questions: [{ name: "www.example.com", type: 1, class: 1 }],
      answers: [
        { ...owner, name: "www.example.com", type: 5, data: { kind: "name", name: "web.example.com" } },
        {
          ...owner,
          name: "web.example.com",
          type: 15,
          data: { kind: "MX", preference: 5, exchange: "example.com" },
        },
        { ...owner, name: "WWW.example.com", type: 12, data: { kind: "name", name: "." } },
      ],
    };
    const webAt = 12 + 21 + 12;
    same(
      encodeMessage(message),
      octets(
        header(0x8180, [1, 3, 0, 0]),
        question("www.example.com"),
        record(pointer(12), 5, 60, octets(3, "web", pointer(16))),
        record(pointer(webAt), 15, 60, octets(uint16(5), pointer(16))),
        record(octets(3, "WWW", pointer(16)), 12, 60, octets(0)),
      ),
    );
  });
  it("compresses both names of a SOA", () => {
    const soa: RecordData = {
      kind: "SOA",
      mname: "example.com",
      rname: "hostmaster.example.com",
      serial: 1,
      refreshSeconds: 2,
      retrySeconds: 3,
      expireSeconds: 4,
      minimumSeconds: 5,
    };
    const names = octets(pointer(16), 10, "hostmaster", pointer(16));
    same(
      encodeMessage(answer(6, soa)),
      octets(
        header(0x8180, [0, 1, 0, 0]),
        record(name("www.example.com"), 6, 60, octets(names, ...[1, 2, 3, 4, 5].map(uint32))),
      ),
    );
  });
  it("does not compress the target of SRV, but may point into it", () => {
    const srv: RecordData = { kind: "SRV", priority: 1, weight: 2, port: 3, target: "t.www.example.com" };
    const message = answer(33, srv);
    const more = { name: "t.www.example.com", type: 1, class: 1, ttlSeconds: 1 };
    const data: RecordData = { kind: "A", address: parseIpAddress("192.0.2.1")! };
    const encoded = encodeMessage({ ...message, additionals: [{ ...more, data }] });
    const targetAt = 12 + 17 + 10 + 6;
    same(
      encoded,
      octets(
        header(0x8180, [0, 1, 0, 1]),
        record(
          name("www.example.com"),
          33,
          60,
          octets(uint16(1), uint16(2), uint16(3), name("t.www.example.com")),
        ),
        record(pointer(targetAt), 1, 1, octets(192, 0, 2, 1)),
      ),
    );
  });
  it("points to a name in the first 16 KiB, to none behind", () => {
    const filler = { name: ".", type: 65280, class: 1, ttlSeconds: 0 };
    const late = { name: "late.example", type: 65281, class: 1, ttlSeconds: 0 };
    const none: RecordData = { kind: "raw", octets: octets() };
    for (const [nameAt, secondName] of [
      [0x3fff, 2],
      [0x4000, 14],
    ] as const) {
      const data: RecordData = { kind: "raw", octets: new Uint8Array(nameAt - 12 - 11) };
      const answers = [
        { ...filler, data },
        { ...late, data: none },
        { ...late, data: none },
      ];
      const message: Message = { ...EMPTY, answers };
      expect(encodeMessage(message).length).to.equal(nameAt + 14 + 10 + secondName + 10);
      expect(decoded(encodeMessage(message))).to.deep.equal(message);
    }
  });
  it("fills 65535 octets, no more", () => {
    const most = 65535 - 12 - 17 - 10;
    const filled = (length: number) => answer(65280, { kind: "raw", octets: new Uint8Array(length) });
    expect(encodeMessage(filled(most)).length).to.equal(65535);
    expect(() => encodeMessage(filled(most + 1))).to.throw(RangeError);
  });

  describe("throws a RangeError for", () => {
    const address = parseIpAddress("192.0.2.1")!;
    const cases: Record<string, Message> = {
      "a name that is none": { ...EMPTY, questions: [{ name: "a..b", type: 1, class: 1 }] },
      "an ID of 17 bits": { ...EMPTY, id: 65536 },
      "negative flags": { ...EMPTY, flags: -1 },
      "a TTL that is not whole": {
        ...EMPTY,
        answers: [{ name: "a", type: 1, class: 1, ttlSeconds: 0.5, data: { kind: "A", address } }],
      },
      "an IPv4 address in AAAA": answer(28, { kind: "AAAA", address }),
      "an IPv6 address in A": answer(1, { kind: "A", address: parseIpAddress("::1")! }),
      "data of another type": answer(28, { kind: "A", address }),
      "an A record of class CH": answer(1, { kind: "A", address }, 3),
      "a string of 256 octets": answer(16, { kind: "TXT", strings: ["x".repeat(256)] }),
      "a character above U+00FF": answer(13, { kind: "HINFO", cpu: "Ā", os: "" }),
      "more than 65535 octets": answer(65280, { kind: "raw", octets: new Uint8Array(65535) }),
      "an option of 65536 octets": {
        ...EMPTY,
        edns: {
          size: 0,
          version: 0,
          dnssecOk: false,
          extendedRcode: 0,
          options: [{ code: 1, data: new Uint8Array(65536) }],
        },
      },
      "an EDNS version of nine bits": {
        ...EMPTY,
        edns: { size: 0, version: 256, dnssecOk: false, extendedRcode: 255, options: [] },
      },
    };
    for (const [title, message] of Object.entries(cases)) {
      it(title, () => {
        expect(() => encodeMessage(message)).to.throw(RangeError);
      });
    }
  });
});

describe("decodeMessage", () => {
  it("each type of RDATA", () => {
    const here = pointer(12);
    const data = (type: number, rdata: Uint8Array) => {
      const message = octets(
        header(0x8180, [1, 1, 0, 0]),
        question("www.example.com"),
        record(here, type, 60, rdata),
      );
      const [first] = decoded(message).answers;
      expect(first).to.include({ name: "www.example.com", type, class: 1, ttlSeconds: 60 });
      return first!.data;
    };
    expect(data(1, octets(192, 0, 2, 1))).to.deep.equal({ kind: "A", address: "192.0.2.1" });
    const v6 = octets(uint16(0x2001), uint16(0xdb8), new Uint8Array(11), 1);
    expect(data(28, v6)).to.deep.equal({ kind: "AAAA", address: "2001:db8::1" });
    for (const type of [2, 5, 12]) {
      expect(data(type, octets(1, "x", here))).to.deep.equal({ kind: "name", name: "x.www.example.com" });
    }
    const soa = octets(here, name("h"), ...[1, 2, 3, 4, 4_000_000_000].map(uint32));
    expect(data(6, soa)).to.deep.equal({
      kind: "SOA",
      mname: "www.example.com",
      rname: "h",
      serial: 1,
      refreshSeconds: 2,
      retrySeconds: 3,
      expireSeconds: 4,
      minimumSeconds: 4_000_000_000,
    });
    const srv = { kind: "SRV", priority: 1, weight: 2, port: 443, target: "t" };
    expect(data(33, octets(uint16(1), uint16(2), uint16(443), name("t")))).to.deep.equal(srv);
    expect(data(15, octets(uint16(10), here))).to.deep.equal({
      kind: "MX",
      preference: 10,
      exchange: "www.example.com",
    });
    expect(data(13, octets(3, "cpu", 0))).to.deep.equal({ kind: "HINFO", cpu: "cpu", os: "" });
    expect(data(16, octets(1, "a", 0, 2, "\xff."))).to.deep.equal({
      kind: "TXT",
      strings: ["a", "", "\xff."],
    });
    expect(data(65280, octets(1, 2, 3))).to.deep.equal({ kind: "raw", octets: octets(1, 2, 3) });
  });
  it("the OPT record is no additional record", () => {
    const rdata = octets(option(10, octets("12345678")), option(3, octets()));
    const message = decoded(
      octets(
        header(0x8180, [0, 0, 0, 2]),
        record(0, 65280, 0, octets()),
        opt({ size: 512, flags: 0x8000, rdata }),
      ),
    );
    expect(message.additionals).to.have.length(1);
    expect(message.edns).to.deep.equal({
      size: 512,
      version: 0,
      dnssecOk: true,
      extendedRcode: 0,
      options: [
        { code: 10, data: octets("12345678") },
        { code: 3, data: octets() },
      ],
    });
    expect(decoded(octets(header(0x8180, [0, 0, 0, 0])))).to.not.have.property("edns");
  });
  it("keeps no octets of a buffer that is used again", () => {
    const rdata = option(100, octets("abc"));
    const buffer = Buffer.from(
      octets(header(0x8180, [0, 1, 0, 1]), record(0, 65280, 0, octets("xyz")), opt({ rdata })),
    );
    const message = decoded(buffer);
    buffer.fill(0);
    expect(message.answers[0]?.data).to.deep.equal({ kind: "raw", octets: octets("xyz") });
    expect(message.edns?.options).to.deep.equal([{ code: 100, data: octets("abc") }]);
  });
  it("octets behind the records are not kept", () => {
    expect(decoded(octets(header(0, [1, 0, 0, 0]), question("a"), "junk")).questions).to.have.length(1);
  });
  for (const [title, message, words] of [
    ["nothing", octets(), "0 octets"],
    ["11 octets", new Uint8Array(11), "11 octets"],
    ["four counts of 65535", header(0, [65535, 65535, 65535, 65535]), "fewer well-formed questions"],
    ["no question", header(0, [1, 0, 0, 0]), "fewer well-formed questions"],
    ["half a question", octets(header(0, [1, 0, 0, 0]), name("a"), uint16(1)), "fewer well-formed questions"],
    [
      "a loop",
      octets(header(0, [1, 0, 0, 0]), pointer(12), uint16(1), uint16(1)),
      "fewer well-formed questions",
    ],
    ["an answer too few", header(0x8000, [0, 1, 0, 0]), "fewer well-formed records"],
    ["an authority too few", header(0x8000, [0, 0, 1, 0]), "fewer well-formed records"],
    ["an additional too few", octets(header(0x8000, [0, 0, 0, 2]), opt()), "fewer well-formed records"],
    [
      "RDLENGTH past the end",
      octets(header(0, [0, 0, 0, 1]), opt({ rdataLength: 1 })),
      "fewer well-formed records",
    ],
    ["two OPT records", octets(header(0, [0, 0, 0, 2]), opt(), opt()), "more than one OPT"],
    ["OPT in the answer", octets(header(0, [0, 1, 0, 0]), opt()), "outside the additional"],
    ["OPT in the authority", octets(header(0, [0, 0, 1, 0]), opt()), "outside the additional"],
    ["OPT with an owner", octets(header(0, [0, 0, 0, 1]), opt({ owner: name("a") })), "not well-formed"],
    ["half an option", octets(header(0, [0, 0, 0, 1]), opt({ rdata: octets(0, 3, 0) })), "not well-formed"],
    [
      "an option past its end",
      octets(header(0, [0, 0, 0, 1]), opt({ rdata: option(3, octets(), 1) })),
      "not well-formed",
    ],
  ] as const) {
    it(`${title}: ${words}`, () => {
      expect(fault(message)).to.include(words);
    });
  }
});

describe("the codec", () => {
  it("decodes what it encoded to the same message", () => {
    fc.assert(
      fc.property(anyMessages, (message) => {
        expect(decoded(encodeMessage(message))).to.deep.equal(message);
      }),
      { numRuns: 500 },
    );
  });
  it("takes any bytes, and encodes again what it took", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, hasHeader) => {
        const message = decodeMessage(hasHeader ? octets(header(0x8180, [1, 1, 0, 1]), bytes) : bytes);
        if ("fault" in message) expect(message.fault).to.match(/^has /);
        else expect(decoded(encodeMessage(message))).to.deep.equal(message);
      }),
      { numRuns: 2000 },
    );
  });
  it("takes its own messages with octets changed or cut off", () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(anyMessages, change, fc.nat({ max: 3 }), (message, changes, cut) => {
        const bytes = encodeMessage(message);
        for (const [at, octet] of changes) bytes[at % bytes.length] = octet;
        const result = decodeMessage(bytes.subarray(0, bytes.length - cut));
        if ("fault" in result) expect(result.fault).to.match(/^has /);
        else expect(decoded(encodeMessage(result))).to.deep.equal(result);
      }),
      { numRuns: 1000 },
    );
  });
  it("agrees with readReply on what can be walked, and on every TTL, as patching them shows", () => {
    const summary = new ReplySummary();
    fc.assert(
      fc.property(anyMessages, fc.nat(), (message, ttlSeconds) => {
        const bytes = encodeMessage({ ...message, questions: message.questions.slice(0, 1) });
        const records = [...message.answers, ...message.authorities, ...message.additionals];
        const isWhole = readReply(bytes, bytes.length, summary);
        // RDATA that is not well-formed for its type is kept raw here, and not to be cached there.
        const isMalformed = records.some(
          ({ type, class: recordClass, data }) =>
            data.kind === "raw" &&
            ([2, 5, 6, 12, 15].includes(type) ||
              (recordClass === 1 && type === 1 && data.octets.length !== 4) ||
              (recordClass === 1 && type === 28 && data.octets.length !== 16)),
        );
        expect(isWhole).to.equal(!isMalformed);
        if (!isWhole) return;
        expect(summary.recordsEnd).to.equal(bytes.length);
        expect(summary.answerCount).to.equal(message.answers.length);
        expect(summary.rcode).to.equal((message.flags & 15) + 16 * (message.edns?.extendedRcode ?? 0));
        const ttls = records.map((one) => (one.ttlSeconds >= 2 ** 31 ? 0 : one.ttlSeconds));
        expect(summary.minTtlSeconds).to.equal(ttls.length === 0 ? -1 : Math.min(...ttls));
        expect(summary.ttlCount).to.equal(records.length);
        for (const offset of summary.ttlOffsets.subarray(0, summary.ttlCount)) {
          bytes.set(uint32(ttlSeconds), offset);
        }
        const patched = decoded(bytes);
        const expected = records.map((one) => ({ ...one, ttlSeconds }));
        expect([...patched.answers, ...patched.authorities, ...patched.additionals]).to.deep.equal(expected);
        expect(patched.edns).to.deep.equal(message.edns);
        if (message.edns === undefined) return;
        const alone = encodeMessage({ ...EMPTY, edns: message.edns }).subarray(12);
        same(bytes.subarray(summary.optAt, summary.optAt + summary.optLength), alone);
      }),
      { numRuns: 500 },
    );
  });
  it("agrees with readQuery on queries", () => {
    const query = new Query();
    fc.assert(
      fc.property(anyMessages, (message) => {
        const flags = message.flags & 0x07ff;
        const bytes = encodeMessage({ ...message, flags });
        const verdict = readQuery(bytes, bytes.length, query);
        const [asked, second] = message.questions;
        if (asked === undefined || second !== undefined) {
          expect(verdict).to.equal(Verdict.FORMERR);
          return;
        }
        const cookies = message.edns?.options.filter(({ code }) => code === 10) ?? [];
        const hasBadCookie = cookies.some(
          ({ data: { length } }) => length !== 8 && (length < 16 || length > 40),
        );
        const isBad = [0, 41, 250].includes(asked.type);
        if (!isBad) expect(query.isFaultyIfOurs).to.equal([0, 254].includes(asked.class) || hasBadCookie);
        const isTransfer = [251, 252].includes(asked.type);
        expect(verdict).to.equal(isBad ? Verdict.FORMERR : isTransfer ? Verdict.REFUSED : Verdict.OK);
        const wire = nameFromText(asked.name) as Uint8Array;
        expect(query.nameKey()).to.equal(
          Buffer.from(wire)
            .toString("latin1")
            .replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
        );
        expect(query).to.include({ id: message.id, flags, type: asked.type, class: asked.class });
        expect(query.hasEdns).to.equal(message.edns !== undefined);
        if (message.edns === undefined) return;
        const { size, version, dnssecOk } = message.edns;
        expect(query).to.include({ ednsSize: size, ednsVersion: version, dnssecOk });
      }),
      { numRuns: 500 },
    );
  });
  it("takes 64 KiB of pointers in bounded time", () => {
    const message = pointerChainMessage(0x8180);
    const startMs = processorMs();
    expect(decoded(message).additionals.length).to.be.greaterThan(4000);
    expect(processorMs() - startMs, "milliseconds").to.be.lessThan(1000);
  });
});
