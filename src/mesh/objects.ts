/**
 * The objects that we compile, as values: only what we read of them, checked and normalised at the door
 * (`parse-*.ts`). Words are Istio's and Kubernetes' own.
 */

import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";

export const KINDS = [
  "ServiceEntry",
  "WorkloadEntry",
  "Pod",
  "Namespace",
  "Node",
  "Service",
  "EndpointSlice",
] as const;
export type Kind = (typeof KINDS)[number];
export type Namespace = string;
export type Labels = Readonly<Record<string, string>>;

/** Names one object; `key` is equal for equal objects. */
export interface ObjectRef {
  readonly kind: Kind;
  /** "" for kinds without a namespace. */
  readonly namespace: Namespace;
  readonly name: string;
}
export type ObjectKey = string;
export function objectKey(ref: ObjectRef): ObjectKey {
  // A template would make a tree of four texts, and every index keeps the key.
  return [ref.kind, ref.namespace, ref.name].join("/");
}

/** What every object carries. */
export interface MeshObject {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Milliseconds since 1970; undefined when the object does not say: sorts last. */
  readonly createdAtMs: number | undefined;
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
}

export type EntryResolution = "NONE" | "STATIC" | "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS";
export type Location = "MESH_EXTERNAL" | "MESH_INTERNAL";
/** The annotation `serviceentry-dns.io/answer` and the setting `answer`. */
export type AnswerMode = "auto" | "virtual" | "resolved";
export const ANSWER_MODES: readonly AnswerMode[] = ["auto", "virtual", "resolved"];

/** The annotation `serviceentry-dns.io/suffix-answer` of a Namespace and the setting `suffixAnswer`. */
export type SuffixAnswer = "cname" | "nxdomain" | "forward";
export const SUFFIX_ANSWERS: readonly SuffixAnswer[] = ["cname", "nxdomain", "forward"];

/** Words of the annotation `networking.istio.io/traffic-distribution`: only the nearest endpoints are answered. */
export type TrafficDistribution = "PreferClose" | "PreferSameZone" | "PreferSameNode" | "PreferNetwork";
export const TRAFFIC_DISTRIBUTIONS: readonly TrafficDistribution[] = [
  "PreferClose",
  "PreferSameZone",
  "PreferSameNode",
  "PreferNetwork",
];

/** Whose hands a pod's traffic goes through: its own Envoy's, a node's data plane (ambient, Kmesh), nobody's. */
export type MeshMode = "none" | "sidecar" | "redirected";

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: string;
  readonly targetPort: number | undefined;
}

/** Where an endpoint or workload is reached: an address, a name to resolve, or a Unix socket (never answered). */
export type EndpointAddress =
  | { readonly kind: "ip"; readonly ip: IpAddress }
  | { readonly kind: "name"; readonly name: HostName }
  | { readonly kind: "unix"; readonly path: string }
  /** No `address` at all, only a `network`. */
  | { readonly kind: "none" };

/** An inline endpoint of a ServiceEntry, or the spec of a WorkloadEntry: Istio gives both one shape. */
export interface Endpoint {
  /** Where in the object, for problems: `spec.endpoints[2]`, or `spec`. */
  readonly path: string;
  readonly address: EndpointAddress;
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Labels;
  /** The field, else the label `topology.istio.io/network`; undefined: not said. */
  readonly network: string | undefined;
  /** `region/zone/subzone`, from the field, else the label `istio-locality` (dots as slashes); "" unknown. */
  readonly locality: string;
  /** 0 = not said. */
  readonly weight: number;
}

export interface ServiceEntry extends MeshObject {
  readonly hosts: readonly HostName[];
  /** The single IPs of `spec.addresses` (a /32 or /128 counts); wider CIDRs are in `hasAddresses` only. */
  readonly addresses: readonly IpAddress[];
  /** Whether `spec.addresses` had any element at all (then Istio allocates none). */
  readonly hasAddresses: boolean;
  readonly ports: readonly ServicePort[];
  readonly resolution: EntryResolution;
  readonly location: Location;
  /** Those that could be read. */
  readonly endpoints: readonly Endpoint[];
  /** Whether `spec.endpoints` had any element at all: a host whose endpoints are all bad stays without addresses. */
  readonly hasEndpoints: boolean;
  /** Undefined: no `workloadSelector`. */
  readonly selector: Labels | undefined;
  /** As written; empty: not said. */
  readonly exportTo: readonly string[];
  /** `status.addresses` in their order: what Istio or Kmesh allocated. */
  readonly allocated: readonly { readonly host: HostName | undefined; readonly address: IpAddress }[];
  /** Annotation `serviceentry-dns.io/answer`; undefined: not said, or not understood (a problem says so). */
  readonly answer: AnswerMode | undefined;
  /** Annotation `serviceentry-dns.io/ttl`, whole seconds 1-3600. */
  readonly ttlSeconds: number | undefined;
  /** Undefined: not said. `Any`, also where the word is not understood: it does not matter who is near. */
  readonly trafficDistribution: TrafficDistribution | "Any" | undefined;
}

