/**
 * Real resolvers in a pod with `ndots:5` and the usual search domains: what they make of our answers, and how many
 * queries a lookup costs, counted where they arrive.
 */

import { join } from "node:path";
import { expect } from "chai";
import type { Pod } from "../support/network-namespaces.ts";
import { needNetwork, SUITE_PATIENCE_MS } from "./needs.ts";
import { addressesIn, type Resolver, resolvers } from "./resolvers.ts";
import { CORE_DNS_ADDRESS, OUR_ADDRESS, World } from "./world.ts";

/** Hosts by what makes them different for a resolver, and what each must be answered. */
const HOSTS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  "both families from upstream": [
    "httpbin.org",
    ["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"],
  ],
  "IPv4 alone": ["static-service.example.com", ["192.168.1.100", "192.168.1.101"]],
  "IPv6 alone": ["six.example.com", ["2001:db8:6::6"]],
  "a wildcard": ["any.depth.apps.example.com", ["198.51.100.9"]],
  "no public domain": ["db.shop.internal", ["10.20.30.40"]],
};

const SITUATIONS = ["upstream answers", "every upstream refuses", "every upstream is silent"] as const;

describe("end to end: resolvers", function () {
  this.timeout(SUITE_PATIENCE_MS);
  let world: World;
  let pod: Pod;
  let asked: readonly Resolver[];

  before(async function () {
    needNetwork(this);
    world = await World.open();
    [asked] = await Promise.all([resolvers(join(world.folder, "resolvers")), world.apply(ENTRIES)]);
    pod = await world.addPod("sleep-9454cc476-86vgb", "10.244.1.6");
    // Node's resolver is always here.
    const { command } = asked.find(({ name }) => name === "Node lookup")!;
    await world.until(async () => (await pod.run(command("httpbin.org"))).status === 0);
  });

  after(async () => {
    await world?.close();
  });

  for (const situation of SITUATIONS) {
    describe(situation, () => {
      const isSilent = situation === "every upstream is silent";
      const isDown = situation !== "upstream answers";

      before(async () => {
        if (isDown) await world.stopUpstreams(isSilent);
        const withinMs = isDown ? "1000" : "20000";
        const answers = await pod.run([process.execPath, "-e", ASK_UPSTREAM, CORE_DNS_ADDRESS, withinMs]);
        expect(answers.status, answers.out + answers.error).to.equal(isDown ? 1 : 0);
      });

      after(async () => {
        if (isDown) await world.mendUpstreams(isSilent);
      });

      for (const [kind, [host, expected]] of Object.entries(HOSTS)) {
        it(`needs 2 queries in all for a host with ${kind}, with every resolver`, async () => {
          for (const { name, command } of asked) {
            const before = await world.queries();
            const { status, out, error } = await pod.run(command(host));
            const count = (await world.queries()) - before;
            const found = addressesIn(out, OUR_ADDRESS);
            expect({ name, status, found, count }, `${out}${error}`).to.deep.equal({
              name,
              status: 0,
              found: expected,
              count: 2,
            });
          }
        });
      }
    });
  }

  it("finds Services by the short forms that busybox asks for as they are", async function () {
    if (!asked.some(({ name }) => name === "busybox nslookup")) this.skip();
    for (const name of [
      "kubernetes.default",
      "kubernetes.default.svc",
      "httpbin.default.svc.cluster.local",
    ]) {
      const { status, out } = await pod.run(["busybox", "nslookup", name]);
      const address = name.startsWith("httpbin") ? "10.96.44.10" : "10.96.0.1";
      expect([status, addressesIn(out, OUR_ADDRESS)], out).to.deep.equal([0, [address]]);
    }
    expect((await pod.run(["busybox", "nslookup", "no-such-service.default"])).status).to.equal(1);
  });

  it("gives each what it takes of 60 addresses, which do not fit a datagram", async () => {
    const all = Array.from({ length: 60 }, (_, index) => `10.60.0.${index + 1}`).sort();
    for (const { name, command } of asked) {
      const { status, out, error } = await pod.run(command("sixty.example.com"));
      const found = addressesIn(out, OUR_ADDRESS);
      expect([name, status], out + error).to.deep.equal([name, 0]);
      // These two have no TCP: they take what is in the datagram.
      if (/musl|busybox/.test(name)) {
        expect(found.length, name).to.be.within(20, 60);
        expect(all).to.include.members(found);
      } else {
        expect([name, found]).to.deep.equal([name, all]);
      }
    }
  });

  it("says soon that a host does not exist which upstream denies", async () => {
    for (const { name, command } of asked) {
      const { durationMs: usualMs } = await pod.run(command("static-service.example.com"));
      const { status, out, durationMs } = await pod.run(command("gone.example.com"));
      expect([name, addressesIn(out, OUR_ADDRESS)]).to.deep.equal([name, []]);
      if (name !== "bind dig") expect(status, name).to.not.equal(0);
      // Most of the time goes into starting the resolver; on a busy machine that is long.
      expect(durationMs, name).to.be.below(REPEATED_MS + 3 * usualMs);
    }
  });

  it("leaves the names of upstream and of nobody as they are", async () => {
    for (const { name, command } of asked) {
      const found = await pod.run(command("example.net"));
      expect([name, found.status, addressesIn(found.out, OUR_ADDRESS)]).to.deep.equal([
        name,
        0,
        ["192.0.2.82"],
      ]);
      const absent = await pod.run(command("no-such-host.example.com"));
      expect([name, addressesIn(absent.out, OUR_ADDRESS)]).to.deep.equal([name, []]);
      if (name !== "bind dig") expect(absent.status, `${name}: ${absent.out}`).to.not.equal(0);
    }
  });
});

/** When a resolver asks again, by the option "timeout" of the pods. */
const REPEATED_MS = 2_000;

/** Fails when the server of the first argument says nothing within the milliseconds of the second. */
const ASK_UPSTREAM = `
  const resolver = new (require("node:dns").promises.Resolver)({ timeout: Number(process.argv[2]), tries: 1 });
  resolver.setServers([process.argv[1]]);
  resolver.resolve4("example.net").catch(() => process.exit(1));
`;

const ENTRIES = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: httpbin, namespace: default }
spec:
  hosts: [httpbin.org]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: four, namespace: default }
spec:
  hosts: [static-service.example.com]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: STATIC
  endpoints: [{ address: 192.168.1.100 }, { address: 192.168.1.101 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: six, namespace: default }
spec:
  hosts: [six.example.com]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: STATIC
  endpoints: [{ address: "2001:db8:6::6" }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wildcard, namespace: default }
spec:
  hosts: ["*.apps.example.com"]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: STATIC
  endpoints: [{ address: 198.51.100.9 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: internal, namespace: default }
spec:
  hosts: [db.shop.internal]
  ports: [{ number: 5432, name: tcp, protocol: TCP }]
  resolution: STATIC
  endpoints: [{ address: 10.20.30.40 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: gone, namespace: default }
spec:
  hosts: [gone.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: sixty, namespace: default }
spec:
  hosts: [sixty.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [${Array.from({ length: 60 }, (_, index) => `{ address: 10.60.0.${index + 1} }`).join(", ")}]
`;
