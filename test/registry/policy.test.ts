import { expect } from "chai";
import { forbiddenKind, hostFault } from "../../src/registry/policy.ts";
import { host, ip } from "./support.ts";

describe("hostFault", () => {
  const reserved = [
    "cluster.local",
    "kubernetes.default.svc.cluster.local",
    "*.cluster.local",
    "clusterset.local",
    "a.b.svc.clusterset.local",
    "reviews.default.svc",
    "1-2-3-4.default.pod",
    "svc",
    "*.default.svc",
    "4.3.2.1.in-addr.arpa",
    "*.ip6.arpa",
    "localhost",
    "db.localhost",
    "thing.invalid",
  ];
  for (const name of reserved)
    it(`${name} is reserved`, () => {
      expect(hostFault(host(name), host("cluster.local"))?.code).to.equal("HostReserved");
    });

  for (const name of ["*.com", "*.local", "*.x"])
    it(`${name} is too wide`, () => {
      expect(hostFault(host(name), host("cluster.local"))?.code).to.equal("WildcardTooWide");
    });

  const allowed = [
    "a.example",
    "db",
    "*.example.com",
    "cluster.local.example",
    "mycluster.local",
    "svc.example",
    "arpa",
  ];
  for (const name of allowed)
    it(`${name} may be claimed`, () => {
      expect(hostFault(host(name), host("cluster.local"))).to.equal(undefined);
    });

  it("follows the cluster domain", () => {
    expect(hostFault(host("a.k8s.corp.example"), host("k8s.corp.example"))?.code).to.equal("HostReserved");
    expect(hostFault(host("a.cluster.local"), host("k8s.corp.example"))).to.equal(undefined);
  });
});

describe("forbiddenKind", () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    loopback: ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
    unspecified: ["0.0.0.0", "0.1.2.3", "::"],
    "link-local": ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1"],
    multicast: ["224.0.0.1", "239.255.255.255", "ff02::fb", "ff00::"],
    broadcast: ["255.255.255.255", "::ffff:255.255.255.255"],
  };
  for (const [kind, addresses] of Object.entries(cases))
    for (const address of addresses)
      it(`${address} is ${kind}`, () => {
        expect(forbiddenKind(ip(address))).to.equal(kind);
      });

  const allowed = [
    "1.1.1.1",
    "10.0.0.1",
    "126.9.9.9",
    "128.0.0.1",
    "169.253.1.1",
    "169.255.1.1",
    "223.1.1.1",
  ];
  for (const address of [
    ...allowed,
    "240.240.0.1",
    "255.255.255.254",
    "fec0::1",
    "fd00::1",
    "::2",
    "fe8::1",
    "ff::1",
  ])
    it(`${address} may be answered`, () => {
      expect(forbiddenKind(ip(address))).to.equal(undefined);
    });
});
