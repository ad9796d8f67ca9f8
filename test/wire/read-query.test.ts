import { expect } from "chai";
import fc from "fast-check";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
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
} from "./octets.ts";

const RD = 0x0100;
const ask = (type = 1, recordClass = 1) =>
  octets(header(RD, [1, 0, 0, 0]), question("www.example.com", type, recordClass));
const askWith = (...additionals: Uint8Array[]) =>
  octets(header(RD, [1, 0, 0, additionals.length]), question("www.example.com"), ...additionals);
const withName = (...parts: Part[]) => octets(header(RD, [1, 0, 0, 0]), ...parts);
const QUESTION_END = 12 + 17 + 4;

function read(message: Uint8Array, length = message.length): { verdict: string; query: Query } {
  const query = new Query();
  return { verdict: nameOf(readQuery(message, length, query)), query };
}

function nameOf(verdict: Verdict): string {
  return Object.entries(Verdict).find(([, value]) => value === verdict)![0];
}

function text(query: Query): string {
  return Buffer.from(query.name.subarray(0, query.nameLength)).toString("latin1");
}

describe("readQuery", () => {
  describe("what it drops", () => {
    for (const length of [0, 1, 2, 11]) {
      it(`${length} octets`, () => {
        expect(read(new Uint8Array(length)).verdict).to.equal("DROP_SHORT");
        expect(read(ask(), length).verdict).to.equal("DROP_SHORT");
      });
    }
    it("and says nothing of", () => {
      const { query } = read(ask(), 11);
      expect(numbers(query)).to.deep.equal({ ...numbers(new Query()), length: 11 });
    });
    it("a response, whatever its opcode or fault", () => {
      for (const flags of [0x8000, 0x8180, 0xa800, 0xffff]) {
        const { verdict, query } = read(octets(header(flags, [1, 0, 0, 0]), question("a.b")));
        expect(verdict).to.equal("DROP_RESPONSE");
        expect(query.flags).to.equal(flags);
      }
      expect(read(header(0x8000, [65535, 65535, 65535, 65535])).verdict).to.equal("DROP_RESPONSE");
    });
  });

  describe("an ordinary query", () => {
    it("gives numbers, the lower-cased name and its labels", () => {
      const message = octets(header(0x0130, [1, 0, 0, 0], 0xbeef), question("wWw.EXAMPLE.com", 28));
      const { verdict, query } = read(message);
      expect(verdict).to.equal("OK");
      expect(query).to.include({ id: 0xbeef, flags: 0x0130, type: 28, class: 1, labelCount: 3 });
      expect(text(query)).to.equal("\x03www\x07example\x03com\0");
      expect(query.nameKey()).to.equal("\x03www\x07example\x03com\0");
      expect([...query.labelStarts.subarray(0, 3)]).to.deep.equal([0, 4, 12]);
      expect(query).to.include({ questionEnd: QUESTION_END, length: message.length, trailingOctets: 0 });
      expect(query).to.include({
        hasEdns: false,
        ednsSize: 512,
        ednsVersion: 0,
        dnssecOk: false,
        hasSignature: false,
      });
      expect(query).to.include({ hasUnderscoreLabel: false, isCacheable: true });
    });
    it("may ask for the root", () => {
      const { verdict, query } = read(octets(header(0, [1, 0, 0, 0]), question("", 2)));
      expect(verdict).to.equal("OK");
      expect(query).to.include({ nameLength: 1, labelCount: 0, questionEnd: 17 });
    });
    it("may have 127 labels, a label of 63 octets, a name of 255", () => {
      const many = read(withName(question(Array(127).fill("a").join("."))));
      expect(many.verdict).to.equal("OK");
      expect(many.query).to.include({ labelCount: 127, nameLength: 255 });
      expect(many.query.labelStarts[126]).to.equal(252);
      const label = "x".repeat(63);
      const long = read(withName(question([label, label, label, "y".repeat(61)].join("."))));
      expect(long.verdict).to.equal("OK");
      expect(long.query.nameLength).to.equal(255);
    });
    it("may hold any octet in a label; only A to Z change", () => {
      const all = Array.from({ length: 256 }, (_, octet) => octet);
      for (let from = 0; from < 256; from += 32) {
        const label = all.slice(from, from + 32);
        const { verdict, query } = read(withName(32, label, 0, uint16(1), uint16(1)));
        expect(verdict).to.equal("OK");
        const lower = label.map((octet) => (octet > 64 && octet < 91 ? octet + 32 : octet));
        expect([...query.name.subarray(1, 33)]).to.deep.equal(lower);
      }
    });
    it("does not take a dot inside a label for a separator", () => {
      const { query } = read(withName(7, "a.b.com", 0, uint16(1), uint16(1)));
      expect(query.labelCount).to.equal(1);
      expect(query.nameKey()).to.equal("\x07a.b.com\0");
    });
    for (const label of ["__proto__", "constructor", "toString", "*"]) {
      it(`may have the label ${label}`, () => {
        expect(read(withName(question(`${label}.example`))).verdict).to.equal("OK");
      });
    }
    it("knows labels that begin with an underscore, at any depth, and only those", () => {
      const has = (host: string) => read(withName(question(host))).query.hasUnderscoreLabel;
      expect(has("_dns.example")).to.equal(true);
      expect(has("a._tcp.example")).to.equal(true);
      expect(has("a_b.example_")).to.equal(false);
      expect(has("a_")).to.equal(false);
    });
    it("keeps every flag and RCODE bit that a query may not set", () => {
      const { verdict, query } = read(octets(header(0x07ff, [1, 0, 0, 0]), question("a")));
      expect(verdict).to.equal("OK");
      expect(query.flags).to.equal(0x07ff);
    });
    it("counts trailing octets", () => {
      const { verdict, query } = read(octets(ask(), "junk!"));
      expect(verdict).to.equal("OK");
      expect(query).to.include({ trailingOctets: 5, questionEnd: QUESTION_END, isCacheable: false });
    });
    it("reads no octet behind the length", () => {
      const { verdict, query } = read(octets(ask(), "junk!"), QUESTION_END);
      expect(verdict).to.equal("OK");
      expect(query.trailingOctets).to.equal(0);
      expect(read(ask(), QUESTION_END - 1).verdict).to.equal("FORMERR");
    });
  });

  describe("FORMERR: the counts", () => {
    for (const count of [0, 2, 65535]) {
      it(`QDCOUNT ${count}`, () => {
        const message = octets(header(RD, [count, 0, 0, 0]), question("a"), question("b"));
        expect(read(message).verdict).to.equal("FORMERR");
        expect(read(message).query).to.include({ id: 0x1234, flags: RD, questionEnd: 0 });
      });
    }
    it("all four 65535 in 12 octets", () => {
      expect(read(header(RD, [65535, 65535, 65535, 65535])).verdict).to.equal("FORMERR");
    });
    for (const section of [1, 2, 3]) {
      for (const claimed of [1, 65535]) {
        it(`section ${section} counts ${claimed} where nothing is`, () => {
          const counts = [1, 0, 0, 0].map((count, index) => (index === section ? claimed : count));
          const { verdict, query } = read(octets(header(RD, counts), question("www.example.com")));
          expect(verdict).to.equal("FORMERR");
          expect(query.questionEnd).to.equal(QUESTION_END);
        });
      }
      it(`section ${section} counts 2 and has 1`, () => {
        const counts = [1, 0, 0, 0].map((count, index) => (index === section ? 2 : count));
        const one = record(0, 1, 60, octets(192, 0, 2, 1));
        expect(read(octets(header(RD, counts), question("a"), one)).verdict).to.equal("FORMERR");
      });
    }
    it("no question, but an OPT record: the reply can have one too", () => {
      const { verdict, query } = read(octets(header(RD, [0, 0, 0, 1]), opt()));
      expect(verdict).to.equal("FORMERR");
      expect(query).to.include({ hasEdns: true, questionEnd: 0 });
    });
  });

  describe("FORMERR: the question", () => {
    const tail = octets(uint16(1), uint16(1));
    const label = octets(63, "x".repeat(63));
    const cases: Record<string, Uint8Array> = {
      "nothing behind the header": withName(),
      "a pointer to itself": withName(pointer(12), tail),
      "a pointer into the header": withName(pointer(0), tail),
      "a pointer forward": withName(pointer(14), name("a"), tail),
      "a pointer past the end": withName(pointer(0x3fff), tail),
      "a cycle of pointers": withName(1, "a", pointer(16), pointer(12), tail),
      "a pointer behind a label": withName(1, "a", pointer(12), tail),
      "a pointer back to an own label": withName(1, "a", 1, "b", pointer(12), tail),
      "half a pointer": withName(0xc0),
      "label type 0x40": withName(0x40, "a".repeat(64), 0, tail),
      "label type 0x80": withName(0x80, "a".repeat(128), 0, tail),
      "label type 0x41": withName(1, "a", 0x41, "bcd", 0, tail),
      "a name of 256 octets": withName(label, label, label, 62, "y".repeat(62), 0, tail),
      "128 labels": withName(question(Array(128).fill("a").join("."))),
      "no root label": withName(1, "a", 1, "b"),
      "a label past the end": withName(63, "abc"),
      "a label that ends where the message does": withName(3, "abc"),
      "no type": withName(name("a.b")),
      "half a type": withName(name("a.b"), 0),
      "no class": withName(name("a.b"), uint16(1)),
      "half a class": withName(name("a.b"), uint16(1), 0),
    };
    for (const [title, message] of Object.entries(cases)) {
      it(title, () => {
        const { verdict, query } = read(message);
        expect(verdict).to.equal("FORMERR");
        expect(query).to.include({
          id: 0x1234,
          flags: RD,
          questionEnd: 0,
          nameLength: 0,
          isCacheable: false,
        });
        // A reused buffer holds older octets behind the message: they must not mend it.
        expect(read(octets(message, new Uint8Array(300)), message.length).verdict).to.equal("FORMERR");
      });
    }
    for (const [title, type, recordClass] of [
      ["type 0", 0, 1],
      ["type OPT", 41, 1],
      ["type TSIG", 250, 1],
    ] as const) {
      it(title, () => {
        const { verdict, query } = read(ask(type, recordClass));
        expect(verdict).to.equal("FORMERR");
        expect(query).to.include({ questionEnd: QUESTION_END, type, class: recordClass });
      });
    }
    it("with its OPT record known, if it is the type or class that is wrong", () => {
      const { verdict, query } = read(
        octets(header(RD, [1, 0, 0, 1]), question("a", 0), opt({ flags: 0x8000 })),
      );
      expect(verdict).to.equal("FORMERR");
      expect(query).to.include({ hasEdns: true, dnssecOk: true });
    });
    for (const garbage of [
      "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03randomrandom",
      "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP\r\n",
    ]) {
      it(`${JSON.stringify(garbage.slice(0, 8))} on the port is answered by no record`, () => {
        expect(read(octets(garbage)).verdict).to.be.oneOf(["FORMERR", "NOTIMP", "DROP_RESPONSE"]);
      });
    }
  });

  describe("class and type that are served or relayed", () => {
    for (const [title, type, recordClass] of [
      ["CH", 16, 3],
      ["HS", 1, 4],
      ["class ANY", 1, 255],
      ["class 0", 1, 0],
      ["class NONE", 1, 254],
      ["an unknown class", 1, 4242],
      ["ANY", 255, 1],
      ["an unknown type", 65280, 1],
      ["TKEY", 249, 1],
      ["HTTPS", 65, 1],
    ] as const) {
      it(title, () => {
        const { verdict, query } = read(ask(type, recordClass));
        expect(verdict).to.equal("OK");
        const isFaultyIfOurs = recordClass === 0 || recordClass === 254;
        expect(query).to.include({
          type,
          class: recordClass,
          isFaultyIfOurs,
          isCacheable: recordClass === 1,
        });
      });
    }
  });

  describe("NOTIMP", () => {
    for (const opcode of [1, 2, 3, 4, 5, 6, 7, 15]) {
      it(`opcode ${opcode}, with any flag, type or fault`, () => {
        const flags = opcode << 11;
        for (const more of [0, 0x07ff]) {
          const whole = read(octets(header(flags | more, [1, 0, 0, 1]), question("www.example.com"), opt()));
          expect(whole.verdict).to.equal("NOTIMP");
          expect(whole.query).to.include({ questionEnd: QUESTION_END, hasEdns: true, isCacheable: false });
          expect(read(octets(header(flags | more, [1, 0, 0, 0]), question("a", 252))).verdict).to.equal(
            "NOTIMP",
          );
          expect(read(octets(header(flags | more, [1, 0, 0, 0]), 0xff)).verdict).to.equal("NOTIMP");
          const bare = read(header(flags | more, [0, 0, 0, 0]));
          expect(bare.verdict).to.equal("NOTIMP");
          expect(bare.query.questionEnd).to.equal(0);
        }
      });
    }
  });

  describe("REFUSED", () => {
    it("AXFR", () => {
      const { verdict, query } = read(ask(252));
      expect(verdict).to.equal("REFUSED");
      expect(query).to.include({ questionEnd: QUESTION_END, isCacheable: false });
    });
    it("IXFR with its SOA in the authority section", () => {
      const soa = record(pointer(12), 6, 0, octets(pointer(12), pointer(12), new Uint8Array(20)));
      const message = octets(header(RD, [1, 0, 1, 1]), question("www.example.com", 251), soa, opt());
      expect(read(message).verdict).to.equal("REFUSED");
      expect(read(message).query.hasEdns).to.equal(true);
    });
  });

  describe("EDNS", () => {
    it("size, DO and version", () => {
      const { verdict, query } = read(askWith(opt({ size: 4096, flags: 0x8000 })));
      expect(verdict).to.equal("OK");
      expect(query).to.include({ hasEdns: true, ednsSize: 4096, ednsVersion: 0, dnssecOk: true });
      expect(query).to.include({ ednsOptionsLength: 0, isCacheable: true });
    });
    for (const size of [0, 100, 511, 65535]) {
      it(`size ${size} is kept as sent`, () => {
        expect(read(askWith(opt({ size }))).query.ednsSize).to.equal(size);
      });
    }
    it("version 1 is for the server to judge", () => {
      const { verdict, query } = read(askWith(opt({ version: 1 })));
      expect(verdict).to.equal("OK");
      expect(query).to.include({ ednsVersion: 1, isCacheable: false });
    });
    it("unknown options, and where they are", () => {
      const rdata = octets(option(100, octets("abc")), option(3, octets()));
      const { verdict, query } = read(askWith(opt({ rdata })));
      expect(verdict).to.equal("OK");
      expect(query).to.include({
        ednsOptionsAt: QUESTION_END + 11,
        ednsOptionsLength: 11,
        isCacheable: false,
      });
    });
    it("200 empty options", () => {
      const rdata = octets(...Array.from({ length: 200 }, () => option(100, octets())));
      const { verdict, query } = read(askWith(opt({ rdata })));
      expect(verdict).to.equal("OK");
      expect(query.ednsOptionsLength).to.equal(800);
    });
    it("flags other than DO make it no matter for the cache", () => {
      expect(read(askWith(opt({ flags: 0x4000 }))).query.isCacheable).to.equal(false);
      expect(read(askWith(opt({ flags: 0x8001 }))).query.isCacheable).to.equal(false);
    });

    const faults: Record<string, Uint8Array> = {
      "two OPT records": askWith(opt(), opt()),
      "an owner that is not the root": askWith(opt({ owner: name("a") })),
      "an owner by pointer": askWith(opt({ owner: pointer(QUESTION_END - 5) })),
      "OPT in the answer section": octets(header(RD, [1, 1, 0, 0]), question("www.example.com"), opt()),
      "OPT in the authority section": octets(header(RD, [1, 0, 1, 0]), question("www.example.com"), opt()),
      "OPT in the authority and the additional section": octets(
        header(RD, [1, 0, 1, 1]),
        question("www.example.com"),
        opt(),
        opt(),
      ),
      "an option longer than the RDATA": askWith(opt({ rdata: option(100, octets("ab"), 3) })),
      "an option head of 3 octets": askWith(opt({ rdata: octets(0, 100, 0) })),
      "an option head of 1 octet behind a whole option": askWith(
        opt({ rdata: octets(option(3, octets()), 0) }),
      ),
      "RDLENGTH past the end": askWith(opt({ rdataLength: 1 })),
      "an option that runs into the next record": octets(
        header(RD, [1, 0, 0, 2]),
        question("www.example.com"),
        opt({ rdata: option(100, octets(), 4) }),
        record(0, 65280, 0, octets("abcd")),
      ),
    };
    for (const [title, message] of Object.entries(faults)) {
      it(`FORMERR with OPT: ${title}`, () => {
        const { verdict, query } = read(message);
        expect(verdict).to.equal("FORMERR");
        expect(query).to.include({ hasEdns: true, questionEnd: QUESTION_END, isCacheable: false });
      });
    }

    for (let length = 0; length <= 48; length += 1) {
      const isGood = length === 8 || (length >= 16 && length <= 40);
      it(`COOKIE of ${length} octets: ${isGood ? "OK" : "a fault if the name is ours"}`, () => {
        const rdata = octets(option(3, octets()), option(10, new Uint8Array(length)));
        const { verdict, query } = read(askWith(opt({ rdata })));
        expect(verdict).to.equal("OK");
        expect(query.isFaultyIfOurs).to.equal(!isGood);
      });
    }
    it("notes NSID and TCP keepalive, wherever they stand among the options", () => {
      const nsid = option(3, octets());
      const keepalive = option(11, octets());
      const other = option(100, octets("abc"));
      for (const [options, wantsServerId, wantsKeepalive] of [
        [[], false, false],
        [[other], false, false],
        [[nsid], true, false],
        [[other, keepalive], false, true],
        [[keepalive, other, nsid, other], true, true],
      ] as const) {
        const { query } = read(askWith(opt({ rdata: octets(...options) })));
        expect(query).to.include({ wantsServerId, wantsKeepalive });
      }
      expect(read(ask(1, 1)).query).to.include({ wantsServerId: false, wantsKeepalive: false });
    });
  });

  describe("other records", () => {
    const a = (owner: Part) => record(owner, 1, 60, octets(192, 0, 2, 1));
    it("are walked over, compressed owners too", () => {
      const counts = [1, 1, 1, 2];
      const message = octets(
        header(RD, counts),
        question("www.example.com"),
        a(pointer(12)),
        a(name("b")),
        a(0),
        opt(),
      );
      const { verdict, query } = read(message);
      expect(verdict).to.equal("OK");
      expect(query).to.include({ hasEdns: true, trailingOctets: 0, isCacheable: false });
    });
    it("RDLENGTH one too long", () => {
      const short = a(0);
      expect(read(askWith(short.subarray(0, -1))).verdict).to.equal("FORMERR");
    });
    it("a head cut off anywhere", () => {
      const whole = askWith(a(pointer(12)));
      for (let length = QUESTION_END; length < whole.length; length += 1) {
        expect(read(whole, length).verdict, `${length} octets`).to.equal("FORMERR");
      }
    });
    for (const [title, owner] of [
      ["to itself", pointer(QUESTION_END)],
      ["forward", pointer(QUESTION_END + 2)],
      ["past the end", pointer(0x3fff)],
      ["into the header", pointer(4)],
    ] as const) {
      it(`an owner that points ${title}`, () => {
        expect(read(askWith(a(owner))).verdict).to.equal("FORMERR");
      });
    }
    it("TSIG and SIG(0) are signatures, other SIG records and other sections are not", () => {
      const tsig = record(name("key"), 250, 0, octets(name("hmac-sha256"), new Uint8Array(16)));
      const sig0 = record(0, 24, 0, new Uint8Array(18));
      const sigA = record(0, 24, 0, octets(uint16(1), new Uint8Array(16)));
      const empty = record(0, 24, 0, octets());
      for (const [message, expected] of [
        [askWith(tsig), true],
        [askWith(opt(), tsig), true],
        [askWith(sig0), true],
        [askWith(sigA), false],
        [askWith(empty), false],
        [askWith(record(0, 24, 0, octets(0)), opt()), false],
        [octets(header(RD, [1, 1, 0, 0]), question("www.example.com"), sig0), false],
      ] as const) {
        const { verdict, query } = read(message);
        expect(verdict).to.equal("OK");
        expect(query).to.include({ hasSignature: expected, isCacheable: false });
      }
    });
  });

  describe("what the cache may serve", () => {
    it("no query with RD=0", () => {
      expect(read(octets(header(0, [1, 0, 0, 0]), question("a"))).query.isCacheable).to.equal(false);
    });
    it("queries with AD, CD and DO", () => {
      const message = octets(header(0x0130, [1, 0, 0, 1]), question("a"), opt({ flags: 0x8000 }));
      expect(read(message).query.isCacheable).to.equal(true);
    });
    it("no query with another record", () => {
      expect(read(askWith(opt(), record(0, 1, 0, octets()))).query.isCacheable).to.equal(false);
      expect(read(askWith(record(0, 1, 0, octets()))).query.isCacheable).to.equal(false);
    });
  });

  it("leaves nothing of the message before in a reused query", () => {
    const full = octets(
      header(0x0130, [1, 0, 0, 2]),
      question("_a.b.c.d", 255, 3),
      opt({ version: 1, flags: 0x8000, rdata: option(3, octets()) }),
      record(0, 250, 0, octets()),
      "junk",
    );
    const used = new Query();
    readQuery(full, full.length, used);
    expect(used).to.include({ hasSignature: true, ednsVersion: 1, trailingOctets: 4 });
    for (const message of [ask(), octets(header(RD, [0, 0, 0, 0])), octets(), withName(0xc0)]) {
      const fresh = new Query();
      expect(readQuery(message, message.length, used)).to.equal(readQuery(message, message.length, fresh));
      expect(numbers(used)).to.deep.equal(numbers(fresh));
      expect(text(used)).to.equal(text(fresh));
    }
  });

  describe("any bytes", () => {
    const known = new Set<number>(Object.values(Verdict));
    const check = (message: Uint8Array) => {
      const before = Buffer.from(message);
      const query = new Query();
      const verdict = readQuery(message, message.length, query);
      expect(known.has(verdict)).to.equal(true);
      expect(before.equals(message), "the message is not written to").to.equal(true);
      expect(query.questionEnd === 0 || query.questionEnd === 12 + query.nameLength + 4).to.equal(true);
      expect(query.questionEnd).to.be.at.most(message.length);
      if (verdict !== Verdict.OK) expect(query.isCacheable).to.equal(false);
      if (verdict === Verdict.OK) {
        expect(query.questionEnd).to.be.greaterThan(0);
        expect(query.ednsOptionsAt + query.ednsOptionsLength).to.be.at.most(message.length);
      }
    };
    it("give a verdict", () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { numRuns: 2000 });
    });
    it("behind the header of a query give a verdict", () => {
      const counts = fc.tuple(...[1, 2, 3, 3].map((max) => fc.nat({ max })));
      fc.assert(
        fc.property(counts, fc.uint8Array({ maxLength: 100 }), (some, body) =>
          check(octets(header(RD, some), body)),
        ),
        { numRuns: 2000 },
      );
    });
    it("changed in a whole message give a verdict, cut off never OK", () => {
      const whole = octets(
        header(RD, [1, 1, 1, 3]),
        question("www.example.com"),
        record(pointer(12), 5, 60, octets(1, "x", pointer(16))),
        record(pointer(16), 6, 60, octets(pointer(12), pointer(12), new Uint8Array(20))),
        opt({ rdata: option(10, new Uint8Array(8)) }),
        record(0, 65280, 60, octets("abc")),
        record(name("key"), 250, 0, octets(name("hmac"), new Uint8Array(16))),
      );
      expect(read(whole).verdict).to.equal("OK");
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
      for (let length = 12; length < whole.length; length += 1) {
        expect(read(whole, length).verdict).to.equal("FORMERR");
      }
    });
    it("any name of any labels is read as it was written", () => {
      const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
      fc.assert(
        fc.property(fc.array(label, { maxLength: 12 }), (labels) => {
          const wire = octets(...labels.flatMap((part) => [part.length, part]), 0);
          const { verdict, query } = read(withName(wire, uint16(28), uint16(1)));
          expect(verdict).to.equal(wire.length <= 255 ? "OK" : "FORMERR");
          if (wire.length > 255) return;
          const lower = Buffer.from(wire)
            .toString("latin1")
            .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
          expect(query.nameKey()).to.equal(lower);
          expect(query.labelCount).to.equal(labels.length);
          labels.forEach((part, index) => {
            expect(query.name[query.labelStarts[index]!]).to.equal(part.length);
          });
        }),
      );
    });
  });

  it("takes the longest message with the longest chains of pointers in bounded time", () => {
    const message = pointerChainMessage(RD);
    const query = new Query();
    expect(readQuery(message, message.length, query)).to.equal(Verdict.OK);
    const startMs = processorMs();
    for (let round = 0; round < 10; round += 1) readQuery(message, message.length, query);
    expect((processorMs() - startMs) / 10, "milliseconds per message").to.be.lessThan(5);
  });
});

/** All public fields but the buffers, whose rest is not meant to be read. */
function numbers(query: Query): object {
  const { name: _name, labelStarts: _labelStarts, ...rest } = query;
  return rest;
}
