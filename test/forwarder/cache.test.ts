import { expect } from "chai";
import { makeFixture, ONE, TestClient } from "./fixture.ts";
import { a, extendedError, nameOctets, question, type ReplyParts, read, replyTo, soa } from "./messages.ts";

/** A fixture whose upstream gives this reply to everything, at once. */
function answering(parts: ReplyParts, options: Parameters<typeof makeFixture>[0] = {}) {
  const fixture = makeFixture(options);
  fixture.upstreams.script = (sent) => sent.reply(replyTo(sent.message, parts));
  const lookUp = (message: Uint8Array, transport: "udp" | "tcp" = "udp") => {
    const client = fixture.ask(message, new TestClient(transport));
    fixture.clock.advance(0);
    return read(client.reply);
  };
  /** Whether the message is answered without upstream; a reply that is about to end stays what it is. */
  const isHit = (message: Uint8Array) => {
    const { upstreams } = fixture;
    const { script } = upstreams;
    const before = upstreams.sent.length;
    upstreams.script = () => {};
    const client = fixture.ask(message);
    upstreams.script = script;
    if (client.replies.length === 1) return true;
    for (const sent of upstreams.sent.slice(before)) script(sent);
    fixture.clock.advance(0);
    return false;
  };
  return { ...fixture, lookUp, isHit };
}

const NAME = "www.example.org";

