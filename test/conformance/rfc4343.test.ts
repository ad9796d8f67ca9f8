/** RFC 4343: letter case. */

import { expect } from "chai";
import { ask, conformance, expectBitExact, questionEnd } from "./fixture.ts";

conformance("RFC 4343: letter case", (rule) => {
  rule("3: an own host matches in any case, and the question keeps its own", async (server) => {
    for (const name of ["OWN.EXAMPLE", "oWn.eXaMpLe", "ANY.Wild.exAMPle"]) {
      const message = ask(name);
      const reply = await server.udp(message);
      expect(reply.readUInt16BE(6)).to.equal(1);
      expect(reply.toString("latin1", 12, questionEnd(reply))).to.equal(message.toString("latin1", 12));
    }
  });

  rule("4.1: the case of a forwarded name is untouched on both ways", async (server) => {
    await expectBitExact(server, ask("mIxEd.ExAmPlE"));
    // From the cache, or together with another query: still each client's own spelling.
    const message = ask("MiXeD.eXaMpLe");
    const reply = await server.udp(message);
    expect(reply.toString("latin1", 12, questionEnd(reply))).to.equal(message.toString("latin1", 12));
  });

  rule("3: only ASCII letters have case", async (server) => {
    // 0xC0 and 0xE0 are one letter's two cases in ISO 8859-1.
    await expectBitExact(server, ask("\xc0.example"));
    await expectBitExact(server, ask("\xe0.example"));
    expect(server.upstream.received.length).to.equal(2);
    await expectBitExact(server, ask("OW\xce.example"));
  });
});
