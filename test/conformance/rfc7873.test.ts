/** RFC 7873: cookies. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, opt, option } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, rcodeOf } from "./fixture.ts";

const withCookie = (length: number) => opt({ rdata: option(10, octets("c".repeat(length))) });

conformance("RFC 7873: cookies", (rule) => {
  rule("5.2.3: a client's cookie is ignored for own names, as we have none to give", async (server) => {
    for (const length of [8, 16, 40]) {
      const reply = decoded(await server.udp(ask("own.example", { opt: withCookie(length) })));
      expect([reply.answers.length, reply.edns?.options]).to.deep.equal([1, []]);
    }
  });

  rule("5.2.2: a cookie of an impossible length is FORMERR for own names", async (server) => {
    for (const length of [0, 7, 9, 15, 41]) {
      const reply = await server.udp(ask("own.example", { opt: withCookie(length) }));
      expect([rcodeOf(reply), decoded(reply).edns?.options]).to.deep.equal([1, []]);
    }
  });

  rule("5.2: any cookie is passed on", async (server) => {
    for (const length of [7, 8, 40, 41]) {
      await expectBitExact(server, ask(`Cookie-${length}.Example`, { opt: withCookie(length) }));
    }
  });
});
