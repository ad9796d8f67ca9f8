/** Which kinds the cluster source watches, how each is found and read, and which of them always. */

import type { ApiResource } from "../cluster/api-client.ts";
import type { Kind } from "../mesh/objects.ts";
import { parseEndpointSlice } from "../mesh/parse-endpoint-slice.ts";
import { parseNamespace } from "../mesh/parse-namespace.ts";
import { parseNode } from "../mesh/parse-node.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { parsePod } from "../mesh/parse-pod.ts";
import { parseService } from "../mesh/parse-service.ts";
import { parseServiceEntry } from "../mesh/parse-service-entry.ts";
import { parseWorkloadEntry } from "../mesh/parse-workload-entry.ts";

export interface WatchedResource extends ApiResource {
  /** The items of a list do not always say their kind: so each kind has its own reader. */
  readonly parse: (raw: unknown) => ParsedObject;
}

const ISTIO = { group: "networking.istio.io", versions: ["v1", "v1beta1", "v1alpha3"] } as const;
const CORE = { group: "", versions: ["v1"] } as const;

export const WATCHED: { readonly [K in Kind]: WatchedResource } = {
  ServiceEntry: { ...ISTIO, plural: "serviceentries", parse: parseServiceEntry },
  WorkloadEntry: { ...ISTIO, plural: "workloadentries", parse: parseWorkloadEntry },
  Namespace: { ...CORE, plural: "namespaces", parse: parseNamespace },
  Pod: { ...CORE, plural: "pods", parse: parsePod, unread: ["managedFields"] },
  Node: { ...CORE, plural: "nodes", parse: parseNode },
  Service: { ...CORE, plural: "services", parse: parseService },
  EndpointSlice: {
    group: "discovery.k8s.io",
    versions: ["v1"],
    plural: "endpointslices",
    parse: parseEndpointSlice,
  },
};

/** Pods of which only that is kept by which clients are told apart: no names of ports. */
export const CLIENT_PODS: WatchedResource = {
  ...WATCHED.Pod,
  unread: ["managedFields", "containers"],
};

export const WATCHED_KINDS = [
  "ServiceEntry",
  "WorkloadEntry",
  "Namespace",
  "Pod",
  "Node",
  "Service",
  "EndpointSlice",
] as const satisfies readonly Kind[];

/** The others are watched only while somebody asks. */
export const ALWAYS_WATCHED = [
  "ServiceEntry",
  "WorkloadEntry",
  "Namespace",
] as const satisfies readonly Kind[];
