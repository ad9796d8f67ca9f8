/**
 * Random objects, resolutions and settings over a small alphabet, so that entries share hosts, name each other as
 * endpoints and select the same workloads. Values are of the kind that the parsers make.
 */

import * as fc from "fast-check";
import type { LabelSelector } from "../../src/mesh/label-selector.ts";
import type {
  Endpoint,
  EndpointAddress,
  EntryResolution,
  Labels,
  Namespace,
  NamespaceObject,
  NodeObject,
  ObjectRef,
  Pod,
  ServiceEntry,
  WorkloadEntry,
} from "../../src/mesh/objects.ts";
import { ANSWER_MODES, type MeshObject } from "../../src/mesh/objects.ts";
import type { Resolution } from "../../src/mesh/resolution.ts";
import type { HostPolicyRule, RegistrySettings } from "../../src/registry/settings.ts";
import type { MonotonicMs } from "../../src/runtime.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import {
  familyOf,
  type IpAddress,
  type IpPrefix,
  parseIpAddress,
  parseIpPrefix,
} from "../../src/wire/ip-address.ts";

/** What the objects of one run have in common. */
export type WorldObject = ServiceEntry | WorkloadEntry | Pod | NamespaceObject | NodeObject;

/** Mostly two of them, so that much meets. */
const NAMESPACES = ["east", "east", "east", "west", "west", "west", "middle"] as const;

/** Whose clients may see something of their own, and unknown clients. */
export const VIEWERS: readonly (Namespace | undefined)[] = ["east", "west", "middle", "nowhere", undefined];

/** Hosts that entries claim and endpoints name; the last one is longer than what Kubernetes could mean. */
const OWN_NAMES = ["a.example", "b.example", "c.example", "deep.c.example", "very.deep.c.example"].map(host);
/** What a Service of a namespace is called. */
const SERVICE_NAMES = ["web.middle", "pod.web.west", "s.east.svc.cluster.local"].map(host);
const WILDCARDS = ["*.wide.example", "*.deep.wide.example"].map(host);
const REFUSED = ["x.cluster.local", "y.svc", "localhost", "*.example", "1.in-addr.arpa"].map(host);
/** Endpoint names that nobody claims; two of them are covered by wildcards. */
const FOREIGN_NAMES = ["up.test", "other.test", "one.wide.example", "z.cluster.local"].map(host);
/** A line of hosts, each of which names the next one: longer than may be followed. */
const CHAIN = Array.from({ length: 10 }, (_, at) => host(`link${at}.chain`));

/** Every name that upstream may be asked for. */
export const RESOLVABLE: readonly HostName[] = [...OWN_NAMES, ...FOREIGN_NAMES, ...CHAIN];

const ALLOWED = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.7", "fd00::1", "fd00::2"].map(ip);
const ALLOCATED = ["240.0.0.1", "240.0.0.2", "2001:2::1"].map(ip);
const FORBIDDEN = ["127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.1", "::1", "fe80::1", "ff02::1"].map(
  ip,
);

