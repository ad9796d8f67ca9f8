/** Whatever clients and upstreams send: one reply per query, no exception, nothing left behind. */

import { expect } from "chai";
import fc from "fast-check";
import { Query, Verdict } from "../../src/wire/query.ts";
import { readQuery } from "../../src/wire/read-query.ts";
import { forwardFor, makeFixture, ONE, TestClient, TWO } from "./fixture.ts";
import { a, nameOctets, question, replyTo, soa } from "./messages.ts";

/** Some octets of a good message replaced, then cut or extended. */
function damaged(
  message: Uint8Array,
  edits: readonly (readonly [number, number])[],
  tail: Uint8Array,
  cut: number,
) {
  const copy = Uint8Array.from([...message, ...tail]);
  for (const [at, octet] of edits) copy[at % copy.length] = octet;
  return copy.subarray(0, Math.max(0, copy.length - cut));
}

const edits = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 });
const tail = fc.uint8Array({ maxLength: 30 });
const cut = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(80));

describe("any octets", () => {
  it("from clients and upstreams end in one reply per query", () => {
    const event = fc.record({
      name: fc.constantFrom("www.example.org", "WWW.example.org", "a.cluster.local", "."),
      edns: fc.boolean(),
      transport: fc.constantFrom("udp" as const, "tcp" as const),
      queryEdits: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, edits),
      replyEdits: edits,
      tail,
      cut,
      waitMs: fc.constantFrom(0, 0, 50, 400, 5_000, 40_000),
      fault: fc.option(fc.constantFrom("ECONNREFUSED", "EHOSTUNREACH", "ECONNRESET"), { freq: 6 }),
    });
    const query = new Query();
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 25 }), (events) => {
        const { forwarder, upstreams, clock, series, count } = makeFixture({
          upstreams: [ONE, TWO],
          clusterUpstreams: [TWO],
          cacheOctets: 4_096,
        });
        const clients: TestClient[] = [];
        for (const one of events) {
          upstreams.script = (sent) => {
            if (one.fault !== null) return sent.fail(one.fault, 3);
            const reply = replyTo(sent.message, { answers: [a(1), a(2)], authorities: [soa(9, 9)], opt: [] });
            sent.reply(damaged(reply, one.replyEdits, one.tail, one.cut), 2);
          };
          const message = question(one.name, one.edns ? { edns: {} } : {});
          const sent = damaged(message, one.queryEdits, new Uint8Array(0), 0);
          if (readQuery(sent, sent.length, query) === Verdict.OK) {
            clients.push(forwardFor(forwarder, sent, new TestClient(one.transport)));
          }
          if (one.waitMs === 50) forwarder.forget(Uint8Array.from(nameOctets("org")), true);
          clock.advance(one.waitMs);
        }
        clock.advance(5_000);
        for (const client of clients) {
          expect(client.reply.length).to.be.at.least(12);
          expect(client.reply[2]! & 0x80, "QR").to.equal(0x80);
        }
        expect(upstreams.openUdpSockets).to.be.at.most(64);
        forwarder.update({ cacheOctets: 0 });
        for (const kind of ["positive", "negative", "error"])
          expect(count("cache_entries", kind)).to.equal(0);
        expect(count("cache_bytes")).to.equal(0);
        for (const value of series.values) expect(value).to.be.at.least(0);
      }),
      { numRuns: 150 },
    );
  });
});
