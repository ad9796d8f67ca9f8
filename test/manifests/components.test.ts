/** The components and overlays: kustomize builds each, and what they add fits the base and the program. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  V1ClusterRole,
  V1ConfigMap,
  V1DaemonSet,
  V1Deployment,
  V1NetworkPolicy,
  V1PodDisruptionBudget,
  V1Role,
  V1Service,
} from "@kubernetes/client-node";
import { expect } from "chai";
import { loadSettings } from "../../src/config/load-settings.ts";
import { type KubernetesObject, MANIFESTS, readObjects } from "./base-objects.ts";
import { kustomize } from "./kustomize.ts";
import { overlayOf } from "./overlay.ts";

const COMPONENTS = join(MANIFESTS, "components");
const OVERLAYS = join(MANIFESTS, "overlays");
/** Those that are for the namespaces of clients: they stand alone. */
const FOR_CLIENTS: readonly string[] = ["client-egress", "client-egress-cilium"];
const NAME = "serviceentry-dns";

describe("the components", function () {
  this.timeout(240_000);
  const names = readdirSync(COMPONENTS);

  it("are those that are described, each with a comment that says what it is for", () => {
    expect(names).to.have.length.greaterThan(10);
    for (const name of names) {
      const text = readFileSync(join(COMPONENTS, name, "kustomization.yaml"), "utf8");
      expect(text, name).to.match(/^# /);
    }
  });

  it("put our label on every object", () => {
    for (const name of names) {
      for (const { kind, metadata } of objectsIn(join(COMPONENTS, name)))
        expect(metadata.labels, `${name} ${kind}`).to.include({ app: NAME });
    }
  });

  for (const name of names) {
    it(`build: ${name}`, function () {
      const objects = built(name) ?? this.skip();
      const identities = objects.map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`,
      );
      expect(new Set(identities)).to.have.property("size", identities.length);
    });
  }

  for (const name of readdirSync(OVERLAYS)) {
    it(`build: the overlay ${name}`, function () {
      const objects = kustomize(join(OVERLAYS, name)) ?? this.skip();
      const { spec } = only<V1Service>(objects, "Service");
      expect(spec!.clusterIP).to.match(/^10\.96\./);
    });
  }

  it("give injected pods the address that the Service is pinned to", function () {
    const objects = kustomize(join(OVERLAYS, "injected")) ?? this.skip();
    const settings = only<V1ConfigMap>(objects, "ConfigMap", "serviceentry-dns-injection");
    expect(settings.data!["nameservers"]).to.equal(only<V1Service>(objects, "Service").spec!.clusterIP);
  });

  it("two-addresses: divide all pods between two Services, and share the rest", function () {
    const objects = built("two-addresses") ?? this.skip();
    for (const [suffix, address] of [
      ["", "first"],
      ["-second", "second"],
    ] as const) {
      const labels = { app: NAME, "serviceentry-dns.io/address": address };
      const { spec } = only<V1Deployment>(objects, "Deployment", NAME + suffix);
      expect(spec!.selector.matchLabels).to.deep.equal(labels);
      expect(spec!.template.metadata!.labels).to.include(labels);
      for (const { labelSelector } of spec!.template.spec!.topologySpreadConstraints!)
        expect(labelSelector!.matchLabels).to.deep.equal(labels);
      expect(only<V1Service>(objects, "Service", NAME + suffix).spec!.selector).to.deep.equal(labels);
      const budget = only<V1PodDisruptionBudget>(objects, "PodDisruptionBudget", NAME + suffix);
      expect(budget.spec!.selector!.matchLabels).to.deep.equal(labels);
      const template = spec!.template.spec!;
      expect(template.serviceAccountName).to.equal(NAME);
      expect(template.volumes!.find(({ configMap }) => configMap)?.configMap?.name).to.equal(NAME);
    }
    for (const kind of ["ServiceAccount", "ConfigMap", "NetworkPolicy", "Role"]) only(objects, kind);
    const [policy] = objects.filter(({ kind }) => kind === "NetworkPolicy") as unknown as V1NetworkPolicy[];
    expect(policy!.spec!.podSelector!.matchLabels).to.deep.equal({ app: NAME });
  });

  for (const [name, spec] of [
    ["node-local", { trafficDistribution: "PreferSameNode", internalTrafficPolicy: undefined }],
    ["node-local-before-1.35", { trafficDistribution: undefined, internalTrafficPolicy: "Local" }],
  ] as const) {
    it(`${name}: a pod of the Deployment on each node, asked by its own node`, function () {
      const objects = built(name) ?? this.skip();
      expect(objects.some(({ kind }) => kind === "Deployment" || kind === "PodDisruptionBudget")).to.equal(
        false,
      );
      const { selector, template, updateStrategy } = only<V1DaemonSet>(objects, "DaemonSet").spec!;
      expect(selector.matchLabels).to.deep.equal({ app: NAME });
      expect(updateStrategy!.rollingUpdate).to.deep.equal({ maxUnavailable: 0, maxSurge: 1 });
      expect(template.spec!.hostNetwork).to.equal(undefined);
      expect(template.spec!.topologySpreadConstraints).to.equal(undefined);
      const service = only<V1Service & { spec: Record<string, unknown> }>(objects, "Service").spec;
      expect(service["trafficDistribution"]).to.equal(spec.trafficDistribution);
      expect(service.internalTrafficPolicy).to.equal(spec.internalTrafficPolicy);
    });
  }

  it("first-hop: settings that the program takes", function () {
    const objects = built("first-hop") ?? this.skip();
    const [container] = only<V1Deployment>(objects, "Deployment").spec!.template.spec!.containers;
    const env: Record<string, string> = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
    for (const { name, value } of container!.env!) env[name] = value ?? "10.244.1.7";
    const file = only<V1ConfigMap>(objects, "ConfigMap").data!["settings.yaml"]!;
    const { settings } = loadSettings({
      argv: ["--config=/settings.yaml"],
      env,
      readFile: (path) => (path === "/settings.yaml" ? file : "nameserver 10.96.0.10\n"),
      localAddresses: () => ["10.244.1.7"],
    });
    expect(settings.refuse).to.equal(true);
    expect(settings.upstreams).to.deep.equal([{ address: "192.0.2.53", port: 53 }]);
    // The one that the Corefile is for is asked for the cluster's names alone.
    expect(settings.clusterUpstreams).to.deep.equal([{ address: "10.96.0.10", port: 53 }]);
    const corefile = readFileSync(join(COMPONENTS, "first-hop/Corefile"), "utf8");
    expect(corefile).to.match(/^forward \. 10\.96\.0\.53 \{\n {4}next REFUSED/m);
  });

  it("status-conditions: allow to patch a status, and nothing else", () => {
    const roles = objectsIn(join(COMPONENTS, "status-conditions")).filter(({ kind }) => /Role$/.test(kind));
    expect(roles).to.have.length(1);
    expect((roles[0] as unknown as V1ClusterRole).rules).to.deep.equal([
      { apiGroups: ["networking.istio.io"], resources: ["serviceentries/status"], verbs: ["patch"] },
    ]);
  });

  it("publishing: allow to write in one namespace that holds nothing else", () => {
    const objects = objectsIn(join(COMPONENTS, "publishing"));
    const role = only<V1Role>(objects, "Role");
    expect(role.metadata!.namespace).to.equal("serviceentry-dns-published");
    const writing = role.rules!.map(({ resources, verbs }) => [resources, verbs.toSorted()]);
    const verbs = ["create", "delete", "get", "list", "patch", "watch"];
    expect(writing).to.deep.equal([
      [["services"], verbs],
      [["endpointslices"], verbs],
    ]);
    for (const { verbs: granted } of only<V1ClusterRole>(objects, "ClusterRole").rules!)
      expect(granted).to.deep.equal(["get", "list", "watch"]);
    const namespace = only(objects, "Namespace");
    expect(namespace.metadata.name).to.equal("serviceentry-dns-published");
    expect(namespace.metadata.labels).to.include({
      "pod-security.kubernetes.io/enforce": "restricted",
      "istio-injection": "disabled",
    });
  });

  it("client-egress: lead to our pods' port, by the labels that they have", () => {
    const [policy] = objectsIn(join(COMPONENTS, "client-egress")).filter(
      ({ kind }) => kind === "NetworkPolicy",
    );
    const { podSelector, policyTypes, egress } = (policy as unknown as V1NetworkPolicy).spec!;
    // No namespace: an overlay names the client's.
    expect(policy!.metadata.namespace).to.equal(undefined);
    expect([podSelector, policyTypes]).to.deep.equal([{}, ["Egress"]]);
    const [{ to, ports }] = egress as [{ to: object[]; ports: { port: number; protocol: string }[] }];
    expect(to).to.deep.equal([
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": NAME } },
        podSelector: { matchLabels: { app: NAME } },
      },
    ]);
    expect(ports.map(({ port, protocol }) => `${port} ${protocol}`)).to.deep.equal(["53 UDP", "53 TCP"]);
  });

  it("client-egress-cilium: open the way without closing another", () => {
    const [policy] = objectsIn(join(COMPONENTS, "client-egress-cilium")).filter(
      ({ kind }) => kind === "CiliumNetworkPolicy",
    );
    const { enableDefaultDeny, egress } = (policy as unknown as { spec: CiliumSpec }).spec;
    expect(enableDefaultDeny).to.deep.equal({ egress: false, ingress: false });
    expect(egress).to.deep.equal([
      {
        toEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": NAME, "k8s:app": NAME } }],
        toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
      },
    ]);
  });
});

interface CiliumSpec {
  readonly enableDefaultDeny: object;
  readonly egress: readonly object[];
}

/** The base with the component; a client's component alone. */
function built(name: string): readonly KubernetesObject[] | undefined {
  const folder = join(COMPONENTS, name);
  return FOR_CLIENTS.includes(name) ? kustomize(folder) : overlayOf([folder], kustomize);
}

/** Of all its files, as they are written. */
function objectsIn(folder: string): readonly KubernetesObject[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.yaml$/.test(file) && !/kustomization|rules|daemon-set/.test(file))
    .flatMap((file) => readObjects(readFileSync(join(folder, file), "utf8")));
}

/** The one object of the kind, and of the name if one is given. */
function only<T = KubernetesObject>(objects: readonly KubernetesObject[], kind: string, name?: string): T {
  const found = objects.filter(
    (each) => each.kind === kind && (name === undefined || each.metadata.name === name),
  );
  const ours =
    name === undefined && found.length > 1 ? found.filter((each) => each.metadata.name === NAME) : found;
  expect(ours, `${kind} ${name ?? ""}`).to.have.length(1);
  return ours[0] as unknown as T;
}
