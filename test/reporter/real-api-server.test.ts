/** The writes against a real API server: what it accepts, what it refuses, and what kubectl shows of them. */

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import type { WritingApiClient } from "../../src/cluster/api-client.ts";
import { ApiWriter, objectPath } from "../../src/cluster/api-writes.ts";
import { connectCluster } from "../../src/cluster/connection.ts";
import { Lease } from "../../src/cluster/lease.ts";
import { WriteCounts } from "../../src/cluster/metrics.ts";
import { WriteFault } from "../../src/cluster/write-fault.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { ObjectRef } from "../../src/mesh/objects.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";
import { problem } from "../../src/mesh/problem.ts";
import { Reporter } from "../../src/reporter/reporter.ts";
import { silentLogger, systemClock, systemRandom } from "../../src/runtime.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { untilEqual } from "../support/waiting.ts";

const CRDS = resolve(import.meta.dirname, "../fixtures/crds");
const NAMESPACE = "serviceentry-dns";
/** All that the program needs to write, and no more. */
const ROLES = [
  {
    kind: "ClusterRole",
    apiVersion: "rbac.authorization.k8s.io/v1",
    metadata: { name: "writer" },
    rules: [
      { apiGroups: ["networking.istio.io"], resources: ["serviceentries"], verbs: ["get", "list"] },
      { apiGroups: ["networking.istio.io"], resources: ["serviceentries/status"], verbs: ["patch"] },
      { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
    ],
  },
  {
    kind: "Role",
    apiVersion: "rbac.authorization.k8s.io/v1",
    metadata: { name: "leader", namespace: NAMESPACE },
    rules: [
      { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        resourceNames: [NAMESPACE],
        verbs: ["get", "update"],
      },
    ],
  },
  {
    kind: "Role",
    apiVersion: "rbac.authorization.k8s.io/v1",
    metadata: { name: "publisher", namespace: NAMESPACE },
    rules: [{ apiGroups: [""], resources: ["services"], verbs: ["get", "create", "patch", "delete"] }],
  },
];
const ENTRY: ObjectRef = { kind: "ServiceEntry", namespace: "default", name: "external-fake-svc" };
const MANIFEST = {
  apiVersion: "networking.istio.io/v1",
  kind: "ServiceEntry",
  metadata: { name: ENTRY.name, namespace: ENTRY.namespace },
  spec: {
    hosts: ["kmesh-fake.com"],
    ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8000 }],
    resolution: "DNS",
    endpoints: [{ address: "httpbin.default.svc.cluster.local" }],
  },
};

