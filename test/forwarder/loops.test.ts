import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { LoopLog } from "../../src/forwarder/loop-log.ts";
import type { Logger } from "../../src/runtime.ts";
import { Query } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { FakeClock } from "../support/fake-clock.ts";
import type { Sent } from "../support/memory-upstream.ts";
import { type Fixture, type FixtureOptions, makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, extendedError, question, read, replyTo } from "./messages.ts";

const TO_ONE = "198.51.100.1:53";
const TO_TWO = "198.51.100.2:53";
const KEY = randomBytes(32);
const PROBE = /^[0-9a-f]{32}\.loop\.(cluster\.local|invalid)$/;
const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const isProbe = ({ message }: Sent) => PROBE.test(read(message).name);

function watching(options: FixtureOptions = {}, isAsker = true) {
  const seen: string[] = [];
  const loopProbes = { key: KEY, isAsker, onLoop: (upstream: string) => seen.push(upstream) };
  const fixture = makeFixture({ loopProbes, ...options });
  return { ...fixture, seen, probes: () => fixture.upstreams.sent.filter(isProbe) };
}

/** The upstream hands every query back to the server, and its reply on. */
function looping({ ask }: Pick<Fixture, "ask">, only = () => true) {
  return (sent: Sent) => {
    if (!only()) {
      sent.reply(replyTo(sent.message, { rcode: 3 }), 1);
      return;
    }
    const client = new TestClient("udp", "198.51.100.1");
    client.onReply = (reply) =>
      sent.reply(Uint8Array.from([...sent.message.subarray(0, 2), ...reply.subarray(2)]));
    ask(Uint8Array.from([0xaa, 0xbb, ...sent.message.subarray(2)]), client);
  };
}

describe("a loop probe", () => {
  it("is asked at the start and every 60 s: 32 digits below the cluster domain, TXT, never the same", () => {
    const { upstreams, clock, probes } = watching();
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode: 3 }), 1);
    clock.advance(1_000);
    expect(probes()).to.have.length(1);
    clock.advance(59_000);
    clock.advance(1_000);
    expect(probes()).to.have.length(2);
    clock.advance(600_000);
    expect(probes()).to.have.length(12);
    const names = probes().map(({ message }) => read(message).name);
    expect(new Set(names).size).to.equal(12);
    for (const { message } of probes()) {
      expect(read(message).name).to.match(/\.loop\.cluster\.local$/);
      expect([...message.subarray(-4)]).to.deep.equal([0, 16, 0, 1]);
      expect(read(message).flags).to.equal(0x0100);
    }
  });

  it("is asked within a second of an upstream that is new or lives again: two servers may start by turns", () => {
    const { upstreams, clock, forwarder, probes } = watching();
    upstreams.script = (sent) => sent.fail("ECONNREFUSED", 1);
    clock.advance(10_000);
    expect(probes(), "while it is dead").to.have.length(1);
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode: 3 }), 1);
    clock.advance(2_100);
    expect(probes()).to.have.length(2);
    clock.advance(10_000);
    expect(probes()).to.have.length(2);
    forwarder.update({ upstreams: [TWO] });
    clock.advance(1_100);
    expect(probes().map(({ to }) => to)).to.deep.equal([TO_ONE, TO_ONE, TO_TWO]);
  });

  it("is asked of every upstream, below `invalid` of those that the cluster's names are not asked of", () => {
    const { clock, probes } = watching({ upstreams: [ONE], clusterUpstreams: [TWO] });
    clock.advance(250);
    const byTarget = new Map(probes().map(({ to, message }) => [to, read(message).name.slice(33)]));
    expect(byTarget).to.deep.equal(
      new Map([
        [TO_ONE, "loop.invalid"],
        [TO_TWO, "loop.cluster.local"],
      ]),
    );
  });

  it("is not asked by a thread that is not the asker, nor with `refuse` of those who ask us first", () => {
    const other = watching({}, false);
    other.clock.advance(130_000);
    expect(other.upstreams.sent).to.have.length(0);
    const refusing = watching({ refuse: true, upstreams: [ONE], clusterUpstreams: [TWO] });
    refusing.upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode: 3 }), 1);
    refusing.clock.advance(130_000);
    expect(new Set(refusing.upstreams.sent.map(({ to }) => to))).to.deep.equal(new Set([TO_ONE]));
  });

  it("of others, or made up, is passed on, neither cached nor shared", () => {
    const { ask, upstreams, clock, seen } = watching({}, false);
    upstreams.script = (sent) => sent.reply(good(sent), 5);
    const foreign = question(`${"0123456789abcdef".repeat(2)}.loop.cluster.local`, { type: 16 });
    for (let times = 0; times < 2; times += 1) ask(foreign);
    expect(upstreams.sent).to.have.length(2);
    clock.advance(5);
    ask(foreign);
    expect(upstreams.sent).to.have.length(3);
    expect(seen).to.deep.equal([]);
  });

  it("that somebody repeats later proves nothing", () => {
    const { ask, upstreams, clock, probes, seen } = watching();
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, { rcode: 3 }), 1);
    clock.advance(20_000);
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    const client = ask(Uint8Array.from(probes()[0]!.message));
    clock.advance(1);
    expect(read(client.reply).rcode).to.equal(0);
    expect(seen).to.deep.equal([]);
  });
});

