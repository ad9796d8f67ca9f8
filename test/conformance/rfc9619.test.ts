/** RFC 9619: one question. */

import { expect } from "chai";
import { header, octets, question } from "../wire/octets.ts";
import { conformance, RD, rcodeOf } from "./fixture.ts";

conformance("RFC 9619: one question", (rule) => {
  rule("4: a query without a question, or with more than one, is FORMERR for every name", async (server) => {
    for (const name of ["own.example", "fwd.example"]) {
      for (const count of [0, 2, 65535]) {
        const questions = [question(name), question(name)].slice(0, count);
        const message = octets(header(RD, [count, 0, 0, 0]), ...questions);
        for (const reply of [await server.udp(message), await server.tcp(message)]) {
          expect(rcodeOf(reply), `${count} of ${name}`).to.equal(1);
          expect(reply.length).to.be.at.most(message.length);
        }
      }
    }
    expect(server.upstream.received).to.deep.equal([]);
  });
});
