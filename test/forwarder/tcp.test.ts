import { expect } from "chai";
import type { Sent } from "../support/memory-upstream.ts";
import { makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, extendedError, question, read, replyTo } from "./messages.ts";

const TO_ONE = "198.51.100.1:53";
const TO_TWO = "198.51.100.2:53";
const both = { upstreams: [ONE, TWO], clusterUpstreams: [ONE, TWO] };
const good = (sent: Sent) => replyTo(sent.message, { answers: [a(1)] });
const tcp = () => new TestClient("tcp");
const named = (index: number) => question(`h${index}.example.org`, { edns: {} });

describe("a query over TCP", () => {
  it("goes upstream over TCP, over one connection for all, and replies may come in any order", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 100 - (sent.message[13]! % 10) * 10);
    const clients = Array.from({ length: 10 }, (_, index) => ask(question(`${index}.example.org`), tcp()));
    clock.advance(200);
    for (const [index, client] of clients.entries()) {
      expect(read(client.reply).name).to.equal(`${index}.example.org`);
    }
    expect(upstreams.tcpConnections).to.equal(1);
    expect(new Set(upstreams.sent.map(({ transport }) => transport))).to.deep.equal(new Set(["tcp"]));
    const ids = upstreams.sent.map(({ message }) => (message[0]! << 8) | message[1]!);
    expect(new Set(ids).size).to.equal(10);
  });

  it("is sent once more over a new connection when the old one ends", () => {
    const { ask, upstreams, clock } = makeFixture();
    let times = 0;
    upstreams.script = (sent) => {
      times += 1;
      if (times === 2) sent.fail("ECONNRESET", 5);
      else sent.reply(good(sent), 5);
    };
    ask(named(1), tcp());
    clock.advance(10);
    const client = ask(named(2), tcp());
    clock.advance(20);
    expect(read(client.reply).rcode).to.equal(0);
    expect(upstreams.tcpConnections).to.equal(2);
  });

  it("fails when every connection ends without a reply", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    upstreams.script = (sent) => sent.fail("ECONNRESET", 5);
    const client = ask(named(1), tcp());
    clock.advance(100);
    expect(extendedError(read(client.reply))).to.equal(23);
    expect(upstreams.tcpConnections).to.equal(2);
    expect(count("upstream_failures_total", TO_ONE, "network_error")).to.equal(2);
    expect(count("upstream_up", TO_ONE)).to.equal(1);
  });

  it("fails over when no connection can be made, and fails at once when none can to any", () => {
    const { ask, upstreams, clock, count } = makeFixture(both);
    upstreams.tcpRefusals.set(TO_ONE, "ECONNREFUSED");
    upstreams.script = (sent) => sent.reply(good(sent), 5);
    const first = ask(named(1), tcp());
    clock.advance(10);
    expect(read(first.reply).rcode).to.equal(0);
    upstreams.tcpRefusals.set(TO_TWO, "EHOSTUNREACH");
    clock.advance(10_000);
    const second = ask(named(2), tcp());
    clock.advance(10);
    expect(extendedError(read(second.reply))).to.equal(23);
    expect(count("upstream_up", TO_ONE), "UDP may work").to.equal(1);
    const udp = ask(named(3));
    clock.advance(10);
    expect(read(udp.reply).rcode).to.equal(0);
  });

  it("asks another upstream when one stays silent, each once", () => {
    const { ask, upstreams, clock } = makeFixture(both);
    upstreams.script = (sent) => {
      if (sent.to === TO_TWO) sent.reply(good(sent), 2_000);
    };
    const client = ask(named(1), tcp());
    clock.advance(2_299);
    expect(client.replies).to.have.length(0);
    clock.advance(1);
    expect(read(client.reply).rcode).to.equal(0);
    expect(upstreams.sent.map(({ to }) => to)).to.deep.equal([TO_ONE, TO_TWO]);
  });

  it("that was never answered ends a connection that may be dead", () => {
    const { ask, upstreams, clock } = makeFixture();
    const client = ask(named(1), tcp());
    clock.advance(4_500);
    expect(extendedError(read(client.reply))).to.equal(22);
    upstreams.script = (sent) => sent.reply(good(sent), 5);
    const next = ask(named(2), tcp());
    clock.advance(5);
    expect(read(next.reply).rcode).to.equal(0);
    expect(upstreams.tcpConnections).to.equal(2);
  });

  it("that was never answered leaves a connection alone that has carried other replies since", () => {
    const { ask, upstreams, clock } = makeFixture();
    ask(named(1), tcp());
    clock.advance(1_000);
    upstreams.script = (sent) => sent.reply(good(sent), 5);
    ask(named(2), tcp());
    clock.advance(3_600);
    const client = ask(named(3), tcp());
    clock.advance(5);
    expect(read(client.reply).rcode).to.equal(0);
    expect(upstreams.tcpConnections).to.equal(1);
  });

  it("does not trust a connection that was idle for 5 s", () => {
    const { ask, upstreams, clock } = makeFixture();
    upstreams.script = (sent) => sent.reply(good(sent), 5);
    ask(named(1), tcp());
    clock.advance(4_000);
    ask(named(2), tcp());
    clock.advance(10);
    expect(upstreams.tcpConnections).to.equal(1);
    clock.advance(5_000);
    ask(named(3), tcp());
    clock.advance(10);
    expect(upstreams.tcpConnections).to.equal(2);
  });

  it("ignores what is no reply to it", () => {
    const { ask, upstreams, clock, count } = makeFixture();
    upstreams.script = (sent) => {
      sent.reply(good(sent).with(13, 0x78));
      sent.reply(good(sent).with(1, sent.message[1]! ^ 1));
      sent.reply(new Uint8Array(3));
      sent.reply(good(sent), 80);
    };
    const client = ask(named(1), tcp());
    clock.advance(79);
    expect(client.replies).to.have.length(0);
    clock.advance(1);
    expect(read(client.reply).rcode).to.equal(0);
    expect(count("upstream_mismatch_total", "question")).to.equal(1);
  });
});
