/** RFC 8482: ANY. */

import { expect } from "chai";
import { addressesOf, decoded } from "../server/fixtures.ts";
import { ask, conformance, expectBitExact, replyTo } from "./fixture.ts";

const ANY = 255;

conformance("RFC 8482: ANY", (rule) => {
  rule("4.1: an own host with addresses answers with one RRset of them", async (server) => {
    const reply = decoded(await server.udp(ask("both.example", { type: ANY })));
    expect(addressesOf(reply).sort()).to.deep.equal(["192.0.2.1", "192.0.2.2"]);
  });

  rule("4.2: one without addresses says HINFO RFC8482", async (server) => {
    const { answers } = decoded(await server.udp(ask("none.example", { type: ANY })));
    expect(answers.map(({ data }) => data)).to.deep.equal([{ kind: "HINFO", cpu: "RFC8482", os: "" }]);
  });

  rule("4: ANY of other names is upstream's to answer", async (server) => {
    await expectBitExact(server, ask("Any.Example", { type: ANY }), "udp", (message) =>
      replyTo(message, { flags: 0x8380 }),
    );
  });
});
