/** RFC 2308: negative answers, and how long they hold. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { name, octets, record, uint32 } from "../wire/octets.ts";
import { ask, conformance, rcodeOf, replyTo, type TestServer } from "./fixture.ts";

const NXDOMAIN = 0x8183;

function soa(ttlSeconds: number, minimumSeconds: number): Uint8Array {
  const numbers = [1, 2, 3, 4, minimumSeconds].flatMap(uint32);
  return record(name("example"), 6, ttlSeconds, octets(name("ns.example"), name("root.example"), numbers));
}

/** For how many seconds a denial is answered without asking upstream again. */
async function keptSeconds(
  server: TestServer,
  host: string,
  authorities: readonly Uint8Array[],
): Promise<number> {
  const { received } = server.upstream;
  server.upstream.script = (each) => each.reply(replyTo(each.message, { flags: NXDOMAIN, authorities }));
  const before = received.length;
  expect(rcodeOf(await server.udp(ask(host)))).to.equal(3);
  for (let seconds = 0; seconds < 60; seconds += 1) {
    expect(rcodeOf(await server.udp(ask(host)))).to.equal(3);
    if (received.length > before + 1) return seconds;
    server.clock.advance(1000);
  }
  return 60;
}

conformance("RFC 2308: negative answers", (rule) => {
  rule("2.2: an own host without the type is NOERROR with one SOA and nothing else", async (server) => {
    for (const [host, type] of [
      ["own.example", 28],
      ["none.example", 1],
      ["a.wild.example", 28],
    ] as const) {
      const { flags, answers, authorities } = decoded(await server.udp(ask(host, { type })));
      expect(flags & 15).to.equal(0);
      expect(answers).to.deep.equal([]);
      expect(authorities.map((each) => each.type)).to.deep.equal([6]);
      expect(host.endsWith(authorities[0]!.name)).to.equal(true);
    }
  });

  rule("3: the SOA of a forwarded denial is relayed", async (server) => {
    const authorities = [soa(10, 20)];
    server.upstream.script = (each) => each.reply(replyTo(each.message, { flags: NXDOMAIN, authorities }));
    const message = ask("denied.example");
    const reply = await server.udp(message);
    expect(reply.toString("hex")).to.equal(
      replyTo(message, { flags: NXDOMAIN, authorities }).toString("hex"),
    );
  });

  rule("5: a denial is kept for the smaller of the SOA's TTL and MINIMUM, at most 30 s", async (server) => {
    expect(await keptSeconds(server, "minimum.example", [soa(20, 3)])).to.equal(3);
    expect(await keptSeconds(server, "ttl.example", [soa(4, 20)])).to.equal(4);
    expect(await keptSeconds(server, "cap.example", [soa(900, 900)])).to.equal(30);
  });

  rule(
    "5: a denial without SOA is not kept",
    async (server) => {
      expect(await keptSeconds(server, "without.example", [])).to.equal(0);
    },
    "it keeps nothing at all",
  );
});
