/** RFC 2181: what is cut, and TTLs that are no TTLs. */

import { expect } from "chai";
import { octets, opt, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, replyTo } from "./fixture.ts";

const TC = 0x0200;
const A_OCTETS = 16;
const pointer = [0xc0, 12];

conformance("RFC 2181: clarifications", (rule) => {
  rule(
    "9: what does not fit is cut at whole records, as many as fit, with TC=1; TCP has all",
    async (server) => {
      for (const [query, maxOctets, optOctets] of [
        [ask("many.example"), 512, 0],
        [ask("many.example", { opt: opt({ size: 700 }) }), 700, 11],
        [ask("many.example", { opt: opt({ size: 65535 }) }), 1232, 11],
      ] as const) {
        const reply = await server.udp(query);
        const fitting = Math.floor((maxOctets - 30 - optOctets) / A_OCTETS);
        expect([reply.readUInt16BE(6), flagsOf(reply) & TC]).to.deep.equal([fitting, TC]);
        expect(reply.length).to.equal(30 + fitting * A_OCTETS + optOctets);
      }
      const whole = await server.tcp(ask("many.example"));
      expect([whole.readUInt16BE(6), flagsOf(whole) & TC]).to.deep.equal([100, 0]);
    },
  );

  rule("9: a truncated reply of upstream's is relayed, and not kept", async (server) => {
    const truncated = (message: Uint8Array) => replyTo(message, { flags: 0x8180 | TC });
    await expectBitExact(server, ask("Cut.Example"), "udp", truncated);
    await expectBitExact(server, ask("Cut.Example"), "udp", truncated);
    expect(server.upstream.received.length).to.equal(2);
  });

  rule("8: a TTL with the top bit is relayed as it is, and kept for no time", async (server) => {
    const endless = record(pointer, 1, 0x8000_0001, octets(192, 0, 2, 9));
    const answers = [endless, record(pointer, 1, 300, octets(192, 0, 2, 10))];
    for (let times = 0; times < 2; times += 1) {
      await expectBitExact(server, ask("Endless.Example"), "udp", (message) => replyTo(message, { answers }));
    }
    expect(server.upstream.received.length).to.equal(2);
  });
});
