/** RFC 7766: many queries on one connection. */

import { expect } from "chai";
import { quiet } from "../support/waiting.ts";
import { ask, conformance, frame, questionEnd, replyTo } from "./fixture.ts";

const idOf = (message: Buffer) => message.readUInt16BE(0);

conformance("RFC 7766: DNS over TCP", (rule) => {
  rule("6.2.1.1: 500 queries in one write have 500 answers, for own and forwarded names", async (server) => {
    for (const makeName of [() => "own.example", (index: number) => `t${index}.example`]) {
      const messages = Array.from({ length: 500 }, (_, index) => ask(makeName(index)));
      const peer = await server.connect();
      peer.socket.write(frame(...messages));
      const replies = await peer.gets(500);
      expect(new Set(replies.map(idOf))).to.deep.equal(new Set(messages.map(idOf)));
    }
  });

  rule("7: an own answer does not wait for the forwarded one before it", async (server) => {
    let release = () => {};
    server.upstream.script = (received) => {
      release = () => received.reply(replyTo(received.message));
    };
    const slow = ask("slow.example");
    const own = ask("own.example");
    const peer = await server.connect();
    peer.socket.write(frame(slow, own));
    expect((await peer.gets(1)).map(idOf)).to.deep.equal([idOf(own)]);
    await server.until(() => server.upstream.received.length === 1);
    release();
    expect((await peer.gets(2)).map(idOf)).to.deep.equal([idOf(own), idOf(slow)]);
  });

  rule("7: nor does one forwarded answer wait for another", async (server) => {
    server.upstream.script = (received) => {
      const isSlow = received.message.includes("slower");
      setTimeout(() => received.reply(replyTo(received.message)), isSlow ? 150 : 0);
    };
    const slow = ask("slower.example");
    const fast = ask("faster.example");
    const peer = await server.connect();
    peer.socket.write(frame(slow, fast));
    expect((await peer.gets(2)).map(idOf)).to.deep.equal([idOf(fast), idOf(slow)]);
  });

  rule("6.2.4: a half-closed connection has its answers first, then FIN", async (server) => {
    server.upstream.script = (received) => {
      setTimeout(() => received.reply(replyTo(received.message)), 60);
    };
    const peer = await server.connect();
    const late = ask("late.example");
    peer.socket.end(frame(late, ask("own.example")));
    await server.until(() => peer.isOver);
    expect(peer.replies.length).to.equal(2);
    expect(peer.replies[1]!.toString("hex", 12, questionEnd(late))).to.equal(late.toString("hex", 12));
  });
});

conformance("RFC 7766: idle connections", (rule) => {
  rule("6.2.3: a connection without queries is closed after 10 s, and not sooner", async (server) => {
    const peer = await server.connect();
    peer.socket.write(frame(ask("own.example")));
    await peer.gets(1);
    server.clock.advance(9_900);
    await quiet(30);
    expect(peer.isOver).to.equal(false);
    server.clock.advance(200);
    await server.until(() => peer.isOver);
  });
});
