import { expect } from "chai";
import fc from "fast-check";
import {
  chooseHosts,
  chooseProblems,
  QueryError,
  readHostsQuery,
  readProblemsQuery,
} from "../../src/telemetry/api-query.ts";
import { hostReport, manyHosts, problemReport } from "./page/stage.ts";

const HOSTS = [
  hostReport("b.example.com", { name: "late", shadowedBy: { namespace: "x", name: "y", reason: "z" } }),
  hostReport("b.example.com", { name: "early" }),
  hostReport("*.a.example.com", { namespace: "team-a", state: "stale" }),
  hostReport("c.example.org", {
    addresses: [
      { address: "192.0.2.77", source: "static", target: null, state: "fresh", expiresAtMs: null },
      { address: "2001:db8::77", source: "static", target: null, state: "fresh", expiresAtMs: null },
    ],
  }),
];
const ask = (text: string) =>
  chooseHosts({ version: 7, hosts: HOSTS }, readHostsQuery(new URLSearchParams(text))!);
const names = (text: string) => ask(text).hosts.map(({ host, name }) => `${host} ${name}`);

describe("telemetry: a part of the hosts and problems", () => {
  it("is everything, in the program's order, without parameters", () => {
    expect(readHostsQuery(new URLSearchParams())).to.equal(undefined);
    expect(readProblemsQuery(new URLSearchParams())).to.equal(undefined);
  });

  it("is sorted by host, who answers first, and counts all hosts", () => {
    expect(names("limit=10")).to.deep.equal([
      "*.a.example.com *",
      "b.example.com early",
      "b.example.com late",
      "c.example.org c",
    ]);
    const { hosts, ...counts } = ask("state=stale");
    expect(hosts).to.have.length(1);
    expect(counts).to.deep.equal({
      version: 7,
      total: 4,
      matched: 1,
      namespaces: { payments: 3, "team-a": 1 },
      states: { ok: 3, stale: 1 },
    });
  });

  it("is what all words and filters leave", () => {
    expect(names("search=EXAMPLE.com")).to.have.length(3);
    expect(names("search=example+early")).to.deep.equal(["b.example.com early"]);
    expect(names("search=team-a%2F")).to.deep.equal(["*.a.example.com *"]);
    expect(names("search=192.0.2.7")).to.deep.equal(["c.example.org c"]);
    expect(names("search=db8::7")).to.deep.equal(["c.example.org c"]);
    expect(names("search=nothing")).to.deep.equal([]);
    expect(names("host=b.example.com")).to.deep.equal(["b.example.com early", "b.example.com late"]);
    expect(names("host=b.example")).to.deep.equal([]);
    expect(names("namespace=team-a&state=ok")).to.deep.equal([]);
  });

  it("does not look for the addresses of hosts that it does not show", () => {
    let looked = 0;
    const hosts = manyHosts(100).map((host) =>
      Object.defineProperty({ ...host }, "addresses", {
        get: () => {
          looked += 1;
          return host.addresses;
        },
      }),
    );
    const query = readHostsQuery(new URLSearchParams("search=ledger&limit=5"))!;
    expect(chooseHosts({ version: 1, hosts }, query).hosts).to.have.length(5);
    expect(looked).to.equal(0);
  });

  it("put together from its parts is the whole", () => {
    const hosts = manyHosts(97);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), (limit) => {
        const found = Array.from({ length: Math.ceil(97 / limit) }, (_, part) => {
          const parameters = new URLSearchParams(`limit=${limit}&offset=${part * limit}`);
          return chooseHosts({ version: 1, hosts }, readHostsQuery(parameters)!).hosts;
        });
        expect(found.flat().map(({ host }) => host)).to.deep.equal(hosts.map(({ host }) => host).sort());
      }),
    );
  });

  it("of the problems is the gravest and newest", () => {
    const problems = [
      problemReport("Old", { sinceMs: 1 }),
      problemReport("Note", { severity: "info" }),
      problemReport("New", { sinceMs: 2 }),
      problemReport("Grave", { severity: "error", sinceMs: 0 }),
    ];
    const { total, problems: shown } = chooseProblems(problems, { limit: 3, offset: 0 });
    expect(total).to.equal(4);
    expect(shown.map(({ code }) => code)).to.deep.equal(["Grave", "New", "Old"]);
  });

  it("is refused with what may stand there", () => {
    const wrong = [
      "limit=0x10",
      "limit=1001",
      "limit=-1",
      "limit=",
      "offset=1.5",
      "offset=99999999999999999",
      "page=2",
    ];
    for (const text of wrong) {
      expect(() => readHostsQuery(new URLSearchParams(text)), text).to.throw(QueryError);
    }
    expect(() => readProblemsQuery(new URLSearchParams("search=a"))).to.throw(
      QueryError,
      'no such parameter "search"; there are limit, offset',
    );
    expect(() => readHostsQuery(new URLSearchParams("limit=1001"))).to.throw(
      "limit must be a whole number up to 1000",
    );
  });
});
