import { expect } from "chai";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, extendedError, question, type ReplyParts, read, replyTo, soa } from "./messages.ts";

const NAME = "www.example.org";
const WITH_EDNS = question(NAME, { edns: {} });

/** One reply was stored and has expired; from now on the script rules. */
function expired(parts: ReplyParts, script: (sent: Sent) => void = () => {}, options = {}) {
  const fixture = makeFixture(options);
  const { upstreams, ask, clock } = fixture;
  upstreams.script = (sent) => sent.reply(replyTo(sent.message, parts));
  ask(question(NAME, { edns: {} }));
  clock.advance(60_000);
  upstreams.sent.length = 0;
  upstreams.script = script;
  return fixture;
}

const GOOD = { answers: [a(1, 60), a(2, 60)] };

describe("an expired reply (RFC 8767)", () => {
  it("is served when upstream is silent for 1 s: TTL 30, extended error 3", () => {
    const { ask, clock, count } = expired(GOOD);
    const client = ask(question("WWW.example.org", { id: 7, edns: {} }));
    clock.advance(999);
    expect(client.replies).to.have.length(0);
    clock.advance(1);
    const stale = read(client.reply);
    expect([stale.id, stale.name, stale.rcode]).to.deep.equal([7, "WWW.example.org", 0]);
    expect(stale.records.map(({ ttl, data }) => [ttl, data[3]])).to.deep.equal([
      [30, 1],
      [30, 2],
    ]);
    expect(extendedError(stale)).to.equal(3);
    expect(count("cache_stale_served_total")).to.equal(1);
    clock.advance(10_000);
    expect(client.replies).to.have.length(1);
  });

  it("is served without OPT to a client without EDNS, and to all who wait, cut to their size", () => {
    const answers = Array.from({ length: 40 }, (_, index) => a(index, 60));
    const { ask, clock, upstreams } = expired({ answers });
    const clients = ["www.example.org", "www.EXAMPLE.org"].map((name) => ask(question(name)));
    const tcp = ask(question(NAME), new TestClient("tcp"));
    clock.advance(1_000);
    for (const client of clients) {
      expect(read(client.reply).opt).to.equal(undefined);
      expect(read(client.reply).isTruncated).to.equal(true);
    }
    expect(read(clients[1]!.reply).name).to.equal("www.EXAMPLE.org");
    expect(read(tcp.reply).records).to.have.length(40);
    expect(upstreams.sentTo("198.51.100.1:53").length).to.equal(4);
  });

  it("is refreshed by the reply that comes later", () => {
    const { ask, clock, upstreams } = expired(GOOD, (sent) => {
      sent.reply(replyTo(sent.message, { answers: [a(9, 60)] }), 1_400);
    });
    ask(WITH_EDNS);
    clock.advance(1_400);
    const sent = upstreams.sent.length;
    const fresh = read(ask(WITH_EDNS).reply);
    expect(fresh.records.map(({ ttl, data }) => [ttl, data[3]])).to.deep.equal([[60, 9]]);
    expect(extendedError(fresh)).to.equal(undefined);
    expect(upstreams.sent).to.have.length(sent);
  });

  it("is served at once for the next 30 s, then upstream is asked again", () => {
    const { ask, clock, upstreams } = expired(GOOD);
    ask(WITH_EDNS);
    clock.advance(1_000);
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode: 2 }));
    clock.advance(28_000);
    const sent = upstreams.sent.length;
    clock.advance(1_999);
    expect(extendedError(read(ask(WITH_EDNS).reply))).to.equal(3);
    expect(upstreams.sent).to.have.length(sent);
    clock.advance(1);
    upstreams.script = (message) => message.reply(replyTo(message.message, { answers: [a(9, 60)] }));
    const client = ask(WITH_EDNS);
    clock.advance(0);
    expect(read(client.reply).records.map(({ data }) => data[3])).to.deep.equal([9]);
  });

  it("is not served when upstream replies in time", () => {
    const { ask, clock, count } = expired(GOOD, (sent) => {
      sent.reply(replyTo(sent.message, { rcode: 3, authorities: [soa(10, 10)] }), 990);
    });
    const client = ask(WITH_EDNS);
    clock.advance(1_000);
    expect(read(client.reply).rcode).to.equal(3);
    expect(count("cache_stale_served_total")).to.equal(0);
    expect(read(ask(WITH_EDNS).reply).rcode).to.equal(3);
  });

  for (const rcode of [2, 5]) {
    it(`is served when every upstream says ${rcode}, and is not displaced by that`, () => {
      const options = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };
      const script = (sent: Sent) => sent.reply(replyTo(sent.message, { rcode }), 10);
      const { ask, clock, upstreams, count } = expired(GOOD, script, options);
      const client = ask(WITH_EDNS);
      clock.advance(20);
      expect(upstreams.sent).to.have.length(2);
      expect(extendedError(read(client.reply))).to.equal(3);
      expect(read(client.reply).records).to.have.length(2);
      expect(count("cache_entries", "error")).to.equal(0);
      expect(read(ask(WITH_EDNS).reply).records).to.have.length(2);
    });
  }

  it("is served at once when no upstream is alive", () => {
    const { ask, clock } = expired(GOOD, (sent) => sent.fail("ECONNREFUSED"));
    const first = ask(WITH_EDNS);
    clock.advance(0);
    expect(extendedError(read(first.reply))).to.equal(3);
    clock.advance(31_000);
    const second = ask(WITH_EDNS);
    expect(extendedError(read(second.reply))).to.equal(3);
  });

  it("is served for 1 h, or as the settings say", () => {
    for (const [maxStaleSeconds, seconds] of [
      [undefined, 3_600],
      [100, 100],
      [0, 0],
    ] as const) {
      const options = maxStaleSeconds === undefined ? {} : { maxStaleSeconds };
      const { ask, clock } = expired(GOOD, () => {}, options);
      clock.advance(seconds * 1000 - 1_001);
      if (seconds > 0) {
        const inTime = ask(question(NAME));
        clock.advance(1_000);
        expect(read(inTime.reply).rcode).to.equal(0);
      }
      clock.advance(4_000);
      const late = ask(question(NAME));
      clock.advance(4_500);
      expect(read(late.reply).rcode).to.equal(2);
    }
  });

  it("is served after another time, if the settings say so, at once", () => {
    const { ask, clock, forwarder } = expired(GOOD);
    forwarder.update({ staleAfterMs: 400 });
    const client = ask(WITH_EDNS);
    clock.advance(399);
    expect(client.replies).to.have.length(0);
    clock.advance(1);
    expect(read(client.reply).rcode).to.equal(0);
  });

  it("may be a denial, but not an error", () => {
    const denial = expired({ rcode: 3, authorities: [soa(20, 20)] });
    const client = denial.ask(WITH_EDNS);
    denial.clock.advance(1_000);
    expect(read(client.reply).rcode).to.equal(3);
    expect(read(client.reply).records[0]!.ttl).to.equal(30);
    const error = expired({ rcode: 2 });
    const other = error.ask(WITH_EDNS);
    error.clock.advance(1_000);
    expect(other.replies).to.have.length(0);
  });
});
