/** Dashboard and alerts ask for what the program exposes, by its own scrape and by a Prometheus that scrapes it. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { ask } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { type ExposedMetric, parseExposition } from "../telemetry/exposition.ts";
import { MANIFESTS, readObjects } from "./base-objects.ts";
import { findProgram } from "./kustomize.ts";

const MONITORING = join(MANIFESTS, "components/monitoring");
const RUNBOOKS = join(ROOT, "docs/runbooks");
const PATIENCE_MS = 60_000;
/** Series of Prometheus itself. */
const OF_PROMETHEUS = ["up"];

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

describe("monitoring", function () {
  this.timeout(300_000);
  const { groups } = parse(readFileSync(join(MONITORING, "rules.yaml"), "utf8")) as {
    groups: readonly { rules: readonly Alert[] }[];
  };
  const alerts = groups.flatMap(({ rules }) => rules);
  const dashboard = JSON.parse(readFileSync(join(MONITORING, "dashboard.json"), "utf8")) as {
    panels: readonly Panel[];
  };
  const panels = dashboard.panels.filter(({ type }) => type !== "row");
  const expressions = [
    ...alerts.map(({ alert, expr }) => ({ of: alert, expression: expr })),
    ...panels.flatMap(({ title, targets }) =>
      targets!.map(({ expr }) => ({ of: title, expression: filled(expr) })),
    ),
  ];

  let folder: string;
  let program: Program;
  let dns: number;
  let admin: number;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    [dns, admin] = [ports[0]!, ports[1]!];
    program = new Program([
      "demo",
      `--listen=127.0.0.1:${dns}`,
      `--admin=127.0.0.1:${admin}`,
      `--api=127.0.0.1:${ports[2]}`,
      `--stand-in=127.0.0.1:${ports[3]}`,
    ]);
    await program.says(/State changes are logged below/, PATIENCE_MS);
  });

  after(async () => {
    await program?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const scrape = async () => parseExposition(await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text());

  describe("the dashboard", () => {
    it("is current", () => {
      const { status, stderr } = spawnSync(process.execPath, ["scripts/generate-dashboard.ts", "--check"], {
        cwd: ROOT,
        encoding: "utf8",
      });
      expect([status, stderr]).to.deep.equal([0, ""]);
    });

    it("is the ConfigMap's", () => {
      const [object] = readObjects(readFileSync(join(MONITORING, "dashboard-config-map.yaml"), "utf8"));
      const { data } = object as unknown as { data: Record<string, string> };
      expect(data["serviceentry-dns.json"]).to.equal(
        readFileSync(join(MONITORING, "dashboard.json"), "utf8"),
      );
      expect(object!.metadata.labels).to.include({ grafana_dashboard: "1" });
    });

    it("begins with cache hits and refreshes, and tells of every panel what it shows", () => {
      const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title);
      expect(rows).to.deep.equal([
        "Cache hits and refreshes",
        "Queries",
        "Cache",
        "Upstream",
        "Registry",
        "Refresher",
        "Writing",
        "Publishing",
        "Process",
      ]);
      for (const { title, description, targets } of panels) {
        expect(description, title).to.match(/\.$/);
        expect(targets, title).to.have.length.greaterThan(0);
        // Two lines of one name could not be told apart.
        const legends = targets!.map(({ legendFormat }) => legendFormat);
        expect(new Set(legends).size, title).to.equal(legends.length);
      }
    });

    it("shows every metric of our own", async () => {
      const shown = panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr)).join("\n");
      for (const [name, { type }] of await scrape()) {
        if (!name.startsWith("serviceentry_dns_")) continue;
        expect(shown, name).to.include(type === "histogram" ? `${name}_bucket{` : `${name}{`);
      }
    });
  });

  it("asks for series that the program exposes, by labels and values that they have", async () => {
    const metrics = await scrape();
    const series = new Map([...metrics.values()].flatMap((metric) => seriesOf(metric)));
    for (const { of, expression } of expressions) {
      const asked = selectorsOf(expression).filter(({ name }) => !OF_PROMETHEUS.includes(name));
      if (asked.length === 0) expect(of).to.equal("ServiceEntryDnsTargetDown");
      for (const { name, matchers } of asked) {
        const metric = series.get(name);
        expect(metric, `${of}: ${name}`).to.not.equal(undefined);
        for (const [label, values] of matchers) {
          const known = metric!.samples.map(({ labels }) => labels[label]);
          if (known.length > 0) expect(known, `${of}: ${name} ${label}`).to.include.members(values);
        }
      }
    }
  });

  describe("the alerts", () => {
    it("have a page each that says what it means, what to look at and what to do, with commands", () => {
      const pages = readdirSync(RUNBOOKS).map((name) => `docs/runbooks/${name}`);
      expect(alerts.map(({ annotations }) => annotations.runbook).sort()).to.deep.equal(pages.sort());
      for (const { alert, annotations } of alerts) {
        const page = readFileSync(join(ROOT, annotations.runbook), "utf8");
        const headings = page.split("\n").filter((line) => line.startsWith("#"));
        expect(headings).to.deep.equal([
          `# ${alert}`,
          "## What it means",
          "## What to look at",
          "## What to do",
        ]);
        expect(page, annotations.runbook).to.match(/^```\nkubectl /m);
        for (const [, name] of page.matchAll(/`(serviceentry_dns_\w+)/g))
          expect(readFileSync(join(ROOT, "docs/metrics.md"), "utf8"), annotations.runbook).to.include(
            `\`${name}\``,
          );
        for (const [, file] of page.matchAll(/\]\(([^)]+\.md)\)/g)) readFileSync(join(RUNBOOKS, file!));
      }
    });

    it("have a test of when each fires and when not", () => {
      const { tests } = parse(readFileSync(join(MONITORING, "rules.test.yaml"), "utf8")) as {
        tests: readonly {
          alert_rule_test: readonly { alertname: string; exp_alerts: readonly object[] }[];
        }[];
      };
      const cases = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
      for (const { alert } of alerts) {
        const own = cases.filter(({ alertname }) => alertname === alert);
        expect(
          own.some(({ exp_alerts }) => exp_alerts.length > 0),
          alert,
        ).to.equal(true);
        const isQuiet = own.some(({ exp_alerts }) => exp_alerts.length === 0);
        // Or another series in the same test stays quiet.
        expect(isQuiet || alert === "ServiceEntryDnsUdpDrops", alert).to.equal(true);
      }
    });

    it("pass their tests by promtool", function () {
      const promtool = findOrSay("promtool") ?? this.skip();
      execFileSync(promtool, ["check", "rules", "rules.yaml"], { cwd: MONITORING });
      execFileSync(promtool, ["test", "rules", "rules.test.yaml"], { cwd: MONITORING });
    });
  });

  it("gets an answer to every expression from a Prometheus that scrapes the program under load", async function () {
    const prometheus = findOrSay("prometheus") ?? this.skip();
    const port = await freePort();
    const config = join(folder, "prometheus.json");
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: "1s", evaluation_interval: "1s" },
        rule_files: [join(MONITORING, "rules.yaml")],
        scrape_configs: [
          { job_name: "serviceentry-dns", static_configs: [{ targets: [`127.0.0.1:${admin}`] }] },
        ],
      }),
    );
    const log = openSync(join(folder, "prometheus.log"), "a");
    const server = spawn(
      prometheus,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ["ignore", log, log] },
    );
    try {
      const query = async (expression: string): Promise<readonly unknown[]> => {
        const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
        const reply = (await (await fetch(url)).json()) as QueryReply;
        if (reply.status !== "success") throw new Error(`${expression}: ${reply.error}`);
        return reply.data.result;
      };
      const deadline = Date.now() + PATIENCE_MS;
      for (let scrapes = 0; scrapes < 4; ) {
        expect(Date.now(), readFileSync(join(folder, "prometheus.log"), "utf8").slice(-1000)).to.be.below(
          deadline,
        );
        await load(dns);
        const [found] = await query("count_over_time(serviceentry_dns_build_info[1m])").catch(() => []);
        scrapes = Number((found as { value: [number, string] } | undefined)?.value[1] ?? 0);
      }
      const metrics = await scrape();
      const names = new Map([...metrics.values()].flatMap((metric) => seriesOf(metric)));
      for (const { of, expression } of expressions) {
        const result = await query(expression);
        const asked = selectorsOf(expression);
        const isThere = asked.every(({ name }) => (names.get(name)?.samples.length ?? 0) > 0);
        // A comparison finds nothing while all is well, and a division by no queries is nothing either.
        if (isThere && !/[<>=]=? *[\d.]+\s*$|[<>] [\d.]+\n|> 0/m.test(expression)) {
          expect(result, `${of}: ${expression}`).to.not.deep.equal([]);
        }
      }
      const reply = await fetch(`http://127.0.0.1:${port}/api/v1/alerts`);
      const { data } = (await reply.json()) as { data: { alerts: readonly { state: string }[] } };
      expect(data.alerts.filter(({ state }) => state === "firing")).to.deep.equal([]);
      const health = await fetch(`http://127.0.0.1:${port}/api/v1/rules`);
      const rules = (await health.json()) as {
        data: { groups: readonly { rules: readonly { health: string }[] }[] };
      };
      const states = rules.data.groups.flatMap((group) => group.rules.map((rule) => rule.health));
      expect(states).to.deep.equal(alerts.map(() => "ok"));
    } finally {
      server.kill();
      if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
    }
  });
});

