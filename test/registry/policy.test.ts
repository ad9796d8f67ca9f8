import { expect } from "chai";
import fc from "fast-check";
import type { Namespace } from "../../src/mesh/objects.ts";
import { createAllocatedTest } from "../../src/mesh/virtual-addresses.ts";
import { forbiddenKind, isDelegated, judgeName, namespaceLabelOf } from "../../src/registry/policy.ts";
import { isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { type IpPrefix, parseIpPrefix } from "../../src/wire/ip-address.ts";
import { host, ip } from "./support.ts";

function prefix(text: string): IpPrefix {
  const read = parseIpPrefix(text);
  if (read === null) throw new Error(`no prefix: ${text}`);
  return read;
}

/** `dev` and `app` are top-level domains, too. */
const NAMESPACES: ReadonlySet<Namespace> = new Set(["shop", "payments", "internal", "dev", "app"]);

function verdictOn(name: string, home = "shop", clusterDomain = "cluster.local") {
  const verdict = judgeName(host(name), home, {
    clusterDomain: host(clusterDomain),
    namespaceExists: (each) => NAMESPACES.has(each),
  });
  if (verdict.kind === "refused") return verdict.code;
  return verdict.isFallback ? "fallback" : "own";
}

describe("judgeName", () => {
  const reserved = [
    "cluster.local",
    "kubernetes.default.svc.cluster.local",
    "*.cluster.local",
    "a.cluster.local",
    "clusterset.local",
    "a.b.svc.clusterset.local",
    "*.clusterset.local",
    "reviews.default.svc",
    "1-2-3-4.default.pod",
    "svc",
    "pod",
    "*.default.svc",
    "*.svc",
    "4.3.2.1.in-addr.arpa",
    "in-addr.arpa",
    "*.ip6.arpa",
    "localhost",
    "db.localhost",
    "thing.invalid",
    "*.invalid",
  ];
  for (const name of reserved)
    it(`${name} is reserved`, () => {
      expect(verdictOn(name)).to.equal("HostReserved");
    });

  for (const name of ["*.com", "*.local", "*.x", "*.payments"])
    it(`${name} is too wide`, () => {
      expect(verdictOn(name)).to.equal("WildcardTooWide");
    });

  const own = [
    "a.example",
    "db",
    "payments",
    "*.example.com",
    "cluster.local.example",
    "mycluster.local",
    "cluster.localx",
    "svc.example",
    "pod.svc.example",
    "arpa",
    "in-addr.arpa.example",
    "invalid.example",
  ];
  for (const name of own)
    it(`${name} may be claimed`, () => {
      expect(verdictOn(name)).to.equal("own");
    });

  it("follows the cluster domain", () => {
    expect(verdictOn("a.k8s.corp.example", "shop", "k8s.corp.example")).to.equal("HostReserved");
    expect(verdictOn("*.k8s.corp.example", "shop", "k8s.corp.example")).to.equal("HostReserved");
    expect(verdictOn("a.cluster.local", "shop", "k8s.corp.example")).to.equal("own");
    expect(verdictOn("*.corp.example", "shop", "k8s.corp.example")).to.equal("own");
  });

  describe("below the cluster domain", () => {
    it("takes a Service's name of the entry's own namespace as a fallback", () => {
      expect(verdictOn("db.shop.svc.cluster.local")).to.equal("fallback");
      expect(verdictOn("db.shop.svc.k8s.example", "shop", "k8s.example")).to.equal("fallback");
      expect(verdictOn("db.gone.svc.cluster.local", "gone")).to.equal("fallback");
    });

    const others = [
      "db.payments.svc.cluster.local",
      "*.shop.svc.cluster.local",
      "pod-0.db.shop.svc.cluster.local",
      "shop.svc.cluster.local",
      "db.shop.pod.cluster.local",
      "db.shop.svc.x.cluster.local",
      "db.xshop.svc.cluster.local",
    ];
    for (const name of others)
      it(`refuses ${name}`, () => {
        expect(verdictOn(name)).to.equal("HostReserved");
      });
  });

  describe("names that Kubernetes' short forms spell", () => {
    const cases: readonly (readonly [name: string, home: Namespace, verdict: string])[] = [
      ["api.payments", "shop", "HostReserved"],
      ["api.payments", "payments", "own"],
      ["pod-0.db.payments", "shop", "HostReserved"],
      ["*.db.payments", "shop", "HostReserved"],
      ["*.db.payments", "payments", "own"],
      ["a.b.c.payments", "shop", "own"],
      ["api.gone", "shop", "own"],
      ["payments.example", "shop", "own"],
      ["api.dev", "shop", "own"],
      ["db.internal", "shop", "HostReserved"],
    ];
    for (const [name, home, verdict] of cases)
      it(`${name} of an entry in ${home}: ${verdict}`, () => {
        expect(verdictOn(name, home)).to.equal(verdict);
      });

    it("says which namespace it is", () => {
      const context = { clusterDomain: host("cluster.local"), namespaceExists: () => true };
      const verdict = judgeName(host("api.payments"), "shop", context);
      expect(verdict).to.deep.include({ kind: "refused" });
      expect(verdict.kind === "refused" && verdict.message).to.include("namespace payments");
    });
  });

  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?$/);
  const name = fc
    .tuple(fc.constantFrom("", "*."), fc.array(label, { minLength: 1, maxLength: 5 }))
    .map(([star, labels]) => star + labels.join("."))
    .filter((text) => isHostName(parseHostName(text)));

  it("gives nobody a name that a search list could make of a Service of another namespace", () => {
    fc.assert(
      fc.property(label, label, label, label, (service, namespace, home, podName) => {
        fc.pre(namespace !== home && !isDelegated(host(`x.${namespace}`), []));
        const context = { clusterDomain: host("cluster.local"), namespaceExists: () => true };
        const forms = [
          `${service}.${namespace}`,
          `${podName}.${service}.${namespace}`,
          `${service}.${namespace}.svc`,
          `${podName}.${service}.${namespace}.svc`,
          `${service}.${namespace}.svc.cluster.local`,
          `${podName}.${namespace}.pod.cluster.local`,
          `${podName}.${service}.${namespace}.svc.cluster.local`,
        ];
        for (const form of forms) {
          if (!isHostName(parseHostName(form))) continue;
          expect(judgeName(host(form), home, context).kind, form).to.equal("refused");
        }
      }),
    );
  });

  it("depends on a Namespace only where namespaceLabelOf says so", () => {
    fc.assert(
      fc.property(name, label, (text, home) => {
        const judged = (exists: boolean) =>
          judgeName(host(text), home, {
            clusterDomain: host("cluster.local"),
            namespaceExists: (each) => exists && each === namespaceLabelOf(host(text)),
          });
        const everywhere = judgeName(host(text), home, {
          clusterDomain: host("cluster.local"),
          namespaceExists: () => true,
        });
        expect(judged(true)).to.deep.equal(everywhere);
        if (namespaceLabelOf(host(text)) === undefined) expect(judged(false)).to.deep.equal(everywhere);
      }),
    );
  });
});

