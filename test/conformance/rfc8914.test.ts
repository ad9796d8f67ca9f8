/** RFC 8914: reasons for errors of ours. */

import { expect } from "chai";
import { decoded, extendedErrorOf } from "../server/fixtures.ts";
import { quiet } from "../support/waiting.ts";
import { record } from "../table/samples.ts";
import { octets, opt, option } from "../wire/octets.ts";
import { ask, conformance, expectBitExact, rcodeOf, replyTo } from "./fixture.ts";

const PENDING = record(
  "pending.example",
  { kind: "pending", untilMs: 1e9 },
  { kind: "pending", untilMs: 1e9 },
);
const failed = { kind: "failed", error: 23, text: "x".repeat(300) } as const;
const FAILED = record("failed.example", failed, failed);
const SERVFAIL = 2;

conformance(
  "RFC 8914: extended errors",
  (rule) => {
    rule(
      "4.15: a host whose first answer is still missing after the hold time is SERVFAIL, 14",
      async (server) => {
        const asked = server.udp(ask("pending.example", { opt: opt() }));
        await quiet(30);
        server.clock.advance(2500);
        const reply = await asked;
        expect([rcodeOf(reply), extendedErrorOf(decoded(reply))?.[0]]).to.deep.equal([SERVFAIL, 14]);
      },
    );

    rule(
      "4.24: a host whose look-up failed is SERVFAIL with its reason, of at most 100 octets",
      async (server) => {
        const reply = await server.udp(ask("failed.example", { opt: opt() }));
        const [code, text] = extendedErrorOf(decoded(reply)) ?? [];
        expect([rcodeOf(reply), code, text?.length]).to.deep.equal([SERVFAIL, 23, 100]);
      },
    );

    rule("3: a relayed reply keeps its own reasons, and gets none of ours", async (server) => {
      for (const [index, additionals] of [
        [opt()],
        [opt({ rdata: option(15, octets(0, 7, "mine")) })],
        [],
      ].entries()) {
        await expectBitExact(server, ask(`Failing-${index}.Example`, { opt: opt() }), "udp", (message) =>
          replyTo(message, { flags: 0x8182, additionals }),
        );
      }
    });

    rule("4.23: when upstream was silent until the deadline: SERVFAIL, 22, after 4.5 s", async (server) => {
      server.upstream.script = () => {};
      const asked = server.udp(ask("silent.example", { opt: opt() }));
      await server.until(() => server.upstream.received.length > 0);
      server.clock.advance(4500);
      const reply = await asked;
      expect([rcodeOf(reply), extendedErrorOf(decoded(reply))?.[0]]).to.deep.equal([SERVFAIL, 22]);
    });

    rule("4.19: a zone transfer is REFUSED, 18", async (server) => {
      const reply = await server.udp(ask("own.example", { type: 252, opt: opt() }));
      expect([rcodeOf(reply), extendedErrorOf(decoded(reply))?.[0]]).to.deep.equal([5, 18]);
    });

    rule("3: a client without EDNS gets no OPT record", async (server) => {
      const reply = decoded(await server.udp(ask("failed.example")));
      expect([reply.flags & 15, reply.edns]).to.deep.equal([SERVFAIL, undefined]);
    });
  },
  { hosts: [PENDING, FAILED] },
);
