/** What is said of upstreams that do not answer: once, when it has lasted, with what it means; and its end. */

import { expect } from "chai";
import { type UpstreamCondition, UpstreamLog } from "../../src/forwarder/upstream-log.ts";
import type { LogFields, Logger } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeFixture, ONE, TWO } from "./fixture.ts";
import { a, question, replyTo } from "./messages.ts";

const FIRST = "10.96.0.10:53";
const SECOND = "10.96.0.11:53";

describe("the log of upstreams", () => {
  let clock: FakeClock;
  let lines: { level: string; fields: LogFields; message: string }[];
  let log: UpstreamLog;
  const said = () => lines.map(({ level, message }) => `${level} ${message}`);

  function start(...upstreams: readonly string[]): void {
    clock = new FakeClock();
    lines = [];
    const at = (level: string) => (fields: LogFields, message: string) =>
      lines.push({ level, fields, message });
    const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    log = new UpstreamLog({ clock, logger, upstreams: () => upstreams });
  }

  it("says which does not answer, why, since when and what to do; and when it answers again", () => {
    start(FIRST, SECOND);
    log.note("udp 0", FIRST, "refuses");
    clock.advance(3_000);
    clock.advance(57_000);
    log.note("udp 0", FIRST, "answers");
    expect(said()).to.deep.equal([
      `warn upstream ${FIRST} does not answer; ${SECOND} is asked instead`,
      `info upstream ${FIRST} answers again`,
    ]);
    const since = new Date(clock.wallMs() - 60_000).toISOString();
    expect(lines[0]?.fields).to.include({ upstream: FIRST, since });
    expect(lines[0]?.fields["reason"]).to.match(/ECONNREFUSED/);
    expect(lines[0]?.fields["remedy"]).to.match(/^It is probed every second by itself\./);
    expect(lines[1]?.fields).to.include({ since, afterSeconds: 60 });
  });

  it("is an error when nobody is left to ask", () => {
    start(FIRST, SECOND);
    log.note("udp 0", FIRST, "silent");
    log.note("udp 0", SECOND, "silent");
    clock.advance(3_000);
    expect(said()).to.deep.equal([
      `error upstream ${FIRST} does not answer, and no other does; names that are not ours fail, but for what the cache holds`,
      `error upstream ${SECOND} does not answer, and no other does; names that are not ours fail, but for what the cache holds`,
    ]);
    start(FIRST);
    log.note("udp 0", FIRST, "silent");
    clock.advance(3_000);
    expect(said()).to.deep.equal([
      `error upstream ${FIRST} does not answer; names that are not ours fail, but for what the cache holds`,
    ]);
  });

  it("is silent about what lasts for less than three seconds", () => {
    start(FIRST);
    log.note("udp 0", FIRST, "refuses");
    clock.advance(2_900);
    log.note("udp 0", FIRST, "answers");
    clock.advance(10_000);
    expect(said()).to.deep.equal([]);
    expect(clock.timers).to.equal(0);
  });

  it("takes what several threads see for one outage, which ends when it has ended for all", () => {
    start(FIRST, SECOND);
    log.note("udp 0", FIRST, "silent");
    log.note("tcp 1", FIRST, "silent");
    clock.advance(3_000);
    log.note("udp 0", FIRST, "answers");
    expect(said()).to.have.length(1);
    log.note("tcp 1", FIRST, "answers");
    log.note("udp 0", SECOND, "answers");
    expect(said()).to.have.length(2);
  });

  it("does not say that one answers which is not asked any more", async () => {
    start(FIRST);
    log.note("udp 0", FIRST, "silent");
    clock.advance(3_000);
    log.note("udp 0", FIRST, "gone");
    expect(said()).to.have.length(1);
    log.note("udp 0", FIRST, "silent");
    await log.close();
    expect(clock.timers).to.equal(0);
  });
});

describe("the forwarder tells of an upstream", () => {
  it("that refuses, answers again, and leaves while it does not answer", () => {
    const told: [string, UpstreamCondition][] = [];
    const onUpstream = (upstream: string, condition: UpstreamCondition) => told.push([upstream, condition]);
    const { forwarder, upstreams, clock, ask } = makeFixture({ upstreams: [ONE], onUpstream });
    const text = `${ONE.address}:${ONE.port}`;
    upstreams.script = (sent) => sent.fail("ECONNREFUSED");
    ask(question("a.example"));
    clock.advance(10);
    expect(told).to.deep.equal([[text, "refuses"]]);
    upstreams.script = (sent) => sent.reply(replyTo(sent.message, { answers: [a(1)] }), 1);
    clock.advance(1_010);
    expect(told.at(-1)).to.deep.equal([text, "answers"]);
    upstreams.script = (sent) => sent.fail("ECONNREFUSED");
    ask(question("b.example"));
    clock.advance(10);
    forwarder.update({ upstreams: [TWO], clusterUpstreams: [TWO] });
    expect(told.slice(2)).to.deep.equal([
      [text, "refuses"],
      [text, "gone"],
    ]);
  });
});
