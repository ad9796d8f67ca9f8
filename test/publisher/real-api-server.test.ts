/**
 * Published objects in a real API server, written with no more rights than the manifests give, under the admission
 * plugin that asks for a right to block the deletion of owners.
 */

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import type { ApiCall, WritingApiClient } from "../../src/cluster/api-client.ts";
import { connectCluster } from "../../src/cluster/connection.ts";
import { PUBLISHED_NAMESPACE } from "../../src/mesh/publication.ts";
import { serviceName } from "../../src/publisher/names.ts";
import { systemClock } from "../../src/runtime.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { quiet, until } from "../support/waiting.ts";
import { host } from "./fixture.ts";
import { kmeshEntry, namespace, Replica, type ReplicaOptions } from "./replica.ts";

const CRDS = resolve(import.meta.dirname, "../fixtures/crds");
const MANIFESTS = resolve(import.meta.dirname, "../../manifests");
const PATIENCE_MS = 60_000;

interface StoredService {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly uid: string };
  readonly spec: { readonly clusterIP: string; readonly ports: readonly object[] };
}

interface StoredSlice {
  readonly addressType: string;
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly endpoints: readonly { readonly addresses: readonly string[] }[] | null;
}

describe("published objects in a real API server", function () {
  this.timeout(240_000);
  let server: RealApiServer;
  const replicas: Replica[] = [];
  const calls: ApiCall[] = [];

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start(["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]);
    await server.kubectl("apply", "--server-side", "-f", CRDS);
    await server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS);
    await apply(
      namespace("serviceentry-dns"),
      namespace("default", { "serviceentry-dns.io/publish": "allowed" }),
    );
    await server.kubectl("apply", "-f", join(MANIFESTS, "base/access.yaml"));
    await server.kubectl("apply", "-f", join(MANIFESTS, "components/publishing/namespace.yaml"));
    await server.kubectl("apply", "-f", join(MANIFESTS, "components/publishing/access.yaml"));
  });

  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.close();
  });

  after(async () => {
    await server?.close();
  });

  async function apply(...objects: readonly object[]): Promise<void> {
    const path = join(server.folder, "objects.json");
    writeFileSync(path, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    await server.kubectl("apply", "--server-side", "--force-conflicts", "-f", path);
  }

  /** As the service account of the manifests; every call is noted. */
  async function connect(): Promise<WritingApiClient> {
    const token = (
      await server.kubectl("-n", "serviceentry-dns", "create", "token", "serviceentry-dns")
    ).trim();
    const kubeconfig = JSON.parse(await server.kubectl("config", "view", "--raw", "-o", "json")) as {
      users: readonly { user: object }[];
    };
    const [user] = kubeconfig.users;
    const own = { ...kubeconfig, users: [{ ...user, user: { token } }] };
    const path = join(server.folder, `publisher-${calls.length}.kubeconfig`);
    writeFileSync(path, JSON.stringify(own));
    const client = await connectCluster({ kind: "kubeconfig", files: [path] });
    return {
      get: (at, signal) => client.get(at, signal),
      send: (call, signal) => {
        calls.push(call);
        return client.send(call, signal);
      },
      close: () => client.close(),
    };
  }

  async function start(options: ReplicaOptions = {}): Promise<Replica> {
    const replica = await Replica.start(undefined, {
      ...options,
      clock: systemClock,
      client: await connect(),
    });
    replicas.push(replica);
    return replica;
  }

  async function objects<T>(kind: string): Promise<readonly T[]> {
    const text = await server.kubectl("-n", PUBLISHED_NAMESPACE, "get", kind, "-o", "json");
    return (JSON.parse(text) as { items: readonly T[] }).items;
  }

  /** `IPv4 http=8000 10.1.0.1`, sorted. */
  async function slices(): Promise<readonly string[]> {
    const all = await objects<StoredSlice>("endpointslices");
    return all
      .map(({ addressType, ports, endpoints }) =>
        [
          addressType,
          ports
            .map(({ name, port }) => `${name}=${port}`)
            .sort()
            .join(),
          ...(endpoints ?? []).map(({ addresses }) => addresses[0]),
        ].join(" "),
      )
      .sort();
  }

  async function comes(what: () => boolean | Promise<boolean>, description: () => unknown): Promise<void> {
    await until(what, () => JSON.stringify(description()), { withinMs: PATIENCE_MS, everyMs: 50 });
  }

  function told(replica: Replica): string {
    return [...replica.problems.all()].map(({ problem }) => problem.message).join("\n");
  }

  const writes = () => calls.filter(({ method }) => method !== "GET").length;

  it("are accepted for odd port names, a name that begins with a digit, both families and several mappings", async () => {
    await apply(
      kmeshEntry(
        {
          hosts: ["1password.com"],
          ports: [
            { number: 80, name: "HTTP_Web", protocol: "HTTP", targetPort: 8000 },
            { number: 443, name: "tls", protocol: "HTTPS" },
            { number: 53, name: "dns", protocol: "UDP" },
            { number: 54, name: "TLS", protocol: "GRPC" },
          ],
          endpoints: [
            { address: "10.1.0.1", locality: "r1/z1" },
            { address: "2001:db8::1", locality: "r1/no name of a zone" },
            { address: "10.1.0.2", ports: { HTTP_Web: 9000 } },
            { address: "10.96.77.77" },
            { address: "169.254.169.254" },
          ],
        },
        {
          name: "odd",
          annotations: {
            "serviceentry-dns.io/publish": "true",
            "networking.istio.io/traffic-distribution": "PreferClose",
          },
        },
      ),
    );
    const replica = await start();
    replica.lease.give();
    await comes(
      async () => (await slices()).length === 3,
      () => told(replica),
    );
    expect(await slices()).to.deep.equal([
      "IPv4 dns=53,http-web=8000,p54=54,tls=443 10.1.0.1",
      "IPv4 dns=53,http-web=9000,p54=54,tls=443 10.1.0.2",
      "IPv6 dns=53,http-web=8000,p54=54,tls=443 2001:db8::1",
    ]);
    const [service] = await objects<StoredService>("services");
    expect(service!.metadata.name).to.match(/^se-1password-com-/);
    expect(told(replica)).to.include("10.96.77.77 lies in the range of ClusterIPs");
    await comes(
      () => replica.answer("1password.com") === `published ${service!.spec.clusterIP}`,
      () => replica.answer("1password.com"),
    );
  });

  it("stay as they are after a restart, and a second replica has nothing to write", async () => {
    const before = writes();
    const [first, second] = [await start(), await start()];
    first.lease.give();
    await comes(
      () => first.answer("1password.com").startsWith("published 10.96."),
      () => told(first),
    );
    await comes(
      () => second.answer("1password.com") === first.answer("1password.com"),
      () => told(second),
    );
    await comes(
      () => first.publisher.numbers().waiting === 0,
      () => first.publisher.numbers(),
    );
    await quiet(300);
    expect(writes()).to.equal(before);
  });

  it("follow a change of ports, and no port is left over", async () => {
    await apply(
      kmeshEntry(
        { hosts: ["1password.com"], ports: [{ number: 80, name: "http", protocol: "HTTP2" }] },
        { name: "odd" },
      ),
    );
    const replica = await start();
    replica.lease.give();
    await comes(
      async () => (await slices()).includes("IPv4 http=80 10.1.0.1"),
      () => told(replica),
    );
    const [service] = await objects<StoredService>("services");
    expect(service!.spec.ports).to.deep.equal([
      { name: "http", port: 80, protocol: "TCP", targetPort: 80, appProtocol: "kubernetes.io/h2c" },
    ]);
    await comes(
      () => replica.publisher.numbers().waiting === 0,
      () => replica.publisher.numbers(),
    );
    const before = writes();
    await quiet(500);
    expect(writes()).to.equal(before);
  });

  it("leave a Service of somebody else as it is", async () => {
    const name = serviceName("default", "other", host("other.example.com"));
    await apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: PUBLISHED_NAMESPACE },
      spec: { ports: [{ port: 80 }] },
    });
    const find = async () =>
      (await objects<StoredService>("services")).find(({ metadata }) => metadata.name === name)!;
    const before = await find();
    await apply(kmeshEntry({ hosts: ["other.example.com"] }, { name: "other" }));
    const replica = await start();
    replica.lease.give();
    await comes(
      () => told(replica).includes(`Service ${name} is there and was not written by us`),
      () => told(replica),
    );
    expect(replica.answer("other.example.com")).to.equal("static 10.1.0.1");
    expect(await find()).to.deep.equal(before);
  });

  it("lose their slices with the entry", async () => {
    const replica = await start();
    replica.lease.give();
    await comes(
      () => replica.answer("1password.com").startsWith("published"),
      () => told(replica),
    );
    await server.kubectl("delete", "serviceentries.networking.istio.io", "odd");
    await comes(
      async () => (await slices()).length === 0,
      () => slices(),
    );
    expect((await objects<StoredService>("services")).map(({ metadata }) => metadata.name)).to.have.length(2);
  });

  it("are refused with the API server's reason where a quota is used up", async () => {
    await apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "few", namespace: PUBLISHED_NAMESPACE },
      spec: { hard: { services: "0" } },
    });
    await server.kubectl(
      ...["-n", PUBLISHED_NAMESPACE, "patch", "resourcequota", "few", "--subresource=status", "--type=merge"],
      ...["-p", JSON.stringify({ status: { hard: { services: "0" }, used: { services: "0" } } })],
    );
    await apply(kmeshEntry({ hosts: ["late.example.com"] }, { name: "late" }));
    const replica = await start();
    replica.lease.give();
    await comes(
      () => told(replica).includes("exceeded quota"),
      () => told(replica),
    );
    expect(replica.answer("late.example.com")).to.equal("static 10.1.0.1");
  });
});
