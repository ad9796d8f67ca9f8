import { expect } from "chai";
import fc from "fast-check";
import { echoesQuestion, MAX_REPLY_RECORDS, ReplySummary, readReply } from "../../src/wire/read-reply.ts";
import { processorMs } from "../support/waiting.ts";
import {
  header,
  name,
  octets,
  opt,
  option,
  type Part,
  pointer,
  pointerChainMessage,
  question,
  record,
  uint16,
  uint32,
} from "./octets.ts";

const RESPONSE = 0x8180;
const QUESTION = question("www.example.com");
const QUESTION_END = 12 + QUESTION.length;
const OWNER = pointer(12);
const a = (ttlSeconds: number, owner: Part = OWNER) => record(owner, 1, ttlSeconds, octets(192, 0, 2, 1));
const soa = (ttlSeconds: number, minimum: number) =>
  record(pointer(16), 6, ttlSeconds, octets(1, "m", OWNER, OWNER, new Uint8Array(16), uint32(minimum)));

interface Sections {
  readonly flags?: number;
  readonly answers?: readonly Uint8Array[];
  readonly authorities?: readonly Uint8Array[];
  readonly additionals?: readonly Uint8Array[];
}

function reply({ flags = RESPONSE, answers = [], authorities = [], additionals = [] }: Sections): Uint8Array {
  const counts = [1, answers.length, authorities.length, additionals.length];
  return octets(header(flags, counts), QUESTION, ...answers, ...authorities, ...additionals);
}

function read(message: Uint8Array, length = message.length): { isWhole: boolean; summary: ReplySummary } {
  const summary = new ReplySummary();
  return { isWhole: readReply(message, length, summary), summary };
}

function offsets(summary: ReplySummary): number[] {
  return [...summary.ttlOffsets.subarray(0, summary.ttlCount)];
}

