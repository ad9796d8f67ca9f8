/** RFC 5936 and RFC 1995: zone transfers. */

import { expect } from "chai";
import { ask, conformance, rcodeOf } from "./fixture.ts";

const REFUSED = 5;

conformance("RFC 5936: AXFR, and RFC 1995: IXFR", (rule) => {
  rule("2.2.1: zone transfers are REFUSED for every name and not passed on", async (server) => {
    for (const type of [251, 252]) {
      for (const name of ["own.example", "example", "fwd.example", "."]) {
        const message = ask(name === "." ? "" : name, { type });
        expect(rcodeOf(await server.udp(message))).to.equal(REFUSED);
        expect(rcodeOf(await server.tcp(message))).to.equal(REFUSED);
      }
    }
    expect(server.upstream.received).to.deep.equal([]);
  });
});
