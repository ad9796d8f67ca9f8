/** `diff`: the verdicts, and the rule that each difference is explained by. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { HostRow } from "../../src/cli/api-rows.ts";
import { readNameTable } from "../../src/cli/diff/name-table.ts";
import { viewsOf } from "../../src/cli/diff/views.ts";
import { runDiff } from "../../src/cli/diff.ts";
import { StandIn } from "../../src/cli/stand-in.ts";
import { parseZone } from "../../src/cli/zone.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { CommandOutput } from "./command-output.ts";
import { addressRow, hostRow, ScriptedApi } from "./scripted-api.ts";

interface Row {
  readonly host: string;
  readonly namespace: string;
  readonly ours: readonly string[];
  readonly others: readonly string[];
  readonly verdict: string;
  readonly rule: string;
}

async function standIn(zoneText: string): Promise<StandIn> {
  const zone = parseZone(zoneText);
  if ("faults" in zone) throw new Error("faults");
  const server = new StandIn(() => zone);
  await server.listen({ address: parseIpAddress("127.0.0.1")!, port: 0 });
  return server;
}

describe("diff", () => {
  let api: ScriptedApi;
  let coredns: StandIn;
  let folder: string;
  let output: CommandOutput;

  before(async () => {
    api = new ScriptedApi();
    await api.start();
    coredns = await standIn(
      [
        "same.example 30 A 10.0.0.1",
        "rotates.example 30 A 192.0.2.2",
        "bank.example 30 A 203.0.113.7",
        "virtual.example 30 A 203.0.113.8",
        "empty.example 30 A 203.0.113.9",
        "seen.example 30 A 203.0.113.10",
        "serviceentry-dns-diff.wild.example 30 A 203.0.113.11",
      ].join("\n"),
    );
    folder = mkdtempSync(join(tmpdir(), "diff-"));
  });

  after(async () => {
    await api.close();
    await coredns.close();
    rmSync(folder, { recursive: true });
  });

  beforeEach(() => {
    output = new CommandOutput();
    api.say("/api/hosts", {
      hosts: [
        hostRow("same.example", { addresses: [addressRow("10.0.0.1")] }),
        hostRow("rotates.example", { addresses: [addressRow("192.0.2.1", "resolved", "rotates.example")] }),
        hostRow("bank.example", { addresses: [addressRow("10.6.6.6", "resolved", "evil.example")] }),
        hostRow("virtual.example", { addresses: [addressRow("240.240.0.1", "virtual")] }),
        hostRow("empty.example"),
        hostRow("made-up.example", { addresses: [addressRow("10.0.0.9")] }),
        hostRow("*.wild.example", { addresses: [addressRow("10.0.0.10", "workload")] }),
        hostRow("refused.example", { state: "rejected" }),
        hostRow("seen.example", { visibleTo: ["a"], addresses: [addressRow("10.0.0.11")] }),
      ],
    });
  });

  const run = (...argv: string[]) => runDiff([...argv, "--api", api.url], output, {});
  const upstream = () => `--upstream=127.0.0.1:${coredns.address.port}`;
  const rows = async (...argv: string[]): Promise<readonly Row[]> => {
    output = new CommandOutput();
    await run(...argv, "-o", "json");
    return JSON.parse(output.text).rows;
  };

  it("names a verdict and a rule for each host", async () => {
    const all = await rows(upstream(), "--all");
    const verdicts = Object.fromEntries(all.map((each) => [`${each.host} ${each.namespace}`, each.verdict]));
    expect(verdicts).to.deep.equal({
      "same.example *": "same",
      "rotates.example *": "rotates",
      "bank.example *": "other",
      "virtual.example *": "other",
      "empty.example *": "only there",
      "made-up.example *": "only here",
      "*.wild.example *": "other",
      "refused.example *": "forwarded",
      "seen.example *": "forwarded",
      "seen.example a": "other",
    });
    const rule = (host: string) =>
      all.find((each) => each.host === host && each.verdict !== "forwarded")?.rule;
    expect(rule("bank.example")).to.match(/taken over by shop\/web: the addresses of evil\.example/);
    expect(rule("virtual.example")).to.match(/virtual address/);
    expect(rule("*.wild.example")).to.match(/selected workloads/);
    expect(rule("empty.example")).to.match(/hidden: .*no ready workload/);
    expect(rule("made-up.example")).to.match(/made up: elsewhere it is NXDOMAIN/);
  });

  it("shows the differences only, ends with 1, and with 0 where there is none", async () => {
    expect(await run(upstream())).to.equal(1);
    expect(output.text).not.to.match(/^same\.example/m);
    expect(output.text).to.match(/^bank\.example +\* +10\.6\.6\.6 +203\.0\.113\.7 +other/m);
    expect(output.text).to.match(
      /10 compared: 1 same, 1 rotates, 2 forwarded, 1 only here, 1 only there, 4 other\n$/,
    );
    expect(await run(upstream(), "same")).to.equal(0);
    expect(output.text).to.match(/no difference/);
    expect(await run(upstream(), "-n", "nobody")).to.equal(0);
  });

  describe("the server's reason", () => {
    const steps = [
      { title: "client", text: "The client is in a." },
      { title: "exact host", text: "No.", result: "next" },
      { title: "wildcard hosts", text: "Yes.", result: "settled" },
      { title: "entry", text: "ServiceEntry a/web answers." },
      { title: "answer mode", text: "auto, by the setting answer." },
      { title: "upstream names", text: "Many." },
      { title: "decision", text: "Answered\u001b[2J." },
    ];
    beforeEach(() => {
      api.asked.length = 0;
      api.say("/api/explain", { decision: "answer", steps });
    });

    it("stands below each difference, asked for as the client that sees it", async () => {
      expect(await run(upstream(), "seen")).to.equal(1);
      const text = "ServiceEntry a/web answers. Answer mode auto, by the setting answer. Answered\\u{1b}[2J.";
      const [, row, reason] = output.text.split("\n");
      expect(row).to.match(/^seen\.example +a +10\.0\.0\.11/);
      expect(reason).to.equal(`  answer: ${text}`);
      expect(api.asked.filter((each) => each.includes("explain"))).to.deep.equal([
        "GET /api/explain?name=seen.example&type=A&namespace=a",
      ]);
    });

    it("is asked of a name below a wildcard, and of the type that there is", async () => {
      api.say("/api/hosts", {
        hosts: [
          hostRow("*.wild.example", { addresses: [addressRow("10.0.0.10", "workload")] }),
          hostRow("six.example", { addresses: [addressRow("2001:db8::1")] }),
        ],
      });
      const [wild, six] = await rows(upstream());
      expect(wild).to.have.nested.property("why.decision", "answer");
      expect(six)
        .to.have.nested.property("why.text")
        .that.matches(/^ServiceEntry a\/web/);
      expect(api.asked.filter((each) => each.includes("explain")).sort()).to.deep.equal([
        "GET /api/explain?name=serviceentry-dns-diff.wild.example&type=A",
        "GET /api/explain?name=six.example&type=AAAA",
      ]);
    });

    it("of a proxy's table is that for the proxy's namespace", async () => {
      const path = join(folder, "nds-why.json");
      writeFileSync(path, JSON.stringify({ table: { "bank.example": { ips: ["240.240.0.2"] } } }));
      await rows(`--nds=${path}`, "-n", "a", "bank");
      expect(api.asked).to.include("GET /api/explain?name=bank.example&type=A&namespace=a");
    });

    it("may be missing: the differences are shown without, and one line says why", async () => {
      api.say("/api/explain", { error: "no" }, 500);
      expect(await run(upstream())).to.equal(1);
      expect(output.errors).to.match(/^diff: no reasons are shown\. .*refuses \(500\): no\.\n$/);
      expect(output.text)
        .to.match(/^bank\.example/m)
        .and.not.to.match(/^ {2}answer/m);
      expect((await rows(upstream())).every((row) => "why" in row && row.why === null)).to.equal(true);
    });
  });

  it("asks our server over DNS, if it is named", async () => {
    const ours = await standIn("same.example 30 A 10.0.0.1\nbank.example 30 A 203.0.113.7\n");
    const all = await rows(upstream(), "--all", "bank", `--server=127.0.0.1:${ours.address.port}`);
    await ours.close();
    expect(all.map(({ verdict, ours: here }) => [verdict, here])).to.deep.equal([["same", ["203.0.113.7"]]]);
  });

  it("says when the other server does not answer", async () => {
    const gone = await standIn("a.example 30 A 10.0.0.1");
    const { port } = gone.address;
    await gone.close();
    const [row] = await rows(`--upstream=127.0.0.1:${port}`, "same");
    expect(row).to.include({ verdict: "unknown" });
    expect(row!.rule).to.match(/nobody listens/);
  });

  it("compares with istiod's name table", async () => {
    const path = join(folder, "nds.json");
    writeFileSync(
      path,
      JSON.stringify({
        table: {
          "virtual.example": { ips: ["240.240.0.1"], registry: "External" },
          "bank.example.": { ips: ["240.240.0.2"], registry: "External" },
          "istio-only.example": { ips: ["240.240.0.3"], registry: "External" },
          "web.shop.svc.cluster.local": { ips: ["10.96.0.7"], registry: "Kubernetes" },
          "seen.example": { ips: ["10.0.0.11"], registry: "External" },
        },
      }),
    );
    const all = await rows(`--nds=${path}`, "--all", "-n", "a");
    const of = (host: string) => all.find((each) => each.host === host);
    expect(of("virtual.example")).to.include({ verdict: "same" });
    expect(of("bank.example")).to.include({ verdict: "other" });
    expect(of("bank.example")!.rule).to.match(/a proxy gets the virtual address/);
    expect(of("istio-only.example")).to.include({ verdict: "only there" });
    expect(of("made-up.example")).to.include({ verdict: "only here" });
    // The proxy's namespace sees what others do not.
    expect(of("seen.example")).to.include({ verdict: "same", namespace: "a" });
    expect(of("web.shop.svc.cluster.local")).to.equal(undefined);
  });

  it("reads name tables in what wraps them, and nothing else", () => {
    const table = { table: { "A.example": { ips: ["10.0.0.1"], registry: "External" } } };
    for (const wrapped of [table, { resource: table }, [{ resources: [table] }]]) {
      const read = readNameTable(JSON.stringify(wrapped));
      expect("fault" in read ? read.fault : read.hosts.get("a.example")?.ips).to.deep.equal(["10.0.0.1"]);
    }
    for (const odd of ["", "[]", '{"table": 5}', "{"]) expect(readNameTable(odd)).to.have.property("fault");
  });

  it("says what is wrong with its words", async () => {
    for (const [argv, fault] of [
      [[], /what to compare with/],
      [["--upstream=1.1.1.1", "--nds=x"], /what to compare with/],
      [["--upstream=dns"], /--upstream dns is not an IP address/],
      [["--nds=/no/such"], /--nds \/no\/such cannot be read/],
    ] as const) {
      expect(await run(...argv)).to.equal(2);
      expect(output.errors).to.match(fault);
    }
  });
});

describe("diff: views", () => {
  const row = (namespace: string, more: Partial<HostRow>): HostRow => ({
    host: "h.example",
    kind: "ServiceEntry",
    namespace,
    name: namespace,
    resolution: "STATIC",
    answerMode: "auto",
    visibleTo: "all",
    state: "ok",
    addresses: [
      {
        address: `10.0.0.${namespace.length}`,
        source: "static",
        target: null,
        state: "fresh",
        expiresAt: null,
      },
    ],
    nextRefresh: null,
    lastError: null,
    shadowedBy: null,
    ...more,
  });
  const seen = (rows: readonly HostRow[]) =>
    Object.fromEntries(
      viewsOf("h.example", rows).map(({ namespace, winners }) => [
        namespace,
        winners.map(({ name }) => name),
      ]),
    );

  it("are one for a host that all see alike", () => {
    expect(seen([row("a", {})])).to.deep.equal({ "*": ["a"] });
  });

  it("give a namespace its own entry", () => {
    const shadowed = { namespace: "a", name: "a", reason: "for other namespaces it is older" };
    expect(seen([row("a", {}), row("bb", { shadowedBy: shadowed })])).to.deep.equal({
      "*": ["a"],
      bb: ["bb"],
    });
  });

  it("give nobody but the named what is exported to them", () => {
    expect(seen([row("a", { visibleTo: ["x", "y"] })])).to.deep.equal({ "*": [], x: ["a"], y: ["a"] });
  });

  it("leave out who lost to all", () => {
    const shadowed = { namespace: "a", name: "a", reason: "it is older" };
    expect(
      seen([
        row("a", { visibleTo: ["c"] }),
        row("bb", { visibleTo: ["c"], state: "shadowed", shadowedBy: shadowed }),
      ]),
    ).to.deep.include({ c: ["a"] });
  });
});
