/**
 * What clients notice of faults upstream, in figures: the short forms, under a clock that stands, of what
 * `bench/faults/` measures on the running program.
 */

import { expect } from "chai";
import type { SocketAddress, UdpHandlers, UpstreamSockets } from "../../src/forwarder/upstream-sockets.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MemoryUpstreams, type Sent } from "../support/memory-upstream.ts";
import { type FixtureOptions, makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, question, read, replyTo } from "./messages.ts";

const TO_ONE = "198.51.100.1:53";
const both = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };
const many = { maxInFlightPerClient: 5_000 };
const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const nameOf = (sent: Sent) => read(sent.message).name;

interface Outcome {
  readonly askedAtMs: number;
  tookMs: number;
  rcode: number;
}

/** A fixture that asks and remembers how long each reply took; times count from the start. */
function measuring(options: FixtureOptions = {}) {
  const fixture = makeFixture({ ...many, ...options });
  const { clock, ask } = fixture;
  const startMs = clock.nowMs();
  const outcomes: Outcome[] = [];
  const askOne = (name = `h${outcomes.length}.example.org`) => {
    const outcome = { askedAtMs: clock.nowMs() - startMs, tookMs: Number.POSITIVE_INFINITY, rcode: -1 };
    outcomes.push(outcome);
    const client = new TestClient();
    client.onReply = (reply) => {
      outcome.tookMs = clock.nowMs() - startMs - outcome.askedAtMs;
      outcome.rcode = reply[3]! & 15;
    };
    ask(question(name), client);
    return outcome;
  };
  return { ...fixture, outcomes, askOne };
}

function percentile99(outcomes: readonly Outcome[]): number {
  const sorted = outcomes.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.99) - 1]!;
}

