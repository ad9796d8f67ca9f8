/** Every kind of value: what it takes, what it refuses and in which words. */

import { expect } from "chai";
import fc from "fast-check";
import { parseSettingValue, remedyOf } from "../../src/config/setting-value.ts";
import { SETTING_KEYS, type SettingKey, settingSpec } from "../../src/config/settings.ts";

function read(key: SettingKey, ...texts: string[]): unknown {
  const spec = settingSpec(key);
  const parsed = parseSettingValue(spec, texts, { text: spec.default, isValue: false });
  return "value" in parsed ? parsed.value : parsed;
}

const faultOf = (key: SettingKey, ...texts: string[]) => (read(key, ...texts) as { fault?: string }).fault;

describe("config: values of settings", () => {
  it("reads whole numbers within their range", () => {
    expect(read("ttl", "1")).to.equal(1);
    expect(read("ttl", " 3600 ")).to.equal(3600);
    expect(faultOf("ttl", "0")).to.equal("is below 1");
    expect(faultOf("ttl", "3601")).to.equal("is above 3600");
    expect(faultOf("resolvedMaxTtl", "4")).to.equal("is below 5");
    for (const text of ["", "1.5", "30s", "-1", "0x1e", "1e1", "٣"]) {
      expect(faultOf("ttl", text), text).to.equal("is not a whole number");
    }
    expect(remedyOf(settingSpec("ttl"))).to.equal("Give whole seconds from 1 to 3600, without a unit.");
    expect(remedyOf(settingSpec("tcpConnections"))).to.equal("Give a whole number from 1 to 65535.");
  });

  it("reads seconds with fractions", () => {
    expect(read("pendingTimeout", "2.75")).to.equal(2.75);
    expect(read("lameduck", "0")).to.equal(0);
    expect(faultOf("pendingTimeout", "0.05")).to.equal("is below 0.1");
    expect(faultOf("pendingTimeout", "5")).to.equal("is above 4.5");
    for (const text of ["2s", "500ms", ".5", "1.", "Infinity", "NaN"]) {
      expect(faultOf("staleAfter", text), text).to.equal("is not a number of seconds");
    }
  });

  it("reads octets with and without a unit", () => {
    expect(read("cacheBytes", "1048576")).to.equal(1_048_576);
    expect(read("cacheBytes", "64MiB")).to.equal(67_108_864);
    expect(read("cacheBytes", "64 MiB")).to.equal(67_108_864);
    expect(read("cacheBytes", "2048Ki")).to.equal(2_097_152);
    expect(read("cacheBytes", "4 GiB")).to.equal(4_294_967_296);
    expect(faultOf("cacheBytes", "1023 KiB")).to.equal("is below 1 MiB");
    expect(faultOf("cacheBytes", "4097 MiB")).to.equal("is above 4 GiB");
    for (const text of ["", "64 MB", "64m", "1.5 GiB", "MiB"]) {
      expect(faultOf("cacheBytes", text), text).to.equal("is not a number of octets");
    }
    expect(remedyOf(settingSpec("cacheBytes"))).to.equal(
      "Give octets from 1 MiB to 4 GiB, as a number or with the unit KiB, MiB or GiB.",
    );
  });

  it("reads booleans, choices, names and paths", () => {
    expect(read("relayHttps", "true")).to.equal(true);
    expect(read("relayHttps", "false")).to.equal(false);
    expect(faultOf("relayHttps", "yes")).to.equal("is neither true nor false");
    expect(read("answer", "resolved")).to.equal("resolved");
    expect(faultOf("answer", "Resolved")).to.equal("is none of the choices");
    expect(remedyOf(settingSpec("answer"))).to.equal("Give one of auto, virtual, resolved.");
    expect(read("clusterDomain", "K8S.Example.")).to.equal("k8s.example");
    expect(faultOf("clusterDomain", "*.example.com")).to.equal("is a wildcard");
    expect(faultOf("clusterDomain", "a..b")).to.equal("has an empty label");
    expect(faultOf("clusterDomain", "10.0.0.1")).to.equal("is an IP address, not a host name");
    expect(read("network", "network-1")).to.equal("network-1");
    expect(faultOf("network", "two words")).to.equal("holds a space");
    expect(read("source", "manifests/a b")).to.equal("manifests/a b");
    expect(read("source", "kubernetes")).to.equal("kubernetes");
    expect(read("source", "./kubernetes")).to.equal("./kubernetes");
  });

  it("reads addresses to listen on", () => {
    expect(read("listen", "127.0.0.1:53,[::1]:5353")).to.deep.equal([
      { address: "127.0.0.1", port: 53, isDefault: false },
      { address: "::1", port: 5353, isDefault: false },
    ]);
    expect(read("listen", "127.0.0.1", "127.0.0.2:0")).to.deep.equal([
      { address: "127.0.0.1", port: 1053, isDefault: false },
      { address: "127.0.0.2", port: 0, isDefault: false },
    ]);
    expect(read("listen", ":53"), "the default addresses, so softly").to.deep.equal([
      { address: "0.0.0.0", port: 53, isDefault: true },
      { address: "::", port: 53, isDefault: true },
    ]);
    expect(read("admin", "[::]:9000")).to.deep.equal({ address: "::", port: 9000, isDefault: false });
    expect(read("api", ":8080")).to.deep.equal({ address: "127.0.0.1", port: 8080, isDefault: true });
    expect(read("api", "::1"), "port of the default").to.deep.equal({
      address: "::1",
      port: 9154,
      isDefault: false,
    });
    expect(faultOf("admin", "localhost:80")).to.equal("is not an IP address and port");
    expect(faultOf("admin", "1.2.3.4:x")).to.equal('has the port "x", which is not a number from 0 to 65535');
    expect(faultOf("admin", "1.2.3.4:65536")).to.match(/^has the port "65536"/);
    expect(faultOf("admin", "[1.2.3.4]:80")).to.equal("is not an IP address and port");
    expect(faultOf("admin", "1.2.3.4:")).to.match(/^has the port ""/);
    expect(faultOf("listen", "")).to.equal("is empty");
    expect(faultOf("listen", "127.0.0.1:53,,[::1]:53")).to.equal("has an empty element");
    expect(faultOf("listen", "[::1]:53", "[0:0::1]:53")).to.equal("names [::1]:53 twice");
    expect(faultOf("listen", ":53,0.0.0.0:53")).to.equal("names 0.0.0.0:53 twice");
  });

  it("reads upstreams; the port is 53 unless given", () => {
    expect(read("upstreams", "10.0.0.10, fd00::a", "[fd00::b]:5353")).to.deep.equal([
      { address: "10.0.0.10", port: 53 },
      { address: "fd00::a", port: 53 },
      { address: "fd00::b", port: 5353 },
    ]);
    expect(read("upstreams", "::ffff:10.0.0.10"), "mapped").to.deep.equal([
      { address: "10.0.0.10", port: 53 },
    ]);
    expect(faultOf("upstreams", "dns.example.com")).to.equal("is not an IP address");
    expect(faultOf("upstreams", "10.0.0.1,10.0.0.300")).to.equal(
      'has "10.0.0.300", which is not an IP address',
    );
    expect(faultOf("upstreams", ":53")).to.equal("has no address");
    expect(faultOf("upstreams", "10.0.0.1:0")).to.equal("has the port 0");
    expect(faultOf("upstreams", "0.0.0.0")).to.equal("is the unspecified address");
    expect(faultOf("upstreams", "10.0.0.1,10.0.0.1:53")).to.equal("names 10.0.0.1:53 twice");
  });

  it("reads namespaces", () => {
    expect(read("defaultExportTo", ".,istio-system")).to.deep.equal([".", "istio-system"]);
    expect(read("defaultExportTo", "~")).to.deep.equal(["~"]);
    expect(faultOf("defaultExportTo", "Team_A")).to.equal("is no name of a namespace");
    expect(faultOf("defaultExportTo", "**")).to.equal("is no name of a namespace");
  });

  it("reads names of namespaces, domains and addresses", () => {
    expect(read("trustedNamespaces", "istio-system,mesh")).to.deep.equal(["istio-system", "mesh"]);
    expect(faultOf("trustedNamespaces", "*"), "no word of exportTo").to.equal("is no name of a namespace");
    expect(read("searchSuffixes", "Corp.Example.,lan")).to.deep.equal(["corp.example", "lan"]);
    expect(faultOf("searchSuffixes", "*.lan")).to.equal("is a wildcard");
    expect(faultOf("expandSuffixes", "lan,LAN")).to.equal("names lan twice");
    expect(read("serviceAddresses", "10.96.0.53,FD00::35")).to.deep.equal(["10.96.0.53", "fd00::35"]);
    expect(faultOf("serviceAddresses", "10.96.0.0/16")).to.equal("is no address");
    expect(read("virtualRanges", "10.200.0.0/16")).to.deep.equal([{ address: "10.200.0.0", bits: 16 }]);
  });

  it("takes no cluster domain that leaves no room for the SOA's names", () => {
    const domain = (length: number) => `${"a.".repeat(90)}${"b".repeat(length - 180)}`;
    expect(read("clusterDomain", domain(225))).to.equal(domain(225));
    expect(faultOf("clusterDomain", domain(226))).to.equal("is longer than 225 characters");
    const octets = `hostmaster.serviceentry-dns.${domain(225)}`.length + 2;
    expect(octets).to.equal(255);
  });

  it("takes any text without throwing, and gives a value or a sentence", () => {
    fc.assert(
      fc.property(fc.constantFrom(...SETTING_KEYS), fc.array(fc.string(), { maxLength: 3 }), (key, texts) => {
        const spec = settingSpec(key);
        const parsed = parseSettingValue(spec, texts, { text: spec.default, isValue: false });
        expect("value" in parsed || /^[a-z]/.test(parsed.fault)).to.equal(true);
      }),
    );
  });
});
