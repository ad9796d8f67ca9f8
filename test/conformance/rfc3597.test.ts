/** RFC 3597: types that nobody here knows. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, record } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, replyTo } from "./fixture.ts";

const UNKNOWN = 65280;

conformance("RFC 3597: unknown types", (rule) => {
  rule("2: a type that upstream denies of an own host is NODATA with our SOA", async (server) => {
    server.upstream.script = (each) => each.reply(replyTo(each.message, { flags: 0x8183 }));
    const { flags, answers, authorities } = decoded(await server.udp(ask("own.example", { type: UNKNOWN })));
    expect([flags & 15, answers.length]).to.deep.equal([0, 0]);
    expect(authorities.map(({ type }) => type)).to.deep.equal([6]);
  });

  rule("3: a type of an own host that upstream has is relayed as it is", async (server) => {
    const answers = [record([0xc0, 12], UNKNOWN, 60, octets("its own data"))];
    await expectBitExact(server, ask("both.example", { type: UNKNOWN }), "udp", (message) =>
      replyTo(message, { answers }),
    );
  });

  rule("4: RDATA of unknown types passes unchanged, also where it looks like compression", async (server) => {
    const rdata = octets(0xc0, 12, 3, "www", 0xc0, 0xff, 0x40, 0, 0xff);
    for (const type of [UNKNOWN, 1000, 65534]) {
      const answers = [record([0xc0, 12], type, 60, rdata), record([0xc0, 12], type, 0, octets())];
      await expectBitExact(server, ask("unknown.example", { type }), "udp", (message) =>
        replyTo(message, { answers }),
      );
    }
  });
});
