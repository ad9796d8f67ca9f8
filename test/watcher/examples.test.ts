/** The example manifests, read as a user's folder would be. */

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { load } from "js-yaml";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { silentLogger, systemClock } from "../../src/runtime.ts";
import { FolderSource } from "../../src/watcher/folder-source.ts";
import { cutDocuments, readDocument } from "../../src/watcher/manifest-documents.ts";

const EXAMPLES = resolve(import.meta.dirname, "../../manifests/examples");

async function read(...folders: readonly string[]) {
  const store = new MeshStore();
  const problems = new ProblemBook(Date.now);
  const path = folders.map((folder) => join(EXAMPLES, folder));
  const common = { store, problems, clock: systemClock, logger: silentLogger };
  const source = new FolderSource({ ...common, path, onSynced: () => {} });
  await source.start();
  await source.close();
  return {
    store,
    problems: [...problems.all()].map(({ problem }) => `${problem.code} ${problem.object.name}`),
  };
}

function endpointsOf(store: MeshStore, name: string): unknown[] | undefined {
  const entry = [...store.all("ServiceEntry").values()].find((each) => each.ref.name === name);
  return entry?.endpoints.map(({ address, ports, locality }) => {
    const where = address.kind === "ip" ? address.ip : address.kind === "name" ? address.name : address.kind;
    return [where, ports, locality];
  });
}

describe("manifests/examples", () => {
  it("have a comment on their first line, and every document can be read", () => {
    const files = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" }).filter((each) =>
      each.endsWith(".yaml"),
    );
    expect(files.length).to.be.above(14);
    for (const file of files) {
      const text = readFileSync(join(EXAMPLES, file), "utf8");
      expect(text, file).to.match(/^# \S.*\n(kind|apiVersion): /);
      for (const document of cutDocuments(text, "yaml")) {
        expect(readDocument(document, "yaml").objects, file).to.have.length(1);
      }
    }
  });

  it("hold the four entries in the default namespace", async () => {
    const { store, problems } = await read("kmesh");
    const entries = [...store.all("ServiceEntry").values()];
    expect(
      entries.map(({ ref, hosts, resolution }) => `${ref.namespace}/${ref.name} ${hosts} ${resolution}`),
    ).to.have.members([
      "default/external-fake-svc kmesh-fake.com DNS",
      "default/external-httpbin-org httpbin.org DNS",
      "default/external-static-svc static-service.example.com STATIC",
      "default/multi-endpoint-svc multi-backend.example.com DNS",
    ]);
    expect(endpointsOf(store, "external-fake-svc")).to.deep.equal([
      ["httpbin.default.svc.cluster.local", { http: 8000 }, ""],
    ]);
    expect(endpointsOf(store, "external-httpbin-org")).to.deep.equal([]);
    expect(endpointsOf(store, "external-static-svc")).to.deep.equal([
      ["192.168.1.100", {}, ""],
      ["192.168.1.101", {}, ""],
    ]);
    expect(endpointsOf(store, "multi-endpoint-svc")).to.deep.equal(
      [1, 2, 3].map((number) => [`backend${number}.example.com`, { http: 8080 }, ""]),
    );
    expect(problems.filter((each) => !each.startsWith("PortMismatch"))).to.deep.equal([]);
  });

  it("hold se.example.com in four forms", async () => {
    const forms = {
      static: { resolution: "STATIC", selector: undefined },
      dns: { resolution: "DNS", selector: undefined },
      pods: { resolution: "STATIC", selector: { app: "reviews" } },
      "workload-entries": { resolution: "STATIC", selector: { app: "reviews-workloadentry" } },
    };
    for (const [form, expected] of Object.entries(forms)) {
      const { store } = await read(`kgateway/${form}`);
      const [entry, ...others] = [...store.all("ServiceEntry").values()];
      expect(others).to.deep.equal([]);
      expect(entry).to.deep.include({ hosts: ["se.example.com"], location: "MESH_INTERNAL", ...expected });
      expect(entry?.ref).to.include({ namespace: "gwtest", name: "example-se" });
    }
    const { store } = await read("kgateway/static");
    expect(endpointsOf(store, "example-se")).to.deep.equal([
      ["1.1.1.1", {}, "r1/z1/sz1"],
      ["2.2.2.2", {}, "r1/z1/sz1"],
      ["3.3.3.3", {}, "r3/z3/sz3"],
    ]);
  });

  it("hold two ready pods and one that is not", async () => {
    const { store } = await read("kgateway/pods");
    const pods = [...store.all("Pod").values()].map(({ ips, isReady }) => `${ips} ${isReady}`);
    expect(pods).to.have.members(["10.244.0.5 true", "10.244.1.9 true", "10.244.1.10 false"]);
  });

  it("hold a machine with an address and one with a network alone", async () => {
    const { store } = await read("kgateway/workload-entries");
    const found = [...store.all("WorkloadEntry").values()].map(({ ref, endpoint }) => ({
      ...endpoint,
      name: ref.name,
    }));
    expect(found[0]).to.deep.include({
      name: "reviews-workloadentry-1",
      address: { kind: "ip", ip: "1.1.1.1" },
      locality: "r1/z1/sz1",
      ports: { http: 8080 },
    });
    expect(found[1]).to.deep.include({
      name: "reviews-workloadentry-2",
      address: { kind: "none" },
      network: "external-network",
      locality: "r2/z2/sz2",
    });
  });

  it("point the clients of cluster/ at us alone", () => {
    for (const file of ["busybox", "alpine"]) {
      const pod = load(readFileSync(join(EXAMPLES, `cluster/${file}.yaml`), "utf8"));
      expect(pod).to.have.nested.property("spec.dnsPolicy", "None");
      expect(pod).to.have.nested.property("spec.dnsConfig.nameservers").with.length(1);
    }
  });
});