describe("isDelegated", () => {
  const cases: readonly (readonly [name: string, suffixes: readonly string[], delegated: boolean])[] = [
    ["api.example.com", [], true],
    ["*.example.com", [], true],
    ["com", [], true],
    ["api.shop.dev", [], true],
    ["яндекс.xn--p1ai", [], true],
    ["api.corp.internal", [], false],
    ["api.example", [], false],
    ["kubernetes", [], false],
    ["api.corp.internal", ["internal"], true],
    ["api.corp.internal", ["corp.internal"], true],
    ["*.corp.internal", ["corp.internal"], true],
    ["xcorp.internal", ["corp.internal"], false],
    ["x.svc", ["internal"], false],
  ];
  for (const [name, suffixes, delegated] of cases)
    it(`${name} with [${suffixes}]: ${delegated}`, () => {
      const ascii = name.replace("яндекс", "xn--d1acpjx3f");
      expect(isDelegated(host(ascii), suffixes)).to.equal(delegated);
    });
});

describe("forbiddenKind", () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "a loopback address": ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
    "an unspecified address": ["0.0.0.0", "0.1.2.3", "::"],
    "a link-local address": ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1"],
    "a multicast address": ["224.0.0.1", "239.255.255.255", "ff02::fb", "ff00::"],
    "a broadcast address": ["255.255.255.255", "::ffff:255.255.255.255"],
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
    "240.240.0.1",
    "255.255.255.254",
    "fec0::1",
    "fd00::1",
    "::2",
    "fe8::1",
    "ff::1",
  ];
  for (const address of allowed)
    it(`${address} may be answered`, () => {
      expect(forbiddenKind(ip(address))).to.equal(undefined);
    });

  it("lets pass what the operator allows, and no more", () => {
    const allowance = [prefix("169.254.169.0/24"), prefix("::1/128")];
    expect(forbiddenKind(ip("169.254.169.254"), allowance)).to.equal(undefined);
    expect(forbiddenKind(ip("::ffff:169.254.169.254"), allowance)).to.equal(undefined);
    expect(forbiddenKind(ip("169.254.170.1"), allowance)).to.equal("a link-local address");
    expect(forbiddenKind(ip("::1"), allowance)).to.equal(undefined);
    expect(forbiddenKind(ip("127.0.0.1"), allowance)).to.equal("a loopback address");
  });
});

describe("createAllocatedTest", () => {
  const isAllocated = createAllocatedTest([prefix("10.96.0.0/16"), prefix("fd00:1::/32")]);
  const cases: readonly (readonly [address: string, allocated: boolean])[] = [
    ["240.240.0.1", true],
    ["239.255.255.255", false],
    ["198.18.0.1", true],
    ["198.19.255.255", true],
    ["198.20.0.0", false],
    ["198.17.255.255", false],
    ["2001:2::f0f0:1", true],
    ["2001:2:0:ffff::1", true],
    ["2001:2:1::1", false],
    ["10.96.4.4", true],
    ["10.97.0.1", false],
    ["fd00:1::5", true],
    ["fd00:2::5", false],
  ];
  for (const [address, allocated] of cases)
    it(`${address}: ${allocated}`, () => {
      expect(isAllocated(ip(address))).to.equal(allocated);
    });
});
