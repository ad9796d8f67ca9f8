/** `config print`, `inject`, `corefile` and `completion`: what is printed is what the manifests and shells take. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse, parseDocument } from "yaml";
import { CACHE_HELP, LOG_LEVEL_HELP, REFRESH_HELP } from "../../src/cli/act.ts";
import { CHECK_HELP } from "../../src/cli/check.ts";
import { COMMAND_SUMMARIES, type CommandName, commandList } from "../../src/cli/command-list.ts";
import { COMPLETION_HELP, completions, runCompletion, SHELLS } from "../../src/cli/completion.ts";
import { CONFIG_HELP, runConfig } from "../../src/cli/config.ts";
import { COREFILE_HELP, firstHop, runCorefile } from "../../src/cli/corefile.ts";
import { demoHelp } from "../../src/cli/demo.ts";
import { DIFF_HELP } from "../../src/cli/diff.ts";
import { DOCTOR_HELP } from "../../src/cli/doctor.ts";
import { HOSTS_HELP } from "../../src/cli/hosts.ts";
import { INJECT_FORMS, INJECT_HELP, runInject } from "../../src/cli/inject.ts";
import { LOOKUP_HELP } from "../../src/cli/lookup.ts";
import { PROBLEMS_HELP } from "../../src/cli/problems.ts";
import { STAND_IN_HELP } from "../../src/cli/stand-in.ts";
import { readSettingsText } from "../../src/config/file-source.ts";
import { serveHelp } from "../../src/config/help.ts";
import { ROOT } from "../support/program.ts";
import { CommandOutput } from "./command-output.ts";
import { hostRow, ScriptedApi } from "./scripted-api.ts";

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

const HELPS: Readonly<Record<CommandName, string>> = {
  serve: serveHelp(),
  demo: demoHelp(),
  lookup: LOOKUP_HELP,
  check: CHECK_HELP,
  hosts: HOSTS_HELP,
  problems: PROBLEMS_HELP,
  diff: DIFF_HELP,
  doctor: DOCTOR_HELP,
  refresh: REFRESH_HELP,
  cache: CACHE_HELP,
  "log-level": LOG_LEVEL_HELP,
  config: CONFIG_HELP,
  corefile: COREFILE_HELP,
  inject: INJECT_HELP,
  completion: COMPLETION_HELP,
  "stand-in": STAND_IN_HELP,
};

describe("snippets", () => {
  let output: CommandOutput;
  beforeEach(() => {
    output = new CommandOutput();
  });

  describe("config print", () => {
    const FILE =
      "ttl: 20\nupstreams: [192.0.2.1]\nhostPolicy:\n- namespaceSelector: {}\n  allowAddresses: [169.254.0.0/16]\n";
    const run = (argv: readonly string[], env: Record<string, string> = {}) =>
      runConfig(argv, output, env, (path) => {
        if (path !== "settings.yaml") throw new Error("ENOENT");
        return FILE;
      });

    it("says the value in force and where it comes from", async () => {
      const env = { SERVICEENTRY_DNS_NEGATIVE_TTL: "9" };
      const status = await run(["print", "--config", "settings.yaml", "--workload-ttl=8", "-o", "json"], env);
      expect(status).to.equal(0);
      const rows: Record<string, unknown>[] = JSON.parse(output.text);
      const row = (setting: string) => rows.find((each) => each["setting"] === setting);
      expect(row("ttl")).to.deep.include({ value: 20, source: "settings.yaml:1" });
      expect(row("negativeTtl")).to.deep.include({
        value: 9,
        source: "environment variable SERVICEENTRY_DNS_NEGATIVE_TTL",
      });
      expect(row("workloadTtl")).to.deep.include({ value: 8, source: "flag --workload-ttl" });
      expect(row("upstreams")).to.deep.include({ value: ["192.0.2.1:53"] });
      expect(row("clusterUpstreams")).to.deep.include({ value: ["192.0.2.1:53"], source: "default" });
    });

    it("prints YAML that is a settings file with the same values", async () => {
      await run(["print", "-o", "yaml", "--config=settings.yaml"]);
      const file = readSettingsText(output.text, "printed.yaml");
      expect(file.faults).to.deep.equal([]);
      const first = output;
      output = new CommandOutput();
      await runConfig(["print", "-o", "yaml", "--config=printed.yaml"], output, {}, () => first.text);
      expect(parse(output.text)).to.deep.equal(parse(first.text));
      expect(output.text).to.include("169.254.0.0/16");
    });

    it("prints the named settings, or those that were changed", async () => {
      await run(["print", "ttl", "answer", "--config", "settings.yaml"]);
      expect(output.text.split("\n").map((line) => line.split(/ +/)[0])).to.deep.equal([
        "SETTING",
        "ttl",
        "answer",
        "",
      ]);
      output = new CommandOutput();
      await run(["print", "--changed", "--config", "settings.yaml"]);
      expect(output.text).to.match(/^ttl /m);
      expect(output.text).not.to.match(/^answer /m);
    });

    it("says what is wrong, with every fault", async () => {
      expect(await run([])).to.equal(2);
      expect(await run(["show"])).to.equal(2);
      expect(await run(["print", "tll"])).to.equal(2);
      expect(output.errors).to.match(/there is no setting tll; did you mean ttl\?/);
      expect(await run(["print", "--ttl=0", "--answer=never", "--upstreams=192.0.2.1"])).to.equal(2);
      expect(output.errors)
        .to.match(/ttl = "0"/)
        .and.match(/answer = "never"/);
    });
  });

  describe("inject", () => {
    const print = async (...argv: string[]) => {
      output = new CommandOutput();
      expect(await runInject(argv, output)).to.equal(0);
      expect(parseDocument(output.text).errors).to.deep.equal([]);
      return parse(output.text);
    };

    it("prints the ConfigMap that the policy reads", async () => {
      const shipped = parse(text("manifests/components/injection/settings/settings.yaml"));
      const printed = await print("--address", "10.96.0.53");
      expect(printed.data).to.deep.equal({ nameservers: "10.96.0.53", ...shipped.data });
      expect(printed.metadata).to.deep.equal(shipped.metadata);
      const more = await print(
        "--address=10.96.0.53,10.96.0.54",
        "--search=corp.example",
        "--cluster-domain=k8s.example.",
      );
      expect(more.data).to.include({
        nameservers: "10.96.0.53,10.96.0.54",
        extraSearches: "corp.example",
        clusterDomain: "k8s.example",
      });
    });

    it("prints the fields of the example pods, alone or as a patch", async () => {
      const { dnsPolicy, dnsConfig } = parse(text("manifests/examples/cluster/busybox.yaml")).spec;
      expect(await print("--address=10.96.0.53", "--form=pod")).to.deep.equal({ dnsPolicy, dnsConfig });
      const patch = await print("--address=10.96.0.53", "--form=patch", "-n", "shop");
      expect(patch.spec.template.spec.dnsConfig.searches[0]).to.equal("shop.svc.cluster.local");
    });

    it("prints the label that switches the injection on", async () => {
      const binding = parse(text("manifests/components/injection/binding.yaml"));
      const { matchLabels } = binding.spec.matchResources.namespaceSelector;
      const namespace = await print("--form=namespace", "-n", "shop");
      expect(namespace.metadata).to.deep.equal({ name: "shop", labels: matchLabels });
    });

    it("says what is wrong with its words", async () => {
      for (const [argv, fault] of [
        [[], /there is no --address/],
        [["--address=dns"], /--address dns is no IP address/],
        [["--address=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4"], /there are 4 addresses/],
        [["--address=10.0.0.1", "--form=pods"], new RegExp(`not one of ${INJECT_FORMS.join(", ")}`)],
        [["--address=10.0.0.1", "-n", "No Space"], /is no namespace's name/],
        [["--address=10.0.0.1", "--search", "a b"], /is no domain name/],
      ] as const) {
        expect(await runInject(argv, output)).to.equal(2);
        expect(output.errors).to.match(fault);
      }
    });
  });

  describe("corefile", () => {
    /** Without comments: what CoreDNS reads. */
    const lines = (corefile: string) =>
      corefile.split("\n").filter((line) => !line.startsWith("#") && line !== "");

    it("prints what the component first-hop ships, with the address", async () => {
      const shipped = text("manifests/components/first-hop/Corefile").replaceAll("10.96.0.53", "10.1.2.3");
      expect(lines(firstHop("10.1.2.3"))).to.deep.equal(lines(shipped));
      expect(await runCorefile(["--address=10.1.2.3"], output, {})).to.equal(0);
      expect(output.text).to.equal(firstHop("10.1.2.3"));
    });

    it("prints a block for zones, named or taken from a running server", async () => {
      expect(
        await runCorefile(
          ["--address=10.1.2.3", "--form=zones", "--zone", "b.example", "--zone=*.a.example"],
          output,
          {},
        ),
      ).to.equal(0);
      expect(lines(output.text)[0]).to.equal("a.example:53 b.example:53 {");
      const api = new ScriptedApi();
      await api.start();
      api.say("/api/hosts", {
        hosts: [
          hostRow("web.example"),
          hostRow("*.wild.example"),
          hostRow("hidden.example", { visibleTo: ["shop"] }),
          hostRow("refused.example", { state: "rejected" }),
        ],
      });
      output = new CommandOutput();
      expect(
        await runCorefile(["--address=10.1.2.3", "--form=zones", `--api=${api.url}`], output, {}),
      ).to.equal(0);
      expect(lines(output.text)[0]).to.equal("web.example:53 wild.example:53 {");
      api.say("/api/hosts", { hosts: [] });
      expect(
        await runCorefile(["--address=10.1.2.3", "--form=zones", `--api=${api.url}`], output, {}),
      ).to.equal(1);
      await api.close();
    });

    it("says what is wrong with its words", async () => {
      expect(await runCorefile([], output, {})).to.equal(2);
      expect(await runCorefile(["--address=x"], output, {})).to.equal(2);
      expect(await runCorefile(["--address=10.0.0.1", "--form=all"], output, {})).to.equal(2);
      expect(await runCorefile(["--address=10.0.0.1", "--form=zones", "--zone=a b"], output, {})).to.equal(2);
    });
  });

  describe("help", () => {
    for (const [command, help] of Object.entries(HELPS)) {
      it(`of ${command} fits a terminal of 80 columns, and its options stand in two columns`, () => {
        expect(help.split("\n").filter((line) => line.length > 80)).to.deep.equal([]);
        if (command === "serve" || command === "demo") return;
        const [, options = ""] = /\nOptions:\n((?: .*\n)+)/.exec(help) ?? [];
        const columns = options
          .trimEnd()
          .split("\n")
          .map((line) => /^ {2}-.*? {2,}(?=\S)|^ {3,}/.exec(line)?.[0].length);
        expect(new Set(columns).size, options).to.equal(1);
      });
    }

    it("breaks no number from what it means, and keeps what is to be copied whole", () => {
      expect(PROBLEMS_HELP).to.match(/2 usage,\n3 no API endpoint\.\n$/);
      expect(INJECT_HELP).to.include("\n  kubectl -n serviceentry-dns get service serviceentry-dns \\\n");
    });
  });

  describe("completion", () => {
    const script = async (shell: string) => {
      output = new CommandOutput();
      expect(await runCompletion([shell], output)).to.equal(0);
      return output.text;
    };

    it("knows every command, and every option that its help names", async () => {
      const all = completions();
      expect(all.map(({ command }) => command)).to.have.members(Object.keys(COMMAND_SUMMARIES));
      for (const { command, options } of all) {
        const help = HELPS[command];
        const named = [...help.matchAll(/^ {2}(?:(-\w), )?(--[a-z-]+)/gm)].flatMap(([, short, long]) => [
          short,
          long,
        ]);
        const known = options.map(({ name }) => name);
        expect(known, command).to.include.members(named.filter((name) => name !== undefined));
        // Of `config print` the settings are those of `serve`.
        const told = command === "config" ? help + HELPS.serve : help;
        for (const name of known.filter((each) => each.startsWith("--")))
          expect(told, command).to.include(name);
      }
    });

    it("every command's help begins with the usage and says how it ends", () => {
      for (const [command, help] of Object.entries(HELPS)) {
        expect(help).to.match(new RegExp(`^Usage: serviceentry-dns ${command} `));
        if (command !== "serve" && command !== "demo" && command !== "stand-in")
          expect(help, command).to.match(/^Exit status: 0 /m);
      }
      const list = execFileSync(process.execPath, ["src/main.ts", "--help"], { cwd: ROOT, encoding: "utf8" });
      expect(list).to.include(commandList());
    });

    it("is printed for each shell, and for no other", async () => {
      for (const shell of SHELLS) {
        const printed = await script(shell);
        for (const command of Object.keys(COMMAND_SUMMARIES)) expect(printed, shell).to.include(command);
        const quotes = printed.replaceAll("'\\''", "").replaceAll("\\'", "").split("'").length - 1;
        expect(quotes % 2, `${shell}: quotes in pairs`).to.equal(0);
      }
      expect(await runCompletion(["ksh"], output)).to.equal(2);
      expect(output.errors).to.match(/ksh is not one of bash, zsh, fish/);
      expect(await runCompletion([], output)).to.equal(2);
    });
  });
});