export interface WorkloadEntry extends MeshObject {
  readonly endpoint: Endpoint;
  /** `metadata.labels` over `spec.labels`: what selectors match. */
  readonly workloadLabels: Labels;
  /** False when the annotation `proxy.istio.io/health-checks-enabled` asks for a condition Healthy=True that is absent. */
  readonly isHealthy: boolean;
}

export interface Pod extends MeshObject {
  /** `status.podIPs`, else `status.podIP`. */
  readonly ips: readonly IpAddress[];
  /** Ready, no deletionTimestamp, not Succeeded or Failed. */
  readonly isReady: boolean;
  /** Succeeded or Failed: its addresses may already be another pod's. */
  readonly isTerminal: boolean;
  readonly usesHostNetwork: boolean;
  readonly nodeName: string;
  readonly meshMode: MeshMode;
  /** It has a deletionTimestamp: it may run on, but another pod may get its addresses before it is gone. */
  readonly isDeleting: boolean;
  /** Milliseconds since 1970; undefined: no kubelet has taken it yet. */
  readonly startedAtMs: number | undefined;
  /** Container ports by their names. */
  readonly portNames: Readonly<Record<string, number>>;
}

export interface NamespaceObject extends MeshObject {
  /** Annotation `serviceentry-dns.io/answer`. */
  readonly answer: AnswerMode | undefined;
  /** Annotation `serviceentry-dns.io/suffix-answer`. */
  readonly suffixAnswer: SuffixAnswer | undefined;
  /** For its entries that say nothing themselves. */
  readonly trafficDistribution: TrafficDistribution | "Any" | undefined;
}

export interface NodeObject extends MeshObject {
  /** Where its own processes, and pods in its network, ask from. */
  readonly ips: readonly IpAddress[];
  /** "" where the node does not say. */
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** As far as published hosts need it: what must not be an endpoint, and what a named endpoint leads to. */
export interface Service extends MeshObject {
  /** Empty: headless, or none yet. */
  readonly clusterIps: readonly IpAddress[];
  readonly isHeadless: boolean;
  /** `spec.type: ExternalName`: upstream resolves the name. */
  readonly isExternalName: boolean;
  readonly ports: readonly KubernetesPort[];
  /** It has a deletionTimestamp. */
  readonly isDeleting: boolean;
}

/** A port of a Service or of an EndpointSlice. */
export interface KubernetesPort {
  /** "": the only one. */
  readonly name: string;
  /** 0 in a slice: all ports. */
  readonly number: number;
  readonly protocol: string;
  /** "": not said. */
  readonly appProtocol: string;
}

export type SliceAddressType = "IPv4" | "IPv6" | "FQDN";

export interface EndpointSlice extends MeshObject {
  /** Of the label `kubernetes.io/service-name`, in the slice's own namespace; "": none. */
  readonly serviceName: string;
  readonly addressType: SliceAddressType;
  readonly ports: readonly KubernetesPort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SliceEndpoint {
  /** As written; consumers take the first alone. */
  readonly address: string;
  readonly isReady: boolean;
  readonly isServing: boolean;
  readonly isTerminating: boolean;
  /** "": not said. */
  readonly zone: string;
  readonly nodeName: string;
  /** Clients of its own zone are led here first: `hints` name that zone alone. */
  readonly isForZone: boolean;
  /** Undefined: no Pod. */
  readonly pod: PodTarget | undefined;
}

/** The Pod that an endpoint is. */
export interface PodTarget {
  readonly namespace: Namespace;
  readonly name: string;
  /** "": not said. */
  readonly uid: string;
}

export interface ObjectByKind {
  readonly ServiceEntry: ServiceEntry;
  readonly WorkloadEntry: WorkloadEntry;
  readonly Pod: Pod;
  readonly Namespace: NamespaceObject;
  readonly Node: NodeObject;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
}