interface QueryReply {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly unknown[] };
}

interface Selector {
  readonly name: string;
  /** By label, the values that are asked for by name. */
  readonly matchers: readonly (readonly [label: string, values: readonly string[]])[];
}

/** As Grafana would, with everything chosen. */
function filled(expression: string): string {
  return expression
    .replaceAll("$__rate_interval", "1m")
    .replaceAll("$job", ".+")
    .replaceAll("$instance", ".+");
}

/** The selectors of an expression; their metrics are the only names before a brace or of our prefixes. */
function selectorsOf(expression: string): readonly Selector[] {
  const found = expression.matchAll(/\b((?:serviceentry_dns|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g);
  return Array.from(found, ([, name, inside = ""]) => ({
    name: name!,
    matchers: Array.from(
      inside.matchAll(/(\w+)=~?"([^"]*)"/g),
      ([, label, text]) => [label!, text!.split("|")] as const,
    )
      // Prometheus sets these, and they are chosen on the page.
      .filter(([label]) => label !== "job" && label !== "instance"),
  }));
}

/** By the names under which Prometheus stores it. */
function seriesOf(metric: ExposedMetric): readonly (readonly [string, ExposedMetric])[] {
  const suffixes = metric.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  return suffixes.map((suffix) => [metric.name + suffix, metric] as const);
}

/** Own names, forwarded ones twice and so from the cache, and one that nobody has, over UDP and TCP. */
async function load(port: number): Promise<void> {
  const names = [
    "se.example.com",
    "static-service.example.com",
    "httpbin.org",
    "httpbin.org",
    "nobody.example.com",
  ];
  for (const transport of ["udp", "tcp"] as const) {
    await Promise.all(names.map((name) => ask(port, name, { transport }).catch(() => undefined)));
  }
}

/** Undefined, and said: it is not there. */
function findOrSay(name: string): string | undefined {
  const found = findProgram(name);
  if (found === undefined) process.stdout.write(`\n  skipped: there is no ${name} in PATH\n`);
  return found;
}