describe("readReply", () => {
  it("an answer: TTLs where they lie and the smallest of them", () => {
    const { isWhole, summary } = read(reply({ answers: [a(300), a(60, name("b"))], additionals: [a(61)] }));
    expect(isWhole).to.equal(true);
    expect(summary).to.include({
      rcode: 0,
      isTruncated: false,
      answerCount: 2,
      ttlCount: 3,
      minTtlSeconds: 60,
    });
    expect(offsets(summary)).to.deep.equal([QUESTION_END + 6, QUESTION_END + 16 + 7, QUESTION_END + 33 + 6]);
    expect(summary).to.include({ negativeTtlSeconds: -1, optAt: -1, optLength: 0, extendedError: -1 });
    expect(summary.recordsEnd).to.equal(QUESTION_END + 16 + 17 + 16);
  });
  it("the smallest TTL may be in the authority or the additional section", () => {
    const authorities = [record(OWNER, 2, 7, name("ns"))];
    expect(read(reply({ answers: [a(300)], authorities })).summary.minTtlSeconds).to.equal(7);
    expect(
      read(reply({ answers: [a(300)], authorities, additionals: [a(5)] })).summary.minTtlSeconds,
    ).to.equal(5);
  });
  it("TTL 0, 2^31 - 1, and 0 for all with the top bit", () => {
    const smallest = (ttlSeconds: number) => read(reply({ answers: [a(ttlSeconds)] })).summary.minTtlSeconds;
    expect(smallest(0)).to.equal(0);
    expect(smallest(2 ** 31 - 1)).to.equal(2 ** 31 - 1);
    expect(smallest(2 ** 31)).to.equal(0);
    expect(smallest(2 ** 32 - 1)).to.equal(0);
  });
  it("no record, no TTL", () => {
    const { isWhole, summary } = read(reply({ flags: 0x8183 }));
    expect(isWhole).to.equal(true);
    expect(summary).to.include({ rcode: 3, ttlCount: 0, minTtlSeconds: -1, negativeTtlSeconds: -1 });
  });
  it("nothing of what is no header", () => {
    const { isWhole, summary } = read(reply({ flags: 0x8382, answers: [a(3)] }), 11);
    expect(isWhole).to.equal(false);
    expect(summary).to.deep.equal(new ReplySummary());
  });
  it("TC", () => {
    expect(read(reply({ flags: 0x8380 })).summary.isTruncated).to.equal(true);
  });
  it("octets behind the records are of no section", () => {
    const message = reply({ answers: [a(1)] });
    const { isWhole, summary } = read(octets(message, "junk"));
    expect(isWhole).to.equal(true);
    expect(summary.recordsEnd).to.equal(message.length);
  });
  it("a reply without a question", () => {
    expect(read(header(0x8181, [0, 0, 0, 0])).isWhole).to.equal(true);
    expect(read(header(0x8181, [0, 0, 0, 0])).summary).to.include({ rcode: 1, recordsEnd: 12 });
  });

  describe("a denial", () => {
    const denial = (...records: Uint8Array[]) => read(reply({ flags: 0x8183, authorities: records })).summary;
    it("holds for the smaller of the SOA's TTL and MINIMUM", () => {
      expect(denial(soa(900, 60)).negativeTtlSeconds).to.equal(60);
      expect(denial(soa(30, 60)).negativeTtlSeconds).to.equal(30);
      expect(denial(soa(0, 60)).negativeTtlSeconds).to.equal(0);
    });
    it("counts a top bit as 0 in either", () => {
      expect(denial(soa(2 ** 31, 60)).negativeTtlSeconds).to.equal(0);
      expect(denial(soa(60, 2 ** 31)).negativeTtlSeconds).to.equal(0);
    });
    it("takes the smallest of several SOA records, beside NS records", () => {
      expect(denial(record(OWNER, 2, 5, name("ns")), soa(80, 90), soa(70, 900)).negativeTtlSeconds).to.equal(
        70,
      );
    });
    it("is none without a SOA in the authority section", () => {
      expect(denial(record(OWNER, 2, 5, name("ns"))).negativeTtlSeconds).to.equal(-1);
      expect(read(reply({ answers: [soa(5, 5)] })).summary.negativeTtlSeconds).to.equal(-1);
      expect(read(reply({ additionals: [soa(5, 5)] })).summary.negativeTtlSeconds).to.equal(-1);
    });
  });

  describe("the OPT record", () => {
    it("its place and octets; its TTL field is no TTL", () => {
      const rdata = option(3, octets("node"));
      const { isWhole, summary } = read(
        reply({ answers: [a(60)], additionals: [opt({ flags: 0x8000, rdata }), a(50)] }),
      );
      expect(isWhole).to.equal(true);
      expect(summary).to.include({
        optAt: QUESTION_END + 16,
        optLength: 11 + 8,
        ttlCount: 2,
        minTtlSeconds: 50,
      });
    });
    it("the upper bits of the RCODE", () => {
      expect(read(reply({ additionals: [opt({ extendedRcode: 1 })] })).summary.rcode).to.equal(16);
      expect(read(reply({ flags: 0x8187, additionals: [opt({ extendedRcode: 1 })] })).summary.rcode).to.equal(
        23,
      );
    });
    it("the first Extended DNS Error and its text", () => {
      const rdata = octets(
        option(10, new Uint8Array(24)),
        option(15, octets(uint16(22), "no answer")),
        option(15, octets(uint16(9), "x")),
      );
      const message = reply({ flags: 0x8182, additionals: [opt({ rdata })] });
      const { summary } = read(message);
      expect(summary.extendedError).to.equal(22);
      const { extendedErrorTextAt: at, extendedErrorTextLength: length } = summary;
      expect(Buffer.from(message.subarray(at, at + length)).toString()).to.equal("no answer");
    });
    it("an Extended DNS Error without text", () => {
      const { summary } = read(reply({ additionals: [opt({ rdata: option(15, octets(uint16(14))) })] }));
      expect(summary).to.include({ extendedError: 14, extendedErrorTextLength: 0 });
    });
    it("an Extended DNS Error of one octet is none", () => {
      const { isWhole, summary } = read(reply({ additionals: [opt({ rdata: option(15, octets(1)) })] }));
      expect(isWhole).to.equal(true);
      expect(summary.extendedError).to.equal(-1);
    });
    const faults: Record<string, Uint8Array> = {
      "two of them": reply({ additionals: [opt(), opt()] }),
      "in the answer": reply({ answers: [opt()] }),
      "in the authority": reply({ authorities: [opt()] }),
      "with an owner": reply({ additionals: [opt({ owner: OWNER })] }),
      "with half an option": reply({ additionals: [opt({ rdata: octets(0, 15, 0) })] }),
      "with an option past its end": reply({ additionals: [opt({ rdata: option(15, octets(0, 3), 3) })] }),
    };
    for (const [title, message] of Object.entries(faults)) {
      it(`${title}: not to be cached`, () => {
        expect(read(message).isWhole).to.equal(false);
      });
    }
  });

  describe("replies that cannot be walked whole", () => {
    it("any whole one that is cut off anywhere", () => {
      const whole = reply({
        answers: [record(OWNER, 5, 60, octets(1, "x", pointer(16))), a(60, pointer(QUESTION_END + 12))],
        authorities: [soa(60, 60)],
        additionals: [opt({ rdata: option(15, octets(0, 3)) })],
      });
      expect(read(whole).isWhole).to.equal(true);
      for (let length = 0; length < whole.length; length += 1) {
        expect(read(whole, length).isWhole, `${length} octets`).to.equal(false);
        expect(read(whole.slice(0, length)).isWhole, `${length} octets`).to.equal(false);
      }
    });
    it("a question that is cut off anywhere", () => {
      const whole = reply({});
      expect(read(whole).isWhole).to.equal(true);
      for (let length = 0; length < whole.length; length += 1) {
        expect(read(whole, length).isWhole, `${length} octets`).to.equal(false);
      }
    });
    it("counts of 65535", () => {
      for (const counts of [
        [1, 65535, 0, 0],
        [1, 0, 65535, 0],
        [1, 0, 0, 65535],
        [65535, 65535, 65535, 65535],
      ]) {
        expect(read(octets(header(RESPONSE, counts), QUESTION, a(60))).isWhole).to.equal(false);
      }
    });
    it("an address of another size than its type's, in class IN alone", () => {
      for (const [type, size] of [
        [1, 3],
        [1, 5],
        [28, 4],
        [28, 17],
      ] as const) {
        const answers = [record(OWNER, type, 60, new Uint8Array(size))];
        expect(read(reply({ answers })).isWhole, `type ${type} of ${size} octets`).to.equal(false);
      }
      const chaos = record(OWNER, 1, 60, new Uint8Array(5));
      chaos[OWNER.length + 3] = 3;
      expect(read(reply({ answers: [chaos] })).isWhole).to.equal(true);
    });

    it("two questions", () => {
      expect(read(octets(header(RESPONSE, [2, 0, 0, 0]), QUESTION, QUESTION)).isWhole).to.equal(false);
    });
    it("a loop in an owner", () => {
      expect(read(reply({ answers: [a(60, pointer(QUESTION_END))] })).isWhole).to.equal(false);
      expect(read(reply({ answers: [a(60, octets(1, "a", pointer(QUESTION_END)))] })).isWhole).to.equal(
        false,
      );
    });
    const rdataAt = QUESTION_END + 12;
    for (const [title, type, before, behind] of [
      ["CNAME", 5, 0, 0],
      ["NS", 2, 0, 0],
      ["PTR", 12, 0, 0],
      ["MX", 15, 2, 0],
      ["the SOA's MNAME", 6, 0, 21],
    ] as const) {
      it(`a loop in ${title}`, () => {
        const pad = new Uint8Array(before);
        const rest = new Uint8Array(behind);
        const loop = octets(pad, pointer(rdataAt + before), rest);
        expect(read(reply({ answers: [record(OWNER, type, 60, loop)] })).isWhole).to.equal(false);
        const good = octets(pad, OWNER, rest);
        expect(read(reply({ answers: [record(OWNER, type, 60, good)] })).isWhole).to.equal(true);
        const longer = octets(pad, OWNER, rest, 0);
        expect(read(reply({ answers: [record(OWNER, type, 60, longer)] })).isWhole).to.equal(false);
        const empty = record(OWNER, type, 60, octets());
        expect(read(reply({ answers: [empty] })).isWhole).to.equal(false);
      });
    }
    it("RDATA of types that hold no compressed names is not looked into", () => {
      for (const type of [16, 33, 39, 65280]) {
        expect(
          read(reply({ answers: [record(OWNER, type, 60, octets(pointer(rdataAt)))] })).isWhole,
        ).to.equal(true);
      }
    });
    it("512 records are taken apart, 513 are not", () => {
      const many = (length: number) => reply({ answers: Array.from({ length }, () => a(60)) });
      expect(read(many(MAX_REPLY_RECORDS)).summary.ttlCount).to.equal(512);
      const { isWhole, summary } = read(many(MAX_REPLY_RECORDS + 1));
      expect(isWhole).to.equal(false);
      expect(summary).to.include({ answerCount: 513, ttlCount: 0, rcode: 0 });
    });
  });

  it("leaves nothing of the reply before in a reused summary", () => {
    const full = reply({
      flags: 0x8382,
      answers: [a(3)],
      authorities: [soa(1, 2)],
      additionals: [opt({ extendedRcode: 1, rdata: option(15, octets(0, 3, "x")) })],
    });
    const used = new ReplySummary();
    expect(readReply(full, full.length, used)).to.equal(true);
    expect(used).to.include({ extendedError: 3, negativeTtlSeconds: 1, rcode: 18 });
    for (const message of [octets(), header(RESPONSE, [0, 0, 0, 0]), reply({ answers: [a(9)] })]) {
      const fresh = new ReplySummary();
      expect(readReply(message, message.length, used)).to.equal(readReply(message, message.length, fresh));
      expect({ ...used, ttlOffsets: offsets(used) }).to.deep.equal({ ...fresh, ttlOffsets: offsets(fresh) });
    }
  });

  describe("any bytes", () => {
    const check = (message: Uint8Array) => {
      const before = Buffer.from(message);
      const { isWhole, summary } = read(message);
      expect(isWhole).to.be.a("boolean");
      expect(before.equals(message), "the message is not written to").to.equal(true);
      for (const offset of offsets(summary)) expect(offset + 4).to.be.at.most(message.length);
      expect(summary.recordsEnd).to.be.at.most(message.length);
      if (summary.optAt !== -1) expect(summary.optAt + summary.optLength).to.be.at.most(message.length);
    };
    it("are walked or not, without an error", () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { numRuns: 2000 });
    });
    it("behind the header of a reply", () => {
      const counts = fc.tuple(...[1, 3, 3, 3].map((max) => fc.nat({ max })));
      fc.assert(
        fc.property(counts, fc.uint8Array({ maxLength: 150 }), (some, body) =>
          check(octets(header(RESPONSE, some), body)),
        ),
        { numRuns: 2000 },
      );
    });
    it("changed in a whole reply", () => {
      const whole = reply({
        answers: [record(OWNER, 5, 60, octets(1, "x", pointer(16))), a(60, pointer(QUESTION_END + 12))],
        authorities: [soa(60, 60)],
        additionals: [a(5), opt({ rdata: option(15, octets(0, 3, "why")) })],
      });
      const change = fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), {
        maxLength: 4,
      });
      fc.assert(
        fc.property(change, (changes) => {
          const message = whole.slice();
          for (const [at, octet] of changes) message[at] = octet;
          check(message);
        }),
        { numRuns: 3000 },
      );
    });
  });

  it("takes 64 KiB of pointers in bounded time", () => {
    const message = pointerChainMessage(RESPONSE);
    const few = message.slice();
    few.set(uint16(MAX_REPLY_RECORDS), 10);
    const summary = new ReplySummary();
    expect(readReply(message, message.length, summary)).to.equal(false);
    expect(readReply(few, few.length, summary)).to.equal(true);
    const startMs = processorMs();
    for (let round = 0; round < 20; round += 1) readReply(few, few.length, summary);
    expect((processorMs() - startMs) / 20, "milliseconds per message").to.be.lessThan(10);
  });
});

