/** An upstream that misbehaves: the client has an answer by the deadline, and nothing false. */

import { expect } from "chai";
import {
  ask,
  expectBitExact,
  type RunningServer,
  rcodeOf,
  replyTo,
  startServer,
} from "../conformance/fixture.ts";
import { decoded, extendedErrorOf } from "../server/fixtures.ts";
import { ScriptedUpstream } from "../support/scripted-upstream.ts";
import { quiet } from "../support/waiting.ts";
import { ip } from "../table/samples.ts";
import { octets, opt, pointer, pointerChainMessage, record } from "../wire/octets.ts";

const DEADLINE_MS = 4500;
const SERVFAIL = 2;

describe("hostile upstream", () => {
  describe("one", () => {
    let server: RunningServer;
    before(async () => {
      server = await startServer();
    });
    after(() => server.stop());
    beforeEach(() => {
      server.upstream.received.length = 0;
    });

    it("garbage, 4 octets, our own question: ignored until the deadline, then SERVFAIL", async () => {
      for (const [index, reply] of [
        () => Buffer.from("what is this"),
        () => Buffer.alloc(4),
        () => Buffer.alloc(0),
        (message: Buffer) => message,
      ].entries()) {
        server.upstream.received.length = 0;
        server.upstream.script = (each) => each.reply(reply(each.message));
        const asked = server.udp(ask(`garbage${index}.example`, { opt: opt() }));
        let isAnswered = false;
        void asked.finally(() => {
          isAnswered = true;
        });
        await server.until(() => server.upstream.received.length > 0);
        server.clock.advance(DEADLINE_MS - 1);
        await quiet(20);
        expect(isAnswered).to.equal(false);
        server.clock.advance(1);
        const answer = await asked;
        expect([rcodeOf(answer), extendedErrorOf(decoded(answer))?.[0]]).to.deep.equal([SERVFAIL, 22]);
        // Later probes find it alive again.
        server.upstream.script = (each) => each.reply(replyTo(each.message));
        server.clock.advance(2000);
        await quiet(20);
      }
      expect((await server.udp(ask("own.example"))).readUInt16BE(6)).to.equal(1);
    });

    for (const [title, makeReply] of [
      [
        "a compression loop in an owner",
        (message: Uint8Array) =>
          replyTo(message, { answers: [record(pointer(message.length), 1, 60, octets(1, 2, 3, 4))] }),
      ],
      [
        "a compression loop in RDATA",
        (message: Uint8Array) =>
          replyTo(message, { answers: [record(pointer(12), 5, 60, octets(pointer(message.length + 12)))] }),
      ],
      [
        "counts of 65535",
        (message: Uint8Array) => {
          const reply = replyTo(message);
          reply.fill(0xff, 6, 12);
          return reply;
        },
      ],
      ["TC=1", (message: Uint8Array) => replyTo(message, { flags: 0x8380 })],
      [
        "RDLENGTH past the end",
        (message: Uint8Array) =>
          replyTo(message, { answers: [record(pointer(12), 1, 60, octets(1, 2, 3, 4)).subarray(0, 13)] }),
      ],
    ] as const) {
      it(`${title}: relayed, not kept`, async () => {
        const name = `${title.replaceAll(" ", "-")}.example`;
        await expectBitExact(server, ask(name), "udp", makeReply);
        await expectBitExact(server, ask(name), "udp", makeReply);
        expect(server.upstream.received.length).to.equal(2);
      });
    }

    it("the largest message, full of pointers: relayed over TCP in a few milliseconds, not kept", async () => {
      const hostile = Buffer.from(pointerChainMessage(0x8180));
      const message = ask("", { type: 1 });
      for (let times = 1; times <= 2; times += 1) {
        server.upstream.script = (each) => {
          each.message.copy(hostile, 0, 0, 2);
          each.reply(hostile);
        };
        const reply = await server.tcp(message);
        expect(reply.equals(Buffer.concat([message.subarray(0, 2), hostile.subarray(2)]))).to.equal(true);
        expect(server.upstream.received.length).to.equal(times);
      }
    });

    it("FORMERR to EDNS: relayed as it is", async () => {
      await expectBitExact(server, ask("No-Edns.Example", { opt: opt() }), "udp", (message) =>
        replyTo(message, { flags: 0x8181 }),
      );
    });
  });

  describe("one of two", () => {
    const good = new ScriptedUpstream((each) =>
      each.reply(replyTo(each.message, { answers: [record(pointer(12), 1, 60, octets(192, 0, 2, 1))] })),
    );
    const bad = new ScriptedUpstream();
    let server: RunningServer;
    before(async () => {
      await Promise.all([good.start(), bad.start()]);
      const upstreams = [bad, good].map(({ address: { port } }) => ({ address: ip("127.0.0.1"), port }));
      server = await startServer({ settings: { upstreams } });
    });
    after(async () => {
      await server.stop();
      await Promise.all([good.stop(), bad.stop()]);
    });

    for (const rcode of [SERVFAIL, 5]) {
      it(`RCODE ${rcode}: the other is asked`, async () => {
        bad.script = (each) => each.reply(replyTo(each.message, { flags: 0x8180 | rcode }));
        for (let index = 0; index < 10; index += 1) {
          const reply = await server.udp(ask(`rcode-${rcode}-${index}.example`));
          expect([rcodeOf(reply), reply.readUInt16BE(6)]).to.deep.equal([0, 1]);
        }
      });
    }

    it("ECONNREFUSED: the other is asked at once, and no query is lost", async () => {
      await bad.stop();
      for (let index = 0; index < 20; index += 1) {
        const startMs = performance.now();
        const reply = await server.udp(ask(`refused-${index}.example`));
        expect(reply.readUInt16BE(6)).to.equal(1);
        // Far from the first resend's 300 ms.
        expect(performance.now() - startMs).to.be.below(250);
      }
    });
  });
});