describe("the cache", () => {
  describe("rebuilds a hit for the client", () => {
    it("with its ID and its spelling of the name", () => {
      const { lookUp, upstreams, count } = answering({ answers: [a(1), a(2)] });
      lookUp(question(NAME, { id: 1 }));
      const hit = lookUp(question("wWw.EXAMPLE.oRg", { id: 0xbeef }));
      expect(upstreams.sent).to.have.length(1);
      expect(hit.id).to.equal(0xbeef);
      expect(hit.name).to.equal("wWw.EXAMPLE.oRg");
      expect(hit.records.map(({ data }) => [...data])).to.deep.equal([a(1).data, a(2).data]);
      expect(count("cache_hits_total", "positive")).to.equal(1);
      expect(count("cache_misses_total")).to.equal(1);
    });

    it("with QR and RA, RD as sent, and neither AA nor Z, whatever upstream set", () => {
      const { lookUp } = answering({ flags: 0x85c0, answers: [a(1)] });
      lookUp(question(NAME));
      expect(lookUp(question(NAME)).flags).to.equal(0x8180);
    });

    it("with OPT if and only if the client sent one: version 0, 1232, DO copied, no options", () => {
      const opt = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
      const { lookUp, upstreams } = answering({ answers: [a(1)], additionals: [a(9)], opt });
      lookUp(question(NAME, { edns: { size: 4096 } }));
      const plain = lookUp(question(NAME));
      expect(plain.opt).to.equal(undefined);
      expect(plain.counts).to.deep.equal([1, 1, 0, 1]);
      const edns = lookUp(question(NAME, { edns: { size: 600 } }));
      expect(edns.opt).to.deep.equal({ size: 1232, ttl: 0, data: Buffer.alloc(0) });
      expect(edns.counts).to.deep.equal([1, 1, 0, 2]);
      expect(upstreams.sent).to.have.length(1);
      lookUp(question(NAME, { edns: { isDnssecOk: true } }));
      expect(upstreams.sent).to.have.length(2);
      expect(lookUp(question(NAME, { edns: { isDnssecOk: true } })).opt?.ttl).to.equal(0x8000);
    });

    it("with AD if the client set AD or DO only", () => {
      const { lookUp } = answering({ flags: 0x81a0, answers: [a(1)] });
      const ways = [
        [{ flags: 0x0100 }, 0x8180],
        [{ flags: 0x0120 }, 0x81a0],
        [{ flags: 0x0110 }, 0x8190],
        [{ edns: { isDnssecOk: true } }, 0x81a0],
      ] as const;
      for (const [parts] of ways) lookUp(question(NAME, parts));
      for (const [parts, flags] of ways) expect(lookUp(question(NAME, parts)).flags).to.equal(flags);
    });

    it("with the extended error that came with it", () => {
      const { lookUp } = answering({ rcode: 2, opt: [0, 15, 0, 4, 0, 6, 0x68, 0x69] });
      lookUp(question(NAME, { edns: {} }));
      const hit = lookUp(question(NAME, { edns: {} }));
      expect(hit.rcode).to.equal(2);
      expect(extendedError(hit)).to.equal(6);
      expect(lookUp(question(NAME)).opt).to.equal(undefined);
    });

    it("apart by DO, CD, AD and type, and none of them for another", () => {
      const { lookUp, upstreams } = answering({
        answers: [a(1), { type: 28, ttl: 60, data: Array(16).fill(7) }],
      });
      const variants = [
        question(NAME),
        question(NAME, { type: 28 }),
        question(NAME, { flags: 0x0120 }),
        question(NAME, { flags: 0x0110 }),
        question(NAME, { edns: { isDnssecOk: true } }),
        question(`a.${NAME}`),
      ];
      for (const variant of variants) lookUp(variant);
      for (const variant of variants) lookUp(variant);
      expect(upstreams.sent).to.have.length(variants.length);
    });
  });

  describe("cuts a hit to the client's size", () => {
    const answers = Array.from({ length: 40 }, (_, index) => a(index));

    it("at whole records, as many as fit, with TC=1; whole over TCP", () => {
      const { lookUp, upstreams } = answering({ answers });
      lookUp(question(NAME), "tcp");
      const udp = lookUp(question(NAME));
      const fitting = Math.floor((512 - question(NAME).length) / 16);
      expect(udp.isTruncated).to.equal(true);
      expect(udp.counts).to.deep.equal([1, fitting, 0, 0]);
      expect(udp.records.map(({ data }) => data[3])).to.deep.equal(
        answers.slice(0, fitting).map(({ data }) => data[3]),
      );
      const edns = lookUp(question(NAME, { edns: { size: 600 } }));
      expect(edns.records).to.have.length(Math.floor((600 - 11 - question(NAME).length) / 16));
      expect(edns.opt).to.not.equal(undefined);
      expect(lookUp(question(NAME, { edns: { size: 100 } })).records).to.have.length(
        Math.floor((512 - 11 - question(NAME).length) / 16),
      );
      for (const whole of [lookUp(question(NAME, { edns: { size: 1232 } })), lookUp(question(NAME), "tcp")]) {
        expect(whole.isTruncated).to.equal(false);
        expect(whole.records).to.have.length(40);
      }
      expect(upstreams.sent).to.have.length(1);
    });

    it("by additional records first, for which the client need not come again", () => {
      const { lookUp } = answering({
        answers: answers.slice(0, 5),
        authorities: [a(77)],
        additionals: answers,
      });
      lookUp(question(NAME), "tcp");
      const udp = lookUp(question(NAME));
      expect(udp.isTruncated).to.equal(false);
      expect(udp.counts[1]).to.equal(5);
      expect(udp.counts[2]).to.equal(1);
      expect(udp.counts[3]).to.be.within(1, 39);
    });

    it("in any size", () => {
      const { lookUp } = answering({ answers, authorities: [a(77)], additionals: [a(88)] });
      lookUp(question(NAME), "tcp");
      for (let size = 512; size < 760; size += 1) {
        const { records, isTruncated, counts } = lookUp(question(NAME, { edns: { size } }));
        const most = Math.min(42, Math.floor((size - 11 - question(NAME).length) / 16));
        expect(records).to.have.length(most);
        expect(counts.slice(1)).to.deep.equal([Math.min(most, 40), most > 40 ? 1 : 0, most > 41 ? 2 : 1]);
        expect(isTruncated).to.equal(most < 41);
      }
    });
  });

  describe("keeps a reply", () => {
    it("for the smallest of its TTLs, all of which run down by whole seconds", () => {
      const { lookUp, isHit, clock } = answering({ answers: [a(1, 10), a(2, 300)], additionals: [a(3, 20)] });
      lookUp(question(NAME));
      clock.advance(3_999);
      expect(lookUp(question(NAME)).records.map(({ ttl }) => ttl)).to.deep.equal([7, 297, 17]);
      clock.advance(1);
      expect(lookUp(question(NAME)).records.map(({ ttl }) => ttl)).to.deep.equal([6, 296, 16]);
      clock.advance(5_999);
      expect(isHit(question(NAME))).to.equal(true);
      clock.advance(1);
      expect(isHit(question(NAME))).to.equal(false);
    });

    it("no longer than the greatest TTL allowed", () => {
      const { lookUp, isHit, clock } = answering({ answers: [a(1, 100_000)] }, { cacheMaxTtlSeconds: 100 });
      lookUp(question(NAME));
      clock.advance(99_999);
      expect(isHit(question(NAME))).to.equal(true);
      clock.advance(1);
      expect(isHit(question(NAME))).to.equal(false);
    });

    it("of SERVFAIL for 5 s, of REFUSED not at all", () => {
      const servfail = answering({ rcode: 2 });
      servfail.lookUp(question(NAME));
      servfail.clock.advance(4_999);
      expect(servfail.isHit(question(NAME))).to.equal(true);
      expect(servfail.count("cache_hits_total", "error")).to.equal(1);
      servfail.clock.advance(1);
      expect(servfail.isHit(question(NAME))).to.equal(false);
      const refused = answering({ rcode: 5 });
      refused.lookUp(question(NAME));
      expect(refused.isHit(question(NAME))).to.equal(false);
    });

    const shortLived = [
      "web.shop.svc.cluster.local",
      "Cluster.LOCAL",
      "web.shop.svc.clusterset.local",
      "4.3.2.10.in-addr.arpa",
      "1.0.ip6.arpa",
    ];
    for (const name of shortLived) {
      it(`of ${name} for 5 s at most, and stale for 30 s at most`, () => {
        const { lookUp, isHit, clock, upstreams, ask } = answering({ answers: [a(1, 60)] });
        lookUp(question(name));
        clock.advance(4_999);
        expect(isHit(question(name))).to.equal(true);
        clock.advance(1);
        upstreams.script = () => {};
        const stale = ask(question(name));
        clock.advance(1_000);
        expect(read(stale.reply).rcode).to.equal(0);
        clock.advance(29_000);
        const late = ask(question(name));
        clock.advance(4_500);
        expect(read(late.reply).rcode).to.equal(2);
      });
    }

    it("of a name that only ends in the same octets as any other", () => {
      const { lookUp, isHit, clock } = answering({ answers: [a(1, 60)] });
      for (const name of ["xcluster.local", "local", "x.notin-addr.arpa"]) {
        lookUp(question(name));
        clock.advance(6_000);
        expect(isHit(question(name)), name).to.equal(true);
      }
    });
  });

  describe("keeps a denial (RFC 2308)", () => {
    const denials: readonly (readonly [string, ReplyParts, number])[] = [
      ["NXDOMAIN, by MINIMUM", { rcode: 3, authorities: [soa(20, 7)] }, 7],
      ["NXDOMAIN, by the SOA's TTL", { rcode: 3, authorities: [soa(8, 20)] }, 8],
      ["NODATA, for 30 s at most", { authorities: [soa(3600, 3600)] }, 30],
      ["a CNAME without what was asked for", { answers: [cname(60)], authorities: [soa(9, 9)] }, 9],
      ["a CNAME that ends before the denial", { answers: [cname(4)], authorities: [soa(9, 9)] }, 4],
    ];
    for (const [what, parts, seconds] of denials) {
      it(`${what}: ${seconds} s`, () => {
        const { lookUp, isHit, clock, count } = answering(parts);
        const first = lookUp(question(NAME));
        clock.advance(seconds * 1000 - 1);
        const hit = lookUp(question(NAME));
        expect(hit.rcode).to.equal(first.rcode);
        expect(hit.records.at(-1)?.ttl).to.equal(first.records.at(-1)!.ttl - seconds + 1);
        expect(count("cache_hits_total", "negative")).to.equal(1);
        clock.advance(1);
        expect(isHit(question(NAME))).to.equal(false);
      });
    }

    it("not without a SOA", () => {
      const without: readonly ReplyParts[] = [
        { rcode: 3 },
        {},
        { answers: [cname(60)] },
        { rcode: 3, authorities: [a(1)] },
      ];
      for (const parts of without) {
        const { lookUp, isHit } = answering(parts);
        lookUp(question(NAME));
        expect(isHit(question(NAME)), JSON.stringify(parts)).to.equal(false);
      }
    });
  });

  describe("does not keep", () => {
    const replies: readonly (readonly [string, ReplyParts])[] = [
      ["a TTL of 0", { answers: [a(1, 60), a(2, 0)] }],
      ["a TTL with the top bit set, which counts as 0", { answers: [a(1, 0x80000001)] }],
      ["what was truncated", { flags: 0x8380, answers: [a(1)] }],
      ["FORMERR", { rcode: 1, answers: [a(1)] }],
      ["NOTIMP", { rcode: 4, answers: [a(1)] }],
    ];
    for (const [what, parts] of replies) {
      it(`${what}, which is relayed as it is`, () => {
        const { ask, clock, upstreams, isHit } = answering(parts);
        const client = ask(question(NAME));
        clock.advance(0);
        const sent = upstreams.sent[0]!.message;
        sent.set([0x12, 0x34]);
        expect(client.reply).to.deep.equal(Buffer.from(replyTo(sent, parts)));
        expect(isHit(question(NAME))).to.equal(false);
      });
    }

    it("what cannot be walked whole: a count too high, a name in a loop, octets behind the end", () => {
      const broken: readonly ((reply: Uint8Array) => Uint8Array)[] = [
        (reply) => {
          reply[7] = 2;
          return reply;
        },
        (reply) => {
          reply.fill(0xff, 4, 12);
          reply.set([0, 1], 4);
          return reply;
        },
        (reply) => Uint8Array.from([...reply, 0]),
        (reply) => {
          const owner = reply.length - 16;
          reply.set([0xc0, owner], owner);
          return reply;
        },
      ];
      for (const breakIt of broken) {
        const { upstreams, ask, clock, isHit } = answering({});
        let expected = new Uint8Array();
        upstreams.script = (sent) => {
          expected = Uint8Array.from(breakIt(replyTo(sent.message, { answers: [a(1)] })));
          sent.reply(expected);
        };
        const client = ask(question(NAME));
        clock.advance(0);
        expect([...client.reply.subarray(2)]).to.deep.equal([...expected.subarray(2)]);
        expect(client.reply.readUInt16BE(0)).to.equal(0x1234);
        upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }));
        expect(isHit(question(NAME))).to.equal(false);
      }
    });

    it("replies to unusual queries, and answers none of them from what it has", () => {
      const { lookUp, upstreams } = answering({ answers: [a(1)] });
      lookUp(question(NAME));
      const unusual = [
        question(NAME, { flags: 0 }),
        question(NAME, { class: 3 }),
        question(NAME, { edns: { options: [0, 100, 0, 0] } }),
        Uint8Array.from([...question(NAME), 0]),
      ];
      for (const message of [...unusual, ...unusual]) lookUp(message);
      expect(upstreams.sent).to.have.length(1 + 2 * unusual.length);
    });
  });

  describe("forgets", () => {
    const types = [1, 28, 16, 65, 4711];
    const rdata = types.map((type) => ({
      type,
      ttl: 60,
      data: type === 28 ? Array<number>(16).fill(1) : [1, 2, 3, 4],
    }));

    it("all types of a name, in any case, and nothing else", () => {
      const { lookUp, isHit, forwarder } = answering({ answers: rdata });
      const others = [`a.${NAME}`, "example.org", "other.example.org"];
      for (const type of types) lookUp(question(NAME, { type }));
      lookUp(question(NAME, { edns: { isDnssecOk: true } }));
      for (const name of others) lookUp(question(name));
      forwarder.forget(Uint8Array.from(nameOctets(NAME)), false);
      for (const type of types) expect(isHit(question("WWW.example.org", { type }))).to.equal(false);
      expect(isHit(question(NAME, { edns: { isDnssecOk: true } }))).to.equal(false);
      for (const name of others) expect(isHit(question(name)), name).to.equal(true);
      for (const type of types) expect(isHit(question(NAME, { type })), "stored anew").to.equal(true);
    });

    it("every name below a wildcard, at any depth, but not its apex", () => {
      const { lookUp, isHit, forwarder } = answering({ answers: rdata });
      const below = ["a.example.org", "b.a.example.org", "x.y.z.example.org"];
      const others = ["example.org", "aexample.org", "org", "a.example.net", "."];
      for (const name of [...below, ...others]) lookUp(question(name));
      forwarder.forget(Uint8Array.from(nameOctets("example.org")), true);
      for (const name of others) expect(isHit(question(name)), name).to.equal(true);
      for (const name of below) expect(isHit(question(name)), name).to.equal(false);
      for (const name of below) expect(isHit(question(name)), name).to.equal(true);
    });

    it("a reply that was on its way", () => {
      const { ask, clock, upstreams, isHit, forwarder } = answering({ answers: [a(1)] });
      upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }), 50);
      const client = ask(question(NAME));
      clock.advance(10);
      forwarder.forget(Uint8Array.from(nameOctets(NAME)), false);
      clock.advance(40);
      expect(read(client.reply).records).to.have.length(1);
      upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }));
      expect(isHit(question(NAME))).to.equal(false);
    });

    it("more names than it can remember, by forgetting everything", () => {
      const { lookUp, isHit, forwarder, count, ask, upstreams, clock } = answering({ answers: [a(1)] });
      lookUp(question(NAME));
      upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }), 50);
      ask(question("late.example.net"));
      for (let index = 0; index <= 16_384; index += 1) {
        forwarder.forget(Uint8Array.from(nameOctets(`h${index}.example.net`)), false);
      }
      expect(count("cache_entries", "positive")).to.equal(0);
      clock.advance(50);
      upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }));
      for (const name of [NAME, "late.example.net"]) {
        expect(isHit(question(name))).to.equal(false);
        expect(isHit(question(name))).to.equal(true);
      }
    });
  });

  describe("is bounded", () => {
    it("by octets: what was not asked for longest goes first", () => {
      const cacheOctets = 64 * 1024;
      const { lookUp, isHit, count } = answering({ answers: [a(1, 3600)] }, { cacheOctets });
      for (let index = 0; index < 1_000; index += 1) {
        lookUp(question(`h${index}.example.org`));
        lookUp(question("h0.example.org"));
      }
      const entries = count("cache_entries", "positive");
      expect(entries).to.be.within(100, 200);
      expect(count("cache_bytes")).to.be.at.most(cacheOctets);
      expect(count("cache_evictions_total")).to.equal(1_000 - entries);
      expect(isHit(question("h0.example.org"))).to.equal(true);
      expect(isHit(question("h999.example.org"))).to.equal(true);
      expect(isHit(question("h500.example.org"))).to.equal(false);
    });

    it("and gives all of it back", () => {
      const { lookUp, forwarder, count } = answering({ answers: [a(1), a(2)] });
      for (let index = 0; index < 50; index += 1) lookUp(question(`h${index}.example.org`));
      expect(count("cache_bytes")).to.be.above(50 * 100);
      forwarder.update({ cacheOctets: 1 << 18 });
      expect(count("cache_bytes")).to.equal(0);
      expect(count("cache_entries", "positive")).to.equal(0);
    });

    it("and may be nothing at all", () => {
      const { lookUp, isHit } = answering({ answers: [a(1)] }, { cacheOctets: 0 });
      lookUp(question(NAME));
      expect(isHit(question(NAME))).to.equal(false);
    });

    it("for one reply too: what is huge is relayed only", () => {
      const answers = Array.from({ length: 500 }, (_, index) => a(index & 255));
      const { lookUp, isHit } = answering({ answers }, { cacheOctets: 64 * 1024, upstreams: [ONE] });
      expect(lookUp(question(NAME), "tcp").records).to.have.length(500);
      expect(isHit(question(NAME))).to.equal(false);
    });
  });

  it("takes a new limit of TTLs without losing what it has", () => {
    const { lookUp, isHit, forwarder, clock } = answering({ answers: [a(1, 3600)] });
    lookUp(question(NAME));
    forwarder.update({ cacheMaxTtlSeconds: 10 });
    lookUp(question("new.example.org"));
    clock.advance(10_000);
    expect(isHit(question(NAME))).to.equal(true);
    expect(isHit(question("new.example.org"))).to.equal(false);
  });
});

function cname(ttl: number) {
  return { type: 5, ttl, data: [1, 0x61, 0xc0, 12] };
}
