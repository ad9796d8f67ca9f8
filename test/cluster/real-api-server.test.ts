/** The cluster source against a real API server: it must hold what the folder source reads from the same files. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import type { ApiClient } from "../../src/cluster/api-client.ts";
import { connectCluster } from "../../src/cluster/connection.ts";
import { watchResource } from "../../src/cluster/watch.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import type { Kind, MeshObject } from "../../src/mesh/objects.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { type Clock, silentLogger, systemClock, systemRandom } from "../../src/runtime.ts";
import { ClusterSource } from "../../src/watcher/cluster-source.ts";
import { FolderSource } from "../../src/watcher/folder-source.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { untilEqual } from "../support/waiting.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "manifests/examples");
/** How soon a change, or the end of an outage, must be seen. */
/** A server that has just started is not at its best. */
const SEEN_WITHIN_MS = 60_000;

describe("a real API server", function () {
  this.timeout(240_000);
  let server: RealApiServer;
  let client: ApiClient;
  let source: ClusterSource;
  let store: MeshStore;
  let problems: ProblemBook;

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start();
    const role = join(server.folder, "role.json");
    writeFileSync(role, JSON.stringify(READER));
    await server.kubectl("apply", "-f", role);
    await server.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=reader");
    client = await connectCluster({ kind: "kubeconfig", files: [server.kubeconfig("reader")] });
  });

  after(async () => {
    await client?.close();
    await server?.close();
  });

  afterEach(() => source?.close());

  async function start(clock: Clock = systemClock): Promise<void> {
    store = new MeshStore();
    problems = new ProblemBook(Date.now);
    const common = { client, store, problems, clock, random: systemRandom, logger: silentLogger };
    source = new ClusterSource({ ...common, settings: NEED_SETTINGS, onSynced: () => {} });
    await source.start();
  }

  /** Resolves when the text that `read` gives is the expected one. */
  const comes = (read: () => string, expected: string) =>
    untilEqual(read, expected, undefined, { withinMs: SEEN_WITHIN_MS });

  const hosts = () => {
    const entries = [...store.all("ServiceEntry").values()];
    return entries
      .flatMap((entry) => entry.hosts)
      .sort()
      .join(" ");
  };

  const problemCodes = () => Array.from(problems.all(), ({ problem }) => problem.code).join(" ");

  it("without Istio's kinds is served as empty, and said", async () => {
    await start();
    expect(problemCodes()).to.equal("ResourceMissing ResourceMissing");
    expect(source.watches().find(({ kind }) => kind === "Namespace")?.isConnected).to.not.equal(undefined);
    expect(store.all("Namespace").has("Namespace//default")).to.equal(true);
  });

  it("gives what the files say, in each form of the examples", async () => {
    await server.kubectl("apply", "-f", join(ROOT, "test/fixtures/crds"));
    await server.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=60s");
    await server.kubectl("create", "namespace", "gwtest");
    await start();
    expect(problemCodes()).to.equal("");
    await server.kubectl("apply", "-f", join(EXAMPLES, "kmesh"));
    for (const form of ["static", "dns", "workload-entries", "pods"]) {
      const folder = join(EXAMPLES, "kgateway", form);
      await server.kubectl("apply", "-f", folder);
      if (form === "pods") {
        for (const file of ["reviews-ready", "reviews-not-ready"])
          await server.kubectl("replace", "--subresource=status", "-f", join(folder, `${file}.yaml`));
      }
      const expected = new MeshStore();
      await readFolder(expected, [join(EXAMPLES, "kmesh"), folder]);
      const kinds: Kind[] = ["ServiceEntry", "Pod"];
      if (form === "workload-entries") kinds.push("WorkloadEntry");
      await comes(() => shown(store, kinds), shown(expected, kinds));
      expect(expected.all("ServiceEntry").size).to.equal(5);
    }
    expect(store.all("Pod").size).to.equal(3);
  });

  it("tells of edits, allocated addresses and deletions", async () => {
    await start();
    const entry = () =>
      [...store.all("ServiceEntry").values()].find(({ ref }) => ref.name === "external-static-svc");
    const addresses = () =>
      entry()?.endpoints.map(({ address }) => ("ip" in address ? address.ip : "")) ?? [];
    expect(addresses().join(" ")).to.equal("192.168.1.100 192.168.1.101");
    const patch = (text: string, ...options: readonly string[]) =>
      server.kubectl("patch", "se", "external-static-svc", "--type=merge", ...options, "-p", text);
    await patch('{"spec":{"endpoints":[{"address":"192.168.1.200"}]}}');
    await comes(() => addresses().join(" "), "192.168.1.200");
    await patch(
      '{"status":{"addresses":[{"value":"240.240.0.1","host":"static-service.example.com"}]}}',
      "--subresource=status",
    );
    await comes(
      () =>
        entry()
          ?.allocated.map(({ address }) => address)
          .join(" ") ?? "",
      "240.240.0.1",
    );
    await server.kubectl("delete", "se", "external-static-svc");
    await comes(() => String(entry()), "undefined");
  });

  it("is followed again within 5 s of its return", async () => {
    await start();
    const before = hosts();
    expect(before).to.contain("kmesh-fake.com");
    await server.stopApiServer();
    await new Promise((wake) => setTimeout(wake, 3000));
    expect(hosts()).to.equal(before);
    await server.startApiServer();
    // Of the others nothing is needed.
    const watched = () => source.watches().filter(({ isConnected }) => isConnected !== undefined);
    expect(watched()).to.have.length.greaterThan(3);
    const everything = Promise.all([
      comes(() => String(watched().every(({ isConnected }) => isConnected)), "true"),
      comes(hosts, "se.example.com"),
    ]);
    await server.kubectl("delete", "se", "--all", "-n", "default");
    await everything;
    expect(problemCodes()).not.to.contain("Missing").and.not.to.contain("Denied");
  });

  it("says that a version from before its start is too old to watch from", async () => {
    const { signal } = new AbortController();
    const common = { client, signal, clock: systemClock, random: systemRandom, mostObjectOctets: 1_000_000 };
    const options = { ...common, onOpen: () => {}, onEvents: () => {} };
    const fault = await watchResource(options, "/api/v1/namespaces", "1").catch((error: unknown) => error);
    expect(fault).to.include({ code: "expired" });
  });

  it("lets a pod's service account in", async () => {
    await server.kubectl("create", "serviceaccount", "dns");
    await server.kubectl(
      "create",
      "clusterrolebinding",
      "dns",
      "--clusterrole=reader",
      "--serviceaccount=default:dns",
    );
    const folder = join(server.folder, "pod/var/run/secrets/kubernetes.io/serviceaccount");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "token"), await server.kubectl("create", "token", "dns"));
    writeFileSync(join(folder, "namespace"), "default");
    copyFileSync(server.certificate, join(folder, "ca.crt"));
    const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(server.port) };
    Object.assign(process.env, env);
    const inPod = await connectCluster({ kind: "service-account", root: join(server.folder, "pod") });
    try {
      const response = await inPod.get(
        "/apis/networking.istio.io/v1/serviceentries",
        new AbortController().signal,
      );
      expect(response.status).to.equal(200);
      for await (const _ of response.body);
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
      await inPod.close();
    }
  });

  it("takes away a right: the last state stays and it is said, until the right is given again", async () => {
    await start(hurried(10));
    expect(hosts()).to.equal("se.example.com");
    await server.kubectl("delete", "clusterrolebinding", "reader");
    const denied = "AccessDenied AccessDenied AccessDenied AccessDenied";
    await comes(problemCodes, denied);
    expect(hosts()).to.equal("se.example.com");
    await server.kubectl("create", "clusterrolebinding", "reader", "--clusterrole=reader", "--user=reader");
    await server.kubectl("delete", "se", "--all", "-n", "gwtest");
    await comes(hosts, "");
    await comes(problemCodes, "");
  });
});

