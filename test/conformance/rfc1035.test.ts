/** RFC 1035: transport and names. */

import { expect } from "chai";
import {
  ask,
  conformance,
  expectBitExact,
  frame,
  PLAIN_OPT,
  questionEnd,
  rcodeOf,
  replyTo,
} from "./fixture.ts";

const LONGEST_NAMES = {
  "a label of 63 octets": `${"Ab".repeat(31)}c.Example`,
  "255 octets": ["A", "b", "C"]
    .map((letter) => letter.repeat(63))
    .join(".")
    .concat(".", "d".repeat(61)),
  "127 labels": Array.from({ length: 127 }, (_, index) => "AbC"[index % 3]).join("."),
} as const;

conformance("RFC 1035: domain names", (rule) => {
  rule("4.1.4: an own answer's owner is a pointer to the question's name", async (server) => {
    for (const reply of [await server.udp(ask("own.example")), await server.tcp(ask("own.example"))]) {
      expect(rcodeOf(reply)).to.equal(0);
      expect(reply.readUInt16BE(6)).to.equal(1);
      const answer = reply.subarray(questionEnd(reply));
      expect(answer.toString("hex", 0, 6)).to.equal("c00c00010001");
      expect([...answer.subarray(-4)]).to.deep.equal([192, 0, 2, 1]);
    }
  });

  rule("4.2.1: a forwarded query and its reply pass over UDP octet for octet", async (server) => {
    await expectBitExact(server, ask("Udp.Example", { opt: PLAIN_OPT }));
  });

  rule("4.2.2: own names are answered over TCP, though each segment holds one octet", async (server) => {
    const peer = await server.connect();
    for (const octet of frame(ask("own.example"), ask("both.example"))) {
      peer.socket.write(Buffer.from([octet]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const replies = await peer.gets(2);
    expect(replies.map((reply) => reply.readUInt16BE(6))).to.deep.equal([1, 2]);
  });

  rule("4.2.2: forwarded names too, octet for octet, and upstream is asked over TCP", async (server) => {
    const message = ask("Tcp.Example", { opt: PLAIN_OPT });
    const peer = await server.connect();
    for (const octet of frame(message)) {
      peer.socket.write(Buffer.from([octet]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const [reply] = await peer.gets(1);
    const [received] = server.upstream.received;
    expect(received?.transport).to.equal("tcp");
    expect(received?.message.toString("hex", 2)).to.equal(message.toString("hex", 2));
    expect(reply!.toString("hex")).to.equal(replyTo(message).toString("hex"));
  });

  rule(
    "3.1: the longest labels and names are forwarded as they are, and nothing is invented",
    async (server) => {
      for (const name of Object.values(LONGEST_NAMES)) await expectBitExact(server, ask(name));
    },
  );
});
