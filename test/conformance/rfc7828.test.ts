/** RFC 7828: how long a connection may be idle. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { octets, opt, option, uint16 } from "../wire/octets.ts";
import { ask, conformance, replyTo } from "./fixture.ts";

const KEEPALIVE = 11;
const ASKING = opt({ rdata: option(KEEPALIVE, octets()) });
/** Tenths of a second. */
const OURS = [{ code: KEEPALIVE, data: octets(uint16(100)) }];

conformance("RFC 7828: TCP keepalive", (rule) => {
  rule(
    "3.3.2: an own answer over TCP says our 10 s to a client that asks, and to no other",
    async (server) => {
      const asking = decoded(await server.tcp(ask("own.example", { opt: ASKING })));
      expect(asking.edns?.options).to.deep.equal(OURS);
      expect(decoded(await server.tcp(ask("own.example", { opt: opt() }))).edns?.options).to.deep.equal([]);
    },
  );

  rule("3.2.1: over UDP the option is ignored", async (server) => {
    const reply = decoded(await server.udp(ask("own.example", { opt: ASKING })));
    expect(reply.answers.length).to.equal(1);
    expect(reply.edns?.options).to.deep.equal([]);
  });

  rule("3.6: it belongs to one connection: a relayed reply says our 10 s, not upstream's", async (server) => {
    const upstreams = opt({
      size: 4096,
      rdata: octets(option(15, octets(0, 22)), option(KEEPALIVE, octets(9, 9))),
    });
    server.upstream.script = (each) => each.reply(replyTo(each.message, { additionals: [upstreams] }));
    const { edns } = decoded(await server.tcp(ask("fwd.example", { type: 16, opt: ASKING })));
    expect(edns?.size).to.equal(4096);
    expect(edns?.options).to.deep.equal([{ code: 15, data: octets(0, 22) }, ...OURS]);
  });
});
