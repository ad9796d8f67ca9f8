/** RFC 6840: AD and CD. */

import { expect } from "chai";
import { opt } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, RD, replyTo } from "./fixture.ts";

const AD = 0x0020;
const CD = 0x0010;

conformance("RFC 6840: AD and CD", (rule) => {
  rule("5.8: an own answer never says AD; 5.9: CD is copied", async (server) => {
    for (const flags of [AD, CD, AD | CD, 0]) {
      for (const edns of [{}, { opt: opt({ flags: 0x8000 }) }]) {
        const reply = await server.udp(ask("own.example", { flags: RD | flags, ...edns }));
        expect(flagsOf(reply) & (AD | CD)).to.equal(flags & CD);
      }
    }
  });

  rule("5.7, 5.9: AD and CD are forwarded, and upstream's come back", async (server) => {
    for (const flags of [AD, CD, AD | CD]) {
      await expectBitExact(server, ask(`bits-${flags}.Example`, { flags: RD | flags }), "udp", (message) =>
        replyTo(message, { flags: 0x8180 | flags }),
      );
    }
  });
});
