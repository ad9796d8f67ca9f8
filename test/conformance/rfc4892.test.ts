/** RFC 4892: names of the server in class CH. */

import { expect } from "chai";
import { decoded } from "../server/fixtures.ts";
import { ask, conformance, expectBitExact, IDENTITY } from "./fixture.ts";

const CH = 3;
const TXT = 16;

conformance("RFC 4892: server identity", (rule) => {
  rule("3: id.server and its older spelling are the pod's name, version.* our version", async (server) => {
    for (const [name, text] of [
      ["id.server", IDENTITY.id],
      ["hostname.bind", IDENTITY.id],
      ["version.bind", IDENTITY.version],
      ["Version.Server", IDENTITY.version],
    ] as const) {
      const { answers } = decoded(await server.udp(ask(name, { type: TXT, class: CH })));
      expect(answers.map(({ data }) => data)).to.deep.equal([{ kind: "TXT", strings: [text] }]);
      expect([answers[0]!.class, answers[0]!.ttlSeconds]).to.deep.equal([CH, 0]);
    }
    expect(server.upstream.received).to.deep.equal([]);
  });

  rule("3: other names of class CH, and these names in class IN, are passed on", async (server) => {
    await expectBitExact(server, ask("Authors.bind", { type: TXT, class: CH }));
    await expectBitExact(server, ask("Id.server", { type: TXT }));
    await expectBitExact(server, ask("Id.server", { type: 1, class: CH }));
  });
});
