/**
 * Pods of several namespaces, with and without a mesh, and one that the API server does not know: each asks with a
 * resolver of its own from an address of its own, and gets what it may see, and the kind of address that it can use.
 */

import { join } from "node:path";
import { expect } from "chai";
import { hasCommand, type Pod } from "../support/network-namespaces.ts";
import { needNetwork, SUITE_PATIENCE_MS, say } from "./needs.ts";
import type { PodOptions } from "./pod-object.ts";
import { addressesIn, type Resolver, resolvers } from "./resolvers.ts";
import { OUR_ADDRESS, World } from "./world.ts";

const PODS = {
  "tenant-a": ["10.244.2.1", { namespace: "tenant-a" }],
  "tenant-b": ["10.244.2.2", { namespace: "tenant-b" }],
  other: ["10.244.2.3", { namespace: "other" }],
  stranger: ["10.244.2.4", { isKnown: false, searchNamespace: "other" }],
  "stranger that searches tenant-b": ["10.244.2.5", { isKnown: false, searchNamespace: "tenant-b" }],
  ambient: ["10.244.2.6", { annotations: { "ambient.istio.io/redirection": "enabled" } }],
  "ambient with both families": [
    "10.244.2.7",
    { annotations: { "ambient.istio.io/redirection": "enabled" }, ipv6: "fd00:10:244::7" },
  ],
  kmesh: ["10.244.2.8", { annotations: { "kmesh.net/redirection": "enabled" } }],
  sidecar: ["10.244.2.9", { annotations: { "sidecar.istio.io/status": '{"version":"1"}' } }],
} as const satisfies Readonly<Record<string, readonly [string, PodOptions]>>;

type PodName = keyof typeof PODS;

/** Host, and what each pod gets; `rest`: every pod that is not named. */
const EXPECTED: readonly (readonly [
  string,
  string,
  Partial<Record<PodName, string[]>> & { readonly rest: string[] },
])[] = [
  [
    "claimed by two tenants for themselves, and by one for all",
    "ledger.example.com",
    {
      "tenant-a": ["10.1.0.1"],
      "tenant-b": ["10.1.0.2"],
      "stranger that searches tenant-b": ["10.1.0.2"],
      rest: ["10.1.0.3"],
    },
  ],
  [
    "exported to one namespace, and public on the internet",
    "vault.example.com",
    { "tenant-a": ["10.1.0.4"], rest: ["198.51.100.77"] },
  ],
  ["exported to nobody, and unknown to the internet", "nobody.example.com", { rest: [] }],
  [
    "with allocated addresses and endpoints",
    "allocated.example.com",
    {
      ambient: ["240.240.0.5"],
      "ambient with both families": ["2001:2::5", "240.240.0.5"],
      kmesh: ["240.240.0.5"],
      rest: ["10.1.0.5"],
    },
  ],
  [
    "with addresses of the user's own and endpoints",
    "written.example.com",
    {
      "tenant-a": ["10.1.0.6"],
      "tenant-b": ["10.1.0.6"],
      other: ["10.1.0.6"],
      rest: ["10.3.0.6"],
    },
  ],
  [
    "with allocated addresses, by DNS",
    "httpbin.org",
    {
      ambient: ["240.240.0.7"],
      "ambient with both families": ["240.240.0.7"],
      kmesh: ["240.240.0.7"],
      rest: ["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"],
    },
  ],
];