/** `odd` one time in `of`. */
function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, of = 8): fc.Arbitrary<T> {
  return fc.oneof({ weight: of - 1, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

const anyAddress = mostly(fc.constantFrom(...ALLOWED), fc.constantFrom(...FORBIDDEN));
const anyNetwork = mostly(fc.constant(undefined), fc.constantFrom("net1", "net2"));
const anyWeight = mostly(fc.constant(0), fc.integer({ min: 1, max: 3 }), 3);
const anyCreation = fc.constantFrom(undefined, 1000, 2000, 3000);
const anyAnswer = mostly(fc.constant(undefined), fc.constantFrom(...ANSWER_MODES));
const anyLabels: fc.Arbitrary<Labels> = fc.constantFrom(
  { app: "web" },
  { app: "web" },
  { app: "web", version: "v1" },
  { version: "v1" },
  {},
);
const anySelector: fc.Arbitrary<Labels> = fc.constantFrom(
  { app: "web" },
  { app: "web" },
  { app: "web", version: "v1" },
  { version: "v1", app: "web" },
  {},
);

function anyRef<K extends ObjectRef["kind"]>(kind: K, names: readonly string[]) {
  return fc
    .tuple(fc.constantFrom(...NAMESPACES), fc.constantFrom(...names))
    .map(([namespace, name]): ObjectRef => ({ kind, namespace, name }));
}

/** Without a version: `versioned` gives each value that is put one of its own. */
function metadataOf(ref: ObjectRef, labels: Labels, createdAtMs: number | undefined): MeshObject {
  return { ref, uid: "uid", resourceVersion: "", createdAtMs, labels, annotations: {} };
}

let versions = 0;

/** The same object as a value of its own, which the store takes for a change. */
export function versioned<T extends WorldObject>(object: T): T {
  versions += 1;
  return { ...object, resourceVersion: `${versions}` };
}

const anyEndpointAddress: fc.Arbitrary<EndpointAddress> = fc.oneof(
  { weight: 4, arbitrary: anyAddress.map((each): EndpointAddress => ({ kind: "ip", ip: each })) },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(...OWN_NAMES, ...OWN_NAMES, ...FOREIGN_NAMES)
      .map((name): EndpointAddress => ({ kind: "name", name })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<EndpointAddress>({ kind: "unix", path: "/run/a.sock" }, { kind: "none" }),
  },
);

function endpointOf(
  address: EndpointAddress,
  network: string | undefined,
  weight: number,
  locality = "",
): Endpoint {
  return { path: "spec", address, ports: {}, labels: {}, network, locality, weight };
}

const anyPlace = mostly(fc.constant(""), fc.constantFrom("r1/z1", "r1/z2/s", "r2"), 3);
const anyDistribution = mostly(
  fc.constant(undefined),
  fc.constantFrom<ServiceEntry["trafficDistribution"]>("PreferClose", "PreferSameNode", "Any"),
  4,
);

const anyEndpoint = fc
  .tuple(anyEndpointAddress, anyNetwork, anyWeight, anyPlace)
  .map(([address, network, weight, locality]) => endpointOf(address, network, weight, locality));

/** More addresses than one host may have, among those of a usual list. */
const manyEndpoints = fc
  .integer({ min: 250, max: 270 })
  .map((count) =>
    Array.from({ length: count }, (_, at) =>
      endpointOf({ kind: "ip", ip: ip(`10.9.${at % 2}.${(at * 7) % 251}`) }, undefined, 0),
    ),
  );
const anyEndpoints = fc.oneof(
  { weight: 60, arbitrary: fc.array(anyEndpoint, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: manyEndpoints },
);

const anyResolutionKind = fc.constantFrom<EntryResolution>(
  "NONE",
  "STATIC",
  "STATIC",
  "DNS",
  "DNS",
  "DNS",
  "DNS_ROUND_ROBIN",
  "DYNAMIC_DNS",
);

const anyHosts = fc
  .uniqueArray(
    mostly(
      fc.constantFrom(...OWN_NAMES),
      fc.constantFrom(...WILDCARDS, ...WILDCARDS, ...SERVICE_NAMES, ...REFUSED),
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((hosts): readonly HostName[] => hosts);

const anyExportTo = fc.constantFrom<readonly string[]>(
  ...Array.from({ length: 5 }, () => []),
  ["*"],
  ["."],
  ["."],
  ["~"],
  ["east"],
  ["west", "."],
  ["west", "middle"],
  ["nowhere", "~"],
  ["west", "*"],
);

const anyPorts = mostly<readonly number[]>(
  fc.constant([80]),
  fc.constantFrom([], [443, 80], [80, 443], [80, 80]),
).map((numbers) =>
  numbers.map((number) => ({ number, name: `p${number}`, protocol: "TCP", targetPort: undefined })),
);

/** Endpoints, a selector, neither, or (a mistake) both; now and then an endpoint that could not be read. */
interface Backends {
  readonly endpoints: readonly Endpoint[];
  readonly hasBadEndpoint: boolean;
  readonly selector: Labels | undefined;
}

const rarely = fc.integer({ min: 0, max: 11 }).map((dice) => dice === 11);
const noEndpoints = fc.constant<readonly Endpoint[]>([]);
const noSelector = fc.constant<Labels | undefined>(undefined);

const anyBackends: fc.Arbitrary<Backends> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ endpoints: anyEndpoints, hasBadEndpoint: rarely, selector: noSelector }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ endpoints: noEndpoints, hasBadEndpoint: rarely, selector: anySelector }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ endpoints: noEndpoints, hasBadEndpoint: rarely, selector: noSelector }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ endpoints: anyEndpoints, hasBadEndpoint: rarely, selector: anySelector }),
  },
);

