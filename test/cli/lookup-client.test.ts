/** What a client gets beside what this machine got: decision by decision. */

import { expect } from "chai";
import { type ClientAnswer, clientAnswers, clientText } from "../../src/cli/lookup-client.ts";
import type { LookupReply } from "../../src/cli/lookup-reply.ts";

const reply = (type: string, status: string | null, ...addresses: readonly string[]): LookupReply => ({
  type,
  status,
  failure: null,
  authoritative: true,
  truncated: false,
  answers: [
    { name: "a.example", type: "CNAME", ttl: 5, data: "b.example" },
    ...addresses.map((data) => ({ name: "b.example", type, ttl: 5, data })),
  ],
  ede: [],
  transport: "udp",
  timeMs: 1,
});

const said = (type: string, decision: string, ...addresses: readonly string[]) => ({
  type,
  decision,
  addresses: addresses.map((address) => ({ address })),
});

describe("lookup: what the client gets", () => {
  for (const [title, explained, got, isSame] of [
    [
      "the same in another order",
      said("A", "answer", "192.0.2.1", "192.0.2.2"),
      reply("A", "NOERROR", "192.0.2.2", "192.0.2.1"),
      true,
    ],
    [
      "the same in another writing",
      said("AAAA", "answer", "2001:db8::1"),
      reply("AAAA", "NOERROR", "2001:db8:0:0:0:0:0:1"),
      true,
    ],
    [
      "one address more",
      said("A", "answer", "192.0.2.1", "192.0.2.2"),
      reply("A", "NOERROR", "192.0.2.1"),
      false,
    ],
    [
      "addresses where this machine got NODATA",
      said("A", "answer", "192.0.2.1"),
      reply("A", "NODATA"),
      false,
    ],
    ["NODATA, as this machine", said("AAAA", "nodata"), reply("AAAA", "NODATA"), true],
    ["REFUSED, as this machine", said("A", "refuse"), reply("A", "REFUSED"), true],
    ["upstream's word, which nobody knows", said("A", "forward"), reply("A", "NOERROR", "192.0.2.1"), null],
    ["anything, where this machine got no reply", said("A", "answer", "192.0.2.1"), reply("A", null), null],
  ] as const)
    it(`${title}: ${isSame}`, () => {
      expect(clientAnswers([explained], [got]).map((each) => each.isSame)).to.deep.equal([isSame]);
    });

  it("is said in words", () => {
    const answer = (
      decision: string,
      isSame: boolean | null,
      ...addresses: readonly string[]
    ): ClientAnswer => ({
      type: "A",
      decision,
      addresses,
      isSame,
    });
    const [, head, first] = clientText("the pod shop/web", [answer("answer", true, "192.0.2.1")]).split("\n");
    expect([head, first]).to.deep.equal([
      "The pod shop/web gets the same as this machine:",
      "  A  192.0.2.1",
    ]);
    expect(clientText("the pod shop/web", [answer("forward", null)])).to.equal(
      "\nThe pod shop/web gets:\n  A  upstream's word\n",
    );
    const rest = ["nodata", "hold", "upstream-first", "nxdomain"].map((each) => answer(each, null));
    expect(clientText("the pod shop/web", rest).split("\n").slice(2, -1)).to.deep.equal([
      "  A  no records of this type (NODATA)",
      "  A  nothing before the first lookup of its addresses ends",
      "  A  upstream's word; where that is NXDOMAIN: no records of this type",
      "  A  NXDOMAIN",
    ]);
  });
});
