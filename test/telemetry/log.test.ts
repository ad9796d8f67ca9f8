/** The log: what a line looks like, and which lines are written. */

import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { createLogger } from "../../src/telemetry/log.ts";

function collect(level: "debug" | "info" | "warn" | "error") {
  const texts: string[] = [];
  const log = createLogger(level, { write: (text: string) => texts.push(text) });
  return { log, texts, lines: () => texts.map((text) => JSON.parse(text) as Record<string, unknown>) };
}

describe("telemetry: log", () => {
  it("writes one JSON line: level, ISO time, component, fields, message", () => {
    const { log, texts } = collect("info");
    log.info({ object: "ServiceEntry/default/a", component: "dns.registry", hosts: 2 }, "compiled");
    expect(texts).to.have.length(1);
    expect(texts[0]).to.match(
      /^\{"level":"info","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","component":"dns\.registry","object":"ServiceEntry\/default\/a","hosts":2,"msg":"compiled"\}\n$/,
    );
  });

  it("names a component even where the writer did not", () => {
    const { log, lines } = collect("info");
    log.warn({}, "x");
    expect(lines()[0]).to.include({ level: "warn", component: "dns", msg: "x" });
  });

  it("writes lines of the level and above; the level can be changed while running", () => {
    const { log, lines } = collect("warn");
    const all = () => {
      log.debug({}, "debug");
      log.info({}, "info");
      log.warn({}, "warn");
      log.error({}, "error");
    };
    all();
    expect(lines().map(({ msg }) => msg)).to.deep.equal(["warn", "error"]);
    log.setLevel("debug");
    all();
    expect(
      lines()
        .map(({ msg }) => msg)
        .slice(2),
    ).to.deep.equal(["debug", "info", "warn", "error"]);
    log.setLevel("error");
    all();
    expect(lines()).to.have.length(7);
  });

  it("writes errors with message and stack, and survives what JSON cannot hold", () => {
    const { log, lines } = collect("info");
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    log.error({ error: new RangeError("too far"), circle, big: 7n, text: 'line\n"quote"' }, "failed");
    const [line] = lines();
    expect(line!["error"]).to.include({ type: "RangeError", message: "too far" });
    expect((line!["error"] as { stack: string }).stack).to.include("log.test.ts");
    expect(line!["text"]).to.equal('line\n"quote"');
  });

  it("goes to standard output, and loses nothing when the process ends at once", () => {
    const module = new URL("../../src/telemetry/log.ts", import.meta.url).href;
    const code = `import { createLogger } from ${JSON.stringify(module)};
      const log = createLogger("info");
      for (let n = 0; n < 500; n += 1) log.info({ component: "dns.server", n }, "x");
      process.exit(0);`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
    const lines = child.stdout.trimEnd().split("\n");
    expect(lines).to.have.length(500);
    expect(JSON.parse(lines[499]!)).to.include({ n: 499 });
    expect(child.stderr).to.equal("");
  });
});