interface EntryParts {
  readonly ref: ObjectRef;
  readonly createdAtMs: number | undefined;
  readonly autoallocate: string | undefined;
  /** Labelled as of an old version. */
  readonly isOld: boolean;
  readonly hosts: readonly HostName[];
  readonly addresses: readonly IpAddress[];
  readonly hasCidr: boolean;
  readonly ports: ServiceEntry["ports"];
  readonly resolution: EntryResolution;
  readonly backends: Backends;
  readonly exportTo: readonly string[];
  readonly allocated: ServiceEntry["allocated"];
  readonly answer: ServiceEntry["answer"];
  readonly ttlSeconds: number | undefined;
  readonly trafficDistribution: ServiceEntry["trafficDistribution"];
}

function entryOf(parts: EntryParts): ServiceEntry {
  const { ref, createdAtMs, autoallocate, isOld, hasCidr, backends, ...spec } = parts;
  const { endpoints, selector, hasBadEndpoint } = backends;
  const labels: Labels = {
    ...(autoallocate === undefined ? {} : { "networking.istio.io/enable-autoallocate-ip": autoallocate }),
    ...(isOld ? { version: "v1" } : {}),
  };
  return {
    ...metadataOf(ref, labels, createdAtMs),
    ...spec,
    endpoints,
    selector,
    location: "MESH_EXTERNAL",
    hasAddresses: hasCidr || spec.addresses.length > 0,
    hasEndpoints: hasBadEndpoint || endpoints.length > 0,
  };
}

export const anyServiceEntry: fc.Arbitrary<ServiceEntry> = fc
  .record<EntryParts>({
    ref: anyRef("ServiceEntry", ["e1", "e2", "e3"]),
    createdAtMs: anyCreation,
    autoallocate: mostly(fc.constant(undefined), fc.constantFrom("False", "true")),
    isOld: rarely,
    hosts: anyHosts,
    addresses: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: fc.uniqueArray(mostly(anyAddress, fc.constantFrom(...ALLOCATED)), { maxLength: 2 }),
      },
    ),
    hasCidr: rarely,
    ports: anyPorts,
    resolution: anyResolutionKind,
    backends: anyBackends,
    exportTo: anyExportTo,
    allocated: fc.array(
      fc.record({
        host: fc.constantFrom(undefined, ...OWN_NAMES, ...WILDCARDS),
        address: mostly(fc.constantFrom(...ALLOCATED), fc.constantFrom(...FORBIDDEN)),
      }),
      { maxLength: 4 },
    ),
    answer: anyAnswer,
    ttlSeconds: mostly(fc.constant(undefined), fc.constantFrom(1, 3, 20, 3600)),
    trafficDistribution: anyDistribution,
  })
  .map(entryOf);

/** One link of the chain: names the next host, now and then another one or nothing but an address. */
const anyChainEntry: fc.Arbitrary<ServiceEntry> = fc
  .tuple(
    fc.nat({ max: CHAIN.length - 1 }),
    fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyEndpoint }),
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.constantFrom(-3, -1, 0, 2) },
    ),
    anyWeight,
  )
  .map(([at, extra, step, weight]) => chainEntry(at, step, weight, extra === undefined ? [] : [extra]));

function chainEntry(at: number, step: number, weight: number, extra: readonly Endpoint[]): ServiceEntry {
  const next = CHAIN[at + step];
  const endpoints = [
    ...(next === undefined ? [] : [endpointOf({ kind: "name", name: next }, undefined, weight)]),
    ...extra,
  ];
  return entryOf({
    ref: { kind: "ServiceEntry", namespace: NAMESPACES[at % 2]!, name: `link${at}` },
    createdAtMs: 1000,
    autoallocate: undefined,
    isOld: false,
    hosts: [CHAIN[at]!],
    addresses: [],
    hasCidr: false,
    ports: [],
    resolution: "DNS",
    backends: { endpoints, hasBadEndpoint: false, selector: undefined },
    exportTo: [],
    allocated: [],
    answer: undefined,
    ttlSeconds: undefined,
    trafficDistribution: undefined,
  });
}

/** The whole chain, in one edit. */
export const WHOLE_CHAIN: readonly ServiceEntry[] = CHAIN.map((_, at) => chainEntry(at, 1, 0, []));

export const anyWorkloadEntry: fc.Arbitrary<WorkloadEntry> = fc
  .record({
    ref: anyRef("WorkloadEntry", ["w1", "w2"]),
    labels: anyLabels,
    endpoint: anyEndpoint,
    isHealthy: mostly(fc.constant(true), fc.constant(false)),
  })
  .map(({ ref, labels, endpoint, isHealthy }) => ({
    ...metadataOf(ref, labels, undefined),
    endpoint,
    workloadLabels: labels,
    isHealthy,
  }));

