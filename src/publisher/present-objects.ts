/**
 * The Services and slices in the published namespace as they are now: what the watch told, and what we wrote since,
 * so that nothing is written twice because the watch is a little late.
 */

import type { StoredObject } from "../cluster/exchange.ts";
import type { MeshChange, MeshState } from "../mesh/mesh-store.ts";
import { type EndpointSlice, type ObjectKey, objectKey, type Service } from "../mesh/objects.ts";
import { parseEndpointSlice } from "../mesh/parse-endpoint-slice.ts";
import { parseService } from "../mesh/parse-service.ts";
import { PUBLISHED_NAMESPACE } from "../mesh/publication.ts";

export class PresentObjects {
  readonly #objects = new Map<ObjectKey, Service | EndpointSlice>();
  /** By the name of the Service; of the slices' keys. */
  readonly #slices = new Map<string, Set<ObjectKey>>();
  /** What we deleted and the watch may still have: its uid. */
  readonly #deleted = new Map<ObjectKey, string>();

  constructor(store: MeshState) {
    for (const service of store.all("Service").values()) this.#put(service);
    for (const slice of store.all("EndpointSlice").values()) this.#put(slice);
  }

  service(name: string): Service | undefined {
    const found = this.#objects.get(serviceKey(name));
    return found !== undefined && isSlice(found) ? undefined : found;
  }

  slice(name: string): EndpointSlice | undefined {
    const found = this.#objects.get(
      objectKey({ kind: "EndpointSlice", namespace: PUBLISHED_NAMESPACE, name }),
    );
    return found !== undefined && isSlice(found) ? found : undefined;
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    return Array.from(this.#slices.get(service) ?? [], (key) => this.#objects.get(key)).filter(
      (object) => object !== undefined && isSlice(object),
    );
  }

  /** Of all Services that are there, or that a slice is of. */
  serviceNames(): ReadonlySet<string> {
    const names = new Set(this.#slices.keys());
    for (const { ref } of this.#objects.values()) if (ref.kind === "Service") names.add(ref.name);
    return names;
  }

  /** Takes in what the watch tells; returns the names of the Services that it is about. */
  apply(changes: readonly MeshChange[], store: MeshState): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { kind, key, before } of changes) {
      if (kind !== "Service" && kind !== "EndpointSlice") continue;
      const after = store.all(kind).get(key);
      const one = after ?? before;
      if (one?.ref.namespace !== PUBLISHED_NAMESPACE) continue;
      names.add(isSlice(one) ? one.serviceName : one.ref.name);
      if (after !== undefined) {
        if (this.#deleted.get(key) !== after.uid && !this.#isNewer(key, after)) this.#put(after);
      } else {
        this.#deleted.delete(key);
        if (this.#objects.get(key)?.uid === before?.uid) this.#drop(key);
      }
    }
    return names;
  }

  /** The API's answer to a write, or to a look. */
  noteStored(kind: "Service" | "EndpointSlice", { raw }: StoredObject): void {
    const parsed = kind === "Service" ? parseService(raw) : parseEndpointSlice(raw);
    if (parsed.value !== undefined) this.#put(parsed.value);
  }

  noteDeleted(kind: "Service" | "EndpointSlice", name: string): void {
    const key = objectKey({ kind, namespace: PUBLISHED_NAMESPACE, name });
    const uid = this.#objects.get(key)?.uid;
    if (uid !== undefined) this.#deleted.set(key, uid);
    this.#drop(key);
  }

  #put(object: Service | EndpointSlice): void {
    if (object.ref.namespace !== PUBLISHED_NAMESPACE) return;
    const key = objectKey(object.ref);
    this.#drop(key);
    this.#deleted.delete(key);
    this.#objects.set(key, object);
    if (!isSlice(object)) return;
    const slices = this.#slices.get(object.serviceName) ?? new Set();
    this.#slices.set(object.serviceName, slices.add(key));
  }

  #drop(key: ObjectKey): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    if (!isSlice(object)) return;
    const slices = this.#slices.get(object.serviceName);
    slices?.delete(key);
    if (slices?.size === 0) this.#slices.delete(object.serviceName);
  }

  /** Whether what we have is newer than what the watch tells. */
  #isNewer(key: ObjectKey, told: Service | EndpointSlice): boolean {
    const known = this.#objects.get(key);
    if (known === undefined || known.uid !== told.uid) return false;
    // KEP-5504: versions of one object compare as numbers.
    return Number(known.resourceVersion) > Number(told.resourceVersion);
  }
}

function serviceKey(name: string): ObjectKey {
  return objectKey({ kind: "Service", namespace: PUBLISHED_NAMESPACE, name });
}

function isSlice(object: Service | EndpointSlice): object is EndpointSlice {
  return object.ref.kind === "EndpointSlice";
}
