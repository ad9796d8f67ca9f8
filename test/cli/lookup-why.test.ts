/** The why of `lookup`, from an API endpoint of our making beside a DNS server that answers. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { expect } from "chai";
import { runLookup } from "../../src/cli/lookup.ts";
import { StandIn } from "../../src/cli/stand-in.ts";
import { parseZone } from "../../src/cli/zone.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { CommandOutput } from "./command-output.ts";

const NEXT_REFRESH = "2100-01-01T00:00:00.000Z";

describe("lookup, with the why", () => {
  let standIn: StandIn;
  let server: string;
  let api: Server;
  let url: string;
  let output: CommandOutput;
  const asked: string[] = [];
  let reply: (type: string) => { readonly status: number; readonly body: unknown };

  const explanation = (type: string) => ({
    type,
    host: "a.example",
    decision: "answer",
    addresses: [
      { address: "192.0.2.2", target: "late.example", nextRefresh: "2100-02-01T00:00:00.000Z" },
      { address: "192.0.2.1", target: "up.example", nextRefresh: NEXT_REFRESH },
      { address: "192.0.2.3", target: null, nextRefresh: null },
    ],
    steps: [
      { title: "client", text: "The client is in team-a." },
      { title: "decision", text: `Answered for ${type}\u001b[2J.` },
    ],
    problems: Array.from({ length: 7 }, (_, at) => ({
      code: "PortMismatch",
      severity: "info",
      message: `Message ${at}.`,
      remedy: "Remedy.",
    })),
  });

  before(async () => {
    const zone = parseZone("a.example 5 A 192.0.2.1");
    if ("faults" in zone) throw new Error("faults");
    standIn = new StandIn(() => zone);
    await standIn.listen({ address: parseIpAddress("127.0.0.1")!, port: 0 });
    server = `127.0.0.1:${standIn.address.port}`;
    api = createServer((request, response) => {
      asked.push(request.url ?? "");
      const type = new URL(request.url ?? "", "http://api").searchParams.get("type") ?? "";
      const { status, body } = reply(type === "1" ? "A" : type === "28" ? "AAAA" : type);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    api.listen(0, "127.0.0.1");
    await once(api, "listening");
    const bound = api.address();
    url = typeof bound === "object" ? `http://127.0.0.1:${bound?.port}` : "";
  });

  after(async () => {
    api.close();
    api.closeAllConnections();
    await standIn.close();
  });

  beforeEach(() => {
    asked.length = 0;
    output = new CommandOutput();
    reply = (type) => ({ status: 200, body: explanation(type) });
  });

  const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runLookup(["a.example", "--server", server, ...argv], output, env);

  it("prints answer, why and when next on one screen", async () => {
    expect(await run(["--api", url, "--namespace", "team-a"])).to.equal(0);
    expect(asked.sort()).to.deep.equal([
      "/api/explain?name=a.example&type=1&namespace=team-a",
      "/api/explain?name=a.example&type=28&namespace=team-a",
    ]);
    const [answer, why] = output.text.split("\nWhy ");
    expect(answer).to.match(/^NAME +TYPE/);
    expect(answer?.split("\n\n").at(-1)).to.equal(
      [
        "A client of the namespace team-a gets something else than this machine got above:",
        "  A     192.0.2.2, 192.0.2.1, 192.0.2.3",
        "  AAAA  192.0.2.2, 192.0.2.1, 192.0.2.3\n",
      ].join("\n"),
    );
    const lines = why?.trimEnd().split("\n") ?? [];
    expect(lines.slice(0, 4)).to.deep.equal([
      "A is answered as it is to a client of the namespace team-a:",
      "  client    The client is in team-a.",
      "  decision  Answered for A\\u{1b}[2J.",
      "  for AAAA  Answered for AAAA\\u{1b}[2J.",
    ]);
    expect(lines[4]).to.match(/^ {2}next {6}Upstream is asked for up\.example again in \d+d \(2100-01-01T/);
    expect(lines[5]).to.equal("  info      PortMismatch: Message 0. Remedy.");
    expect(lines.at(-1)).to.equal("  problems  And 2 more; see serviceentry-dns problems.");
    expect(lines).to.have.length(11);
  });

  it("explains for a pod, and finds the endpoint by the environment", async () => {
    expect(await run(["--pod", "team-a/web", "--type", "A"], { SERVICEENTRY_DNS_API: url })).to.equal(0);
    expect(asked).to.deep.equal(["/api/explain?name=a.example&type=1&pod=team-a%2Fweb"]);
    expect(output.text).to.include("Why A is answered as it is to the pod team-a/web:");
  });

  it("names what could not be read where nobody claims the host: a mistake in an entry hides its hosts", async () => {
    const broken = (code: string, name: string, path: string) => ({
      code,
      object: { kind: "ServiceEntry", namespace: "shop", name },
      path,
    });
    const problems = [
      broken("ShapeInvalid", "one", "spec.resolution"),
      broken("PortMismatch", "two", "spec.ports"),
      ...["a", "b", "c"].map((name) => broken("SyntaxError", name, "")),
    ];
    reply = (type) => ({
      status: 200,
      body: type === "" ? { problems } : { ...explanation(type), host: null, problems: [] },
    });
    expect(await run(["--api", url, "--type", "A"])).to.equal(0);
    expect(asked.at(-1)).to.equal("/api/problems");
    expect(output.text.trimEnd().split("\n").at(-1)).to.equal(
      "  not read  May claim the host: ServiceEntry shop/one (ShapeInvalid, spec.resolution); " +
        "ServiceEntry shop/a (SyntaxError); ServiceEntry shop/b (SyntaxError) and 1 more. See serviceentry-dns problems.",
    );
  });

  it("has it in the form for scripts too", async () => {
    expect(await run(["--api", url, "--type", "A", "-o", "json"])).to.equal(0);
    const { replies, why, whyFailure, clientAnswers } = JSON.parse(output.text);
    expect(replies.length).to.equal(1);
    expect([why, whyFailure]).to.deep.equal([[explanation("A")], null]);
    const addresses = ["192.0.2.2", "192.0.2.1", "192.0.2.3"];
    expect(clientAnswers).to.deep.equal([{ type: "A", decision: "answer", addresses, isSame: false }]);
  });

  it("answers without an endpoint, and says so in one line", async () => {
    expect(await run(["--api", "http://127.0.0.1:1"])).to.equal(0);
    expect(output.text).to.include("192.0.2.1");
    expect(output.text.split("\n").filter((line) => line.startsWith("Why"))).to.have.length(1);
    expect(output.text).to.match(/\nWhy: not known\. .*127\.0\.0\.1:1.*\n$/);
    output = new CommandOutput();
    expect(await run(["--api", "http://127.0.0.1:1", "-o", "json"])).to.equal(0);
    const value = JSON.parse(output.text);
    expect([value.why, typeof value.whyFailure]).to.deep.equal([null, "string"]);
  });

  it("says what the endpoint refuses", async () => {
    reply = () => ({ status: 400, body: { error: "no pod a/gone is known" } });
    expect(await run(["--api", url, "--pod", "a/gone"])).to.equal(0);
    expect(output.text).to.match(/\nWhy: not known\. .*no pod a\/gone is known\.\n$/);
  });

  it("bears an endpoint that says something else", async () => {
    reply = () => ({ status: 200, body: [] });
    expect(await run(["--api", url])).to.equal(0);
    expect(output.text).to.include("explains nothing.");
    output = new CommandOutput();
    reply = () => ({ status: 200, body: { steps: "none", addresses: [3], problems: null } });
    expect(await run(["--api", url])).to.equal(0);
    expect(output.text).to.include("No address of the answer is refreshed by time.");
  });

  it("asks nobody why where another server alone is named", async () => {
    expect(await run([])).to.equal(0);
    expect(asked).to.deep.equal([]);
    expect(output.text).to.not.include("Why");
  });
});
