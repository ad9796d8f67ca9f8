/** Precedence, the three sources, and every message a user can get. */

import { expect } from "chai";
import { loadSettings, type SettingsInputs } from "../../src/config/load-settings.ts";
import type { SettingKey } from "../../src/config/settings.ts";
import { type SettingFault, SettingsError } from "../../src/config/settings-error.ts";

interface Written {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly file?: string;
  readonly resolvConf?: string;
  readonly more?: Partial<SettingsInputs>;
}

function inputs({
  argv = [],
  env = {},
  file,
  resolvConf = "nameserver 192.0.2.53\n",
  more,
}: Written): SettingsInputs {
  return {
    argv: [...argv, ...(file === undefined ? [] : ["--config", "conf/settings.yaml"])],
    env,
    localAddresses: () => [],
    readFile(path) {
      if (path === "/etc/resolv.conf") return resolvConf;
      if (path === "conf/settings.yaml" && file !== undefined) return file;
      throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    },
    ...more,
  };
}

/** With the one setting that must be given. */
function load(written: Written) {
  return loadSettings(inputs({ ...written, argv: ["--source", "manifests", ...(written.argv ?? [])] }));
}

function faultsOf(act: () => unknown): readonly SettingFault[] {
  try {
    act();
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

const messagesOf = (written: Written) => faultsOf(() => load(written)).map(({ message }) => message);

describe("config: loading settings", () => {
  describe("precedence: flag over environment over file over default", () => {
    const sources = {
      flag: { argv: ["--ttl", "11"] },
      environment: { env: { SERVICEENTRY_DNS_TTL: "12" } },
      file: { file: "ttl: 13\n" },
    } as const;
    const values = { flag: 11, environment: 12, file: 13, default: 30 } as const;
    const order = ["flag", "environment", "file"] as const;

    for (let chosen = 0; chosen < 8; chosen += 1) {
      const given = order.filter((_, at) => (chosen & (1 << at)) !== 0);
      const winner = given[0] ?? "default";
      it(`${given.join(", ") || "nothing"} given: ${winner} wins`, () => {
        const written: Written = Object.assign({}, ...given.map((each) => sources[each]));
        const loaded = load(written);
        expect(loaded.settings.ttl).to.equal(values[winner]);
        expect(loaded.sources.ttl.kind).to.equal(winner);
      });
    }

    it("replaces a list as a whole", () => {
      const { settings } = load({
        argv: ["--upstream", "192.0.2.1"],
        file: "upstreams: [192.0.2.2, 192.0.2.3]\n",
      });
      expect(settings.upstreams).to.deep.equal([{ address: "192.0.2.1", port: 53 }]);
    });

    it("says where each value came from", () => {
      const { sources } = load({ env: { SERVICEENTRY_DNS_LAMEDUCK: "1" }, file: "# first\nttl: 5\n" });
      expect(sources.ttl).to.deep.equal({ kind: "file", path: "conf/settings.yaml", line: 2 });
      expect(sources.lameduck).to.deep.equal({ kind: "environment", variable: "SERVICEENTRY_DNS_LAMEDUCK" });
      expect(sources.upstreams).to.deep.equal({ kind: "default" });
    });
  });

  describe("flags", () => {
    it("takes =, repeated lists, commas, the singular --upstream, and a flag alone for true", () => {
      const { settings } = load({
        argv: ["--ttl=7", "--upstream", "192.0.2.1", "--upstreams=192.0.2.2,192.0.2.3:54", "--relay-https"],
      });
      expect(settings.ttl).to.equal(7);
      expect(settings.relayHttps).to.equal(true);
      expect(settings.upstreams.map(({ address, port }) => `${address} ${port}`)).to.deep.equal([
        "192.0.2.1 53",
        "192.0.2.2 53",
        "192.0.2.3 54",
      ]);
      expect(load({ argv: ["--relay-https=false"] }).settings.relayHttps).to.equal(false);
      const both = load({
        argv: ["--suffix-view", "false", "--relay-https", "true", "--explain-txt", "--ttl", "8"],
      });
      expect(both.settings).to.include({ suffixView: false, relayHttps: true, explainTxt: true, ttl: 8 });
    });

    it("names the nearest flag for an unknown one", () => {
      expect(messagesOf({ argv: ["--clusterupstream", "192.0.2.1"] })).to.deep.equal([
        "flag --clusterupstream is unknown. Did you mean --cluster-upstreams? All settings: serviceentry-dns serve --help.",
      ]);
      expect(messagesOf({ argv: ["--completely-different-thing=1"] })).to.deep.equal([
        "flag --completely-different-thing is unknown. All settings: serviceentry-dns serve --help.",
      ]);
      expect(messagesOf({ argv: ["--confg", "x"] })[0]).to.include("Did you mean --config?");
    });

    it("refuses a flag without a value, one given twice, and stray words", () => {
      expect(messagesOf({ argv: ["--ttl", "--answer", "auto"] })).to.deep.equal([
        "ttl (flag --ttl) has no value. Give whole seconds from 1 to 3600, without a unit.",
      ]);
      expect(messagesOf({ argv: ["--network="] })[0]).to.match(/^network \(flag --network\) has no value\./);
      expect(messagesOf({ argv: ["--ttl", "1", "--ttl", "2"] })).to.deep.equal([
        'ttl = "2" (flag --ttl) is given twice and takes one value. Give the flag once.',
      ]);
      expect(messagesOf({ argv: ["--relay-https", "no"] })).to.deep.equal([
        'command line: unexpected argument "no". Write settings as --name VALUE or --name=VALUE.',
      ]);
      expect(messagesOf({ argv: ["--config"] })).to.deep.equal([
        "--config (flag --config) has no value. Write --config VALUE.",
      ]);
    });

    it("hands a command's own flags back", () => {
      const loaded = load({ argv: ["--form", "dns"], more: { ownFlags: ["--form"] } });
      expect([...loaded.ownFlags]).to.deep.equal([["--form", "dns"]]);
      expect(messagesOf({ argv: ["--form", "dns"] })[0]).to.include("flag --form is unknown");
    });
  });

  describe("environment", () => {
    it("names the nearest variable for an unknown one with our prefix", () => {
      const env = { SERVICEENTRY_DNS_UPSTREAM: "192.0.2.1", OTHER: "x", SERVICEENTRY_DN: "x" };
      expect(messagesOf({ env })).to.deep.equal([
        "environment variable SERVICEENTRY_DNS_UPSTREAM is unknown. Did you mean SERVICEENTRY_DNS_UPSTREAMS? " +
          "All settings: serviceentry-dns serve --help.",
      ]);
    });

    it("says which variable holds a wrong value", () => {
      expect(messagesOf({ env: { SERVICEENTRY_DNS_CACHE_BYTES: "lots" } })).to.deep.equal([
        'cacheBytes = "lots" (environment variable SERVICEENTRY_DNS_CACHE_BYTES) is not a number of octets. ' +
          "Give octets from 1 MiB to 4 GiB, as a number or with the unit KiB, MiB or GiB.",
      ]);
    });

    it("takes an empty variable as not set", () => {
      expect(load({ env: { SERVICEENTRY_DNS_TTL: "", SERVICEENTRY_DNS_CONFIG: "" } }).settings.ttl).to.equal(
        30,
      );
    });

    it("passes over what Kubernetes says about our own Services", () => {
      const env = {
        SERVICEENTRY_DNS_SERVICE_HOST: "10.96.0.53",
        SERVICEENTRY_DNS_SERVICE_PORT: "53",
        SERVICEENTRY_DNS_SERVICE_PORT_DNS_TCP: "53",
        SERVICEENTRY_DNS_PORT: "udp://10.96.0.53:53",
        SERVICEENTRY_DNS_PORT_53_UDP: "udp://10.96.0.53:53",
        SERVICEENTRY_DNS_PORT_53_UDP_PROTO: "udp",
        SERVICEENTRY_DNS_PORT_53_TCP_ADDR: "10.96.0.53",
        SERVICEENTRY_DNS_METRICS_SERVICE_HOST: "10.96.0.54",
        SERVICEENTRY_DNS_METRICS_PORT_9153_TCP_PORT: "9153",
      };
      expect(messagesOf({ env })).to.deep.equal([]);
    });

    it("knows that it runs in a pod", () => {
      const env = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
      expect(load({ env }).settings.lameduck).to.equal(15);
      expect(load({ env: { ...env, SERVICEENTRY_DNS_LAMEDUCK: "3" } }).settings.lameduck).to.equal(3);
    });
  });

  describe("file", () => {
    it("takes every kind of value, lists as lists or by comma, numbers also in quotes", () => {
      const { settings } = load({
        file: `
listen: ["127.0.0.1:5300", "[::1]:5300"]
upstreams: 192.0.2.1, 192.0.2.2:5353
ttl: "60"
pendingTimeout: 1.5
relayHttps: true
cacheBytes: 64 MiB
defaultExportTo: [".", team-a]
answer: virtual
`,
      });
      expect(settings.listen.map(({ port }) => port)).to.deep.equal([5300, 5300]);
      expect(settings.upstreams).to.have.length(2);
      expect(settings.ttl).to.equal(60);
      expect(settings.pendingTimeout).to.equal(1.5);
      expect(settings.relayHttps).to.equal(true);
      expect(settings.cacheBytes).to.equal(64 * 1024 * 1024);
      expect(settings.defaultExportTo).to.deep.equal([".", "team-a"]);
      expect(settings.answer).to.equal("virtual");
    });

    it("takes JSON, and an empty file as one that sets nothing", () => {
      expect(load({ file: '{"ttl": 9}' }).settings.ttl).to.equal(9);
      expect(load({ file: "# nothing\n" }).settings.ttl).to.equal(30);
      expect(load({ file: "" }).configPath).to.equal("conf/settings.yaml");
    });

    it("names line and nearest key for an unknown one", () => {
      expect(messagesOf({ file: "ttl: 5\n\ncluster-upstream: [192.0.2.1]\n" })).to.deep.equal([
        "conf/settings.yaml:3: key cluster-upstream is unknown. Did you mean clusterUpstreams? " +
          "All settings: serviceentry-dns serve --help.",
      ]);
      expect(messagesOf({ file: "__proto__: 1\ntoString: 2\n" })).to.have.length(2);
    });

    it("names line, value and remedy for a wrong value", () => {
      expect(messagesOf({ file: "answer: auto\nttl: 0\n" })).to.deep.equal([
        'ttl = "0" (conf/settings.yaml:2) is below 1. Give whole seconds from 1 to 3600, without a unit.',
      ]);
      expect(messagesOf({ file: "ttl: .inf" })[0]).to.match(/^ttl = "Infinity" .* is not a finite number\./);
      expect(messagesOf({ file: "ttl: [1, 2]" })[0]).to.match(
        /^ttl = "\[ 1, 2 \]" \(conf\/settings.yaml:1\) is a list\./,
      );
      expect(messagesOf({ file: "relayHttps: 1" })[0]).to.match(/is a number\. Give true or false\.$/);
      expect(messagesOf({ file: "network: 7" })[0]).to.match(
        /is a number\. .* in quotes if it is a number\.$/,
      );
      expect(messagesOf({ file: "upstreams: {a: b}" })[0]).to.match(/is a mapping\./);
      expect(messagesOf({ file: "upstreams: [1]" })[0]).to.match(
        /is a list with elements that are not texts/,
      );
    });

    it("names a key without a value, and YAML's bare ~", () => {
      expect(messagesOf({ file: "network:\n" })).to.deep.equal([
        "network (conf/settings.yaml:1) has no value. Give a name without spaces, in quotes if it is a number.",
      ]);
      expect(messagesOf({ file: "defaultExportTo: ~\n" })[0]).to.include(
        '(in YAML a bare ~ means nothing; write "~")',
      );
    });

    it("gives line and column of broken YAML, and only that", () => {
      const faults = faultsOf(() =>
        loadSettings(inputs({ file: "ttl: 5\nanswer: 'auto\n", resolvConf: "" })),
      );
      expect(faults.map(({ code }) => code)).to.deep.equal(["FileSyntax"]);
      expect(faults[0]!.message).to.match(
        /^conf\/settings\.yaml:\d:\d+: Missing closing 'quote\. Correct the YAML\.$/,
      );
      expect(faults[0]!.origin).to.include({ kind: "file", path: "conf/settings.yaml" });
      expect(messagesOf({ file: "ttl: 5\nttl: 6\n" })[0]).to.match(
        /^conf\/settings\.yaml:2:1: Map keys must be unique/,
      );
      expect(messagesOf({ file: "- ttl\n" })).to.deep.equal([
        "conf/settings.yaml: holds no mapping of settings. Write one setting per line, such as ttl: 30.",
      ]);
    });

    it("survives aliases: of itself, of nothing, and by the billion", () => {
      expect(messagesOf({ file: "ttl: &a [*a]\n" })[0]).to.match(/^ttl = .*Circular.* is a list\./);
      expect(messagesOf({ file: "network: *net\n" })).to.deep.equal([
        "network (conf/settings.yaml:1) Unresolved alias (the anchor must be set before the alias): net. " +
          "A text that begins with * stands in quotes; write no aliases.",
      ]);
      expect(messagesOf({ file: "defaultExportTo: *\n" })[0]).to.match(/^conf\/settings\.yaml:1:\d+: /);
      const levels = Array.from(
        { length: 9 },
        (_, n) =>
          `l${n}: &l${n} [${Array(9)
            .fill(n ? `*l${n - 1}` : "x")
            .join(",")}]`,
      );
      expect(messagesOf({ file: `${levels.join("\n")}\nupstreams: *l8\n` }).at(-1)).to.include(
        "Excessive alias count",
      );
    });

    it("says so when it cannot be read, by flag or by variable", () => {
      expect(messagesOf({ argv: ["--config", "gone.yaml"] })).to.deep.equal([
        'config = "gone.yaml" (flag --config) cannot be read (ENOENT: no such file or directory). ' +
          "Give the path of a readable file.",
      ]);
      expect(messagesOf({ env: { SERVICEENTRY_DNS_CONFIG: "gone.yaml" } })[0]).to.match(
        /^config = "gone\.yaml" \(environment variable SERVICEENTRY_DNS_CONFIG\) cannot be read/,
      );
    });
  });

  describe("what must be given or found", () => {
    it("reads the cluster unless manifests are given", () => {
      expect(loadSettings(inputs({})).settings.source).to.equal("kubernetes");
      expect(loadSettings(inputs({ argv: ["--source", "./kubernetes"] })).settings.source).to.equal(
        "./kubernetes",
      );
    });

    it("reports what was written wrongly once, not also as missing", () => {
      const argv = ["--source", "", "--upstreams", "dns.example"];
      const faults = faultsOf(() => loadSettings(inputs({ argv, resolvConf: "" })));
      expect(faults.map(({ code, setting }) => `${code} ${setting}`)).to.deep.equal([
        "ValueMissing source",
        "ValueInvalid upstreams",
      ]);
    });

    it("asks for upstreams when resolv.conf names none or cannot be read", () => {
      expect(messagesOf({ resolvConf: "search x\n" })[0]).to.match(
        /^upstreams is not set, and \/etc\/resolv\.conf names no nameserver\. Set it with --upstreams, /,
      );
      expect(messagesOf({ more: { resolvConfPath: "/gone" } })[0]).to.match(
        /^upstreams is not set, and \/gone cannot be read \(ENOENT: no such file or directory\)\. Set it with --upstreams/,
      );
    });

    it("does not read resolv.conf when upstreams are given; clusterUpstreams follow them", () => {
      const { settings } = load({ argv: ["--upstreams", "192.0.2.9"], more: { resolvConfPath: "/gone" } });
      expect(settings.clusterUpstreams).to.deep.equal([{ address: "192.0.2.9", port: 53 }]);
      const apart = load({ argv: ["--cluster-upstreams", "192.0.2.8"] }).settings;
      expect(apart.clusterUpstreams).to.deep.equal([{ address: "192.0.2.8", port: 53 }]);
      expect(apart.upstreams).to.deep.equal([{ address: "192.0.2.53", port: 53 }]);
    });

    it("takes a command's own defaults, still under what the user says", () => {
      const defaults = {
        listen: "127.0.0.1:1053,[::1]:1053",
        source: "examples",
        upstreams: "127.0.0.1:1054",
      };
      const argv = ["--listen", ":2053"];
      const { settings, sources } = loadSettings(inputs({ argv, more: { defaults } }));
      expect(settings.listen).to.deep.equal([
        { address: "127.0.0.1", port: 2053, isDefault: true },
        { address: "::1", port: 2053, isDefault: true },
      ]);
      expect(settings.source).to.equal("examples");
      expect(sources.source).to.deep.equal({ kind: "default" });
      expect(loadSettings(inputs({ more: { defaults } })).settings.listen[1]!.isDefault).to.equal(true);
    });
  });

  describe("an upstream that is this server", () => {
    const localAddresses = () => ["10.1.2.3", "fe80::1"];
    const loopOf = (argv: string[]) => messagesOf({ argv, more: { localAddresses } });

    it("is refused, whether named or behind a wildcard", () => {
      expect(loopOf(["--listen", "127.0.0.1:53", "--upstreams", "127.0.0.1"])).to.deep.equal([
        'upstreams = "127.0.0.1:53" (flag --upstreams) is this server itself, which listens on 127.0.0.1:53. ' +
          "Name another DNS server, or change listen.",
      ]);
      expect(loopOf(["--listen", ":53", "--upstreams", "10.1.2.3"])[0]).to.include("listens on 0.0.0.0:53");
      expect(loopOf(["--listen", ":53", "--upstreams", "[::1]:53"])[0]).to.include("listens on [::]:53");
      expect(loopOf(["--listen", ":53", "--cluster-upstreams", "127.9.9.9"])[0]).to.match(
        /^clusterUpstreams = /,
      );
    });

    it("is none on another port, family or machine", () => {
      expect(loopOf(["--upstreams", "127.0.0.1"])).to.deep.equal([]);
      expect(loopOf(["--listen", "0.0.0.0:53", "--upstreams", "[::1]:53"])).to.deep.equal([]);
      expect(loopOf(["--listen", ":53", "--upstreams", "10.1.2.4"])).to.deep.equal([]);
      expect(loopOf(["--listen", "10.1.2.3:53", "--upstreams", "127.0.0.1"])).to.deep.equal([]);
    });
  });

  it("reports everything at once, also what another source overrides", () => {
    const faults = faultsOf(() =>
      load({
        argv: ["--ttl", "5", "--anser", "auto"],
        env: { SERVICEENTRY_DNS_LOG_LEVEL: "loud", SERVICEENTRY_DNS_NOPE: "1" },
        file: "ttl: 0\nmaxStale: soon\nfoo: bar\n",
      }),
    );
    expect(faults.map(({ code, setting }) => `${code} ${setting}`)).to.have.members([
      "UnknownSetting --anser",
      "UnknownSetting SERVICEENTRY_DNS_NOPE",
      "UnknownSetting foo",
      "ValueInvalid logLevel",
      "ValueInvalid ttl",
      "ValueInvalid maxStale",
    ]);
    const error = new SettingsError(faults);
    expect(error.code).to.equal("SettingsInvalid");
    expect(error.message.split("\n")).to.have.length(6);
  });

  it("carries the parts of each fault besides its message", () => {
    const [fault] = faultsOf(() => load({ argv: ["--negative-ttl", "1d"] }));
    const setting: SettingKey = "negativeTtl";
    expect(fault).to.deep.include({
      code: "ValueInvalid",
      setting,
      value: "1d",
      origin: { kind: "flag", flag: "--negative-ttl" },
    });
  });
});
