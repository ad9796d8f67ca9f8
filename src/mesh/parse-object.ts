/** The one door for objects of any kind: what a list, a watch event or a manifest document holds. */

import type { Kind } from "./objects.ts";
import type { ParsedKind } from "./parse-metadata.ts";
import { parseNamespace } from "./parse-namespace.ts";
import { parseNode } from "./parse-node.ts";
import { parsePod } from "./parse-pod.ts";
import { parseServiceEntry } from "./parse-service-entry.ts";
import { parseWorkloadEntry } from "./parse-workload-entry.ts";
import { field, isFields } from "./read-fields.ts";

export type ParsedObject = { readonly [K in Kind]: ParsedKind<K> }[Kind];
/** What manifests are read for; Services and their slices are read from a cluster alone. */
export type ManifestKind = Exclude<Kind, "Service" | "EndpointSlice">;

/** Reads an object of a kind that we know (by API group, version and kind); undefined for all others. */
export function parseObject(raw: unknown): ParsedObject | undefined {
  switch (kindOf(raw)) {
    case "ServiceEntry":
      return parseServiceEntry(raw);
    case "WorkloadEntry":
      return parseWorkloadEntry(raw);
    case "Pod":
      return parsePod(raw);
    case "Namespace":
      return parseNamespace(raw);
    case "Node":
      return parseNode(raw);
    case undefined:
      return undefined;
  }
}

const ISTIO_VERSIONS: readonly unknown[] = [
  "networking.istio.io/v1",
  "networking.istio.io/v1beta1",
  "networking.istio.io/v1alpha3",
];
const CORE_VERSIONS: readonly unknown[] = ["v1"];
const API_VERSIONS: { readonly [K in ManifestKind]: readonly unknown[] } = {
  ServiceEntry: ISTIO_VERSIONS,
  WorkloadEntry: ISTIO_VERSIONS,
  Pod: CORE_VERSIONS,
  Namespace: CORE_VERSIONS,
  Node: CORE_VERSIONS,
};

/** The kind of an object that we know; undefined for everything else. */
export function kindOf(raw: unknown): ManifestKind | undefined {
  if (!isFields(raw)) return undefined;
  const kind = field(raw, "kind");
  if (!isKind(kind)) return undefined;
  return API_VERSIONS[kind].includes(field(raw, "apiVersion")) ? kind : undefined;
}

function isKind(value: unknown): value is ManifestKind {
  return typeof value === "string" && Object.hasOwn(API_VERSIONS, value);
}
