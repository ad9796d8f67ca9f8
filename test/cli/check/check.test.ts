/** The command `check` as a whole: files, folders, standard input, the four outputs, exit statuses. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { codesTable, EXPLANATIONS } from "../../../src/cli/check/explanations.ts";
import { CHECK_HELP, runCheck } from "../../../src/cli/check.ts";
import { PROBLEMS } from "../../../src/mesh/problem.ts";
import { ROOT } from "../../support/program.ts";
import { CommandOutput } from "../command-output.ts";

const GOOD = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: good, namespace: shop }
spec:
  hosts: [good.example.com]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: DNS
`;

const BAD = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: bad
  namespace: shop
spec:
  hosts:
  - kubernetes.default.svc
  - fine.example.com
  ports:
  - number: 443
    name: https
    protocol: HTTPS
  resolution: STATIC
  endpoints:
  - address: 10.0.0.1
  - address: "name & <more>.example.com"
`;

const WARNS = GOOD.replace("good, namespace", "warns, namespace")
  .replace("good.example", "warns.example")
  .replace("DNS", "STATIC");

describe("check", () => {
  let folder: string;
  let output: CommandOutput;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "check-"));
    output = new CommandOutput();
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string) => {
    const path = join(folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  const check = (...argv: string[]) => runCheck(argv, { version: "1.2.3" }, output);
  const json = async (...argv: string[]) => {
    await check(...argv, "-o", "json");
    return JSON.parse(output.text);
  };

  it("is silent about what is good, and says how much it saw", async () => {
    write("a.yaml", GOOD);
    expect(await check("-f", folder)).to.equal(0);
    expect(output.text).to.equal("1 object in 1 file: nothing to say\n");
    expect(output.errors).to.equal("");
  });

  it("shows the line, a caret under what is meant, and the remedy", async () => {
    const path = write("a.yaml", BAD);
    expect(await check("-f", path)).to.equal(1);
    const lines = output.text.split("\n");
    expect(lines[0]).to.equal(`${path}:8:5: error HostReserved ServiceEntry shop/bad`);
    expect(lines[1]).to.match(/kubernetes\.default\.svc ends in the reserved label svc/);
    expect(lines[2]).to.equal("  8 |   - kubernetes.default.svc");
    expect(lines[3]).to.equal("    |     ^^^^^^^^^^^^^^^^^^^^^^");
    expect(lines[4]).to.equal(`  remedy: ${PROBLEMS.HostReserved.remedy}`);
    expect(output.text).to.match(/1 error, 1 warning\n$/);
    expect(output.text).not.to.include("\x1b");
  });

  it("uses colours where they are seen", async () => {
    const path = write("a.yaml", BAD);
    const seen = new CommandOutput();
    await runCheck(["-f", path], { version: "1" }, Object.assign(seen, { hasColor: true }));
    expect(seen.text).to.include("\x1b[31m");
  });

  it("lets no control character of a file through to the terminal", async () => {
    const path = write("a.yaml", BAD.replace("kubernetes.default.svc", '"a\\x1b[2Jb.example.com"'));
    await check("-f", path);
    expect(output.text).not.to.include("\x1b");
  });

  it("fails by the severity that was asked for", async () => {
    const path = write("a.yaml", WARNS);
    expect(await check("-f", path)).to.equal(0);
    expect(await check("-f", path, "--fail-on", "warning")).to.equal(1);
    expect(await check("-f", write("b.yaml", GOOD), "--fail-on", "info")).to.equal(0);
  });

  it("sees files, folders below folders and standard input together", async () => {
    const text = GOOD.replace("name: good", "name: other");
    write("one/deep/a.yaml", GOOD);
    write("one/.hidden/b.yaml", BAD);
    write("one/notes.txt", BAD);
    const single = write("two.json", JSON.stringify({ kind: "List", items: [] }));
    const stdin = async () => text;
    const status = await runCheck(
      ["-f", join(folder, "one"), "-f", single, "-f", "-", "-o", "json"],
      { version: "1", stdin },
      output,
    );
    const { files, objects, findings } = JSON.parse(output.text);
    expect({ files, objects, status }).to.deep.equal({ files: 3, objects: 2, status: 0 });
    // The entry of standard input merges with the older one of its namespace, or shadows it: both are one host's.
    expect(findings.map(({ code }: { code: string }) => code)).to.deep.equal([]);
  });

  it("finds a host that another file shadows, and the object that stands twice", async () => {
    write("a.yaml", GOOD);
    write("b.yaml", GOOD.replace("namespace: shop", "namespace: other"));
    write("c.yaml", GOOD);
    const { findings } = await json("-f", folder);
    const seen = findings.map(({ code, file, line, column }: Record<string, unknown>) => [
      code,
      String(file).slice(-6),
      line,
      column,
    ]);
    expect(seen).to.deep.include(["DuplicateObject", "c.yaml", 3, 19]);
    expect(seen.filter(([code]: unknown[]) => code === "HostConflict")).to.have.length(1);
  });

  it("shows a document that cannot be read, and reads its neighbours", async () => {
    write("a.yaml", `${GOOD}---\nkind: ServiceEntry\nspec: [\n  a: b\n---\n${BAD}`);
    write("b.json", '{\n  "kind": "ServiceEntry",\n  oops\n}');
    const { findings } = await json("-f", folder);
    const seen = findings.map(({ code, line }: Record<string, unknown>) => `${code}:${line}`);
    expect(seen).to.include("SyntaxError:3");
    expect(seen.filter((each: string) => each.startsWith("SyntaxError"))).to.have.length(2);
    expect(seen).to.include("HostReserved:20");
  });

  it("takes the server's settings, and says what is wrong with them", async () => {
    write("manifests/a.yaml", GOOD);
    const good = write("settings.yaml", "hostPolicy:\n- namespaceSelector: {}\n  deny: ['*.example.com']\n");
    const { findings } = await json("-f", join(folder, "manifests"), "--config", good);
    expect(findings.map(({ code }: { code: string }) => code)).to.deep.equal(["HostRejected"]);
    const bad = write("bad.yaml", "hostPolice: []\n");
    expect(await check("-f", folder, "--config", bad)).to.equal(2);
    expect(output.errors).to.match(/hostPolice is unknown\. Did you mean hostPolicy\?/);
  });

  it("gives JSON with an explanation and a remedy for each finding", async () => {
    const result = await json("-f", write("a.yaml", BAD));
    expect(result.counts).to.deep.equal({ error: 1, warning: 1, info: 0 });
    expect(result.findings[0]).to.deep.include({
      code: "HostReserved",
      severity: "error",
      line: 8,
      column: 5,
      object: { kind: "ServiceEntry", namespace: "shop", name: "bad" },
      path: "spec.hosts",
      explanation: EXPLANATIONS.HostReserved,
      remedy: PROBLEMS.HostReserved.remedy,
    });
  });

  it("gives SARIF 2.1.0", async () => {
    const path = write("sp ace.yaml", BAD);
    await check("-f", path, "-o", "sarif");
    const log = JSON.parse(output.text);
    expect(Object.keys(log)).to.deep.equal(["$schema", "version", "runs"]);
    expect(log.version).to.equal("2.1.0");
    const [run] = log.runs;
    const { driver } = run.tool;
    expect(driver).to.deep.include({ name: "serviceentry-dns check", version: "1.2.3" });
    expect(new Set(driver.rules.map(({ id }: { id: string }) => id)).size).to.equal(driver.rules.length);
    expect(run.results).to.have.length(2);
    for (const result of run.results) {
      expect(driver.rules[result.ruleIndex].id).to.equal(result.ruleId);
      expect(["error", "warning", "note"]).to.include(result.level);
      expect(result.message.text).to.be.a("string");
      const [{ physicalLocation }] = result.locations;
      expect(physicalLocation.artifactLocation.uri).to.match(/^file:\/\/\/.*sp%20ace\.yaml$/);
      const { startLine, startColumn, endColumn, snippet } = physicalLocation.region;
      expect(startLine).to.be.greaterThan(0);
      expect(endColumn).to.be.greaterThan(startColumn);
      expect(BAD.split("\n")[startLine - 1]).to.equal(snippet.text);
      expect(result.partialFingerprints["object/v1"]).to.match(/^[0-9a-f]{64}$/);
    }
  });

  it("keeps SARIF's fingerprints when lines move", async () => {
    const path = write("a.yaml", BAD);
    const prints = async () => {
      output = new CommandOutput();
      await check("-f", path, "-o", "sarif");
      return JSON.parse(output.text).runs[0].results.map(
        ({ partialFingerprints }: Record<string, unknown>) => partialFingerprints,
      );
    };
    const before = await prints();
    write("a.yaml", `# new\n# lines\n${BAD}`);
    expect(await prints()).to.deep.equal(before);
  });

  it("gives JUnit: a case per object, failed by --fail-on", async () => {
    write("a.yaml", `${GOOD}---\n${BAD}---\n${WARNS}`);
    expect(await check("-f", folder, "-o", "junit")).to.equal(1);
    expect(output.text).to.match(
      /<testsuites name="serviceentry-dns check" tests="3" failures="1" errors="0">/,
    );
    expect(output.text).to.match(/<testcase classname="[^"]+a\.yaml" name="ServiceEntry shop\/good"\/>/);
    expect(output.text).to.match(/<failure type="HostReserved" message="[^"]*reserved[^"]*">/);
    expect(output.text).to.include("name &amp; &lt;more&gt;.example.com");
    expect(output.text).not.to.match(/<more>/);
    expect(output.text).to.match(/<system-out>[^<]*NoEndpoints/);
    const opened = output.text.match(/<test(suite|case)\b[^>]*[^/]>/g)?.length;
    expect(output.text.match(/<\/test(suite|case)>/g)?.length).to.equal(opened);
  });

  const usage: readonly [argv: string[], fault: RegExp][] = [
    [[], /nothing to check; write -f FILE/],
    [["a.yaml"], /write -f a\.yaml/],
    [["-f", "/no/such/file.yaml"], /\/no\/such\/file\.yaml: there is no such file or folder/],
    [["-f", ".", "-o", "sarf"], /--output sarf is not one of text, json, sarif, junit/],
    [["-f", ".", "--fail-on", "never"], /--fail-on never is not one of error, warning, info/],
    [["-f", ".", "--nameserver", "dns"], /--nameserver dns is no IP address/],
    [["-f", ".", "--fail-no", "error"], /no option --fail-no; did you mean --fail-on\?/],
  ];
  for (const [argv, faultText] of usage) {
    it(`says what is wrong with: check ${argv.join(" ")}`, async () => {
      expect(await check(...argv)).to.equal(2);
      expect(output.errors).to.match(faultText);
      expect(output.text).to.equal("");
    });
  }

  it("explains codes", async () => {
    expect(await check("--help")).to.equal(0);
    expect(output.text).to.equal(CHECK_HELP);
    output = new CommandOutput();
    expect(await check("--explain", "hostreserved")).to.equal(0);
    expect(output.text).to.equal(
      `HostReserved (error)\n  ${EXPLANATIONS.HostReserved}\n  ${PROBLEMS.HostReserved.remedy}\n`,
    );
    expect(await check("--explain", "HostReservd")).to.equal(2);
    expect(output.errors).to.match(/did you mean HostReserved\?/);
  });

  it("has every code in docs/check.md", () => {
    const page = readFileSync(join(ROOT, "docs/check.md"), "utf8");
    expect(page).to.include(codesTable());
  });

  it("prints what docs/check.md shows", () => {
    const page = readFileSync(join(ROOT, "docs/check.md"), "utf8");
    const [, manifest = "", shown = ""] =
      /```yaml\n(.*?)```.*?check -f api\.yaml\n```\n\n```\n(.*?)```/s.exec(page) ?? [];
    write("api.yaml", manifest);
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(ROOT, "src/main.ts"), "check", "-f", "api.yaml"],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    expect(stdout).to.equal(shown);
    expect(status).to.equal(1);
  });

  it("takes its input by a pipe", () => {
    const run = () =>
      execFileSync(process.execPath, ["src/main.ts", "check", "-f", "-"], {
        cwd: ROOT,
        input: GOOD,
        encoding: "utf8",
      });
    expect(run()).to.equal("1 object in 1 file: nothing to say\n");
  });
});
