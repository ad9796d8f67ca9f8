import { expect } from "chai";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { parseEndpointSlice } from "../../src/mesh/parse-endpoint-slice.ts";
import { parseNamespace } from "../../src/mesh/parse-namespace.ts";
import { parseService } from "../../src/mesh/parse-service.ts";
import { PUBLISHED_NAMESPACE } from "../../src/mesh/publication.ts";
import { serviceName } from "../../src/publisher/names.ts";
import { PublishedHosts } from "../../src/publisher/published-hosts.ts";
import type { Clock } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { host } from "./fixture.ts";

const ENTRY = { kind: "ServiceEntry", namespace: "default", name: "e" } as const;
const HOST = host("a.example.com");
const NAME = serviceName("default", "e", HOST);

describe("published hosts", () => {
  let clock: FakeClock;
  let store: MeshStore;
  let isSynced: boolean;
  const told: string[] = [];

  beforeEach(() => {
    clock = new FakeClock();
    store = new MeshStore();
    isSynced = true;
    told.splice(0);
    store.put("Namespace", parseNamespace({ metadata: { name: PUBLISHED_NAMESPACE } }).value!, 0);
    store.flush();
  });

  function follow(given: Clock = clock): PublishedHosts {
    return new PublishedHosts({
      mode: "annotated",
      store,
      clock: given,
      isSynced: () => isSynced,
      onChanged: (each) => told.push(each),
      onAvailable: () => told.push("available"),
    });
  }

  function seeService(fields: Readonly<Record<string, unknown>> = {}, uid = "u"): void {
    const labels = {
      "app.kubernetes.io/managed-by": "serviceentry-dns",
      "serviceentry-dns.io/entry-uid": uid,
    };
    const metadata = {
      name: NAME,
      namespace: PUBLISHED_NAMESPACE,
      labels,
      resourceVersion: `${Math.random()}`,
      ...fields,
    };
    store.put(
      "Service",
      parseService({ metadata, spec: { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9", "fd00::9"] } })
        .value!,
      0,
    );
    store.flush();
  }

  function seeSlice(addressType = "IPv4", createdAtMs = clock.wallMs()): void {
    const labels = { "app.kubernetes.io/managed-by": "serviceentry-dns", "kubernetes.io/service-name": NAME };
    const creationTimestamp = new Date(createdAtMs).toISOString();
    const metadata = {
      name: `${NAME}-${addressType.toLowerCase()}`,
      namespace: PUBLISHED_NAMESPACE,
      labels,
      creationTimestamp,
    };
    store.put("EndpointSlice", parseEndpointSlice({ metadata, addressType, endpoints: [] }).value!, 0);
    store.flush();
  }

  const state = (hosts: PublishedHosts, uid = "u") => {
    const now = hosts.stateOf(ENTRY, uid, HOST);
    return now.kind === "published" ? now.addresses.join(" ") : now.kind;
  };

  it("have the Service's address of a family 2 s after its first slice came", () => {
    const hosts = follow();
    expect(state(hosts)).to.equal("pending");
    seeService();
    seeSlice();
    clock.advance(1000);
    seeSlice("IPv6");
    clock.advance(999);
    expect(state(hosts)).to.equal("pending");
    clock.advance(1);
    expect(told.at(-1)).to.equal(HOST);
    expect(state(hosts)).to.equal("10.96.0.9");
    clock.advance(1000);
    expect(state(hosts)).to.equal("10.96.0.9 fd00::9");
  });

  it("have it then also where a timer goes off a moment before its time", () => {
    let earlyMs = 0;
    const hosts = follow({
      nowMs: () => clock.nowMs() - earlyMs,
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    });
    expect(state(hosts)).to.equal("pending");
    seeService();
    seeSlice();
    earlyMs = 0.4;
    clock.advance(2000);
    expect(state(hosts)).to.equal("10.96.0.9");
  });

  it("have it at once where all of it was there before us, and is old enough", () => {
    isSynced = false;
    seeService();
    seeSlice("IPv4", clock.wallMs() - 3000);
    seeSlice("IPv6", clock.wallMs() - 2000);
    const hosts = follow();
    expect(state(hosts)).to.equal("10.96.0.9");
    clock.advance(2000);
    expect(state(hosts)).to.equal("10.96.0.9 fd00::9");
  });

  it("have none of a Service that is another entry's, nobody's, or being deleted", () => {
    const hosts = follow();
    seeSlice();
    seeService();
    clock.advance(2000);
    expect(state(hosts, "other")).to.equal("pending");
    seeService({ labels: {} });
    expect(state(hosts)).to.equal("pending");
    seeService({ deletionTimestamp: "2026-01-01T00:00:00Z" });
    expect(state(hosts)).to.equal("pending");
    seeService();
    expect(state(hosts)).to.equal("10.96.0.9");
  });

  it("are refused after 30 s in which nobody published them, and say so", () => {
    const hosts = follow();
    expect(state(hosts)).to.equal("pending");
    clock.advance(29_999);
    expect(told).to.deep.equal([]);
    clock.advance(1);
    expect(told).to.deep.equal([HOST]);
    expect(state(hosts)).to.equal("refused");
  });

  it("are refused while there is no Namespace for them", () => {
    const hosts = follow();
    store.remove("Namespace", `Namespace//${PUBLISHED_NAMESPACE}`, 0);
    store.flush();
    expect(told).to.deep.equal(["available"]);
    expect(state(hosts)).to.equal("refused");
  });

  it("wait for nothing any more when they are closed", () => {
    const hosts = follow();
    hosts.stateOf(ENTRY, "u", HOST);
    seeService();
    seeSlice();
    hosts.close();
    expect(clock.timers).to.equal(0);
  });
});
