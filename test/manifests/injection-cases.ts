/** Pods as they are written, and the DNS part of what the injection makes of them; for every form of the policy. */

import type { V1PodDNSConfig, V1PodSpec } from "@kubernetes/client-node";

export interface InjectionCase {
  /** Of the pod, too: a part of a DNS name. */
  readonly name: string;
  readonly namespace: keyof typeof NAMESPACES;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Partial<V1PodSpec>;
  /** Undefined: the pod stays as it was written. */
  readonly injected?: V1PodDNSConfig;
}

const ENABLED = { "serviceentry-dns.io/injection": "enabled" };

/** The labels of each namespace, besides its name. */
export const NAMESPACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  shop: ENABLED,
  plain: {},
  disabled: { "serviceentry-dns.io/injection": "disabled" },
  ambient: { ...ENABLED, "istio.io/dataplane-mode": "ambient" },
  kmesh: { ...ENABLED, "istio.io/dataplane-mode": "Kmesh" },
  "istio-system": {},
  // Whatever somebody labels them.
  "serviceentry-dns": ENABLED,
  "kube-system": ENABLED,
};

/** Of the ConfigMap. */
export const SETTINGS = {
  nameservers: "10.96.0.53, 10.96.0.54",
  clusterDomain: "cluster.local",
  extraSearches: "node.example, svc.cluster.local",
  ndots: "5",
  timeout: "2",
  attempts: "3",
};

const DEFAULT_OPTIONS = [
  { name: "ndots", value: "5" },
  { name: "timeout", value: "2" },
  { name: "attempts", value: "3" },
];

/** For a pod that says nothing about DNS. */
function usual(namespace: string): V1PodDNSConfig {
  return {
    nameservers: ["10.96.0.53", "10.96.0.54"],
    // The node's come behind the cluster's, each once.
    searches: [`${namespace}.svc.cluster.local`, "svc.cluster.local", "cluster.local", "node.example"],
    options: DEFAULT_OPTIONS,
  };
}

const USUAL = usual("shop");

export const CASES: readonly InjectionCase[] = [
  { name: "usual", namespace: "shop", injected: USUAL },
  { name: "not-labelled", namespace: "plain" },
  { name: "labelled-otherwise", namespace: "disabled" },
  { name: "opted-out", namespace: "shop", annotations: { "serviceentry-dns.io/inject": "false" } },
  {
    name: "other-annotations",
    namespace: "shop",
    annotations: { "serviceentry-dns.io/inject": "true", team: "a" },
    injected: USUAL,
  },
  { name: "host-network", namespace: "shop", spec: { hostNetwork: true } },
  {
    name: "host-network-cluster-first",
    namespace: "shop",
    spec: { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
  },
  { name: "says-no-host-network", namespace: "shop", spec: { hostNetwork: false }, injected: USUAL },
  {
    name: "own-nameservers",
    namespace: "shop",
    spec: { dnsPolicy: "None", dnsConfig: { nameservers: ["192.0.2.1"] } },
  },
  {
    name: "more-nameservers",
    namespace: "shop",
    spec: { dnsConfig: { nameservers: ["192.0.2.1"], searches: ["a.example"] } },
  },
  { name: "nodes-resolver", namespace: "shop", spec: { dnsPolicy: "Default" } },
  {
    name: "says-cluster-first",
    namespace: "shop",
    spec: { dnsPolicy: "ClusterFirst", dnsConfig: {} },
    injected: USUAL,
  },
  {
    name: "own-searches",
    namespace: "shop",
    spec: { dnsConfig: { searches: ["corp.example", "cluster.local", "node.example", "b.example"] } },
    injected: { ...USUAL, searches: [...USUAL.searches!, "corp.example", "b.example"] },
  },
  {
    name: "own-options",
    namespace: "shop",
    spec: { dnsConfig: { options: [{ name: "ndots", value: "1" }, { name: "edns0" }] } },
    injected: {
      ...USUAL,
      options: [
        { name: "timeout", value: "2" },
        { name: "attempts", value: "3" },
        { name: "ndots", value: "1" },
        { name: "edns0" },
      ],
    },
  },
  {
    name: "too-many-searches",
    namespace: "shop",
    spec: { dnsConfig: { searches: Array.from({ length: 30 }, (_, index) => `s${index}.example`) } },
  },
  {
    name: "as-many-searches-as-fit",
    namespace: "shop",
    spec: { dnsConfig: { searches: Array.from({ length: 27 }, (_, index) => `s${index}.example`) } },
    injected: {
      ...USUAL,
      searches: [...USUAL.searches!, ...Array.from({ length: 27 }, (_, index) => `s${index}.example`)],
    },
  },
  { name: "ambient-namespace", namespace: "ambient" },
  { name: "ambient-pod", namespace: "shop", labels: { "istio.io/dataplane-mode": "ambient" } },
  {
    name: "ambient-pod-without-capture",
    namespace: "shop",
    labels: { "istio.io/dataplane-mode": "ambient" },
    annotations: { "ambient.istio.io/dns-capture": "false" },
    injected: USUAL,
  },
  { name: "kmesh-pod", namespace: "kmesh", injected: usual("kmesh") },
  { name: "our-own-pod", namespace: "serviceentry-dns", labels: { app: "serviceentry-dns" } },
  { name: "another-of-our-namespace", namespace: "serviceentry-dns", labels: { app: "other" } },
  { name: "our-own-pod-elsewhere", namespace: "shop", labels: { app: "serviceentry-dns" } },
  { name: "another-app", namespace: "shop", labels: { app: "web" }, injected: USUAL },
  { name: "coredns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } },
];

/** The pod of a case; Pod Security restricted, so that each namespace takes it. */
export function podOf({ name, namespace, labels = {}, annotations = {}, spec = {} }: InjectionCase) {
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    runAsNonRoot: true,
    runAsUser: 65532,
    seccompProfile: { type: "RuntimeDefault" },
  };
  const containers = [{ name: "one", image: "example.com/one", securityContext }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels, annotations },
    spec: { ...spec, containers },
  };
}
