/** The probes of the EDNS compliance tester, by its names. */

import { expect } from "chai";
import { decoded, extendedErrorOf } from "../server/fixtures.ts";
import { octets, opt, option } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, flagsOf, RD, rcodeOf } from "./fixture.ts";

const PLAIN_CASE = "it is the plain case, which every server gets right";
const OPTION = option(100, octets());
const DO = 0x8000;
const SUBNET = option(8, octets(0, 1, 0, 0));
const LIST = octets(option(3, octets()), option(10, octets("cookie 8")), option(9, octets()), SUBNET);

interface Probe {
  readonly fields: Parameters<typeof ask>[1];
  readonly rcode?: number;
  /** Extended: BADVERS. */
  readonly isBadVersion?: true;
  readonly transport?: "tcp";
  readonly naiveCannot?: string;
}

const PROBES: Readonly<Record<string, Probe>> = {
  dns: { fields: { flags: 0 }, naiveCannot: PLAIN_CASE },
  aa: { fields: { flags: 0x0400 }, naiveCannot: PLAIN_CASE },
  ad: { fields: { flags: 0x0020 } },
  cd: { fields: { flags: 0x0010 }, naiveCannot: PLAIN_CASE },
  ra: { fields: { flags: 0x0080 }, naiveCannot: PLAIN_CASE },
  rd: { fields: { flags: RD }, naiveCannot: PLAIN_CASE },
  tc: { fields: { flags: 0x0200 } },
  zflag: { fields: { flags: 0x0040 } },
  opcode: { fields: { flags: 15 << 11 }, rcode: 4 },
  opcodeflg: { fields: { flags: (15 << 11) | 0x07f0 }, rcode: 4 },
  type666: { fields: { type: 666, flags: 0 } },
  tcp: { fields: { flags: 0 }, transport: "tcp", naiveCannot: PLAIN_CASE },
  edns: { fields: { opt: opt({ size: 4096 }) } },
  edns1: { fields: { opt: opt({ version: 1 }) }, isBadVersion: true },
  "edns@512": { fields: { opt: opt({ size: 512 }) } },
  ednsopt: { fields: { opt: opt({ rdata: OPTION }) } },
  edns1opt: { fields: { opt: opt({ version: 1, rdata: OPTION }) }, isBadVersion: true },
  do: {
    fields: { opt: opt({ flags: DO }) },
    naiveCannot: "it sends OPT back as it came, here without a fault",
  },
  docd: { fields: { flags: 0x0010, opt: opt({ flags: DO, size: 4096 }) } },
  edns1do: { fields: { opt: opt({ version: 1, flags: DO }) }, isBadVersion: true },
  ednsflags: { fields: { opt: opt({ flags: 0x0080 }) } },
  optlist: { fields: { opt: opt({ flags: DO, rdata: LIST }) } },
  ednsnsid: { fields: { opt: opt({ rdata: option(3, octets()) }) } },
  ednscookie: { fields: { opt: opt({ rdata: option(10, octets("cookie 8")) }) } },
  ednsexpire: { fields: { opt: opt({ rdata: option(9, octets()) }) } },
  ednssubnet: { fields: { opt: opt({ rdata: SUBNET }) } },
  ednstcp: { fields: { opt: opt({ size: 4096 }) }, transport: "tcp" },
};

conformance("EDNS compliance: the tester's probes", (rule) => {
  for (const [title, { fields = {}, rcode, isBadVersion, transport = "udp", naiveCannot }] of Object.entries(
    PROBES,
  )) {
    rule(
      `${title}: own name`,
      async (server) => {
        const reply = await server[transport](ask("own.example", fields));
        const { edns } = decoded(reply);
        expect(rcodeOf(reply)).to.equal(rcode ?? 0);
        const isAnswered = rcode === undefined && isBadVersion === undefined && fields.type === undefined;
        expect(reply.readUInt16BE(6)).to.equal(isAnswered ? 1 : 0);
        expect(flagsOf(reply) & 0x0260, "TC, Z and AD").to.equal(0);
        expect(edns === undefined).to.equal(fields.opt === undefined);
        if (edns === undefined || fields.opt === undefined) return;
        expect([edns.size, edns.version, edns.extendedRcode]).to.deep.equal([1232, 0, isBadVersion ? 1 : 0]);
        expect(edns.dnssecOk).to.equal((fields.opt[7]! & 0x80) !== 0);
        // Of all options we know but NSID.
        expect(edns.options.filter(({ code, data }) => code !== 3 || data.length === 0)).to.deep.equal([]);
        expect(extendedErrorOf(decoded(reply))).to.equal(null);
        expect(
          reply.readUInt16BE(reply.length - edns.options.reduce((sum, { data }) => sum + 4 + data.length, 4)),
        ).to.equal(edns.dnssecOk ? DO : 0);
      },
      naiveCannot,
    );
    rule(`${title}: forwarded name`, async (server) => {
      if (rcode === undefined)
        await expectBitExact(server, ask(`${title}.Compliance.Example`, fields), transport);
      else expect(rcodeOf(await server[transport](ask("fwd.example", fields)))).to.equal(rcode);
    });
  }
});