describe("an upstream that hands our queries back", () => {
  it("is not asked any more: SERVFAIL with the reason; it is told of and counted", () => {
    const fixture = watching();
    const { upstreams, clock, ask, seen, count } = fixture;
    upstreams.script = looping(fixture);
    clock.advance(250);
    expect(seen).to.deep.equal([TO_ONE]);
    expect(count("upstream_looping", TO_ONE)).to.equal(1);
    const before = upstreams.sent.length;
    const client = ask(question("www.example.org", { edns: {} }));
    expect(read(client.reply).rcode).to.equal(2);
    expect(extendedError(read(client.reply))).to.equal(22);
    expect(client.reply.toString("latin1")).to.include("sends queries back");
    expect(upstreams.sent).to.have.length(before);
  });

  it("leaves the others to be asked, and expired replies to be served", () => {
    const two = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };
    const fixture = watching(two);
    const { upstreams, clock, ask, count } = fixture;
    const loop = looping(fixture);
    upstreams.script = (sent) => (sent.to === TO_ONE ? loop(sent) : sent.reply(good(sent), 1));
    clock.advance(250);
    for (let index = 0; index < 20; index += 1) {
      const client = ask(question(`h${index}.example.org`));
      clock.advance(1);
      expect(read(client.reply).rcode).to.equal(0);
    }
    expect(upstreams.sentTo(TO_ONE).every(isProbe)).to.equal(true);
    expect([count("upstream_looping", TO_ONE), count("upstream_looping", TO_TWO)]).to.deep.equal([1, 0]);

    const stale = watching();
    stale.upstreams.script = (sent) => sent.reply(good(sent), 1);
    stale.ask(question("old.example.org", { edns: {} }));
    stale.clock.advance(55_000);
    stale.upstreams.script = looping(stale);
    stale.clock.advance(10_000);
    expect(stale.seen).to.deep.equal([TO_ONE]);
    expect(extendedError(read(stale.ask(question("old.example.org", { edns: {} })).reply))).to.equal(3);
  });

  it("stays so while the probes come back, and is asked again when one does not", () => {
    const fixture = watching();
    const { upstreams, clock, ask, seen, count } = fixture;
    let isLooping = true;
    upstreams.script = looping(fixture, () => isLooping);
    clock.advance(300_000);
    expect(seen).to.have.length(5);
    expect(count("upstream_looping", TO_ONE)).to.equal(1);
    isLooping = false;
    clock.advance(67_000);
    expect(count("upstream_looping", TO_ONE)).to.equal(0);
    const client = ask(question("www.example.org"));
    clock.advance(1);
    expect(read(client.reply).rcode).to.equal(3);
  });

  it("is known by the thread that did not ask, from the probe or from being told", () => {
    const asker = watching();
    const other = watching({}, false);
    asker.upstreams.script = looping(other);
    other.clock.advance(200);
    asker.clock.advance(250);
    expect([asker.seen, other.seen]).to.deep.equal([[], [TO_ONE]]);
    expect(read(other.ask(question("www.example.org")).reply).rcode).to.equal(2);
    asker.forwarder.noteLoop(TO_ONE);
    expect(read(asker.ask(question("www.example.org")).reply).rcode).to.equal(2);
    asker.forwarder.noteLoop("203.0.113.9:53");
  });

  it("still gets others' probes, which find their way home through us", () => {
    const fixture = watching();
    const { upstreams, clock, ask } = fixture;
    upstreams.script = looping(fixture);
    clock.advance(250);
    upstreams.script = (sent) => sent.reply(good(sent), 1);
    const before = upstreams.sent.length;
    ask(question(`${"0123456789abcdef".repeat(2)}.loop.cluster.local`, { type: 16 }));
    expect(upstreams.sent).to.have.length(before + 1);
  });
});

it("with `refuse` a probe that is refused on arrival has come back all the same", () => {
  const sets = { upstreams: [ONE], clusterUpstreams: [TWO] };
  const { upstreams, forwarder, clock, seen } = watching({ refuse: true, ...sets });
  const query = new Query();
  upstreams.script = ({ message }) => {
    readQuery(message, message.length, query);
    forwarder.noteRefused(query);
  };
  clock.advance(250);
  expect(seen).to.deep.equal([TO_ONE]);
});

describe("the log of loops", () => {
  function logged(isRefusing = false) {
    const clock = new FakeClock();
    const lines: string[] = [];
    let healed = 0;
    const write = (level: string) => (fields: object, message: string) =>
      lines.push(`${level} ${message} ${"remedy" in fields ? fields.remedy : ""}`);
    const logger: Logger = { debug() {}, info: write("info"), warn: write("warn"), error: write("error") };
    const log = new LoopLog({ clock, logger, isRefusing: () => isRefusing, onHealed: () => (healed += 1) });
    return { clock, lines, log, healed: () => healed };
  }

  it("has one line when a loop appears, and one when it is gone", () => {
    const { clock, lines, log, healed } = logged();
    for (let minute = 0; minute < 5; minute += 1) {
      log.note(TO_ONE);
      log.note(TO_ONE);
      clock.advance(60_000);
    }
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/^error upstream 198\.51\.100\.1:53 hands/);
    expect(log.present).to.deep.equal([TO_ONE]);
    clock.advance(7_000);
    expect(lines[1]).to.match(/^info .* is asked again/);
    expect([log.present.length, healed()]).to.deep.equal([0, 1]);
    log.note(TO_ONE);
    expect(lines).to.have.length(3);
  });

  it("names both settings with `refuse`, and sets no timer that outlives it", async () => {
    const { clock, lines, log } = logged(true);
    log.note(TO_ONE);
    expect(lines[0])
      .to.match(/refuse/)
      .and.match(/\bupstreams\b/)
      .and.match(/clusterUpstreams/);
    await log.close();
    expect(clock.timers).to.equal(0);
  });
});

it("a closed forwarder asks no probes", async () => {
  const { forwarder, clock, upstreams } = watching();
  forwarder.noteLoop(TO_ONE);
  await forwarder.close();
  clock.advance(200_000);
  expect(upstreams.sent).to.have.length(0);
  expect(clock.timers).to.equal(0);
});
