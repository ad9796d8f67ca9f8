/**
 * The document's first test from a pod outside of any mesh: port 80 of kmesh-fake.com ends at port 8000 of httpbin. A
 * real API server, pods as network namespaces, and a proxy on the node that carries out Services and EndpointSlices.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { needNetwork, SUITE_PATIENCE_MS } from "../end-to-end/needs.ts";
import { World } from "../end-to-end/world.ts";
import { hasCommand } from "../support/network-namespaces.ts";
import { ROOT } from "../support/program.ts";
import { whyNoApiServer } from "../support/real-api-server.ts";
import { NODE_ZONE, ServiceProxy } from "./service-proxy.ts";

/** As the document has it; manifests/examples/kmesh explains it. */
const EXTERNAL_FAKE_SVC = readFileSync(join(ROOT, "manifests/examples/kmesh/external-fake-svc.yaml"), "utf8");
const CURL = "kubectl exec deploy/sleep -- curl --max-time 3";

/** Six connections, one after the other. */
function sixRequests(url: string): string {
  return `${CURL} -sf -H "Connection: close" ${Array.from({ length: 6 }, () => url).join(" ")}`;
}

const MOVING = "backend.example.net";
/** Its endpoint's name has one address now and another one then. */
const MOVING_ENTRY = JSON.stringify({
  apiVersion: "networking.istio.io/v1",
  kind: "ServiceEntry",
  metadata: { name: "moving", namespace: "default" },
  spec: {
    hosts: ["moving.example.com"],
    ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8000 }],
    resolution: "DNS",
    endpoints: [{ address: MOVING }],
  },
});
/** `endpoints`: address -> locality. */
function nearEntry(endpoints: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: {
      name: "near",
      namespace: "default",
      annotations: { "networking.istio.io/traffic-distribution": "PreferClose" },
    },
    spec: {
      hosts: ["near.example.com"],
      ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8000 }],
      resolution: "STATIC",
      endpoints: Object.entries(endpoints).map(([address, locality]) => ({ address, locality })),
    },
  });
}

/** What two caches keep for 5 s each, and then some on a busy machine. */
const CHANGE_MS = 40_000;

/** A script of one request after the other, which ends with the first that fails, or well when some reached the address. */
function untilReached(address: string, url: string): string {
  return `
    reached=0
    for request in $(seq 400); do
      out=$(curl --max-time 3 -sSf ${url}) || { echo "request $request failed: $out"; exit 1; }
      echo "$out"
      case "$out" in *${address}*) reached=$((reached + 1)) ;; esac
      [ $reached -ge 3 ] && exit 0
      sleep 0.05
    done
    exit 1`;
}

