/** RFC 8020: what there is below a name that does not exist. */

import { expect } from "chai";
import { ask, conformance, expectBitExact, rcodeOf, replyTo } from "./fixture.ts";

const denial = (message: Uint8Array) => replyTo(message, { flags: 0x8183 });

conformance("RFC 8020: NXDOMAIN", (rule) => {
  rule(
    "2: upstream's NXDOMAIN for what is above own names is relayed, and cuts nothing off",
    async (server) => {
      await expectBitExact(server, ask("Example"), "udp", denial);
      await expectBitExact(server, ask("Wild.example"), "udp", denial);
      expect((await server.udp(ask("own.example"))).readUInt16BE(6)).to.equal(1);
      expect((await server.udp(ask("deep.a.wild.example"))).readUInt16BE(6)).to.equal(1);
    },
  );

  rule("2: what is below an own name is upstream's: we make no NXDOMAIN", async (server) => {
    await expectBitExact(server, ask("Below.own.example"));
    await expectBitExact(server, ask("Denied.own.example"), "udp", denial);
  });

  rule("2: an own name never has NXDOMAIN, whatever upstream says", async (server) => {
    server.upstream.script = (each) => each.reply(denial(each.message));
    for (const type of [1, 28, 16, 65, 64, 255, 15]) {
      expect(rcodeOf(await server.udp(ask("own.example", { type }))), String(type)).to.equal(0);
    }
  });
});
