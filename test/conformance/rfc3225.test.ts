/** RFC 3225: DO. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, opt, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, replyTo } from "./fixture.ts";

const DO = 0x8000;

conformance("RFC 3225: DO", (rule) => {
  rule("3: DO comes back with an own answer, and alone of all EDNS flags", async (server) => {
    for (const [flags, dnssecOk] of [
      [DO, true],
      [0, false],
      [0xffff, true],
      [0x7fff, false],
    ] as const) {
      const reply = await server.udp(ask("own.example", { opt: opt({ flags }) }));
      expect(decoded(reply).edns?.dnssecOk).to.equal(dnssecOk);
      expect(reply.readUInt16BE(reply.length - 4)).to.equal(flags & DO);
    }
  });

  rule("3: DO passes through, and the signatures come back", async (server) => {
    const answers = [
      record([0xc0, 12], 1, 60, octets(192, 0, 2, 1)),
      record([0xc0, 12], 46, 60, octets(0, 1, 8, 2, "signature")),
    ];
    await expectBitExact(server, ask("Signed.Example", { opt: opt({ flags: DO }) }), "udp", (message) =>
      replyTo(message, { flags: 0x81a0, answers, additionals: [opt({ flags: DO })] }),
    );
  });
});
