/** RFC 5001: which server answered. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, opt, option } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, IDENTITY, replyTo } from "./fixture.ts";

const NSID = 3;
const ASKING = opt({ rdata: option(NSID, octets()) });

conformance("RFC 5001: NSID", (rule) => {
  rule("2.2: own answers carry the server's name for clients that ask, and no others", async (server) => {
    for (const type of [1, 28, 255]) {
      for (const transport of ["udp", "tcp"] as const) {
        const { edns } = decoded(await server[transport](ask("own.example", { type, opt: ASKING })));
        expect(edns?.options).to.deep.equal([{ code: NSID, data: octets(IDENTITY.id) }]);
      }
    }
    expect(decoded(await server.udp(ask("own.example", { opt: opt() }))).edns?.options).to.deep.equal([]);
  });

  rule("2.2: the name counts as part of what the client can take", async (server) => {
    const reply = await server.udp(
      ask("many.example", { opt: opt({ size: 512, rdata: option(NSID, octets()) }) }),
    );
    const nsidOctets = 4 + IDENTITY.id.length;
    expect(reply.readUInt16BE(6)).to.equal(Math.floor((512 - 30 - 11 - nsidOctets) / 16));
    expect(decoded(reply).edns?.options.length).to.equal(1);
  });

  rule("2.1: NSID of other names is between the client and upstream", async (server) => {
    await expectBitExact(server, ask("Nsid.Example", { opt: ASKING }), "udp", (message) =>
      replyTo(message, { additionals: [opt({ rdata: option(NSID, octets("upstream")) })] }),
    );
  });
});
