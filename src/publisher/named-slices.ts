/** The Services that endpoints name, with their slices, and which hosts are to be looked at when one changes. */

import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import { type EndpointSlice, type ObjectKey, objectKey, type Service } from "../mesh/objects.ts";
import { PUBLISHED_NAMESPACE, type Publication, type ServiceRef } from "../mesh/publication.ts";

export class NamedSlices {
  readonly #store: MeshStore;
  /** `namespace/name` of a Service -> the published Services whose endpoints name it. */
  readonly #users = new Map<string, Set<string>>();
  readonly #named = new Map<string, ReadonlySet<string>>();
  /** `namespace/name` of a Service -> its slices. */
  readonly #slices = new Map<string, Set<ObjectKey>>();

  constructor(store: MeshStore) {
    this.#store = store;
    for (const [key, slice] of store.all("EndpointSlice")) this.#note(key, undefined, slice);
  }

  serviceOf({ namespace, name }: ServiceRef): Service | undefined {
    return this.#store.all("Service").get(objectKey({ kind: "Service", namespace, name }));
  }

  slicesOf({ namespace, name }: ServiceRef): readonly EndpointSlice[] {
    const slices = this.#store.all("EndpointSlice");
    const keys = [...(this.#slices.get(`${namespace}/${name}`) ?? [])].sort();
    return keys.map((key) => slices.get(key)).filter((slice) => slice !== undefined);
  }

  /** Notes which Services the publication's endpoints name; undefined: it is no more. */
  change(published: string, publication: Publication | undefined): void {
    const named = new Set<string>();
    for (const source of publication?.sources ?? [])
      if (source.kind === "name" && source.service !== undefined)
        named.add(`${source.service.namespace}/${source.service.name}`);
    for (const service of this.#named.get(published) ?? []) {
      const users = this.#users.get(service);
      users?.delete(published);
      if (users?.size === 0) this.#users.delete(service);
    }
    for (const service of named)
      this.#users.set(service, (this.#users.get(service) ?? new Set()).add(published));
    if (named.size > 0) this.#named.set(published, named);
    else this.#named.delete(published);
  }

  /** Takes in what the watch tells; returns the published Services that it may matter to. */
  apply(changes: readonly MeshChange[]): ReadonlySet<string> {
    const touched = new Set<string>();
    const touch = (service: string) => {
      for (const user of this.#users.get(service) ?? []) touched.add(user);
    };
    for (const change of changes) {
      if (change.kind === "Service") touch(change.key.slice("Service/".length));
      if (change.kind !== "EndpointSlice") continue;
      const after = this.#store.all("EndpointSlice").get(change.key);
      this.#note(change.key, change.before, after);
      for (const slice of [change.before, after])
        if (slice !== undefined) touch(`${slice.ref.namespace}/${slice.serviceName}`);
    }
    return touched;
  }

  #note(key: ObjectKey, before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    if (before !== undefined) {
      const service = `${before.ref.namespace}/${before.serviceName}`;
      const slices = this.#slices.get(service);
      slices?.delete(key);
      if (slices?.size === 0) this.#slices.delete(service);
    }
    if (after === undefined || after.ref.namespace === PUBLISHED_NAMESPACE) return;
    const service = `${after.ref.namespace}/${after.serviceName}`;
    this.#slices.set(service, (this.#slices.get(service) ?? new Set()).add(key));
  }
}