/** Numbers in [0, 1) that are the same each time (Lehmer). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe("faults upstream", () => {
  it("the first packet is lost: answered within 450 ms, also by an upstream 100 ms away", () => {
    for (const delayMs of [1, 20, 100]) {
      const { upstreams, clock, askOne, outcomes } = measuring();
      const lost = new Set<string>();
      upstreams.script = (sent) => {
        if (lost.has(nameOf(sent))) sent.reply(good(sent), delayMs);
        lost.add(nameOf(sent));
      };
      for (let index = 0; index < 50; index += 1) {
        askOne();
        clock.advance(500);
      }
      for (const { tookMs } of outcomes) expect(tookMs).to.be.at.most(450);
    }
  });

  for (const seed of [1, 2, 3]) {
    for (const everyMs of [0, 10]) {
      it(`30 % of the queries are lost (seed ${seed}, one every ${everyMs} ms): 300 of them, p99 at most 1.6 s`, () => {
        const { upstreams, clock, askOne, outcomes } = measuring();
        const chance = seeded(seed);
        upstreams.script = (sent) => chance() >= 0.3 && sent.reply(good(sent), 1);
        for (let index = 0; index < 300; index += 1) {
          askOne();
          clock.advance(everyMs);
        }
        clock.advance(5_000);
        expect(outcomes.filter(({ rcode }) => rcode === 0).length).to.be.at.least(299);
        expect(percentile99(outcomes)).to.be.at.most(1_600);
      });
    }
  }

  it("the upstream is dead: SERVFAIL within 4.5 s once, then within 20 ms; back with its first reply", () => {
    const { upstreams, clock, askOne, outcomes } = measuring();
    askOne();
    clock.advance(4_500);
    expect(outcomes[0]!.tookMs).to.be.at.most(4_500);
    for (let index = 0; index < 100; index += 1) {
      askOne();
      clock.advance(37);
    }
    for (const { tookMs, rcode } of outcomes.slice(1)) {
      expect(rcode).to.equal(2);
      expect(tookMs).to.be.at.most(20);
    }
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    clock.advance(1_002);
    const back = askOne();
    clock.advance(1);
    expect(back.rcode).to.equal(0);
  });

  it("the upstream takes 2 s: every query is answered within 2.1 s, none is given up", () => {
    const { upstreams, clock, askOne, outcomes } = measuring();
    upstreams.script = (sent) => sent.reply(good(sent), 2_000);
    for (let index = 0; index < 200; index += 1) {
      askOne();
      clock.advance(50);
    }
    clock.advance(5_000);
    for (const { tookMs, rcode } of outcomes) {
      expect(rcode).to.equal(0);
      expect(tookMs).to.be.at.most(2_100);
    }
  });

  for (const [how, script] of [
    ["silent", () => {}],
    ["refusing", (sent: Sent) => sent.fail("ECONNREFUSED")],
  ] as const) {
    it(`one of two is dead (${how}): 10,000 queries, no failure, p99 at most 5 ms after the first second`, () => {
      for (const perMs of [1, 4]) {
        const { upstreams, clock, askOne, outcomes } = measuring(both);
        upstreams.script = (sent) => (sent.to === TO_ONE ? script(sent) : sent.reply(good(sent), 1));
        for (let index = 0; index < 10_000; index += 1) {
          askOne();
          if (index % perMs === perMs - 1) clock.advance(1);
        }
        clock.advance(5_000);
        expect(outcomes.every(({ rcode }) => rcode === 0)).to.equal(true);
        expect(percentile99(outcomes.filter(({ askedAtMs }) => askedAtMs > 1_000))).to.be.at.most(5);
      }
    });
  }

  it("the upstream refuses: SERVFAIL at once", () => {
    const { upstreams, clock, askOne, outcomes } = measuring();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED", 1);
    for (let index = 0; index < 100; index += 1) {
      askOne();
      clock.advance(10);
    }
    for (const { tookMs, rcode } of outcomes) {
      expect(rcode).to.equal(2);
      expect(tookMs).to.be.at.most(20);
    }
  });
});

describe("faults of this machine", () => {
  /** For `faultMs` from the first use on every socket fails with this code. */
  function failing(code: string, faultMs: number, isAtSend: boolean) {
    let untilMs = 0;
    const clock = new FakeClock();
    const upstreams = new MemoryUpstreams(clock);
    const isFaulty = () => {
      untilMs ||= clock.nowMs() + faultMs;
      return clock.nowMs() < untilMs;
    };
    const sockets: UpstreamSockets = {
      maxUdpSockets: 64,
      connectTcp: (to, handlers) => upstreams.connectTcp(to, handlers),
      openUdp(to: SocketAddress, handlers: UdpHandlers) {
        const socket = upstreams.openUdp(to, handlers);
        let isClosed = false;
        const fail = () => clock.setTimer(0, () => isClosed || handlers.onError(code));
        if (!isAtSend && isFaulty()) fail();
        return {
          send(message) {
            if (isFaulty()) isAtSend && fail();
            else socket.send(message);
          },
          close() {
            isClosed = true;
            socket.close();
          },
        };
      },
    };
    return { sockets, upstreams, clock };
  }

  for (const [code, isAtSend] of [
    ["EMFILE", false],
    ["ENOBUFS", true],
    ["EPERM", true],
    ["EHOSTUNREACH", true],
  ] as const) {
    it(`${code} for half a second: every query is answered, all within a second of its end`, () => {
      const { sockets, clock, upstreams } = failing(code, 500, isAtSend);
      const { ask, count } = makeFixture({ ...many, sockets, clock });
      upstreams.script = (sent) => sent.reply(good(sent), 1);
      const startMs = clock.nowMs();
      let lastMs = 0;
      let answered = 0;
      for (let index = 0; index < 200; index += 1) {
        const client = new TestClient();
        client.onReply = (reply) => {
          expect(reply[3]! & 15).to.equal(0);
          answered += 1;
          lastMs = clock.nowMs() - startMs;
        };
        ask(question(`h${index}.example.org`), client);
        clock.advance(5);
      }
      clock.advance(5_000);
      expect(answered).to.equal(200);
      expect(lastMs).to.be.at.most(1_500);
      expect(count("upstream_up", TO_ONE)).to.equal(1);
      expect(count("upstream_failures_total", TO_ONE, "network_error")).to.be.above(0);
    });
  }

  for (const [code, isAtSend] of [
    ["EMFILE", false],
    ["ENOBUFS", true],
    ["EPERM", true],
  ] as const) {
    it(`${code} for six seconds: upstream is not taken for dead, and all is well a second after the end`, () => {
      const { sockets, clock, upstreams } = failing(code, 6_000, isAtSend);
      const { askOne, outcomes, count } = measuring({ sockets, clock });
      upstreams.script = (sent) => sent.reply(good(sent), 1);
      for (let index = 0; index < 2_000; index += 1) {
        askOne();
        clock.advance(5);
        expect(count("upstream_up", TO_ONE)).to.equal(1);
      }
      clock.advance(5_000);
      // Whoever asked early has waited in vain, for 4.5 s; nobody else has.
      for (const { askedAtMs, rcode } of outcomes) expect(rcode).to.equal(askedAtMs < 2_200 ? 2 : 0);
      for (const { askedAtMs, tookMs } of outcomes) {
        expect(tookMs).to.be.at.most(4_500);
        if (askedAtMs >= 6_000) expect(tookMs).to.be.at.most(10);
        else if (askedAtMs >= 2_200) expect(askedAtMs + tookMs).to.be.at.most(7_000);
      }
    });
  }

  it("ECONNREFUSED for half a second: asked again with the next probe, a second after the first", () => {
    const { sockets, clock, upstreams } = failing("ECONNREFUSED", 500, true);
    const { askOne, outcomes } = measuring({ sockets, clock });
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    for (let index = 0; index < 300; index += 1) {
      askOne();
      clock.advance(5);
    }
    clock.advance(10);
    for (const { askedAtMs, tookMs, rcode } of outcomes) {
      expect(tookMs).to.be.at.most(20);
      expect(rcode).to.equal(askedAtMs < 1_001 ? 2 : 0);
    }
  });
});
