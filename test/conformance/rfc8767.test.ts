/** RFC 8767: stale answers. */

import { expect } from "chai";
import { decoded, extendedErrorOf } from "../server/fixtures.ts";
import { quiet } from "../support/waiting.ts";
import { record as hostRecord, ip } from "../table/samples.ts";
import { octets, opt, record } from "../wire/octets.ts";
import { ask, conformance, replyTo } from "./fixture.ts";

const answers = [record([0xc0, 12], 1, 60, octets(192, 0, 2, 8))];
const STALE = hostRecord("stale.example", {
  kind: "addresses",
  addresses: [ip("192.0.2.66")],
  ttlSeconds: 300,
  isStale: true,
});

conformance(
  "RFC 8767: stale answers",
  (rule) => {
    rule(
      "4: an own host that upstream stopped answering for keeps its last addresses, TTL 30, EDE 3",
      async (server) => {
        const reply = decoded(await server.udp(ask("stale.example", { opt: opt() })));
        expect(reply.answers.map(({ ttlSeconds }) => ttlSeconds)).to.deep.equal([30]);
        expect(extendedErrorOf(reply)).to.deep.equal([3, ""]);
        expect(decoded(await server.udp(ask("stale.example"))).edns).to.equal(undefined);
      },
    );

    rule(
      "4: an expired reply is served, TTL 30, EDE 3, once upstream was silent for a second",
      async (server) => {
        server.upstream.script = (each) =>
          each.reply(replyTo(each.message, { answers, additionals: [opt()] }));
        const message = () => ask("stale-fwd.example", { opt: opt() });
        expect(
          decoded(await server.udp(message())).answers.map(({ ttlSeconds }) => ttlSeconds),
        ).to.deep.equal([60]);
        server.clock.advance(61_000);
        server.upstream.script = () => {};
        const asked = server.udp(message());
        await server.until(() => server.upstream.received.length === 2);
        server.clock.advance(999);
        let isAnswered = false;
        void asked.then(
          () => {
            isAnswered = true;
          },
          () => {},
        );
        await quiet(30);
        expect(isAnswered).to.equal(false);
        server.clock.advance(2);
        const stale = decoded(await asked);
        expect(stale.answers.map(({ ttlSeconds }) => ttlSeconds)).to.deep.equal([30]);
        expect(extendedErrorOf(stale)?.[0]).to.equal(3);
      },
    );
  },
  { hosts: [STALE] },
);
