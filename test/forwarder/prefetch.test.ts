import { expect } from "chai";
import { makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, question, type ReplyParts, read, replyTo, soa } from "./messages.ts";

const NAME = "www.example.org";
/** Of 100 s; the last tenth begins at 90 s. */
const REPLY: ReplyParts = { answers: [a(1, 100)] };

function stored(parts: ReplyParts = REPLY, name = NAME, options = {}) {
  const fixture = makeFixture(options);
  const { upstreams, ask, clock } = fixture;
  upstreams.script = (sent) => sent.reply(replyTo(sent.message, parts));
  const lookUp = (message = question(name), client = new TestClient()) => {
    ask(message, client);
    clock.advance(0);
    return client;
  };
  lookUp();
  expect(upstreams.sent).to.have.length(1);
  return { ...fixture, lookUp };
}

describe("a cached reply that is in use", () => {
  it("is renewed in the last tenth of its TTL, once, and the client does not wait for that", () => {
    const { upstreams, clock, lookUp, ask, count } = stored();
    clock.advance(89_999);
    lookUp();
    expect(upstreams.sent).to.have.length(1);
    clock.advance(1);
    const client = ask(question("WWW.example.org", { id: 77 }));
    expect([read(client.reply).id, read(client.reply).records[0]!.ttl]).to.deep.equal([77, 10]);
    ask(question(NAME));
    expect(upstreams.sent).to.have.length(2);
    expect(count("cache_prefetch_total")).to.equal(1);
    clock.advance(0);
    expect(read(lookUp().reply).records[0]!.ttl).to.equal(100);
    expect(client.replies).to.have.length(1);
    expect(count("cache_misses_total")).to.equal(1);
  });

  it("asks upstream the client's own message but for the ID", () => {
    const { upstreams, clock, ask } = stored();
    clock.advance(95_000);
    const message = question("wWw.example.org", { edns: { size: 1400 } });
    ask(message);
    expect([...upstreams.sent[1]!.message.subarray(2)]).to.deep.equal([...message.subarray(2)]);
  });

  it("is let go when it was asked for only once since the last renewal", () => {
    const { upstreams, clock, lookUp } = stored();
    clock.advance(95_000);
    lookUp();
    expect(upstreams.sent).to.have.length(2);
    clock.advance(95_000);
    lookUp();
    expect(upstreams.sent, "asked once").to.have.length(2);
    lookUp();
    expect(upstreams.sent, "asked twice").to.have.length(3);
  });

  it("stays when the renewal brings SERVFAIL or nothing, and is served stale after its end", () => {
    for (const rcode of [2, 5, undefined]) {
      const { upstreams, clock, lookUp, count } = stored();
      clock.advance(95_000);
      upstreams.script = (sent) => rcode !== undefined && sent.reply(replyTo(sent.message, { rcode }));
      lookUp();
      clock.advance(4_600);
      expect(read(lookUp().reply).records).to.have.length(1);
      expect(count("cache_entries", "error")).to.equal(0);
      clock.advance(500);
      const late = lookUp();
      clock.advance(1_000);
      expect(read(late.reply).records[0]!.ttl).to.equal(30);
    }
  });

  it("lets a client wait for the renewal that is on its way when it has ended meanwhile", () => {
    const { upstreams, clock, ask, lookUp } = stored();
    clock.advance(99_900);
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, REPLY), 200);
    lookUp();
    clock.advance(150);
    const client = ask(question(NAME));
    expect(upstreams.sent).to.have.length(2);
    clock.advance(50);
    expect(read(client.reply).records[0]!.ttl).to.equal(100);
  });

  it("is not renewed when it denies, fails, or is the cluster's own", () => {
    const cases: readonly (readonly [ReplyParts, string, number])[] = [
      [{ rcode: 3, authorities: [soa(30, 30)] }, NAME, 28_000],
      [{ rcode: 2 }, NAME, 4_900],
      [REPLY, "web.default.svc.cluster.local", 4_900],
      [REPLY, "web.default.svc.clusterset.local", 4_900],
      [REPLY, "1.0.0.10.in-addr.arpa", 4_900],
    ];
    for (const [parts, name, ageMs] of cases) {
      const { upstreams, clock, lookUp, count } = stored(parts, name);
      clock.advance(ageMs);
      for (let times = 0; times < 3; times += 1) lookUp(question(name));
      expect(upstreams.sent, name).to.have.length(1);
      expect(count("cache_prefetch_total")).to.equal(0);
    }
  });

  it("is not renewed when no upstream is alive, or too much is in flight", () => {
    const dead = stored();
    dead.clock.advance(94_000);
    dead.upstreams.script = (sent) => sent.fail("ECONNREFUSED");
    dead.lookUp(question("other.example.org"));
    const before = dead.upstreams.sent.length;
    dead.lookUp();
    expect(dead.upstreams.sent).to.have.length(before);
    const busy = stored(REPLY, NAME, { maxInFlight: 3, upstreams: [ONE, TWO] });
    busy.clock.advance(94_000);
    busy.upstreams.script = () => {};
    for (let index = 0; index < 3; index += 1) busy.ask(question(`h${index}.example.org`));
    busy.lookUp();
    expect(busy.count("cache_prefetch_total")).to.equal(0);
  });
});
