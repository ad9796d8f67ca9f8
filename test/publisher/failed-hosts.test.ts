import { expect } from "chai";
import { WriteFault } from "../../src/cluster/write-fault.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { Publication } from "../../src/mesh/publication.ts";
import { FailedHosts } from "../../src/publisher/failed-hosts.ts";
import { PublishRefusal } from "../../src/publisher/host-writer.ts";
import { PublisherCounts } from "../../src/publisher/metrics.ts";
import type { LogFields, Logger } from "../../src/runtime.ts";
import { FixedRandom } from "../cluster/fixture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { host } from "./fixture.ts";

const PUBLICATION: Publication = {
  key: "shop/web/web.example.com",
  host: host("web.example.com"),
  entry: { kind: "ServiceEntry", namespace: "shop", name: "web" },
  entryUid: "1",
  ports: [],
  prefersZone: false,
  sources: [],
};

describe("Hosts that could not be written", () => {
  let clock: FakeClock;
  let lines: { readonly level: string; readonly fields: LogFields; readonly message: string }[];
  let refusals: Map<string, string | undefined>;
  let problems: ProblemBook;
  let counts: PublisherCounts;
  let failed: FailedHosts;

  beforeEach(() => {
    clock = new FakeClock();
    lines = [];
    refusals = new Map();
    counts = new PublisherCounts();
    problems = new ProblemBook(() => clock.wallMs());
    const at = (level: string) => (fields: LogFields, message: string) =>
      void lines.push({ level, fields, message });
    const logger: Logger = { debug() {}, info: at("info"), warn: at("warn"), error: at("error") };
    const hosts = { refuse: (name: string, reason: string | undefined) => void refusals.set(name, reason) };
    failed = new FailedHosts({ hosts, problems, counts, clock, random: new FixedRandom(), logger });
  });

  /** How long the host rests after it. */
  function fail(code: "connection" | "quota" | "denied" | "conflict" | "aborted"): number | undefined {
    const untilMs = failed.note("se-web", PUBLICATION, new WriteFault(code, `it said ${code}`));
    return untilMs === undefined ? undefined : untilMs - clock.nowMs();
  }

  it("say where, why, since when, when again and what to do, once for each reason", () => {
    const since = new Date(clock.wallMs()).toISOString();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      fail("connection");
      clock.advance(10_000);
    }
    expect(lines).to.have.length(1);
    const [{ level, fields, message }] = lines as [(typeof lines)[number]];
    expect(level).to.equal("warn");
    expect(message).to.include("Service serviceentry-dns-published/se-web");
    expect(fields).to.deep.include({
      ...{ component: "dns.publish", service: "se-web", host: "web.example.com", entry: "shop/web" },
      ...{ code: "connection", reason: "it said connection", since, retrySeconds: 1 },
    });
    fail("quota");
    expect(lines.map((line) => [line.level, line.fields["code"], line.fields["since"]])).to.deep.equal([
      ["warn", "connection", since],
      ["warn", "quota", since],
    ]);
    expect(lines[1]!.fields["remedy"]).to.include(
      "ResourceQuota of the namespace serviceentry-dns-published",
    );
    clock.advance(10_000);
    failed.noteSuccess("se-web", PUBLICATION);
    expect(lines).to.have.length(3);
    expect(lines[2]).to.deep.include({ level: "info" });
    expect(lines[2]!.fields["failedSeconds"]).to.equal(60);
    failed.noteSuccess("se-web", PUBLICATION);
    expect(lines).to.have.length(3);
  });

  it("rest twice as long each time, a minute where somebody must act, and not after what we gave up", () => {
    const rests = Array.from({ length: 9 }, () => fail("connection")!);
    for (const [at, rest] of rests.entries())
      expect(rest / Math.min(500 * 2 ** at, 60_000), `${at}`).to.be.within(1, 1.2);
    expect(counts.failed).to.equal(9);
    failed.tryAgain("se-web");
    expect(failed.restsUntilMs("se-web")).to.equal(0);
    expect(fail("connection")).to.be.within(500, 600);
    expect(fail("denied")).to.be.within(60_000, 72_000);
    expect(refusals.get("se-web")).to.equal("the API server: it said denied");
    const before = counts.failed;
    expect(fail("aborted")).to.equal(undefined);
    expect(counts.failed).to.equal(before);
  });

  it("that meet another's object are a problem, and no line of the log beside it", () => {
    const refusal = new PublishRefusal("Service se-web is there and was not written by us");
    expect(failed.note("se-web", PUBLICATION, refusal)).to.equal(clock.nowMs() + 60_000);
    expect(fail("conflict")).to.be.a("number");
    failed.noteSuccess("se-web", PUBLICATION);
    expect(lines).to.deep.equal([]);
    expect([...problems.all()].map(({ problem }) => `${problem.code} ${problem.message}`)).to.deep.equal([
      "PublishRefused Host web.example.com is not published: Service se-web is there and was not written by us.",
    ]);
  });
});
