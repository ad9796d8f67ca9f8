/**
 * What of the cluster's Services and EndpointSlices is watched: all Services and our own slices while hosts may be
 * published, and of foreign slices those alone whose Services an endpoint names.
 */

import type { MeshChange, MeshState } from "../mesh/mesh-store.ts";
import { type Namespace, type ObjectKey, objectKey, type ServiceEntry } from "../mesh/objects.ts";
import { PUBLISHED_NAMESPACE, type PublishMode, publishChoice, serviceOfName } from "../mesh/publication.ts";
import type { HostName } from "../wire/host-name.ts";

export interface PublishNeedSettings {
  readonly publish: PublishMode;
  readonly clusterDomain: HostName;
}

/** By namespace the Services whose slices are watched; "all": every one there. */
export type SliceScopes = ReadonlyMap<Namespace, "all" | ReadonlySet<string>>;

/** Follows the store; asked after each change. */
export class PublishNeed {
  readonly #store: MeshState;
  #settings: PublishNeedSettings;
  /** Of entries with endpoints that are Services: `namespace/name` of each, and by those how many entries. */
  readonly #entries = new Map<ObjectKey, readonly string[]>();
  readonly #counts = new Map<string, number>();
  #scopes: SliceScopes | undefined;

  constructor(store: MeshState, settings: PublishNeedSettings) {
    this.#store = store;
    this.#settings = settings;
    for (const key of store.all("ServiceEntry").keys()) this.#lookAt(key);
  }

  /** Whether Services are watched at all. */
  get isActive(): boolean {
    return this.#settings.publish !== "off" && this.#store.all("Namespace").has(NAMESPACE_KEY);
  }

  get scopes(): SliceScopes {
    if (!this.isActive) return NO_SCOPES;
    this.#scopes ??= this.#newScopes();
    return this.#scopes;
  }

  note(changes: readonly MeshChange[]): void {
    for (const { kind, key } of changes) {
      if (kind === "ServiceEntry") this.#lookAt(key);
      if (kind === "Namespace") this.#lookAgainIn(key);
    }
  }

  updateSettings(settings: PublishNeedSettings): void {
    this.#settings = settings;
    for (const key of this.#store.all("ServiceEntry").keys()) this.#lookAt(key);
  }

  /** Only where an entry there names a Service, and only if the label may matter. */
  #lookAgainIn(namespaceKey: ObjectKey): void {
    const namespace = namespaceKey.slice(namespaceKey.lastIndexOf("/") + 1);
    for (const [key, { ref }] of this.#store.all("ServiceEntry"))
      if (ref.namespace === namespace) this.#lookAt(key);
  }

  #lookAt(key: ObjectKey): void {
    const entry = this.#store.all("ServiceEntry").get(key);
    const before = this.#entries.get(key) ?? NONE;
    const now = entry === undefined ? NONE : this.#servicesOf(entry);
    if (before.join() === now.join()) return;
    if (now.length === 0) this.#entries.delete(key);
    else this.#entries.set(key, now);
    for (const service of now) this.#count(service, 1);
    for (const service of before) this.#count(service, -1);
  }

  #servicesOf(entry: ServiceEntry): readonly string[] {
    const { publish, clusterDomain } = this.#settings;
    const namespace = this.#store
      .all("Namespace")
      .get(objectKey({ kind: "Namespace", namespace: "", name: entry.ref.namespace }));
    const choice = publishChoice(entry, namespace?.labels, publish);
    if (choice === "not" || choice === "unallowed") return NONE;
    const services = entry.endpoints.flatMap(({ address }) => {
      const service = address.kind === "name" ? serviceOfName(address.name, clusterDomain) : undefined;
      return service === undefined ? [] : [`${service.namespace}/${service.name}`];
    });
    return [...new Set(services)].sort();
  }

  #count(service: string, by: 1 | -1): void {
    const count = (this.#counts.get(service) ?? 0) + by;
    if (count === 0) this.#counts.delete(service);
    else this.#counts.set(service, count);
    this.#scopes = undefined;
  }

  #newScopes(): SliceScopes {
    const scopes = new Map<Namespace, "all" | Set<string>>([[PUBLISHED_NAMESPACE, "all"]]);
    for (const each of [...this.#counts.keys()].sort()) {
      const [namespace = "", name = ""] = each.split("/");
      const names = scopes.get(namespace) ?? new Set();
      if (names === "all") continue;
      names.add(name);
      // The selector stands in the address of the request.
      scopes.set(namespace, names.size > MOST_NAMES ? "all" : names);
    }
    return scopes;
  }
}

const NONE: readonly string[] = [];
const NO_SCOPES: SliceScopes = new Map();
const MOST_NAMES = 64;
const NAMESPACE_KEY = objectKey({ kind: "Namespace", namespace: "", name: PUBLISHED_NAMESPACE });