const VERBS = ["get", "list", "watch"];
const READER = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "reader" },
  rules: [
    { apiGroups: [""], resources: ["namespaces", "pods"], verbs: VERBS },
    { apiGroups: ["networking.istio.io"], resources: ["serviceentries", "workloadentries"], verbs: VERBS },
  ],
};

async function readFolder(store: MeshStore, path: readonly string[]): Promise<void> {
  const common = { clock: systemClock, logger: silentLogger, onSynced: () => {} };
  const source = new FolderSource({ ...common, path, store, problems: new ProblemBook(Date.now) });
  await source.start();
  await source.close();
}

/** All objects of these kinds, without what a server adds to them. */
function shown(store: MeshStore, kinds: readonly Kind[]): string {
  const objects = kinds.flatMap((kind): MeshObject[] => [...store.all(kind).values()]);
  const sorted = objects.toSorted((a, b) => (a.ref.name < b.ref.name ? -1 : 1));
  const plain = sorted.map(({ uid: _, resourceVersion: __, createdAtMs: ___, ...rest }) => rest);
  return JSON.stringify(plain, null, 1);
}

/** A clock that runs faster: minutes of waiting in seconds. */
function hurried(factor: number): Clock {
  return {
    nowMs: () => systemClock.nowMs() * factor,
    wallMs: () => systemClock.wallMs(),
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / factor, callback),
  };
}
