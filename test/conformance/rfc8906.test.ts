/**
 * RFC 8906: the probes of its section 8, none of which may go without a reply, and two that section 3 has beside them:
 * an unknown opcode with nothing behind the header, and EDNS over TCP.
 */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { header, octets, opt, option } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, RD, rcodeOf, replyTo } from "./fixture.ts";

const UNKNOWN_OPTION = option(100, octets());
const SEVERAL = octets(
  option(3, octets()),
  option(8, octets(0, 1, 0, 0)),
  option(9, octets()),
  option(10, octets("cookie 8")),
);

interface Probe {
  readonly title: string;
  readonly fields: Parameters<typeof ask>[1];
  readonly expected: { readonly rcode?: number; readonly extendedRcode?: number; readonly noOpt?: true };
  /** Why the naive responder passes it for an own name. */
  readonly naiveCannot?: string;
}

const PLAIN_CASE = "it is the plain case";

const PROBES: readonly Probe[] = [
  { title: "8.1.1: SOA", fields: { type: 6, flags: 0 }, expected: { noOpt: true } },
  { title: "8.1.2: an unknown type", fields: { type: 1000, flags: 0 }, expected: { noOpt: true } },
  { title: "8.1.3.1: CD=1", fields: { flags: 0x0010 }, expected: { noOpt: true }, naiveCannot: PLAIN_CASE },
  { title: "8.1.3.2: AD=1", fields: { flags: 0x0020 }, expected: { noOpt: true } },
  { title: "8.1.3.3: the reserved bit", fields: { flags: 0x0040 }, expected: { noOpt: true } },
  { title: "8.1.3.4: RD=1", fields: { flags: RD }, expected: { noOpt: true }, naiveCannot: PLAIN_CASE },
  { title: "8.1.4: an unknown opcode", fields: { flags: 15 << 11 }, expected: { rcode: 4, noOpt: true } },
  { title: "8.2.1: plain EDNS", fields: { opt: opt({ size: 4096 }) }, expected: {} },
  { title: "8.2.2: EDNS version 1", fields: { opt: opt({ version: 1 }) }, expected: { extendedRcode: 1 } },
  { title: "8.2.3: an unknown option", fields: { opt: opt({ rdata: UNKNOWN_OPTION }) }, expected: {} },
  { title: "8.2.4: an unknown EDNS flag", fields: { opt: opt({ flags: 0x0040 }) }, expected: {} },
  {
    title: "8.2.5: version 1 and an unknown flag",
    fields: { opt: opt({ version: 1, flags: 0x0040 }) },
    expected: { extendedRcode: 1 },
  },
  {
    title: "8.2.6: version 1 and an unknown option",
    fields: { opt: opt({ version: 1, rdata: UNKNOWN_OPTION }) },
    expected: { extendedRcode: 1 },
  },
  { title: "8.2.8: DO=1", fields: { opt: opt({ flags: 0x8000, size: 4096 }) }, expected: {} },
  {
    title: "8.2.9: version 1 and DO=1",
    fields: { opt: opt({ version: 1, flags: 0x8000 }) },
    expected: { extendedRcode: 1 },
  },
  { title: "8.2.10: several known options", fields: { opt: opt({ rdata: SEVERAL }) }, expected: {} },
];

conformance("RFC 8906: a reply to everything", (rule) => {
  for (const { title, fields, expected, naiveCannot } of PROBES) {
    rule(
      `${title}, own name`,
      async (server) => {
        const reply = await server.udp(ask("own.example", fields));
        const { flags, edns } = decoded(reply);
        expect(rcodeOf(reply)).to.equal(expected.rcode ?? 0);
        expect(edns === undefined).to.equal(expected.noOpt ?? false);
        expect(edns?.extendedRcode ?? 0).to.equal(expected.extendedRcode ?? 0);
        expect(edns?.version ?? 0).to.equal(0);
        expect(edns === undefined || edns.size === 1232).to.equal(true);
        // AD and the reserved bit are never set; CD and RD come back as they were sent.
        const asked = fields?.flags ?? RD;
        expect(flags & 0x0170).to.equal(asked & 0x0110);
        // No option but our own NSID, and no EDNS flag but DO.
        const options = edns?.options ?? [];
        expect(options.filter(({ code, data }) => code !== 3 || data.length === 0)).to.deep.equal([]);
        const optionOctets = options.reduce((sum, { data }) => sum + 4 + data.length, 0);
        if (edns !== undefined) expect(reply[reply.length - 3 - optionOctets]).to.equal(0);
      },
      naiveCannot,
    );
    if (expected.rcode !== undefined) {
      rule(`${title}, forwarded name`, async (server) => {
        const reply = await server.udp(ask("fwd.example", fields));
        expect(rcodeOf(reply)).to.equal(expected.rcode);
      });
      continue;
    }
    rule(`${title}, forwarded name`, async (server) => {
      await expectBitExact(server, ask(`Probe-${title.slice(0, 5)}.Example`, fields));
    });
  }

  for (const transport of ["udp", "tcp"] as const) {
    rule(
      `3.1.4: an unknown opcode in a header alone, which has no name, over ${transport}`,
      async (server) => {
        const reply = await server[transport](Buffer.from(header(15 << 11, [0, 0, 0, 0], 0x1234)));
        expect(reply.toString("hex")).to.equal("1234f8840000000000000000");
      },
    );
  }

  rule(
    "8.1.5: TCP, own name",
    async (server) => {
      const reply = await server.tcp(ask("many.example", { flags: 0 }));
      expect([reply.readUInt16BE(6), flagsOf(reply) & 0x0200]).to.deep.equal([100, 0]);
    },
    PLAIN_CASE,
  );

  rule("8.1.5: TCP, forwarded name", async (server) => {
    await expectBitExact(server, ask("Probe-Tcp.Example", { flags: 0 }), "tcp");
  });

  rule("3.2.7: EDNS over TCP, own name: whole, whatever the size for UDP", async (server) => {
    const reply = await server.tcp(ask("many.example", { opt: opt({ size: 512 }) }));
    expect([reply.readUInt16BE(6), flagsOf(reply) & 0x0200]).to.deep.equal([100, 0]);
    expect(decoded(reply).edns?.size).to.equal(1232);
  });

  rule("3.2.7: EDNS over TCP, forwarded name", async (server) => {
    const message = ask("Probe-Edns-Tcp.Example", { opt: opt({ size: 512 }) });
    await expectBitExact(server, message, "tcp", (received) =>
      replyTo(received, { additionals: [opt({ size: 512 })], trailing: new Uint8Array(2_000) }),
    );
  });

  rule("8.2.7: a reply that does not fit, own name: TC=1 and OPT", async (server) => {
    const reply = await server.udp(ask("many.example", { opt: opt({ size: 512 }) }));
    expect(flagsOf(reply) & 0x0200).to.equal(0x0200);
    expect(decoded(reply).edns?.size).to.equal(1232);
  });

  rule("8.2.7: a reply that does not fit, forwarded name", async (server) => {
    await expectBitExact(server, ask("Probe-Cut.Example", { opt: opt({ size: 512 }) }), "udp", (message) =>
      replyTo(message, { flags: 0x8380, additionals: [opt({ size: 512 })] }),
    );
  });
});
