/** Which kinds the cluster source watches, how each is found and read, and which of them are needed when. */

import type { ApiResource } from "../cluster/api-client.ts";
import type { MeshChange, MeshState } from "../mesh/mesh-store.ts";
import type { Kind, ObjectKey, ServiceEntry } from "../mesh/objects.ts";
import { parseNamespace } from "../mesh/parse-namespace.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { parsePod } from "../mesh/parse-pod.ts";
import { parseServiceEntry } from "../mesh/parse-service-entry.ts";
import { parseWorkloadEntry } from "../mesh/parse-workload-entry.ts";

/** Nodes are none: nothing reads them yet. */
export type WatchedKind = Exclude<Kind, "Node">;

export interface WatchedResource extends ApiResource {
  /** The items of a list do not always say their kind: so each kind has its own reader. */
  readonly parse: (raw: unknown) => ParsedObject;
}

const ISTIO = { group: "networking.istio.io", versions: ["v1", "v1beta1", "v1alpha3"] } as const;
const CORE = { group: "", versions: ["v1"] } as const;

export const WATCHED: { readonly [K in WatchedKind]: WatchedResource } = {
  ServiceEntry: { ...ISTIO, plural: "serviceentries", parse: parseServiceEntry },
  WorkloadEntry: { ...ISTIO, plural: "workloadentries", parse: parseWorkloadEntry },
  Namespace: { ...CORE, plural: "namespaces", parse: parseNamespace },
  Pod: { ...CORE, plural: "pods", parse: parsePod },
};

export const WATCHED_KINDS = [
  "ServiceEntry",
  "WorkloadEntry",
  "Namespace",
  "Pod",
] as const satisfies readonly WatchedKind[];

/** Pods are by far the most objects of a cluster and change all the time: they are watched only while somebody asks. */
export const ALWAYS_WATCHED = [
  "ServiceEntry",
  "WorkloadEntry",
  "Namespace",
] as const satisfies readonly WatchedKind[];

/** Counts the entries that select workloads, from the changes of the store. */
export class PodNeed {
  readonly #selecting = new Set<ObjectKey>();
  readonly #store: MeshState;

  constructor(store: MeshState) {
    this.#store = store;
    for (const key of store.all("ServiceEntry").keys()) this.#look(key);
  }

  /** Whether any entry selects workloads. */
  get isThere(): boolean {
    return this.#selecting.size > 0;
  }

  note(changes: readonly MeshChange[]): void {
    for (const { kind, key } of changes) if (kind === "ServiceEntry") this.#look(key);
  }

  #look(key: ObjectKey): void {
    const entry = this.#store.all("ServiceEntry").get(key);
    if (entry !== undefined && selectsWorkloads(entry)) this.#selecting.add(key);
    else this.#selecting.delete(key);
  }
}

/** Inline endpoints win over a selector, and DYNAMIC_DNS takes neither. */
function selectsWorkloads({ selector, hasEndpoints, resolution }: ServiceEntry): boolean {
  if (selector === undefined || resolution === "DYNAMIC_DNS") return false;
  return resolution === "NONE" || !hasEndpoints;
}
