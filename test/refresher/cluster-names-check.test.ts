/** Whether upstreams that know no name of the cluster are found out, and forgotten once they do. */

import { expect } from "chai";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { ClusterNamesCheck } from "../../src/refresher/cluster-names-check.ts";
import { formatServer, type LookupResult } from "../../src/refresher/lookup.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { parseHostName } from "../../src/wire/host-name.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { FakeClock } from "../support/fake-clock.ts";

const DOMAIN = parseHostName("k8s.example") as HostName;
const [RIGHT, WRONG, DEAD] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((address) => ({ address, port: 53 }));
const NXDOMAIN: LookupResult = { kind: "denied", by: "nxdomain" };
const FOUND: LookupResult = { kind: "addresses", addresses: [parseIpAddress("10.96.0.1")!], ttlSeconds: 5 };

describe("ClusterNamesCheck", () => {
  let clock: FakeClock;
  let book: ProblemBook;
  let replies: Map<string, LookupResult>;
  let asked: string[];
  let check: ClusterNamesCheck;

  beforeEach(() => {
    clock = new FakeClock();
    book = new ProblemBook(() => clock.wallMs());
    asked = [];
    replies = new Map<string, LookupResult>([
      ["10.0.0.1:53", FOUND],
      ["10.0.0.2:53", NXDOMAIN],
      ["10.0.0.3:53", { kind: "failed", failure: "timeout" }],
    ]);
    const lookup = async (name: HostName, family: string, server: { address: string; port: number }) => {
      asked.push(`${name} ${family} ${formatServer(server)}`);
      return replies.get(formatServer(server))!;
    };
    check = new ClusterNamesCheck({ lookup, clock, problems: book });
  });
  afterEach(async () => {
    await check.close();
    expect(clock.timers).to.equal(0);
  });

  const settled = () => new Promise(setImmediate);
  const problems = () =>
    Array.from(book.all(), ({ problem: { code, object } }) => `${code} ${object.kind} ${object.name}`);

  it("reports the server that denies the name that every cluster has, and no other", async () => {
    check.ask([RIGHT!, WRONG!, DEAD!], DOMAIN);
    await settled();
    expect(asked).to.deep.equal([
      "kubernetes.default.svc.k8s.example A 10.0.0.1:53",
      "kubernetes.default.svc.k8s.example A 10.0.0.2:53",
      "kubernetes.default.svc.k8s.example A 10.0.0.3:53",
    ]);
    expect(problems()).to.deep.equal(["UpstreamWithoutClusterNames Upstream 10.0.0.2:53"]);
    expect([...book.all()][0]?.problem.message).to.include(
      "kubernetes.default.svc.k8s.example does not exist",
    );
  });

  it("takes a name without an address of the family for known", async () => {
    replies.set("10.0.0.2:53", { kind: "denied", by: "nodata" });
    check.ask([WRONG!], DOMAIN);
    await settled();
    expect(problems()).to.deep.equal([]);
  });

  it("asks again those that denied or were silent until they answer", async () => {
    check.ask([RIGHT!, WRONG!, DEAD!], DOMAIN);
    await settled();
    asked.length = 0;
    replies.set("10.0.0.2:53", FOUND);
    replies.set("10.0.0.3:53", NXDOMAIN);
    clock.advance(60_000);
    await settled();
    expect(asked).to.have.length(2);
    expect(problems()).to.deep.equal(["UpstreamWithoutClusterNames Upstream 10.0.0.3:53"]);
    replies.set("10.0.0.3:53", { kind: "failed", failure: "timeout" });
    clock.advance(60_000);
    await settled();
    expect(problems(), "silence proves nothing").to.have.length(1);
    replies.set("10.0.0.3:53", FOUND);
    clock.advance(60_000);
    await settled();
    expect(problems()).to.deep.equal([]);
    expect(clock.timers).to.equal(0);
  });

  it("forgets servers that are asked no more, and asks nobody twice for the same", async () => {
    check.ask([WRONG!], DOMAIN);
    await settled();
    check.ask([WRONG!], DOMAIN);
    expect(asked).to.have.length(1);
    check.ask([RIGHT!], DOMAIN);
    await settled();
    expect(problems()).to.deep.equal([]);
    expect(asked).to.have.length(2);
  });

  it("passes over a reply that comes after the settings changed", async () => {
    check.ask([WRONG!], DOMAIN);
    check.ask([RIGHT!], DOMAIN);
    await settled();
    expect(problems()).to.deep.equal([]);
  });
});
