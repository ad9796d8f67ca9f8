/** The mesh's objects as lines of text for a snapshot, and back. */

import { toClientPod } from "../mesh/client-pod.ts";
import { toKeptEntry } from "../mesh/kept-entry.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { KINDS, type Kind, type ObjectByKind } from "../mesh/objects.ts";
import { sharedText } from "../mesh/shared-values.ts";
import type { MonotonicMs } from "../runtime.ts";

/** One object with its kind. */
export type KeptObject = { readonly [K in Kind]: readonly [K, ObjectByKind[K]] }[Kind];

/** All that is in force now; values, so that what comes later does not change them. */
export function keptObjects(store: MeshStore): readonly KeptObject[] {
  return KINDS.flatMap((kind) => ofKind(store, kind));
}

/** Without a line break. */
export function objectLine([kind, object]: KeptObject): string {
  return JSON.stringify([kind, fieldsOf(kind, object)]);
}

/** Puts the objects in force and flushes. */
export function restoreObjects(
  objects: readonly KeptObject[],
  store: MeshStore,
  receivedAtMs: MonotonicMs,
): void {
  for (const [kind, object] of objects) {
    // Of a pod that is told from others only as a client, the short form was kept.
    if (kind === "Pod" && object.uid === "") store.put(kind, toClientPod(object, sharedText), receivedAtMs);
    else if (kind === "ServiceEntry") store.put(kind, toKeptEntry(object), receivedAtMs);
    else store.put<Kind>(kind, object, receivedAtMs);
  }
  store.flush();
}

function ofKind<K extends Kind>(store: MeshStore, kind: K): readonly KeptObject[] {
  // The compiler does not see that each K makes a member of the union.
  return Array.from(store.all(kind).values(), (object) => [kind, object] as unknown as KeptObject);
}

/** By name, because an object may be of a class whose fields are computed: JSON does not see those. */
function fieldsOf<K extends Kind>(kind: K, object: ObjectByKind[K]): Readonly<Record<string, unknown>> {
  const names = Object.keys(FIELDS[kind]) as (keyof ObjectByKind[K])[];
  return Object.fromEntries(names.map((name) => [name, object[name]]));
}

const COMMON = {
  ref: true,
  uid: true,
  resourceVersion: true,
  createdAtMs: true,
  labels: true,
  annotations: true,
} as const;

/** Every field of every kind: one that is missing here does not compile. */
const FIELDS: { readonly [K in Kind]: Readonly<Record<keyof ObjectByKind[K], true>> } = {
  ServiceEntry: {
    ...COMMON,
    hosts: true,
    addresses: true,
    hasAddresses: true,
    ports: true,
    resolution: true,
    location: true,
    endpoints: true,
    hasEndpoints: true,
    selector: true,
    exportTo: true,
    allocated: true,
    answer: true,
    ttlSeconds: true,
    trafficDistribution: true,
  },
  WorkloadEntry: { ...COMMON, endpoint: true, workloadLabels: true, isHealthy: true },
  Pod: {
    ...COMMON,
    ips: true,
    isReady: true,
    isTerminal: true,
    usesHostNetwork: true,
    nodeName: true,
    meshMode: true,
    isDeleting: true,
    startedAtMs: true,
    portNames: true,
  },
  Namespace: { ...COMMON, answer: true, suffixAnswer: true, trafficDistribution: true },
  Node: { ...COMMON, ips: true, region: true, zone: true, subzone: true },
  Service: {
    ...COMMON,
    clusterIps: true,
    isHeadless: true,
    isExternalName: true,
    ports: true,
    isDeleting: true,
  },
  EndpointSlice: { ...COMMON, serviceName: true, addressType: true, ports: true, endpoints: true },
};