describe("writes to a real API server", function () {
  this.timeout(240_000);
  let server: RealApiServer;
  let client: WritingApiClient;
  let writer: ApiWriter;
  const { signal } = new AbortController();

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start();
    await server.kubectl("create", "namespace", NAMESPACE);
    await apply(...ROLES);
    await server.kubectl("create", "clusterrolebinding", "writer", "--clusterrole=writer", "--user=reader");
    for (const role of ["leader", "publisher"])
      await server.kubectl(
        "create",
        "rolebinding",
        role,
        `--role=${role}`,
        "--user=reader",
        `-n=${NAMESPACE}`,
      );
    await server.kubectl("apply", "-f", CRDS);
    await server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
    await apply(MANIFEST);
    client = await connectCluster({ kind: "kubeconfig", files: [server.kubeconfig("reader")] });
    writer = new ApiWriter({
      client,
      clock: systemClock,
      random: systemRandom,
      counts: new WriteCounts(),
      rate: { perSecond: 100, burst: 100 },
    });
  });

  after(async () => {
    await client?.close();
    await server?.close();
  });

  async function apply(...objects: readonly unknown[]): Promise<void> {
    const file = join(server.folder, "objects.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    await server.kubectl("apply", "-f", file);
  }

  async function faultOf(call: Promise<unknown>): Promise<string> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(WriteFault);
    return `${(error as WriteFault).code}: ${(error as WriteFault).message}`;
  }

  const services = (name?: string) =>
    objectPath({ group: "", version: "v1", plural: "services" }, NAMESPACE, name);
  const service = (name: string, metadata: object = {}) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, ...metadata },
    spec: { ports: [{ port: 80 }] },
  });

  it("are refused with the codes that their senders act on", async () => {
    const { uid, resourceVersion } = await writer.create(services(), service("a"), signal);
    expect(await faultOf(writer.create(services(), service("a"), signal))).to.match(/^exists: 409/);
    expect(await faultOf(writer.create(services(), service("A_"), signal))).to.match(/^invalid: 422/);
    const patch = (value: string) => [
      { op: "test", path: "/metadata/resourceVersion", value } as const,
      { op: "add", path: "/metadata/labels", value: { app: "x" } } as const,
    ];
    expect(await faultOf(writer.patch(services("a"), patch("1"), signal))).to.match(/^guard: 422/);
    const missing = [{ op: "remove", path: "/metadata/nothing" } as const];
    expect(await faultOf(writer.patch(services("a"), missing, signal))).to.match(/^guard: 422/);
    const wrong = [{ op: "replace", path: "/spec/ports/0/port", value: 99_999 } as const];
    expect(await faultOf(writer.patch(services("a"), wrong, signal))).to.match(/^invalid: 422/);
    const { raw } = await writer.patch(services("a"), patch(resourceVersion), signal);
    expect(raw["metadata"]).to.deep.include({ labels: { app: "x" } });
    const foreign = service("a", { uid: "00000000-0000-0000-0000-000000000000" });
    expect(await faultOf(writer.apply(services("a"), foreign, "test", signal))).to.match(/^conflict: 422/);
    const old = service("a", { uid, resourceVersion });
    expect(await faultOf(writer.apply(services("a"), old, "test", signal))).to.match(/^conflict: 409/);
    const applied = await writer.apply(services("a"), service("a", { uid }), "test", signal);
    const again = await writer.apply(services("a"), service("a", { uid }), "test", signal);
    expect(again.resourceVersion).to.equal(applied.resourceVersion);
    const gone = service("gone", { uid, resourceVersion });
    expect(await faultOf(writer.apply(services("gone"), gone, "test", signal))).to.match(/^conflict: 409/);
    expect(await faultOf(writer.delete(services("a"), { uid: "another" }, signal))).to.match(
      /^conflict: 409/,
    );
    await writer.delete(services("a"), { uid }, signal);
    await writer.delete(services("a"), { uid }, signal);
    const elsewhere = objectPath({ group: "", version: "v1", plural: "services" }, "default");
    expect(await faultOf(writer.create(elsewhere, service("a"), signal))).to.match(/^denied: 403/);
  });

  it("are told apart where a quota refuses them", async () => {
    const hard = { "count/services": "0" };
    await apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "none", namespace: NAMESPACE },
      spec: { hard },
    });
    // Its controller, which does this, does not run here.
    const status = JSON.stringify({ status: { hard, used: { "count/services": "0" } } });
    const patch = ["patch", "resourcequota", "none", `-n=${NAMESPACE}`, "--subresource=status"];
    await server.kubectl(...patch, "--type=merge", `-p=${status}`);
    expect(await faultOf(writer.create(services(), service("b"), signal))).to.match(/^quota: 403/);
    await server.kubectl("delete", "resourcequota", "none", `-n=${NAMESPACE}`);
  });

  it("are one replica's at a time, and tell the owner of an entry by kubectl describe", async () => {
    const common = { client, clock: systemClock, random: systemRandom, logger: silentLogger };
    const place = { namespace: NAMESPACE, name: NAMESPACE };
    const one = new Lease({ ...common, ...place, identity: "pod-1" });
    const two = new Lease({ ...common, ...place, identity: "pod-2" });
    const holds = (lease: Lease) => untilEqual(async () => lease.isHeld, true);
    one.start();
    await holds(one);
    two.start();
    const shown = await server.kubectl("get", "lease", NAMESPACE, `-n=${NAMESPACE}`);
    expect(shown).to.match(/serviceentry-dns +pod-1 /);

    const store = new MeshStore();
    const see = async () => {
      const raw: unknown = JSON.parse(await server.kubectl("get", "serviceentry", ENTRY.name, "-o=json"));
      store.put("ServiceEntry", parseServiceEntry(raw).value!, 0);
      store.flush();
    };
    await see();
    const istio = { type: "Reconciled", status: "True", message: "Istio's own" };
    const status = JSON.stringify({ status: { conditions: [istio], addresses: [{ value: "240.240.0.1" }] } });
    const patch = [
      "patch",
      "serviceentry",
      ENTRY.name,
      "--subresource=status",
      "--type=merge",
      `-p=${status}`,
    ];
    await server.kubectl(...patch);

    const counts = new WriteCounts();
    const reporters = [one, two].map(
      (lease, at) =>
        new Reporter({ ...common, lease, store, counts, conditions: true, instance: `pod-${at + 1}` }),
    );
    for (const reporter of reporters) {
      reporter.start();
      const change = { host: "kmesh-fake.com", object: ENTRY };
      reporter.noteProblem(problem("PortMismatch", ENTRY, "spec.ports", "Port 80 has the target port 8000."));
      reporter.noteCondition({ ...change, before: undefined, after: "pending", reason: "" });
      const error = {
        code: "servfail",
        message: "10.96.0.10:53 answered SERVFAIL",
        sinceMs: Date.parse("2026-05-04T03:02:01Z"),
      };
      const reason = "httpbin.default.svc.cluster.local: SERVFAIL from upstream";
      reporter.noteCondition({ ...change, before: "pending", after: "unresolved", reason, error });
      reporter.noteCondition({ ...change, before: "unresolved", after: "ok", reason: "" });
    }
    const describeEntry = () => server.kubectl("describe", "serviceentry", ENTRY.name);
    await untilEqual(
      async () => /Resolved[\s\S]*Events:[\s\S]*Normal +Resolved/.test(await describeEntry()),
      true,
    );
    const text = await describeEntry();
    expect(text).to.match(
      /Warning +PortMismatch +\S+ +serviceentry-dns +Port 80 has the target port 8000\. DNS/,
    );
    expect(text).to.match(
      /Warning +ResolveFailed +\S+ +serviceentry-dns +Host kmesh-fake\.com: .* since 2026/,
    );
    expect(text).to.match(/Normal +Resolved +\S+ +serviceentry-dns +Host kmesh-fake\.com has up-to-date/);
    expect(text.match(/serviceentry-dns/g)).to.have.length(3);
    const { status: after } = JSON.parse(await server.kubectl("get", "serviceentry", ENTRY.name, "-o=json"));
    expect(after.addresses).to.deep.equal([{ value: "240.240.0.1" }]);
    expect(after.conditions[0]).to.deep.equal(istio);
    expect(after.conditions[1]).to.deep.include({ type: "Resolved", status: "True", reason: "Resolved" });
    expect(await server.kubectl("get", "events", "-n=default")).to.match(
      /PortMismatch +serviceentry\/external/,
    );
    if (process.env["SHOW_KUBECTL"])
      process.stdout.write(`${text}\n${await server.kubectl("get", "events")}\n`);

    // The second one goes on counting.
    for (const reporter of reporters) await reporter.close();
    await one.close();
    await holds(two);
    const third = new Reporter({ ...common, lease: two, store, counts, conditions: true, instance: "pod-2" });
    third.start();
    third.noteProblem(problem("PortMismatch", ENTRY, "spec.ports", "Port 80 has the target port 8000."));
    await untilEqual(async () => /PortMismatch +\S+ \(x2 over/.test(await describeEntry()), true);
    await third.close();
    await two.close();
    expect(counts.count("create", "denied") + counts.count("patch", "denied")).to.equal(0);
    expect(counts.count("create", "invalid") + counts.count("patch", "invalid")).to.equal(0);
  });
});