export const anyPod: fc.Arbitrary<Pod> = fc
  .record({
    ref: anyRef("Pod", ["p1", "p2", "p3"]),
    labels: anyLabels,
    ips: fc.uniqueArray(anyAddress, { maxLength: 3 }),
    phase: fc.constantFrom("ready", "ready", "ready", "unready", "terminal"),
    usesHostNetwork: fc.boolean(),
    nodeName: fc.constantFrom("node1", "node2"),
  })
  .map(({ ref, labels, ips, phase, usesHostNetwork, nodeName }) => ({
    ...metadataOf(ref, labels, undefined),
    ips,
    isReady: phase === "ready",
    isTerminal: phase === "terminal",
    usesHostNetwork,
    nodeName,
    meshMode: "none",
    isDeleting: false,
    startedAtMs: undefined,
    portNames: {},
  }));

export const anyNode: fc.Arbitrary<NodeObject> = fc
  .record({
    name: fc.constantFrom("node1", "node2"),
    zone: fc.constantFrom("z1", "z2", ""),
  })
  .map(({ name, zone }) => ({
    ...metadataOf({ kind: "Node", namespace: "", name }, {}, undefined),
    ips: [],
    region: zone === "" ? "" : "r1",
    zone,
    subzone: "",
  }));

export const anyNamespace: fc.Arbitrary<NamespaceObject> = fc
  .record({
    name: fc.constantFrom(...NAMESPACES),
    answer: fc.constantFrom(undefined, ...ANSWER_MODES),
    labels: fc.constantFrom<Labels>({}, { tier: "tenant" }),
    trafficDistribution: anyDistribution,
  })
  .map(({ name, labels, ...said }) => ({
    ...metadataOf({ kind: "Namespace", namespace: "", name }, labels, undefined),
    ...said,
    suffixAnswer: undefined,
  }));

export const anyObject: fc.Arbitrary<WorldObject> = fc.oneof(
  { weight: 8, arbitrary: anyServiceEntry },
  { weight: 1, arbitrary: anyChainEntry },
  { weight: 3, arbitrary: anyWorkloadEntry },
  { weight: 5, arbitrary: anyPod },
  { weight: 2, arbitrary: anyNamespace },
  { weight: 1, arbitrary: anyNode },
);

/** New values for some fields of an object that is there. */
export interface Edit {
  readonly donors: {
    readonly ServiceEntry: ServiceEntry;
    readonly WorkloadEntry: WorkloadEntry;
    readonly Pod: Pod;
    readonly Namespace: NamespaceObject;
    readonly Node: NodeObject;
  };
  /** Which fields are taken from the donor. */
  readonly fields: readonly number[];
}

export const anyEdit: fc.Arbitrary<Edit> = fc.record({
  donors: fc.record({
    ServiceEntry: anyServiceEntry,
    WorkloadEntry: anyWorkloadEntry,
    Pod: anyPod,
    Namespace: anyNamespace,
    Node: anyNode,
  }),
  fields: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
});

export function edited(object: WorldObject, { donors, fields }: Edit): WorldObject {
  switch (object.ref.kind) {
    case "ServiceEntry": {
      const entry = withSome(object as ServiceEntry, donors.ServiceEntry, fields);
      return {
        ...entry,
        hasAddresses: entry.hasAddresses || entry.addresses.length > 0,
        hasEndpoints: entry.hasEndpoints || entry.endpoints.length > 0,
      };
    }
    case "WorkloadEntry":
      return withSome(object as WorkloadEntry, donors.WorkloadEntry, fields);
    case "Pod": {
      const pod = withSome(object as Pod, donors.Pod, fields);
      return { ...pod, isReady: pod.isReady && !pod.isTerminal };
    }
    case "Node":
      return withSome(object as NodeObject, donors.Node, fields);
    default:
      return withSome(object as NamespaceObject, donors.Namespace, fields);
  }
}

/** What must stay, and what is the same in all objects of one kind. */
const FIXED_FIELDS = ["ref", "uid", "resourceVersion", "annotations", "location"];

function withSome<T extends WorldObject>(object: T, donor: T, fields: readonly number[]): T {
  const given = Object.entries(donor).filter(([name]) => !FIXED_FIELDS.includes(name));
  return { ...object, ...Object.fromEntries(fields.map((field) => given[field % given.length]!)) };
}

export interface ResolutionParts {
  readonly state: Resolution["state"];
  readonly addresses: readonly IpAddress[];
  /** From now; less than 0: past. */
  readonly expiresInMs: number;
}

