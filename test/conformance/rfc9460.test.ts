/** RFC 9460: HTTPS and SVCB. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { name, octets, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, replyTo } from "./fixture.ts";

const SVCB = 64;
const HTTPS = 65;
const RDATA = octets(0, 1, name("svc.example"), 0, 1, 0, 3, 2, "h3", 0, 4, 0, 4, 192, 0, 2, 1);

conformance("RFC 9460: service bindings", (rule) => {
  rule("3: an own host has none, so that clients take the addresses that we give", async (server) => {
    for (const type of [SVCB, HTTPS]) {
      const { flags, answers, authorities } = decoded(await server.udp(ask("own.example", { type })));
      expect([flags & 15, answers.length, authorities[0]?.type]).to.deep.equal([0, 0, 6]);
    }
    expect(server.upstream.received).to.deep.equal([]);
  });

  rule("2.2: those of other names are relayed as they are", async (server) => {
    for (const type of [SVCB, HTTPS]) {
      await expectBitExact(server, ask("Svcb.Example", { type }), "udp", (message) =>
        replyTo(message, { answers: [record([0xc0, 12], type, 60, RDATA)] }),
      );
    }
  });
});

conformance(
  "RFC 9460: with relayHttps",
  (rule) => {
    rule("3: an own host has upstream's, if the setting says so", async (server) => {
      await expectBitExact(server, ask("own.example", { type: HTTPS }), "udp", (message) =>
        replyTo(message, { answers: [record([0xc0, 12], HTTPS, 60, RDATA)] }),
      );
    });
  },
  { settings: { relayHttps: true } },
);
