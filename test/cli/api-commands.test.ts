/** The commands that talk to the API endpoint: what they ask, what they print, how they end. */

import { expect } from "chai";
import { parse } from "yaml";
import { runCache, runLogLevel, runRefresh } from "../../src/cli/act.ts";
import { API_VARIABLE, apiBase } from "../../src/cli/api.ts";
import { HOSTS_HELP, runHosts } from "../../src/cli/hosts.ts";
import { PROBLEMS_HELP, runProblems } from "../../src/cli/problems.ts";
import { CommandOutput } from "./command-output.ts";
import { addressRow, hostRow, ScriptedApi } from "./scripted-api.ts";

describe("commands at the API endpoint", () => {
  let api: ScriptedApi;
  let output: CommandOutput;

  beforeEach(async () => {
    api = new ScriptedApi();
    await api.start();
    output = new CommandOutput();
  });

  afterEach(() => api.close());

  describe("find it", () => {
    const cases: readonly [flag: string | undefined, variable: string | undefined, expected: string][] = [
      [undefined, undefined, "http://127.0.0.1:9154/"],
      [undefined, "http://localhost:1", "http://localhost:1/"],
      ["http://localhost:2", "http://localhost:1", "http://localhost:2/"],
      ["127.0.0.1:3", undefined, "http://127.0.0.1:3/"],
      ["[::1]:3", undefined, "http://[::1]:3/"],
      // The variable is the server's own setting too.
      [undefined, "0.0.0.0:4", "http://127.0.0.1:4/"],
      [undefined, ":4", "http://127.0.0.1:4/"],
      [undefined, "[::]:4", "http://[::1]:4/"],
      [undefined, "", "http://127.0.0.1:9154/"],
    ];
    for (const [flag, variable, expected] of cases) {
      it(`by ${flag ?? "no flag"} and ${variable ?? "no variable"}`, () => {
        const base = apiBase(flag, { [API_VARIABLE]: variable });
        expect("fault" in base ? base.fault : base.href).to.equal(expected);
      });
    }

    it("or say how to bring it here", async () => {
      await api.close();
      expect(await runHosts(["--api", api.url], output, {})).to.equal(3);
      expect(output.errors).to.match(
        /nobody listens at http:\/\/127\.0\.0\.1:\d+\. In a cluster run kubectl .*port-forward .*9154/,
      );
      await api.start();
    });

    it("and notice when something else answers there", async () => {
      api.say("/api/hosts", "<html>");
      expect(await runHosts(["--api", api.url], output, {})).to.equal(3);
      expect(output.errors).to.match(/is not this server's API endpoint/);
      api.say("/api/hosts", { error: "the Host header must be localhost" }, 403);
      expect(await runHosts(["--api", api.url], output, {})).to.equal(3);
      expect(output.errors).to.match(/refuses \(403\): the Host header must be localhost\./);
    });
  });

  describe("hosts", () => {
    const run = (...argv: string[]) => runHosts(argv, output, { [API_VARIABLE]: api.url });
    const listed = () =>
      output.text
        .trim()
        .split("\n")
        .slice(1)
        .map((line) => line.split(" ")[0]);

    beforeEach(() => {
      api.say("/api/hosts", {
        version: 3,
        hosts: [
          hostRow("a.example.com", {
            addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map((each) => addressRow(each)),
          }),
          hostRow("b.example.com", {
            namespace: "other",
            state: "unresolved",
            lastError: { code: "timeout", message: "from 192.0.2.1", since: null },
          }),
          hostRow("c.example.org", {
            state: "shadowed",
            shadowedBy: { namespace: "other", name: "x", reason: "it is older" },
          }),
        ],
      });
    });

    it("lists all, with as many addresses as there is room for", async () => {
      expect(await run()).to.equal(0);
      expect(listed()).to.deep.equal(["a.example.com", "b.example.com", "c.example.org"]);
      expect(output.text).to.match(/^HOST +ENTRY +RESOLUTION/);
      expect(output.text).to.match(/10\.0\.0\.1,10\.0\.0\.2,10\.0\.0\.3 and 1 more/);
    });

    it("filters by pattern, namespace and state", async () => {
      for (const [argv, expected] of [
        [["EXAMPLE.com"], ["a.example.com", "b.example.com"]],
        [["*.example.org"], ["c.example.org"]],
        [["-n", "other"], ["b.example.com"]],
        [
          ["--state", "ok", "--state=shadowed"],
          ["a.example.com", "c.example.org"],
        ],
      ] as const) {
        output = new CommandOutput();
        expect(await run(...argv)).to.equal(0);
        expect(listed(), argv.join(" ")).to.deep.equal(expected);
      }
      output = new CommandOutput();
      expect(await run("nothing")).to.equal(1);
      expect(output.text).to.equal("no host fits\n");
    });

    it("tells why with --wide, and everything as JSON and YAML", async () => {
      await run("--wide");
      expect(output.text)
        .to.include("other/x: it is older")
        .and.include("timeout: from 192.0.2.1")
        .and.include("10.0.0.4");
      const texts: string[] = [];
      for (const format of ["json", "yaml"]) {
        output = new CommandOutput();
        await run("a.example", "-o", format);
        texts.push(output.text);
      }
      expect(parse(texts[1]!)).to.deep.equal(JSON.parse(texts[0]!));
      expect(JSON.parse(texts[0]!)[0]).to.deep.include({
        host: "a.example.com",
        state: "ok",
        visibleTo: "all",
      });
    });

    it("says what is wrong with its words", async () => {
      expect(await run("--state", "fine")).to.equal(2);
      expect(output.errors).to.match(/--state fine is not one of ok, pending/);
      expect(await run("-o", "xml")).to.equal(2);
      expect(await run("a", "b")).to.equal(2);
      expect(output.errors).to.match(/one word too many: b/);
      expect(await run("--help")).to.equal(0);
      expect(output.text).to.equal(HOSTS_HELP);
    });
  });

  describe("problems", () => {
    const run = (...argv: string[]) => runProblems(argv, output, { [API_VARIABLE]: api.url });
    const problem = (code: string, severity: string, namespace = "shop") => ({
      code,
      severity,
      object: { kind: "ServiceEntry", namespace, name: "web" },
      path: "spec.hosts",
      message: `It is ${severity}.`,
      remedy: "Mend it.",
      since: new Date(Date.now() - 3 * 60_000).toISOString(),
    });

    it("lists them worst first, with age and remedy", async () => {
      api.say("/api/problems", {
        problems: [problem("PortMismatch", "info"), problem("HostReserved", "error")],
      });
      expect(await run()).to.equal(1);
      const lines = output.text.split("\n");
      expect(lines[1]).to.match(
        /^error +HostReserved +3m +ServiceEntry shop\/web +spec\.hosts: It is error\.$/,
      );
      expect(lines[2]!.trim()).to.equal("Mend it.");
      expect(lines[3]).to.match(/^info +PortMismatch/);
    });

    it("filters, and fails by what is listed", async () => {
      api.say("/api/problems", {
        problems: [
          problem("PortMismatch", "info"),
          problem("NoEndpoints", "warning", "other"),
          problem("HostReserved", "error"),
        ],
      });
      expect(await run("-n", "other", "-o", "json")).to.equal(0);
      expect(JSON.parse(output.text).map(({ code }: { code: string }) => code)).to.deep.equal([
        "NoEndpoints",
      ]);
      expect(await run("-n", "other", "--fail-on", "warning")).to.equal(1);
      output = new CommandOutput();
      expect(await run("--severity=warning", "--code=PortMismatch")).to.equal(0);
      expect(output.text).to.equal("no problems\n");
    });

    it("treats a severity that it does not know as an error", async () => {
      api.say("/api/problems", { problems: [problem("New", "fatal")] });
      expect(await run()).to.equal(1);
    });

    it("says what is wrong with its words", async () => {
      expect(await run("--fail-on", "never")).to.equal(2);
      expect(await run("--help")).to.equal(0);
      expect(output.text).to.equal(PROBLEMS_HELP);
    });
  });

  describe("orders", () => {
    const env = () => ({ [API_VARIABLE]: api.url });

    it("refresh asks for the host, in lower case", async () => {
      api.say("/api/refresh", { host: "a.example.com", names: ["b.example.com", "c.example.com"] });
      expect(await runRefresh(["A.Example.com."], output, env())).to.equal(0);
      expect(api.asked).to.deep.equal(["POST /api/refresh?host=a.example.com"]);
      expect(output.text).to.equal("asking upstream for b.example.com, c.example.com\n");
    });

    it("cache flush takes a name, a wildcard and everything", async () => {
      api.say("/api/cache/flush", { name: "x" });
      for (const name of ["a.example.com", "*.example.com", "."])
        expect(await runCache(["flush", name], output, env())).to.equal(0);
      expect(api.asked.map((each) => each.split("=")[1])).to.deep.equal([
        "a.example.com",
        "*.example.com",
        ".",
      ]);
      expect(await runCache(["drop", "a.example.com"], output, env())).to.equal(2);
    });

    it("log-level says the level before", async () => {
      api.say("/api/log-level", { level: "debug", before: "info" });
      expect(await runLogLevel(["debug"], output, env())).to.equal(0);
      expect(output.text).to.equal("log level debug, before it info\n");
      expect(await runLogLevel(["loud"], output, env())).to.equal(2);
      expect(await runLogLevel([], output, env())).to.equal(2);
      expect(output.errors).to.match(/there is no LEVEL; write: log-level LEVEL/);
    });

    it("end with 1 where the server refuses, and with 3 where there is none", async () => {
      api.say("/api/refresh", { error: "no entry's host is a.example" }, 404);
      expect(await runRefresh(["a.example"], output, env())).to.equal(1);
      expect(output.errors).to.match(/refuses \(404\): no entry's host is a\.example\./);
      api.say("/api/refresh", { error: "only GET and HEAD" }, 405);
      expect(await runRefresh(["a.example"], output, env())).to.equal(1);
      expect(output.errors).to.match(/takes no orders/);
      expect(await runRefresh(["a.example", "--api", "http://127.0.0.1:9"], output, {})).to.equal(3);
      expect(await runRefresh(["not a name"], output, env())).to.equal(2);
    });
  });
});
