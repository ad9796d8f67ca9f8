/** The table of settings itself: names, defaults, derived spellings. */

import { expect } from "chai";
import { loadSettings } from "../../src/config/load-settings.ts";
import { parseSettingValue, remedyOf } from "../../src/config/setting-value.ts";
import {
  environmentVariableOf,
  flagOf,
  isSettingKey,
  SETTING_KEYS,
  settingSpec,
} from "../../src/config/settings.ts";

describe("config: table of settings", () => {
  it("spells keys as flags and environment variables", () => {
    expect(flagOf("ttl")).to.equal("--ttl");
    expect(flagOf("clusterUpstreams")).to.equal("--cluster-upstreams");
    expect(flagOf("maxInFlightPerClient")).to.equal("--max-in-flight-per-client");
    expect(environmentVariableOf("maxInFlightPerClient")).to.equal(
      "SERVICEENTRY_DNS_MAX_IN_FLIGHT_PER_CLIENT",
    );
    expect(new Set(SETTING_KEYS.map(flagOf)).size).to.equal(SETTING_KEYS.length);
  });

  it("has a default that its own parser takes, a meaning and a remedy for every setting", () => {
    for (const key of SETTING_KEYS) {
      const spec = settingSpec(key);
      for (const text of [spec.default, spec.defaultInPod]) {
        if (text === null || text === undefined) continue;
        expect(parseSettingValue(spec, [text], { text, isValue: true }), key).to.have.property("value");
      }
      expect(spec.default === null ? spec.defaultText : "said", key).to.be.a("string");
      expect(spec.meaning, key).to.match(/^[A-Z].*\.$/);
      expect(remedyOf(spec), key).to.match(/^Give .*\.$/);
    }
  });

  it("asks for a restart for what is opened at start, and for nothing else", () => {
    const restart = SETTING_KEYS.filter((key) => settingSpec(key).restartNeeded === true);
    expect(restart).to.have.members([
      ...["listen", "admin", "api", "source", "threads"],
      ...["udp", "snapshot", "reporter", "conditions"],
    ]);
  });

  it("knows its keys, and no others that every object has", () => {
    expect(isSettingKey("ttl")).to.equal(true);
    for (const other of ["toString", "__proto__", "constructor", "TTL", "thread", ""]) {
      expect(isSettingKey(other), other).to.equal(false);
    }
  });

  it("gives the defaults that are documented", () => {
    const readFile = () => "nameserver 10.96.0.10\n";
    const { settings, sources } = loadSettings({ argv: ["--source", "x"], env: {}, readFile });
    expect(settings).to.deep.equal({
      listen: [
        { address: "0.0.0.0", port: 1053, isDefault: true },
        { address: "::", port: 1053, isDefault: true },
      ],
      admin: { address: "0.0.0.0", port: 9153, isDefault: true },
      api: { address: "127.0.0.1", port: 9154, isDefault: true },
      source: "x",
      clusterDomain: "cluster.local",
      network: undefined,
      defaultExportTo: ["*"],
      excludeSelectors: undefined,
      hostsPerNamespace: 20_000,
      namesPerNamespace: 10_000,
      answer: "auto",
      virtualRanges: undefined,
      serviceAddresses: undefined,
      ttl: 30,
      workloadTtl: 5,
      resolvedMaxTtl: 30,
      negativeTtl: 5,
      pendingTimeout: 2.5,
      maxStale: 3600,
      relayHttps: false,
      explainTxt: false,
      trustedNamespaces: ["istio-system", "serviceentry-dns"],
      defaultVisibility: "public",
      hostPolicy: undefined,
      searchSuffixes: undefined,
      suffixAnswer: "cname",
      expandSuffixes: undefined,
      suffixView: true,
      shortServiceNames: true,
      serverId: undefined,
      tellServerId: true,
      upstreams: [{ address: "10.96.0.10", port: 53 }],
      clusterUpstreams: [{ address: "10.96.0.10", port: 53 }],
      staleAfter: 1,
      refuse: false,
      cacheBytes: 33_554_432,
      cacheMaxTtl: 3600,
      maxInFlight: 4096,
      maxInFlightPerClient: 256,
      rateLimit: 0,
      trustedForwarders: undefined,
      tcpConnections: 4096,
      tcpPerAddress: 128,
      threads: 1,
      lameduck: 0,
      udp: "auto",
      snapshot: undefined,
      reporter: false,
      publish: "annotated",
      conditions: false,
      logLevel: "info",
    });
    expect(sources.ttl).to.deep.equal({ kind: "default" });
    expect(sources.source).to.deep.equal({ kind: "flag", flag: "--source" });
  });
});
