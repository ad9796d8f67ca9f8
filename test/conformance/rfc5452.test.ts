/** RFC 5452: replies that somebody else wrote. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import type { Received } from "../support/scripted-upstream.ts";
import { until } from "../support/waiting.ts";
import { octets, record } from "../wire/octets.ts";
import { ask, conformance, questionEnd, replyTo, type TestServer } from "./fixture.ts";

/** The true reply comes so much later than the forged one. */
const LATER_MS = 80;
const TRUE = [record([0xc0, 12], 1, 60, octets(192, 0, 2, 53))];
const FORGED = [record([0xc0, 12], 1, 60, octets(203, 0, 113, 66))];

/** Answers with what `forge` makes of a reply, later with the truth; whether the client got the truth. */
async function expectTruth(server: TestServer, name: string, forge: (reply: Buffer) => Buffer) {
  server.upstream.script = (received) => {
    received.reply(forge(replyTo(received.message, { answers: FORGED })));
    setTimeout(() => received.reply(replyTo(received.message, { answers: TRUE })), LATER_MS);
  };
  const reply = await server.udp(ask(name));
  expect([...reply.subarray(-4)]).to.deep.equal([192, 0, 2, 53]);
}

function changed(reply: Buffer, at: number, octet: number): Buffer {
  const forged = Buffer.from(reply);
  forged[at] = octet;
  return forged;
}

/** What is wrong with the reply, by the label of its metric. */
const FORGERIES: readonly [title: string, reason: string, forge: (reply: Buffer) => Buffer][] = [
  ["another ID", "id", (reply) => changed(reply, 0, reply[0]! ^ 0x5a)],
  ["another name", "question", (reply) => changed(reply, 13, 0x7a)],
  ["another type", "question", (reply) => changed(reply, questionEnd(reply) - 3, 28)],
  ["another class", "question", (reply) => changed(reply, questionEnd(reply) - 1, 3)],
  ["QDCOUNT 0", "question_count", (reply) => changed(reply, 5, 0)],
  ["QR=0", "not_response", (reply) => changed(reply, 2, reply[2]! & 0x7f)],
  ["4 octets", "short", (reply) => reply.subarray(0, 4)],
];

conformance("RFC 5452: forged replies", (rule) => {
  rule(
    "9.1: a reply with another ID, name, type, class, count or QR is ignored, the true one wins",
    async (server) => {
      for (const [title, reason, forge] of FORGERIES) {
        const labels = ["upstream_mismatch_total", reason] as const;
        const before = server.metric("udp", ...labels);
        await expectTruth(server, `f${title.replaceAll(" ", "-")}.example`, forge);
        expect(server.metric("udp", ...labels) - before, title).to.equal(1);
      }
    },
  );

  rule("9.1: a reply from another address or port is ignored", async (server) => {
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      const other = createSocket("udp4").bind(0, address);
      await once(other, "listening");
      server.upstream.script = (received) => {
        other.send(replyTo(received.message, { answers: FORGED }), received.port, "127.0.0.1");
        setTimeout(() => received.reply(replyTo(received.message, { answers: TRUE })), LATER_MS);
      };
      const reply = await server.udp(ask(`from-${address.at(-1)}.example`)).finally(() => other.close());
      expect([...reply.subarray(-4)]).to.deep.equal([192, 0, 2, 53]);
    }
  });

  rule("4.5: equal questions that come together are one question to upstream", async (server) => {
    const waiting: Received[] = [];
    server.upstream.script = (received) => {
      waiting.push(received);
      setTimeout(() => received.reply(replyTo(received.message, { answers: TRUE })), LATER_MS);
    };
    const replies = await Promise.all(Array.from({ length: 50 }, () => server.udp(ask("together.example"))));
    expect(replies.every((reply) => reply.readUInt16BE(6) === 1)).to.equal(true);
    expect(waiting.length).to.equal(1);
  });

  rule(
    "9.2: 10,000 queries have unguessable IDs and at least 1,024 source ports, none used 100 times",
    async (server) => {
      const COUNT = 10_000;
      const ports = new Map<number, number>();
      const ids: number[] = [];
      server.upstream.script = (received) => {
        ports.set(received.port, (ports.get(received.port) ?? 0) + 1);
        ids.push(received.message.readUInt16BE(0));
        received.reply(replyTo(received.message));
      };
      await askMany(server, COUNT);
      expect(ids.length).to.be.at.least(COUNT);
      expect(ports.size).to.be.at.least(1024);
      expect(Math.max(...ports.values())).to.be.at.most(100);
      // Of 65,536 drawn 10,000 times about 9,270 differ, and about 0.15 follow one another by chance.
      expect(new Set(ids).size).to.be.within(9000, 9600);
      const following = ids.filter((id, index) => index > 0 && id === ((ids[index - 1]! + 1) & 0xffff));
      expect(following.length).to.be.below(10);
    },
  );
});

/** Different names over one socket, some hundred at a time. */
async function askMany(server: TestServer, count: number): Promise<void> {
  const socket = createSocket("udp4");
  let sent = 0;
  let answered = 0;
  const more = () => {
    for (; sent < count && sent - answered < 200; sent += 1) {
      socket.send(ask(`n${sent}.many-ports.example`), server.udpPort, "127.0.0.1");
    }
  };
  socket.on("message", () => {
    answered += 1;
    more();
  });
  more();
  await until(
    () => answered === count,
    () => `${answered} of ${count} answers`,
  ).finally(() => socket.close());
}
