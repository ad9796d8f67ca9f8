/** RFC 4592: wildcards, and where Istio's rule differs. */

import { expect } from "chai";
import { ask, conformance, expectBitExact } from "./fixture.ts";

conformance("RFC 4592: wildcards", (rule) => {
  rule("4.1: a wildcard host matches names at any depth below it", async (server) => {
    for (const name of ["a.wild.example", "c.b.a.wild.example", "*.wild.example"]) {
      const reply = await server.udp(ask(name));
      expect([...reply.subarray(-4)], name).to.deep.equal([192, 0, 2, 7]);
    }
  });

  rule("2.1.3: it does not match the name that it stands below", async (server) => {
    await expectBitExact(server, ask("Wild.example"));
  });

  rule("4.2: names with a label that begins with _ are upstream's", async (server) => {
    await expectBitExact(server, ask("_acme-challenge.wild.example", { type: 16 }));
    await expectBitExact(server, ask("_443._tcp.a.wild.example", { type: 52 }));
  });
});
