/** The admission policies at a real API server: which pods are injected and how, which ServiceEntries are refused. */

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "chai";
import { ROOT } from "../support/program.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { until as waitUntil } from "../support/waiting.ts";
import { MANIFESTS, readObjects } from "./base-objects.ts";
import { ENTRY_CASES, entryOf } from "./host-policy-cases.ts";
import { CASES, NAMESPACES, podOf, SETTINGS } from "./injection-cases.ts";

const COMPONENTS = join(MANIFESTS, "components");
const OURS = "serviceentry-dns";
const PATIENCE_MS = 60_000;

describe("the admission policies at a real API server", function () {
  this.timeout(240_000);
  let server: RealApiServer;

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start([
      "--feature-gates=MutatingAdmissionPolicy=true",
      "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    ]);
    await server.kubectl("apply", "--server-side", "-f", join(ROOT, "test/fixtures/crds"));
    await server.kubectl("wait", "--for=condition=Established", "crd", "--all");
    const namespaces = Object.entries(NAMESPACES).map(([name, labels]) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels },
    }));
    await apply("namespaces", namespaces);
    for (const component of ["injection-v1beta1", "host-policy"]) {
      await server.kubectl("apply", "--server-side", "--validate=strict", "-k", join(COMPONENTS, component));
    }
  });

  after(() => server?.close());

  async function apply(name: string, items: readonly object[]): Promise<void> {
    await server.kubectl("apply", "--server-side", "-f", write(name, items));
  }

  function write(name: string, items: readonly object[]): string {
    const path = join(server.folder, `${name}.json`);
    writeFileSync(path, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    return path;
  }

  /** What the API server would store of the objects, and its refusals. */
  async function dryRun(
    name: string,
    items: readonly object[],
  ): Promise<{ readonly objects: readonly V1Pod[]; readonly refusals: string }> {
    const args = ["create", "--dry-run=server", "-o", "yaml", "-f", write(name, items)];
    const { out, error } = await promisify(execFile)(
      join(process.env["KUBEBUILDER_ASSETS"]!, "kubectl"),
      [`--kubeconfig=${server.kubeconfig("admin")}`, `--cache-dir=${join(server.folder, "cache")}`, ...args],
      { timeout: PATIENCE_MS },
    ).then(
      ({ stdout, stderr }) => ({ out: stdout, error: stderr }),
      ({ stdout, stderr }: { stdout: string; stderr: string }) => ({ out: stdout, error: stderr }),
    );
    return { objects: readObjects(out) as readonly unknown[] as readonly V1Pod[], refusals: error };
  }

  const until = (isSo: () => Promise<boolean>) =>
    waitUntil(isSo, "the policy takes effect", { withinMs: PATIENCE_MS, everyMs: 100 });

  describe("the injection", () => {
    const isInjected = async () => {
      const { objects } = await dryRun("probe", [podOf({ name: "probe", namespace: "shop" })]);
      return objects[0]?.spec?.dnsPolicy === "None";
    };
    const settings = (data: object) =>
      apply("settings", [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: `${OURS}-injection`, namespace: OURS },
          data,
        },
      ]);

    it("injects nothing before the address is known", async () => {
      // In force is seen at the policy beside it, which needs no setting.
      await until(async () => (await dryRun("early", [entryOf("*")])).refusals !== "");
      expect(await isInjected()).to.equal(false);
    });

    describe("with the address", () => {
      let pods: ReadonlyMap<string, V1Pod>;

      before(async () => {
        await settings(SETTINGS);
        await until(isInjected);
        const { objects, refusals } = await dryRun("cases", CASES.map(podOf));
        expect(refusals).to.equal("");
        pods = new Map(objects.map((pod) => [pod.metadata!.name!, pod]));
      });

      for (const each of CASES) {
        const { name, namespace, injected, spec } = each;
        it(`${injected === undefined ? "leaves alone" : "injects"} ${name} in ${namespace}`, () => {
          const { dnsPolicy, dnsConfig } = pods.get(name)!.spec!;
          expect(dnsPolicy).to.equal(injected ? "None" : (spec?.dnsPolicy ?? "ClusterFirst"));
          expect(dnsConfig).to.deep.equal(injected ?? spec?.dnsConfig);
        });
      }

      it("changes a pod that is injected already no more", async () => {
        const once = pods.get("own-options")!;
        const { objects } = await dryRun("again", [
          { apiVersion: "v1", kind: "Pod", ...once, metadata: { name: "again", namespace: "shop" } },
        ]);
        expect(objects[0]!.spec!.dnsConfig).to.deep.equal(once.spec!.dnsConfig);
      });
    });

    // Any of these in a pod would make the API server refuse it: nobody could start a pod any more.
    for (const [what, slip] of [
      ["a name for an address", { nameservers: "dns.example.com" }],
      ["an empty address", { nameservers: "" }],
      ["a trailing comma", { nameservers: "10.96.0.53," }],
      ["more than three addresses", { nameservers: "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4" }],
      ["a search that is no name", { ...SETTINGS, extraSearches: "a b_c" }],
      ["a cluster domain that is no name", { ...SETTINGS, clusterDomain: "Cluster Local" }],
    ] as const) {
      it(`lets pods be as they are while the ConfigMap has ${what}`, async () => {
        await server.kubectl("-n", OURS, "delete", "configmap", `${OURS}-injection`, "--ignore-not-found");
        await settings(SETTINGS);
        await until(isInjected);
        await settings(slip);
        await until(async () => !(await isInjected()));
        const { objects, refusals } = await dryRun("slip", [podOf({ name: "slip", namespace: "shop" })]);
        expect(refusals).to.equal("");
        expect(objects[0]!.spec!.dnsConfig).to.equal(undefined);
      });
    }

    it("lets pods be as they are without the ConfigMap", async () => {
      await settings(SETTINGS);
      await until(isInjected);
      await server.kubectl("-n", OURS, "delete", "configmap", `${OURS}-injection`);
      await until(async () => !(await isInjected()));
    });
  });

  describe("the host policy", () => {
    let refusals: string;

    before(async () => {
      await until(async () => (await dryRun("early", [entryOf("*")])).refusals !== "");
      ({ refusals } = await dryRun(
        "entries",
        ENTRY_CASES.map((each, index) => entryOf(each.hosts, each, index)),
      ));
    });

    ENTRY_CASES.forEach((each, index) => {
      it(`${each.refused === undefined ? "takes" : "refuses"} ${each.title}`, () => {
        const line = refusals.split("\n").find((text) => text.includes(`"entry-${index}" is forbidden`));
        if (each.refused === undefined) expect(line).to.equal(undefined);
        else expect(line).to.match(each.refused);
      });
    });

    const rules = (data: object) =>
      apply("rules", [
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `${OURS}-hosts`, namespace: OURS }, data },
      ]);
    const refusalOf = async (hosts: string, more: object = {}) =>
      (await dryRun("entry", [entryOf(hosts, more)])).refusals;

    it("asks for what the ConfigMap allows, denies and lets be seen", async () => {
      await rules({
        clusterDomain: "corp.internal",
        allow: "*.shop.example, api.example.com",
        deny: "admin.shop.example",
        maxVisibility: "namespace",
      });
      await until(async () => /may not claim/.test(await refusalOf("other.example.com", HOME)));
      expect(await refusalOf("a.shop.example", HOME)).to.equal("");
      expect(await refusalOf("API.example.com.", HOME)).to.equal("");
      expect(await refusalOf("shop.example", HOME)).to.match(/may not claim: shop\.example \(allowed: /);
      expect(await refusalOf("admin.shop.example", HOME)).to.match(/denied to the namespace plain/);
      // It would take over the denied one.
      expect(await refusalOf("*.shop.example", HOME)).to.match(/denied to the namespace plain: \*\.shop/);
      expect(await refusalOf("a.shop.example")).to.match(/must say exportTo/);
      expect(await refusalOf("a.shop.example", { spec: { exportTo: [".", "shop"] } })).to.match(/exportTo/);
      expect(await refusalOf("a.corp.internal", HOME)).to.match(/belong to Kubernetes/);
    });

    it("lets be answered what the ConfigMap excepts", async () => {
      const metadataService = {
        spec: { addresses: ["169.254.169.254/32"], endpoints: [{ address: "169.254.169.254" }] },
      };
      await rules({ allowAddresses: "fd00:ec2::/32, 169.254.169.254/32, nonsense" });
      await until(async () => (await refusalOf("metadata.example.com", metadataService)) === "");
      expect(await refusalOf("a.example.com", { spec: { addresses: ["169.254.169.253"] } })).to.match(
        /never answered/,
      );
    });

    it("can judge the largest entries, with many rules", async () => {
      const patterns = Array.from({ length: 50 }, (_, index) => `*.zone${index}.example`).join(", ");
      await rules({ allow: patterns, deny: patterns.replaceAll("zone", "denied") });
      const hosts = Array.from(
        { length: 256 },
        (_, index) => `host${index}.a.b.c.d.zone${index % 50}.example`,
      );
      const endpoints = Array.from({ length: 500 }, (_, index) => ({ address: `10.1.${index % 250}.7` }));
      await until(async () => /may not claim/.test(await refusalOf("a.shop.example")));
      const large = { ...entryOf("*"), spec: { hosts, endpoints } };
      expect((await dryRun("large", [large])).refusals).to.equal("");
    });

    it("lets entries from before it be labelled, and go", async () => {
      await rules({ maxVisibility: "public" });
      await until(async () => (await refusalOf("old.example.com")) === "");
      await apply("old", [entryOf("old.example.com")]);
      await rules({ deny: "old.example.com" });
      await until(async () => /denied/.test(await refusalOf("old.example.com")));
      await server.kubectl("-n", "plain", "label", "serviceentry", "entry-0", "team=a");
      await server.kubectl("-n", "plain", "delete", "serviceentry", "entry-0");
    });
  });
});

const HOME = { spec: { exportTo: ["."] } };