describe("end to end: a published host", function () {
  this.timeout(SUITE_PATIENCE_MS);
  let world: World;
  let proxy: ServiceProxy;

  before(async function () {
    const commands = ["curl", "nft", "nslookup"].filter((command) => !hasCommand(command));
    const missing = commands.length === 0 ? undefined : `there is no ${commands.join(", ")} in PATH`;
    needNetwork(this, missing, whyNoApiServer());
    world = await World.open({ withApiServer: true, flags: ["--publish=mapped"] });
    proxy = await ServiceProxy.start(world);
    await world.addPod("sleep-9454cc476-86vgb", "10.244.1.6", { labels: { app: "sleep" } });
    for (const name of ["serviceentry-dns", "serviceentry-dns-published"]) await world.apply(namespace(name));
    await world.apply(namespace("default", { "serviceentry-dns.io/publish": "allowed" }));
    await world.apply(
      JSON.stringify({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "httpbin", namespace: "default" },
        spec: { clusterIP: "10.96.44.10", ports: [{ name: "http", port: 8000, targetPort: 8000 }] },
      }),
    );
    await behind("10.244.1.7");
  });

  after(async () => {
    await proxy?.close();
    await world?.close();
  });

  /** Makes these the pods behind the Service that the entry's endpoint names. */
  async function behind(...addresses: readonly string[]): Promise<void> {
    await world.apply(
      JSON.stringify({
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: "httpbin-1",
          namespace: "default",
          labels: { "kubernetes.io/service-name": "httpbin" },
        },
        addressType: "IPv4",
        ports: [{ name: "http", port: 8000, protocol: "TCP" }],
        endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      }),
    );
  }

  async function shell(script: string): Promise<string> {
    const { status, out, error } = await world.shell(`set -e\n${script}`);
    expect(status, `${script}\n${out}\n${error}`).to.equal(0);
    return out;
  }

  async function clusterIpOf(host: string): Promise<string> {
    const { items } = JSON.parse(
      await shell("kubectl -n serviceentry-dns-published get services -o json"),
    ) as {
      readonly items: readonly {
        readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
        readonly spec: { readonly clusterIP: string };
      }[];
    };
    const isOfHost = (item: (typeof items)[number]) =>
      item.metadata.annotations["serviceentry-dns.io/host"] === host;
    return items.find(isOfHost)?.spec.clusterIP ?? "";
  }

  /** What the command prints, when that is as it should be; else, after some time, what it printed last. */
  async function eventually(script: string, isGood: (out: string) => boolean): Promise<string> {
    let last = "";
    await world
      .until(async () => {
        await proxy.sync();
        const { status, out, error } = await world.shell(script);
        last = status === 0 ? out : `${status} ${error}`;
        return status === 0 && isGood(out);
      })
      .catch((error) => {
        throw new Error(`${script}: ${last}\n${error}\n${proxy.log}`);
      });
    return last;
  }

  it("answers /headers, and the Host header stays the host's name", async () => {
    await world.apply(EXTERNAL_FAKE_SVC);
    const out = await eventually(`${CURL} -s http://kmesh-fake.com/headers`, (text) => text.includes("Host"));
    expect(JSON.parse(out).headers).to.include({ Accept: "*/*", Host: "kmesh-fake.com" });
  });

  it("answers /get, /status/200, /status/418 and -IsS as the document says", async () => {
    const get = JSON.parse(await shell("kubectl exec deploy/sleep -- curl -s http://kmesh-fake.com/get"));
    expect(get).to.deep.include({ args: {}, origin: "10.244.1.6", url: "http://kmesh-fake.com/get" });
    expect(get.headers.Host).to.equal("kmesh-fake.com");
    await shell("kubectl exec deploy/sleep -- curl -s http://kmesh-fake.com/status/200");
    expect(
      await shell(
        'kubectl exec deploy/sleep -- curl -s -o /dev/null -w "%{http_code}\\n" http://kmesh-fake.com/status/418',
      ),
    ).to.equal("418\n");
    expect(await shell("kubectl exec deploy/sleep -- curl -IsS http://kmesh-fake.com/headers")).to.match(
      /^HTTP\/1\.1 200 OK\r\n/,
    );
  });

  it("resolves to the ClusterIP of one Service, and that back to the host", async () => {
    const address = await clusterIpOf("kmesh-fake.com");
    expect(address).to.match(/^10\.96\.\d+\.\d+$/);
    expect(await shell("kubectl exec deploy/sleep -- nslookup kmesh-fake.com")).to.include(address);
    expect(await shell(`kubectl exec deploy/sleep -- nslookup ${address}`)).to.include("kmesh-fake.com");
    const { status } = await world.shell(`${CURL} -s http://kmesh-fake.com:8000/headers`);
    expect(status, "a port that the entry does not list").not.to.equal(0);
  });

  it("goes on while the pods behind it come and go", async () => {
    const pod = await world.addPod("httpbin-6f4464f6c5-zzzzz", "10.244.1.9");
    await world.serveHttp(pod, 8000);
    const url = "http://kmesh-fake.com/which";
    await behind("10.244.1.7", "10.244.1.9");
    await eventually(`${CURL} -sf ${url}`, (text) => text.includes("10.244.1.9"));
    await behind("10.244.1.9");
    const six = sixRequests(url);
    await eventually(six, (text) => !text.includes("10.244.1.7"));
    await behind("10.244.1.7");
    await eventually(six, (text) => !text.includes("10.244.1.9"));
  });

  it("goes on while the address behind an endpoint's name changes", async () => {
    world.changeZone(`${MOVING} 5 A 10.244.1.7\n`);
    await world.apply(MOVING_ENTRY);
    const url = "http://moving.example.com/which";
    await eventually(`${CURL} -sf ${url}`, (text) => text.includes("10.244.1.7"));
    const requests = world.shell(`kubectl exec deploy/sleep -- sh -c '${untilReached("10.244.1.9", url)}'`, {
      withinMs: CHANGE_MS,
    });
    world.changeZone(`${MOVING} 5 A 10.244.1.9\n`);
    let isOver = false;
    void requests.finally(() => {
      isOver = true;
    });
    await world.until(async () => {
      await proxy.sync();
      return isOver;
    }, CHANGE_MS);
    const { status, out } = await requests;
    expect(status, `${out}\n${world.log}`).to.equal(0);
    expect(out, "requests before the change arrived").to.include("10.244.1.7");
  });

  it("leads to the pods of the node's own zone first, where the entry wants that", async () => {
    const url = "http://near.example.com/which";
    const six = sixRequests(url);
    const [here, there] = [`r1/${NODE_ZONE}`, "r1/far"];
    await world.apply(nearEntry({ "10.244.1.7": there, "10.244.1.9": here }));
    await eventually(`${CURL} -sf ${url}`, (text) => text.includes("10.244.1.9"));
    expect(await shell(six)).not.to.include("10.244.1.7");
    await world.apply(nearEntry({ "10.244.1.7": here, "10.244.1.9": there }));
    await eventually(six, (text) => !text.includes("10.244.1.9"));
    await world.apply(nearEntry({ "10.244.1.9": there }));
    await eventually(six, (text) => !text.includes("10.244.1.7"));
  });

  it("ends with the entry, for the address too", async () => {
    const address = await clusterIpOf("kmesh-fake.com");
    await shell("kubectl delete serviceentries.networking.istio.io external-fake-svc");
    await eventually(`! ${CURL} -s http://kmesh-fake.com/headers`, () => true);
    await eventually(`! ${CURL} -s http://${address}/headers`, () => true);
    expect(await clusterIpOf("kmesh-fake.com"), "nobody else is given it yet").to.equal(address);
  });
});

function namespace(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
}