describe("echoesQuestion", () => {
  const query = octets(header(0x0100, [1, 0, 0, 1]), question("wWw.Example.com", 28), opt());
  const echo = (text: string, type = 28, recordClass = 1, flags = RESPONSE, questions = 1) =>
    octets(header(flags, [questions, 0, 0, 0]), question(text, type, recordClass));
  const echoes = (message: Uint8Array, length = message.length) =>
    echoesQuestion(message, length, query, QUESTION_END);

  it("the same question, in any letter case", () => {
    expect(echoes(echo("wWw.Example.com"))).to.equal(true);
    expect(echoes(echo("www.EXAMPLE.com"))).to.equal(true);
    expect(echoes(octets(echo("www.example.com"), "anything"))).to.equal(true);
  });
  for (const [title, message] of [
    ["another name of the same length", echo("www.example.net")],
    ["a longer name", echo("www.example.comm")],
    ["a name above", echo("example.com")],
    ["labels cut elsewhere", echo("www.examp.e.com")],
    ["another type", echo("www.example.com", 1)],
    ["another class", echo("www.example.com", 28, 3)],
    ["a query", echo("www.example.com", 28, 1, 0x0100)],
    ["QDCOUNT 0", echo("www.example.com", 28, 1, RESPONSE, 0)],
    ["QDCOUNT 2", echo("www.example.com", 28, 1, RESPONSE, 2)],
    ["4 octets", octets(0x12, 0x34, 0x81, 0x80)],
    ["nothing", octets()],
  ] as const) {
    it(`not ${title}`, () => {
      expect(echoes(message)).to.equal(false);
    });
  }
  it("not one that is cut off, though the buffer goes on", () => {
    expect(echoes(echo("www.example.com"), QUESTION_END - 1)).to.equal(false);
    expect(echoes(echo("www.example.com"), QUESTION_END)).to.equal(true);
  });
  it("type and class have no letter case", () => {
    const ask = octets(header(0x0100, [1, 0, 0, 0]), question("a", 0x4142));
    const answer = (type: number) => octets(header(RESPONSE, [1, 0, 0, 0]), question("a", type));
    expect(echoesQuestion(answer(0x4142), ask.length, ask, ask.length)).to.equal(true);
    expect(echoesQuestion(answer(0x6162), ask.length, ask, ask.length)).to.equal(false);
  });
  it("letters outside ASCII have none either", () => {
    const ask = octets(header(0x0100, [1, 0, 0, 0]), question("\xc9", 1));
    const answer = octets(header(RESPONSE, [1, 0, 0, 0]), question("\xe9", 1));
    expect(echoesQuestion(answer, answer.length, ask, ask.length)).to.equal(false);
  });
  it("any bytes are an answer or not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (message) => {
        expect(echoes(message)).to.equal(false);
      }),
    );
  });
});