describe("end to end: who sees what", function () {
  this.timeout(SUITE_PATIENCE_MS);
  let world: World;
  const pods = new Map<string, Pod>();
  let asked: readonly Resolver[];

  before(async function () {
    needNetwork(this);
    world = await World.open({
      zone: "vault.example.com 30 A 198.51.100.77\n",
      flags: ["--explain-txt=true"],
    });
    for (const [name, [address, options]] of Object.entries(PODS)) {
      pods.set(name, await world.addPod(name.replaceAll(" ", "-"), address, options));
    }
    await world.apply(ENTRIES);
    // One of each libc; musl reports every doubtful answer as an error.
    const names = [
      "glibc getent",
      "glibc getaddrinfo",
      "musl getaddrinfo",
      "busybox nslookup",
      "Node lookup",
    ] as const;
    asked = await resolvers(join(world.folder, "resolvers"), ...names);
    await world.until(async () => (await addressesOf(asked[0]!, "sidecar", "httpbin.org")).length === 4);
    await world.until(
      async () => (await addressesOf(asked[0]!, "tenant-a", "vault.example.com"))[0] === "10.1.0.4",
    );
  });

  after(async () => {
    await world?.close();
  });

  async function addressesOf({ command }: Resolver, pod: string, host: string): Promise<string[]> {
    return addressesIn((await pods.get(pod)!.run(command(host))).out, OUR_ADDRESS);
  }

  for (const [kind, host, expected] of EXPECTED) {
    it(`shows each pod its view of a host ${kind}`, async () => {
      const found = await Promise.all(
        Object.keys(PODS).map(async (pod) => {
          const answers: unknown[] = [];
          // One after the other: busybox searches no domains, but what glibc has shown of a stranger counts for it.
          for (const resolver of asked) {
            answers.push([pod, resolver.name, await addressesOf(resolver, pod, host)]);
          }
          return answers;
        }),
      );
      expect(found.flat()).to.deep.equal(
        Object.keys(PODS).flatMap((pod) =>
          asked.map(({ name }) => [pod, name, expected[pod as PodName] ?? expected.rest]),
        ),
      );
    });
  }

  it("follows a pod whose address goes to a pod of another namespace", async () => {
    const script = `
      kubectl delete pod other -n other
      kubectl apply -f - <<EOF
      {"apiVersion":"v1","kind":"Pod","metadata":{"name":"later","namespace":"tenant-a"},"spec":{},
       "status":{"phase":"Running","podIP":"${PODS.other[0]}","podIPs":[{"ip":"${PODS.other[0]}"}]}}\nEOF\n`;
    const { status, error } = await world.shell(script);
    expect([status, error]).to.deep.equal([0, ""]);
    // glibc and musl search other's domains still: the suffix of another namespace than their own is upstream's.
    await world.until(
      async () => (await addressesOf(asked[0]!, "other", "ledger.example.com."))[0] === "10.1.0.1",
    );
  });

  it("tells a plain pod by TXT why it gets what it gets, and a stranger nothing", async function () {
    if (!hasCommand("dig")) {
      say("not asked for TXT: there is no dig in PATH");
      this.skip();
    }
    const why = (pod: string) => pods.get(pod)!.run(["dig", "+short", "TXT", "_why.vault.example.com"]);
    expect((await why("tenant-a")).out).to.match(/tenant-a|shared/);
    expect((await why("tenant-b")).out).to.equal("");
    expect((await why("stranger")).out).to.equal("");
  });
});

function entry(namespace: string, name: string, host: string, spec: object, status?: object): string {
  return JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace, creationTimestamp: "2025-01-01T00:00:00Z" },
    spec: { hosts: [host], ports: [{ number: 80, name: "http", protocol: "HTTP" }], ...spec },
    ...(status === undefined ? {} : { status }),
  });
}

function fixed(address: string, more: object = {}): object {
  return { resolution: "STATIC", endpoints: [{ address }], ...more };
}

function allocated(host: string, ...values: readonly string[]): object {
  return { addresses: values.map((value) => ({ value, host })) };
}

const ENTRIES = [
  ...["tenant-a", "tenant-b", "other", "shared"].map((name) =>
    JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
  ),
  entry("tenant-a", "ledger", "ledger.example.com", fixed("10.1.0.1", { exportTo: ["."] })),
  entry("tenant-b", "ledger", "ledger.example.com", fixed("10.1.0.2", { exportTo: ["."] })),
  entry("shared", "ledger", "ledger.example.com", fixed("10.1.0.3")),
  entry("shared", "vault", "vault.example.com", fixed("10.1.0.4", { exportTo: ["tenant-a"] })),
  entry("shared", "nobody", "nobody.example.com", fixed("10.1.0.8", { exportTo: ["~"] })),
  entry(
    "shared",
    "allocated",
    "allocated.example.com",
    fixed("10.1.0.5"),
    allocated("allocated.example.com", "240.240.0.5", "2001:2::5"),
  ),
  entry("shared", "written", "written.example.com", fixed("10.1.0.6", { addresses: ["10.3.0.6"] })),
  entry("shared", "httpbin", "httpbin.org", { resolution: "DNS" }, allocated("httpbin.org", "240.240.0.7")),
].join("\n---\n");
