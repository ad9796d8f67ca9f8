/** The setting `refuse`: a DNS server asks us first, and itself for what we refuse. */

import { expect } from "chai";
import { ExtendedError, Rcode } from "../../src/wire/constants.ts";
import { record, set } from "../table/samples.ts";
import { addressesOf, extendedErrorOf, PLAIN_EDNS, question, rcodeOf, Stage } from "./fixtures.ts";

function refusing(): Stage {
  const stage = new Stage({ refuse: true });
  stage.apply(...set(record("own.example")));
  stage.engine.setSynced();
  return stage;
}

describe("names that are not ours, refused", () => {
  it("get REFUSED with extended error 20, at once, whatever is asked", () => {
    for (const type of ["A", "AAAA", "MX", "TXT"] as const) {
      const stage = refusing();
      let noted = 0;
      stage.forwarder.noteRefused = () => {
        noted += 1;
      };
      const reply = stage.answer(question("www.example", type, { edns: PLAIN_EDNS }));
      expect(rcodeOf(reply)).to.equal(Rcode.REFUSED);
      expect(extendedErrorOf(reply)?.[0]).to.equal(ExtendedError.NOT_AUTHORITATIVE);
      expect([stage.forwarder.asked.length, noted]).to.deep.equal([0, 1]);
    }
    const cluster = refusing().answer(question("kubernetes.default.svc.cluster.local", "A"));
    expect([rcodeOf(cluster), cluster.edns]).to.deep.equal([Rcode.REFUSED, undefined]);
  });

  it("but ours are answered, and other types of theirs asked of upstream", () => {
    const stage = refusing();
    expect(addressesOf(stage.answer(question("own.example", "A")))).to.deep.equal(["192.0.2.1"]);
    expect(stage.ask(question("own.example", "MX"))).to.equal(null);
    expect(stage.forwarder.asked).to.have.length(1);
  });
});
