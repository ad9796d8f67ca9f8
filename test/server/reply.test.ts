/** Replies octet by octet, and as the codec reads them. */

import { expect } from "chai";
import fc from "fast-check";
import { type Random, systemRandom } from "../../src/runtime.ts";
import { ReplyWriter } from "../../src/server/reply.ts";
import type { FamilyAnswer, HostRecord } from "../../src/table/host-record.ts";
import { FamilyIndex, packRecord } from "../../src/table/packed-record.ts";
import { ExtendedError, HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { encodeMessage, type Message } from "../../src/wire/message.ts";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { addresses, hostName, ip, record, variantAt } from "../table/samples.ts";
import {
  addressesOf,
  decoded,
  extendedErrorOf,
  fixedRandom,
  PLAIN_EDNS,
  question,
  rcodeOf,
} from "./fixtures.ts";

const NOW_MS = 50_000;

interface Asked {
  readonly message: Uint8Array;
  readonly query: Query;
}

function read(message: Uint8Array): Asked {
  const query = new Query();
  readQuery(message, message.length, query);
  return { message, query };
}

function writer(random: Random = fixedRandom(0), clusterDomain = "cluster.local"): ReplyWriter {
  return new ReplyWriter(random, hostName(clusterDomain));
}

function take(from: ReplyWriter, length: number): Message {
  return decoded(from.octets.slice(0, length));
}

function answer(
  host: HostRecord,
  message: Uint8Array,
  {
    random,
    transport,
    family,
    nowMs,
  }: {
    readonly random?: Random;
    readonly transport?: "udp" | "tcp";
    readonly family?: "A" | "AAAA";
    readonly nowMs?: number;
  } = {},
): { readonly octets: Uint8Array; readonly message: Message; readonly isTruncated: boolean } {
  const replies = writer(random);
  const { query } = read(message);
  const index = FamilyIndex[family ?? "A"];
  const octets = packRecord(host);
  const length = replies.writeAddresses(
    message,
    query,
    transport ?? "udp",
    octets,
    variantAt(octets),
    index,
    nowMs ?? NOW_MS,
    null,
  );
  return {
    octets: replies.octets.slice(0, length),
    message: take(replies, length),
    isTruncated: replies.isTruncated,
  };
}

function noData(host: HostRecord, message: Uint8Array, serial = 7, clusterDomain = "cluster.local"): Message {
  const replies = writer(fixedRandom(0), clusterDomain);
  const { query } = read(message);
  const octets = packRecord(host);
  const variant = variantAt(octets);
  return take(replies, replies.writeNoData(message, query, "udp", octets, 0, variant, serial, NOW_MS));
}

function many(count: number, prefix = "10.0"): FamilyAnswer {
  return addresses(
    ...Array.from({ length: count }, (_, index) => `${prefix}.${index >> 8}.${index & 255}`).sort(),
  );
}

describe("replies with addresses", () => {
  it("are these octets and no others", () => {
    const reply = answer(
      record("own.example", addresses("192.0.2.7")),
      question("own.example", "A", { id: 0xbeef }),
    );
    expect(Buffer.from(reply.octets).toString("hex")).to.equal(
      "beef" + // ID
        "8580" + // QR, AA, RD, RA
        "0001000100000000" +
        "036f776e076578616d706c65000001 0001".replace(" ", "") +
        "c00c00010001" +
        "0000001e" + // TTL 30
        "0004c0000207",
    );
  });

  it("echo the question as the client spelled it and copy RD and CD, but not AD and Z", () => {
    const all = HeaderFlag.RD | HeaderFlag.CD | HeaderFlag.AD | HeaderFlag.Z | HeaderFlag.AA | HeaderFlag.TC;
    const host = record("own.example");
    const { message } = answer(host, question("oWN.eXample", "A", { flags: all }));
    expect(message.questions).to.deep.equal([{ name: "oWN.eXample", type: 1, class: 1 }]);
    expect(message.flags).to.equal(
      HeaderFlag.QR | HeaderFlag.AA | HeaderFlag.RA | HeaderFlag.RD | HeaderFlag.CD,
    );
    expect(answer(host, question("own.example", "A", { flags: 0 })).message.flags).to.equal(
      HeaderFlag.QR | HeaderFlag.AA | HeaderFlag.RA,
    );
  });

  it("have AA only where no address is from upstream", () => {
    const host = record("own.example", addresses("192.0.2.1"), undefined, { isAuthoritative: false });
    expect(answer(host, question("own.example", "A")).message.flags & HeaderFlag.AA).to.equal(0);
  });

  it("have an OPT record if and only if the query had one", () => {
    const host = record("own.example");
    expect(answer(host, question("own.example", "A")).message.edns).to.equal(undefined);
    const options = [{ code: 100, data: new Uint8Array(3) }];
    const asked = question("own.example", "A", { edns: { size: 4096, dnssecOk: true, options } });
    expect(answer(host, asked).message.edns).to.deep.equal({ ...PLAIN_EDNS, dnssecOk: true });
  });

  it("count their TTL down to the moment of expiry, between 5 and the cap", () => {
    const ttlAt = (expiresAtMs: number, ttlSeconds = 30) => {
      const a: FamilyAnswer = {
        kind: "addresses",
        addresses: [ip("192.0.2.1"), ip("192.0.2.2")],
        ttlSeconds,
        expiresAtMs,
        isStale: false,
      };
      const { message } = answer(record("own.example", a), question("own.example", "A"));
      expect(new Set(message.answers.map((each) => each.ttlSeconds)).size).to.equal(1);
      return message.answers[0]!.ttlSeconds;
    };
    expect(ttlAt(NOW_MS + 12_000)).to.equal(12);
    expect(ttlAt(NOW_MS + 300_000)).to.equal(30);
    expect(ttlAt(NOW_MS + 300_000, 120)).to.equal(120);
    expect(ttlAt(NOW_MS + 1)).to.equal(5);
    expect(ttlAt(NOW_MS - 60_000)).to.equal(5);
  });

  it("say that they are stale to a client with EDNS, with a TTL that does not count down", () => {
    const stale = (ttlSeconds: number): HostRecord =>
      record("own.example", {
        kind: "addresses",
        addresses: [ip("192.0.2.1")],
        ttlSeconds,
        expiresAtMs: NOW_MS - 100_000,
        isStale: true,
      });
    const { message } = answer(stale(20), question("own.example", "A", { edns: {} }));
    expect(extendedErrorOf(message)).to.deep.equal([ExtendedError.STALE_ANSWER, ""]);
    expect(message.answers[0]!.ttlSeconds).to.equal(20);
    const plain = answer(stale(900), question("own.example", "A")).message;
    expect(plain.edns).to.equal(undefined);
    expect(plain.answers[0]!.ttlSeconds).to.equal(30);
  });

  it("are cut to whole records, as many as fit, and keep the OPT record", () => {
    const host = record("own.example", many(200));
    const sizeOf = (name: string, size?: number) => {
      const edns = size === undefined ? {} : { edns: { size } };
      const reply = answer(host, question(name, "A", edns));
      expect(reply.isTruncated).to.equal(true);
      expect(reply.message.flags & HeaderFlag.TC).to.equal(HeaderFlag.TC);
      expect(reply.message.edns === undefined).to.equal(size === undefined);
      return [reply.octets.length, reply.message.answers.length];
    };
    // Header 12, question 17: 483 octets are left for records of 16, or 472 beside the OPT record.
    expect(sizeOf("own.example")).to.deep.equal([29 + 30 * 16, 30]);
    for (const size of [0, 100, 511, 512]) {
      expect(sizeOf("own.example", size)).to.deep.equal([29 + 29 * 16 + 11, 29]);
    }
    expect(sizeOf("own.example", 513)).to.deep.equal([29 + 29 * 16 + 11, 29]);
    for (const size of [1232, 1400, 4096, 65535]) {
      expect(sizeOf("own.example", size)).to.deep.equal([29 + 74 * 16 + 11, 74]);
    }
  });

  it("fill a message to the last octet before they are cut", () => {
    // 12 + 20 + 30 x 16 = 512.
    const whole = answer(record("abcde.example2", many(30)), question("abcde.example2", "A"));
    expect(whole.octets.length).to.equal(512);
    expect(whole.isTruncated).to.equal(false);
    const cut = answer(record("abcdef.example2", many(30)), question("abcdef.example2", "A"));
    expect(cut.isTruncated).to.equal(true);
    expect(cut.message.answers.length).to.equal(29);
  });

  it("are whole over TCP", () => {
    const reply = answer(record("own.example", many(256)), question("own.example", "A"), {
      transport: "tcp",
    });
    expect(reply.isTruncated).to.equal(false);
    expect(reply.message.answers.length).to.equal(256);
    expect(new Set(addressesOf(reply.message)).size).to.equal(256);
  });

  it("carry IPv6 addresses", () => {
    const host = record("own.example", { kind: "empty" }, addresses("2001:db8::1", "2001:db8::2"));
    const reply = answer(host, question("own.example", "AAAA"), { family: "AAAA" });
    expect(addressesOf(reply.message)).to.deep.equal(["2001:db8::1", "2001:db8::2"]);
    expect(reply.message.answers[0]!.type).to.equal(RecordType.AAAA);
  });

  it("rotate: each address comes first equally often, the others follow in their order", () => {
    const host = record("own.example", addresses("192.0.2.1", "192.0.2.2", "192.0.2.3"));
    const first = (fraction: number) =>
      addressesOf(answer(host, question("own.example", "A"), { random: fixedRandom(fraction) }).message);
    expect(first(0)).to.deep.equal(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    expect(first(0.4)).to.deep.equal(["192.0.2.2", "192.0.2.3", "192.0.2.1"]);
    expect(first(0.999999)).to.deep.equal(["192.0.2.3", "192.0.2.1", "192.0.2.2"]);

    const counts = new Map<string, number>();
    for (let turn = 0; turn < 3000; turn += 1) {
      const [head] = addressesOf(
        answer(host, question("own.example", "A"), { random: systemRandom }).message,
      );
      counts.set(head!, (counts.get(head!) ?? 0) + 1);
    }
    // Six standard deviations around 1000.
    for (const count of counts.values()) expect(count).to.be.within(845, 1155);
    expect(counts.size).to.equal(3);
  });

  it("rotate when they are cut as well, so that no address is never seen", () => {
    const host = record("own.example", many(40));
    const seen = new Set<string>();
    for (const fraction of [0, 0.5, 0.9]) {
      const { message } = answer(host, question("own.example", "A"), { random: fixedRandom(fraction) });
      for (const address of addressesOf(message)) seen.add(address);
    }
    expect(seen.size).to.equal(40);
  });

  it("let weights decide how often an address comes first", () => {
    const a: FamilyAnswer = {
      kind: "addresses",
      addresses: [ip("192.0.2.1"), ip("192.0.2.2")],
      weights: [1, 9],
      ttlSeconds: 30,
      isStale: false,
    };
    const firstAt = (fraction: number) =>
      addressesOf(
        answer(record("own.example", a), question("own.example", "A"), { random: fixedRandom(fraction) })
          .message,
      )[0];
    expect(firstAt(0.05)).to.equal("192.0.2.1");
    expect(firstAt(0.11)).to.equal("192.0.2.2");
    expect(firstAt(0.99)).to.equal("192.0.2.2");
  });

  it("never exceed what the client takes, hold only the host's addresses and none twice (property)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }),
        fc.option(fc.integer({ min: 0, max: 65535 }), { nil: undefined }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.constantFrom("udp" as const, "tcp" as const),
        fc.boolean(),
        (count, size, fraction, transport, isStale) => {
          const listed = many(count);
          if (listed.kind !== "addresses") throw new Error("no addresses");
          const host = record("*.own.example", { ...listed, isStale });
          const name = `${"x".repeat(1 + (count % 60))}.own.example`;
          const asked = question(name, "A", size === undefined ? {} : { edns: { size } });
          const reply = answer(host, asked, { random: fixedRandom(fraction), transport });
          const limit =
            transport === "tcp" ? 65535 : size === undefined ? 512 : Math.min(Math.max(size, 512), 1232);
          expect(reply.octets.length).to.be.at.most(limit);
          const shown = addressesOf(reply.message);
          expect(new Set(shown).size).to.equal(shown.length);
          for (const address of shown) expect(listed.addresses).to.include(address);
          expect(reply.isTruncated).to.equal(shown.length < count);
          if (reply.isTruncated) expect(reply.octets.length + 16).to.be.greaterThan(limit);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("NODATA replies", () => {
  it("have one SOA: the host's, our names, the table's version as serial", () => {
    const host = record("own.example", addresses("192.0.2.1"));
    const reply = noData(host, question("OWN.example", "AAAA", { edns: {} }), 4_294_967_295);
    expect(rcodeOf(reply)).to.equal(Rcode.NOERROR);
    expect(reply.answers).to.deep.equal([]);
    expect(reply.authorities).to.deep.equal([
      {
        name: "OWN.example",
        type: RecordType.SOA,
        class: RecordClass.IN,
        ttlSeconds: 30,
        data: {
          kind: "SOA",
          mname: "serviceentry-dns.cluster.local",
          rname: "hostmaster.serviceentry-dns.cluster.local",
          serial: 4_294_967_295,
          refreshSeconds: 3600,
          retrySeconds: 600,
          expireSeconds: 86_400,
          minimumSeconds: 30,
        },
      },
    ]);
    expect(reply.edns).to.deep.equal(PLAIN_EDNS);
    expect(reply.flags & HeaderFlag.AA).to.equal(HeaderFlag.AA);
  });

  it("are owned by what follows the `*.` of a wildcard, however deep the question", () => {
    const host = record("*.own.example");
    const reply = noData(host, question("A.b.c.oWn.example", "AAAA"));
    expect(reply.authorities[0]!.name).to.equal("oWn.example");
  });

  it("hold as long as the addresses of the other family, else for the negative TTL", () => {
    const ttl = (a: FamilyAnswer, aaaa: FamilyAnswer): readonly number[] => {
      const host = record("own.example", a, aaaa, { negativeTtlSeconds: 4 });
      const { ttlSeconds, data } = noData(host, question("own.example", "HTTPS")).authorities[0]!;
      if (data.kind !== "SOA") throw new Error("no SOA");
      return [ttlSeconds, data.minimumSeconds];
    };
    const empty: FamilyAnswer = { kind: "empty" };
    const counting: FamilyAnswer = {
      kind: "addresses",
      addresses: [ip("2001:db8::1")],
      ttlSeconds: 30,
      expiresAtMs: NOW_MS + 8000,
      isStale: false,
    };
    expect(ttl(empty, empty)).to.deep.equal([4, 4]);
    expect(ttl(empty, counting)).to.deep.equal([8, 8]);
    expect(ttl(addresses("192.0.2.1"), counting)).to.deep.equal([30, 30]);
  });

  it("go without the SOA, cut, where it would not fit", () => {
    const domain = Array.from({ length: 3 }, () => "d".repeat(60)).join(".");
    const name = `${"q".repeat(60)}.own.example`;
    const reply = noData(record("*.own.example"), question(name, "AAAA"), 1, domain);
    expect(reply.authorities).to.deep.equal([]);
    expect(reply.flags & HeaderFlag.TC).to.equal(HeaderFlag.TC);
  });
});

describe("HINFO replies to ANY", () => {
  it("say RFC8482", () => {
    const host = record("own.example", { kind: "empty" }, { kind: "empty" }, { negativeTtlSeconds: 9 });
    const { message, query } = read(question("own.example", "ANY"));
    const replies = writer();
    const octets = packRecord(host);
    const reply = take(replies, replies.writeHinfo(message, query, "udp", octets, variantAt(octets)));
    expect(reply.answers).to.deep.equal([
      {
        name: "own.example",
        type: RecordType.HINFO,
        class: RecordClass.IN,
        ttlSeconds: 9,
        data: { kind: "HINFO", cpu: "RFC8482", os: "" },
      },
    ]);
  });
});

describe("error replies", () => {
  it("have header, question and RCODE", () => {
    const { message, query } = read(question("own.example", "A", { flags: HeaderFlag.RD | HeaderFlag.CD }));
    const replies = writer();
    const reply = take(replies, replies.writeError(message, query, Rcode.SERVFAIL, { code: 22, text: "x" }));
    expect(reply.flags).to.equal(
      HeaderFlag.QR | HeaderFlag.RD | HeaderFlag.RA | HeaderFlag.CD | Rcode.SERVFAIL,
    );
    expect(reply.questions.length).to.equal(1);
    expect(reply.edns).to.equal(undefined);
  });

  it("explain themselves to a client with EDNS, in at most 100 octets", () => {
    const { message, query } = read(question("own.example", "A", { edns: {} }));
    const replies = writer();
    const length = replies.writeError(message, query, Rcode.SERVFAIL, { code: 23, text: "é".repeat(200) });
    const [code, text] = extendedErrorOf(take(replies, length))!;
    expect(code).to.equal(23);
    expect(text).to.equal("é".repeat(50));
  });

  it("put the upper bits of BADVERS into the OPT record, which says version 0", () => {
    const { message, query } = read(question("own.example", "A", { edns: { version: 3 } }));
    const replies = writer();
    const reply = take(replies, replies.writeError(message, query, Rcode.BADVERS));
    expect(rcodeOf(reply)).to.equal(0);
    expect(reply.edns).to.deep.equal({ ...PLAIN_EDNS, extendedRcode: 1 });
  });

  it("copy the opcode", () => {
    const { message, query } = read(question("own.example", "A", { flags: 4 << 11 }));
    const replies = writer();
    const reply = take(replies, replies.writeError(message, query, Rcode.NOTIMP));
    expect((reply.flags & HeaderFlag.OPCODE) >> 11).to.equal(4);
  });

  it("are never longer than what they refuse (property: any octets)", () => {
    const replies = writer();
    const query = new Query();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), fc.boolean(), (octets, oneQuestion) => {
        octets[2]! &= 0x7f;
        if (oneQuestion) octets.set([0, 1, 0, 0, 0, 0, 0, octets[11]! & 1], 4);
        const verdict = readQuery(octets, octets.length, query);
        if (verdict === Verdict.OK) return;
        const length = replies.writeError(octets, query, Rcode.FORMERR);
        expect(length).to.be.at.most(octets.length);
        expect(decoded(replies.octets.slice(0, length)).id).to.equal((octets[0]! << 8) | octets[1]!);
      }),
      { numRuns: 2000 },
    );
  });

  it("tell a client that signs that its key is unknown (RFC 8945)", () => {
    const message = signedQuestion();
    const { query } = read(message);
    expect(query.hasSignature).to.equal(true);
    const replies = writer();
    const length = replies.writeNotAuth(message, query);
    expect(length).to.be.at.most(message.length);
    const reply = take(replies, length);
    expect(rcodeOf(reply)).to.equal(Rcode.NOTAUTH);
    expect(reply.edns).to.deep.equal(PLAIN_EDNS);
    const [tsig] = reply.additionals;
    expect([tsig!.name, tsig!.type, tsig!.class, tsig!.ttlSeconds]).to.deep.equal([
      "key.example",
      250,
      255,
      0,
    ]);
    if (tsig!.data.kind !== "raw") throw new Error("TSIG is not raw");
    const data = Buffer.from(tsig!.data.octets).toString("hex");
    // Algorithm, time and fudge as sent, no MAC, the ID, BADKEY, no other data.
    expect(data).to.equal(`${ALGORITHM}0000656e5a00012c0000123400110000`);
  });
});

/** hmac-sha256 on the wire. */
const ALGORITHM = "0b686d61632d73686132353600";

function signedQuestion(): Uint8Array {
  const mac = "00".repeat(32);
  const data = Buffer.from(`${ALGORITHM}0000656e5a00012c0020${mac}123400000000`, "hex");
  return encodeMessage({
    id: 0x1234,
    flags: HeaderFlag.RD,
    questions: [{ name: "own.example", type: RecordType.A, class: RecordClass.IN }],
    answers: [],
    authorities: [],
    additionals: [
      {
        name: "key.example",
        type: RecordType.TSIG,
        class: RecordClass.ANY,
        ttlSeconds: 0,
        data: { kind: "raw", octets: new Uint8Array(data) },
      },
    ],
    edns: PLAIN_EDNS,
  });
}