export const anyResolution: fc.Arbitrary<ResolutionParts> = fc.record({
  state: fc.constantFrom<Resolution["state"]>(
    "fresh",
    "fresh",
    "pending",
    "stale",
    "denied",
    "denied",
    "failed",
  ),
  addresses: fc.uniqueArray(anyAddress, { minLength: 1, maxLength: 3 }),
  expiresInMs: fc.constantFrom(-1000, 4000, 20_000, 30_000),
});

/** The part's addresses of one family; a family that has none of them is denied. */
export function resolutionOf(
  { state, addresses, expiresInMs }: ResolutionParts,
  family: "A" | "AAAA",
  nowMs: MonotonicMs,
): Resolution {
  const own = addresses.filter((address) => familyOf(address) === family).sort();
  switch (state) {
    case "pending":
      return { state, sinceMs: nowMs };
    case "denied":
      return { state, by: "nxdomain" };
    case "failed":
      return { state, failure: expiresInMs < 10_000 ? "timeout" : "servfail" };
    default:
      if (own.length === 0) return { state: "denied", by: "nodata" };
      return state === "fresh"
        ? { state, addresses: own, expiresAtMs: nowMs + expiresInMs }
        : { state: "stale", addresses: own, failure: "servfail" };
  }
}

export const DEFAULT_SETTINGS: RegistrySettings = {
  answer: "auto",
  ttlSeconds: 30,
  workloadTtlSeconds: 5,
  resolvedMaxTtlSeconds: 30,
  negativeTtlSeconds: 5,
  pendingTimeoutMs: 2500,
  defaultExportTo: ["*"],
  clusterDomain: host("cluster.local"),
  network: undefined,
  hostsPerNamespace: 20_000,
  namesPerNamespace: 10_000,
  trustedNamespaces: [],
  hostPolicy: [],
  defaultVisibility: "public",
  excludeSelectors: [],
  virtualRanges: [],
  serviceAddresses: [],
  expandSuffixes: [],
  explainTxt: false,
};

const anyRule: fc.Arbitrary<HostPolicyRule> = fc.record({
  namespaceSelector: fc.constantFrom<LabelSelector>(
    { matchLabels: { tier: "tenant" } },
    { matchLabels: { "kubernetes.io/metadata.name": "west" } },
    {},
  ),
  allow: fc.constant([]),
  deny: fc.constantFrom<readonly string[]>([], ["b.example"], ["one.deep.wide.example"]),
  maxVisibility: fc.constantFrom("public", "namespace"),
  allowAddresses: fc.constantFrom<readonly IpPrefix[]>([], [prefix("127.0.0.0/8"), prefix("::1/128")]),
});

export const anySettings: fc.Arbitrary<RegistrySettings> = fc
  .record(
    {
      answer: fc.constantFrom(...ANSWER_MODES),
      ttlSeconds: fc.constantFrom(30, 60, 4),
      workloadTtlSeconds: fc.constantFrom(5, 2),
      resolvedMaxTtlSeconds: fc.constantFrom(30, 300, 7),
      negativeTtlSeconds: fc.constantFrom(5, 1),
      defaultExportTo: fc.constantFrom<RegistrySettings["defaultExportTo"]>([], ["."], ["*"], ["west"]),
      clusterDomain: fc.constantFrom(host("cluster.local"), host("c.example")),
      network: fc.constantFrom("net1", undefined),
      hostsPerNamespace: fc.constantFrom(1, 3),
      namesPerNamespace: fc.constantFrom(0, 1, 3),
      trustedNamespaces: fc.constantFrom<readonly Namespace[]>(["middle"], ["west", "nowhere"]),
      hostPolicy: fc.array(anyRule, { minLength: 1, maxLength: 2 }),
      defaultVisibility: fc.constant("namespace"),
      excludeSelectors: fc.constant([{ matchLabels: { version: "v1" } }]),
      virtualRanges: fc.constant([prefix("10.0.0.0/31")]),
      serviceAddresses: fc.constant([ip("10.96.0.10")]),
      expandSuffixes: fc.constant(["example"]),
      explainTxt: fc.constant(true),
    },
    { requiredKeys: [] },
  )
  .map((some) => ({ ...DEFAULT_SETTINGS, ...some }));

function host(text: string): HostName {
  const name = parseHostName(text);
  if (!isHostName(name)) throw new Error(`${text} ${name.fault}`);
  return name;
}

function prefix(text: string): IpPrefix {
  const parsed = parseIpPrefix(text);
  if (parsed === null) throw new Error(`${text} is no prefix`);
  return parsed;
}

function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}
