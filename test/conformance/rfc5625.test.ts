/** RFC 5625: a proxy is transparent. */

import { expect } from "chai";
import { octets, opt, option, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, RD, replyTo } from "./fixture.ts";

const AA = 0x0400;
const TC = 0x0200;
const RA = 0x0080;
const Z = 0x0040;
const EVERY_FLAG = RD | AA | TC | RA | Z | 0x0030;
const OPTIONS = opt({ flags: 0xffff, rdata: octets(option(65001, octets("x")), option(4660, octets())) });

conformance("RFC 5625: DNS proxies", (rule) => {
  rule(
    "4.1: flags that have no meaning in a query are ignored for own names, and Z is cleared",
    async (server) => {
      for (const flag of [AA, TC, RA, Z, AA | TC | RA | Z]) {
        const reply = await server.udp(ask("own.example", { flags: RD | flag }));
        expect(reply.readUInt16BE(6)).to.equal(1);
        expect(flagsOf(reply)).to.equal(0x8000 | AA | RD | RA);
      }
    },
  );

  rule("4.1: unknown options and trailing octets change nothing for own names", async (server) => {
    const plain = await server.udp(ask("own.example", { opt: opt() }));
    for (const fields of [
      { opt: opt({ rdata: option(65001, octets("x")) }) },
      { opt: opt(), trailing: "trailing" },
    ]) {
      const reply = await server.udp(ask("own.example", fields));
      expect(reply.toString("hex", 2)).to.equal(plain.toString("hex", 2));
    }
  });

  rule(
    "4.1: every flag and RCODE, unknown options and flags, other records and trailing octets are forwarded",
    async (server) => {
      for (const transport of ["udp", "tcp"] as const) {
        for (const fields of [
          { flags: EVERY_FLAG },
          { flags: RD | 7 },
          { flags: 0 },
          { opt: OPTIONS },
          { trailing: octets("trailing", 0, 0xff) },
          { records: [record([0xc0, 12], 1, 5, octets(1, 2, 3, 4))], opt: OPTIONS, flags: EVERY_FLAG },
        ]) {
          await expectBitExact(server, ask("Transparent.Example", fields), transport, (message) =>
            replyTo(message, {
              flags: 0xffff & ~0x7800,
              answers: [record([0xc0, 12], 1, 5, octets(1, 2, 3, 4))],
              additionals: [OPTIONS],
              trailing: "and more",
            }),
          );
        }
      }
    },
  );

  rule("4.4.1: what came over TCP is asked over TCP", async (server) => {
    await expectBitExact(server, ask("tcp.example"), "tcp");
  });
});
