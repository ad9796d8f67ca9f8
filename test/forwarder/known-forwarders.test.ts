/** Clients that the control plane has found to ask for many others: no limit of one client holds for them. */

import { expect } from "chai";
import { makeFixture, TestClient } from "./fixture.ts";
import { question } from "./messages.ts";

const COREDNS = "10.0.0.53";
const POD = "10.0.0.7";
const ask = (fixture: ReturnType<typeof makeFixture>, address: string, index: number) =>
  fixture.ask(question(`h${index}.example.org`), new TestClient("udp", address));
const refused = (clients: readonly TestClient[]) =>
  clients.filter(({ replies }) => replies.length > 0).length;

describe("known forwarders", () => {
  it("may have any number of queries wait, where another client may not", () => {
    const fixture = makeFixture({ maxInFlightPerClient: 3, isForwarder: (address) => address === COREDNS });
    const asked = (address: string) =>
      Array.from({ length: 10 }, (_, index) => ask(fixture, address, index + (address === POD ? 100 : 0)));
    expect(refused(asked(COREDNS))).to.equal(0);
    expect(refused(asked(POD))).to.equal(7);
  });

  it("have no rate from when on they are known, also if they asked before", () => {
    const known = new Set<string>();
    const fixture = makeFixture({ rateLimit: 5, isForwarder: (address) => known.has(address) });
    const asked = (from: number) =>
      Array.from({ length: 20 }, (_, index) => ask(fixture, COREDNS, from + index));
    expect(refused(asked(0))).to.equal(15);
    known.add(COREDNS);
    expect(refused(asked(100))).to.equal(0);
  });
});
