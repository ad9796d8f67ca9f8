/** What `refuse` asks of the two sets of upstreams. */

import { expect } from "chai";
import { loadSettings } from "../../src/config/load-settings.ts";
import { SettingsError } from "../../src/config/settings-error.ts";

const BASE = ["--source", "x"];

function faultsOf(...argv: readonly string[]): readonly string[] {
  const readFile = () => "nameserver 10.96.0.10\n";
  try {
    loadSettings({ argv: [...BASE, ...argv], env: {}, readFile, localAddresses: () => [] });
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.faults.map(({ code, message }) => `${code} ${message}`);
  }
}

describe("config: refuse", () => {
  it("needs both sets of upstreams, written by the user", () => {
    expect(faultsOf()).to.deep.equal([]);
    expect(faultsOf("--refuse")).to.have.length(2);
    const [fault] = faultsOf("--refuse", "--upstreams", "192.0.2.1");
    expect(fault).to.match(/^SettingRequired clusterUpstreams .*refuse.*--cluster-upstreams/);
  });

  it("does not take an upstream of the cluster, which would ask us first", () => {
    const cluster = ["--cluster-upstreams", "10.96.0.10"];
    expect(faultsOf("--refuse", ...cluster, "--upstreams", "192.0.2.1,10.96.0.10")).to.have.length(1);
    expect(faultsOf("--refuse", ...cluster, "--upstreams", "10.96.0.10")[0]).to.match(
      /^UpstreamAsksUs upstreams = "10\.96\.0\.10:53".*clusterUpstreams.*refuse/,
    );
    expect(faultsOf("--refuse", ...cluster, "--upstreams", "192.0.2.1")).to.deep.equal([]);
    expect(faultsOf(...cluster, "--upstreams", "10.96.0.10")).to.deep.equal([]);
  });

  it("reads trusted forwarders as addresses and prefixes", () => {
    const { settings } = loadSettings({
      argv: [...BASE, "--upstreams", "192.0.2.1", "--trusted-forwarders", "10.1.2.3,fd00::/8"],
      env: {},
      localAddresses: () => [],
    });
    expect(settings.trustedForwarders).to.deep.equal([
      { address: "10.1.2.3", bits: 32 },
      { address: "fd00::", bits: 8 },
    ]);
    expect(faultsOf("--trusted-forwarders", "10.0.0.0/33")[0]).to.match(
      /is no address or prefix\. Give ADDR/,
    );
    expect(faultsOf("--trusted-forwarders", "10.1.2.3,10.1.2.3/32")[0]).to.match(/twice/);
    expect(faultsOf("--rate-limit", "-1")[0]).to.match(/whole number/);
  });
});
