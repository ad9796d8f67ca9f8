import { expect } from "chai";
import { RoundTrips } from "../../src/forwarder/round-trips.ts";
import { SlidingCount } from "../../src/forwarder/sliding-count.ts";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, ONE, TWO, withoutProbes } from "./fixture.ts";
import { a, question, read, replyTo } from "./messages.ts";

const TO_ONE = "198.51.100.1:53";
const TO_TWO = "198.51.100.2:53";
const both = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };
const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const named = (index: number) => question(`h${index}.example.org`);

/** The forwarder has seen 64 replies that took this long each. */
function used(delayMs: number, options = {}) {
  const fixture = makeFixture(options);
  const { ask, upstreams, clock } = fixture;
  upstreams.script = (sent) => sent.reply(good(sent), delayMs);
  for (let index = 0; index < 64; index += 1) {
    ask(named(10_000 + index));
    clock.advance(delayMs + 1);
  }
  upstreams.sent.length = 0;
  upstreams.script = () => {};
  return fixture;
}

describe("the first resend", () => {
  for (const [delayMs, resendMs] of [
    [1, 300],
    [149, 300],
    [151, 700],
    [360, 1_100],
    [800, 2_200],
    [2_000, 2_200],
  ] as const) {
    it(`to an upstream that takes ${delayMs} ms goes out at ${resendMs} ms`, () => {
      const { ask, upstreams, clock } = used(delayMs);
      const startMs = clock.nowMs();
      ask(named(1));
      clock.advance(4_400);
      const timesMs = withoutProbes(upstreams.sent).map(({ atMs }) => atMs - startMs);
      const all = [300, 700, 1_100, 1_500, 2_200, 3_000, 3_800];
      expect(timesMs).to.deep.equal([0, ...all.slice(all.indexOf(resendMs))]);
    });
  }

  it("never goes out when replies take 2 s and none is lost", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 2_000);
    const first = ask(named(0));
    clock.advance(10_000);
    expect(read(first.reply).rcode).to.equal(0);
    const before = count("upstream_resends_total");
    const clients = Array.from({ length: 20 }, (_, index) => ask(named(index + 1)));
    clock.advance(2_000);
    for (const client of clients) expect(read(client.reply).rcode).to.equal(0);
    expect(count("upstream_resends_total")).to.equal(before);
  });

  it("measures each reply from its own sending, so that a loss does not make it wait longer", () => {
    const { ask, upstreams, clock } = makeFixture();
    for (let index = 0; index < 100; index += 1) {
      let seen = 0;
      upstreams.script = (sent) => {
        seen += 1;
        if (seen > 1) sent.reply(good(sent), 5);
      };
      ask(named(index));
      clock.advance(400);
    }
    expect(upstreams.sent.length).to.equal(200);
  });

  it("does not wait when the sending itself has failed", () => {
    const { ask, upstreams, clock } = used(500);
    upstreams.script = (sent) => {
      if (upstreams.sent.length === 1) sent.fail("ENOBUFS");
      else sent.reply(good(sent), 1);
    };
    const client = ask(named(1));
    clock.advance(301);
    expect(read(client.reply).rcode).to.equal(0);
  });
});

describe("with much in flight", () => {
  it("resends are at most a fifth of the first sends of ten seconds", () => {
    const { ask, upstreams, clock, count } = makeFixture({ maxInFlightPerClient: 5_000 });
    const replies = () => upstreams.sent.at(-1)!;
    for (let index = 0; index < 1_000; index += 1) ask(named(index));
    replies().reply(good(replies()), 1_000);
    clock.advance(4_400);
    expect(count("upstream_resends_total")).to.equal(200);
  });

  it("of up to 256 every one is sent again", () => {
    const { ask, clock, count } = makeFixture({ maxInFlightPerClient: 5_000 });
    for (let index = 0; index < 256; index += 1) ask(named(index));
    clock.advance(300);
    expect(count("upstream_resends_total")).to.equal(256);
  });

  it("each query still goes once to another upstream", () => {
    const { ask, upstreams, clock } = makeFixture({ ...both, maxInFlightPerClient: 5_000 });
    for (let index = 0; index < 1_000; index += 1) ask(named(index));
    clock.advance(700);
    expect(upstreams.sentTo(TO_ONE).length).to.be.at.least(1_000);
    expect(upstreams.sentTo(TO_TWO).length).to.be.at.least(1_000);
    expect(upstreams.sent.length).to.be.at.most(2_000 + 400);
  });
});

describe("the round trips", () => {
  it("are known by their 95th percentile, which follows a change", () => {
    const trips = new RoundTrips();
    expect(trips.percentile95Ms).to.equal(0);
    for (let index = 0; index < 1_000; index += 1) trips.add(index % 10 === 0 ? 90 : 10);
    expect(trips.percentile95Ms).to.be.closeTo(90, 1);
    for (let index = 0; index < 1_000; index += 1) trips.add(index % 50 === 0 ? 90 : 10);
    expect(trips.percentile95Ms).to.be.closeTo(10, 1);
    expect(trips.smoothedMs).to.be.within(8, 25);
  });
});

it("a sliding count forgets what is ten seconds old, second by second", () => {
  const count = new SlidingCount();
  for (let second = 0; second < 10; second += 1) count.add(5_000_000 + second * 1_000);
  expect(count.at(5_009_999)).to.equal(10);
  expect(count.at(5_010_000)).to.equal(9);
  expect(count.at(5_014_500)).to.equal(5);
  count.add(5_014_600);
  expect(count.at(5_018_999)).to.equal(2);
  expect(count.at(9_000_000)).to.equal(0);
});
