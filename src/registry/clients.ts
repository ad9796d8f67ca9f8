/**
 * Who asks: from Pods, Nodes and Namespaces to what the workers must know of the addresses that queries come
 * from. A change marks the addresses that it touches; what goes out is their present state, so no order of events
 * matters.
 *
 *   an address of                                              counts as
 *   a Node; a pod in its network                               forwarder, or ambiguous (below)
 *   kube-dns or node-local-dns                                 forwarder
 *   one pod that has not ended                                 that pod
 *   several, of which the last started alone is not deleted    that one: the address has passed on to it
 *   several others                                             ambiguous
 *
 * Nodes and those two are forwarders unless `trustedForwarders` names others: then those alone are.
 */

import { CLIENT_LABELS } from "../mesh/client-pod.ts";
import type { MeshChange, MeshState, MeshStore } from "../mesh/mesh-store.ts";
import type { Namespace, NamespaceObject, NodeObject, ObjectRef, Pod } from "../mesh/objects.ts";
import type { Clock } from "../runtime.ts";
import type {
  ClientChange,
  ClientDelta,
  ClientRecord,
  KnownClient,
  NamespaceFacts,
} from "../table/client-record.ts";
import type { ClientClass, Locality } from "../table/host-record.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import { familyOf, type IpAddress, type IpPrefix, prefixContains } from "../wire/ip-address.ts";
import { Batch } from "./batch.ts";
import { podLocality } from "./locality.ts";
import { isDelegated } from "./policy.ts";

export interface ClientSettings {
  /** Undefined: Nodes and the cluster's own DNS servers. */
  readonly trustedForwarders: readonly IpPrefix[] | undefined;
  /** The clients' network, where their pods do not say. */
  readonly network: string | undefined;
}

export interface ClientsOptions {
  readonly store: MeshStore;
  readonly settings: ClientSettings;
  readonly clock: Clock;
  /** Told of every change, never of none; several within a short time come together. */
  readonly emit: (delta: ClientDelta) => void;
}

/** Far within the second after which a pod with a recycled address must be known, long enough to gather a rollout. */
const BATCH_WINDOW_MS = 50;

/** Above what one cluster has of nodes; labels of pods come and go for ever. */
const MAX_LOCALITIES = 20_000;

export class Clients {
  readonly #store: MeshState;
  readonly #emit: (delta: ClientDelta) => void;
  readonly #batch: Batch;
  #settings: ClientSettings;
  /** Pods that have not ended, by address; nearly always one. */
  readonly #pods = new Map<IpAddress, Pod | readonly Pod[]>();
  /** How many Nodes have the address. */
  readonly #nodes = new Map<IpAddress, number>();
  readonly #localities = new Map<string, Locality>();
  #addresses = new Set<IpAddress>();
  #namespaces = new Set<Namespace>();

  /** Takes what the store already holds, and follows it from then on. */
  constructor({ store, settings, clock, emit }: ClientsOptions) {
    this.#store = store;
    this.#settings = settings;
    this.#emit = emit;
    this.#batch = new Batch(clock, BATCH_WINDOW_MS, () => this.#flush());
    for (const node of store.all("Node").values()) this.#changeNode(undefined, node);
    for (const pod of store.all("Pod").values()) this.#changePod(undefined, pod);
    for (const { ref } of store.all("Namespace").values()) this.#namespaces.add(ref.name);
    this.#schedule();
    store.onChange((changes) => this.#apply(changes));
  }

  /** Addresses that are known. */
  get size(): number {
    let nodesOnly = 0;
    for (const address of this.#nodes.keys()) if (!this.#pods.has(address)) nodesOnly += 1;
    return this.#pods.size + nodesOnly;
  }

  /** All that is known, for a worker that starts with nothing. */
  snapshot(): ClientDelta {
    const clients: ClientChange[] = [];
    for (const address of new Set([...this.#nodes.keys(), ...this.#pods.keys()]))
      clients.push({ address, client: this.#clientAt(address) });
    const namespaces = Array.from(this.#store.all("Namespace").values(), (each) => ({
      name: each.ref.name,
      facts: factsOf(each),
    }));
    return { clients, namespaces };
  }

  /** What the workers are told of one address and of Namespaces of these names. */
  part(address: IpAddress | undefined, names: Iterable<Namespace>): ClientDelta {
    const client = address === undefined ? null : this.#clientAt(address);
    return {
      clients: address === undefined || client === null ? [] : [{ address, client }],
      namespaces: Array.from(names, (name) => this.#namespaceOf(name)),
    };
  }

  /** The pods that have the address and have not ended. */
  podsAt(address: IpAddress): readonly ObjectRef[] {
    return podsOf(this.#pods.get(address)).map(({ ref }) => ref);
  }

  isNode(address: IpAddress): boolean {
    return this.#nodes.has(address);
  }

  /** Emits at once what waits for others to go with it. */
  settle(): void {
    this.#schedule(true);
  }

  updateSettings(settings: ClientSettings): void {
    this.#settings = settings;
    this.#localities.clear();
    for (const address of [...this.#nodes.keys(), ...this.#pods.keys()]) this.#addresses.add(address);
    this.#schedule();
  }

  /** Emits nothing after this. */
  close(): void {
    this.#batch.close();
  }

  #apply(changes: readonly MeshChange[]): void {
    for (const { kind, key, before } of changes) {
      if (kind === "Pod") this.#changePod(before, this.#store.all(kind).get(key));
      else if (kind === "Node") this.#changeNode(before, this.#store.all(kind).get(key));
      else if (kind === "Namespace") this.#changeNamespace(before, this.#store.all(kind).get(key));
    }
    this.#schedule();
  }

  #changePod(before: Pod | undefined, after: Pod | undefined): void {
    const isSame = before !== undefined && after !== undefined && areTheSameClient(before, after);
    // The new value takes the place of the old one in any case: else both would be kept.
    for (const address of before?.ips ?? []) this.#leave(address, before!);
    if (after !== undefined && !after.isTerminal)
      for (const address of after.ips) this.#enter(address, after);
    if (isSame) return;
    for (const pod of [before, after]) for (const address of pod?.ips ?? []) this.#addresses.add(address);
  }

  #enter(address: IpAddress, pod: Pod): void {
    const known = podsOf(this.#pods.get(address));
    this.#pods.set(address, known.length === 0 ? pod : [...known, pod]);
  }

  #leave(address: IpAddress, { ref }: Pod): void {
    const known = podsOf(this.#pods.get(address));
    const rest = known.filter((pod) => pod.ref.name !== ref.name || pod.ref.namespace !== ref.namespace);
    if (rest.length === 0) this.#pods.delete(address);
    else this.#pods.set(address, rest.length === 1 ? rest[0]! : rest);
  }

  #changeNode(before: NodeObject | undefined, after: NodeObject | undefined): void {
    for (const address of after?.ips ?? []) this.#countNode(address, 1);
    for (const address of before?.ips ?? []) this.#countNode(address, -1);
    if (isSamePlace(before, after)) return;
    this.#localities.clear();
    const name = (after ?? before)!.ref.name;
    for (const pod of this.#store.all("Pod").values())
      if (pod.nodeName === name) for (const address of pod.ips) this.#addresses.add(address);
  }

  #countNode(address: IpAddress, by: 1 | -1): void {
    const count = (this.#nodes.get(address) ?? 0) + by;
    if (count === 0) this.#nodes.delete(address);
    else this.#nodes.set(address, count);
    // A status that is written anew, as every few minutes, takes nothing away and adds nothing.
    if (count === 0 || (count === 1 && by === 1)) this.#addresses.add(address);
  }

  #changeNamespace(before: NamespaceObject | undefined, after: NamespaceObject | undefined): void {
    const isSame = before !== undefined && after !== undefined && before.suffixAnswer === after.suffixAnswer;
    if (!isSame) this.#namespaces.add((after ?? before)!.ref.name);
  }

  #schedule(isUrgent = false): void {
    if (this.#addresses.size > 0 || this.#namespaces.size > 0) this.#batch.request(isUrgent);
  }

  #flush(): void {
    const clients = Array.from(this.#addresses, (address) => ({ address, client: this.#clientAt(address) }));
    const namespaces = Array.from(this.#namespaces, (name) => this.#namespaceOf(name));
    this.#addresses = new Set();
    this.#namespaces = new Set();
    this.#emit({ clients, namespaces });
  }

  #namespaceOf(name: Namespace): ClientDelta["namespaces"][number] {
    const object = this.#store.all("Namespace").get(`Namespace//${name}`);
    return { name, facts: object === undefined ? null : factsOf(object) };
  }

  #clientAt(address: IpAddress): KnownClient | null {
    const { trustedForwarders } = this.#settings;
    const pods = podsOf(this.#pods.get(address));
    const isNode = this.#nodes.has(address);
    if (pods.length === 0 && !isNode) return null;
    if (trustedForwarders?.some((prefix) => prefixContains(prefix, address))) return "forwarder";
    const isDefault = trustedForwarders === undefined;
    if (isDefault && (isNode || pods.some((pod) => isDnsServer(pod) && pod.usesHostNetwork)))
      return "forwarder";
    if (isNode || pods.some((pod) => pod.usesHostNetwork)) return "ambiguous";
    const pod = presentOf(pods);
    if (pod === undefined) return "ambiguous";
    return isDefault && isDnsServer(pod) ? "forwarder" : this.#recordOf(pod);
  }

  #recordOf(pod: Pod): ClientRecord {
    const { ref } = pod;
    return { namespace: ref.namespace, clientClass: classOf(pod), locality: this.#localityOf(pod) };
  }

  /** One value for all pods of a node, but for those that say otherwise themselves. */
  #localityOf(pod: Pod): Locality {
    const own = [pod.labels["istio-locality"], pod.labels["topology.istio.io/network"]];
    const key = [pod.nodeName, ...own].join(" ");
    let locality = this.#localities.get(key);
    if (locality === undefined) {
      const node = this.#store.all("Node").get(`Node//${pod.nodeName}`);
      locality = podLocality(pod, node, this.#settings.network);
      if (this.#localities.size >= MAX_LOCALITIES) this.#localities.clear();
      this.#localities.set(key, locality);
    }
    return locality;
  }
}

/** Where the cluster's own DNS servers run. Anybody can give a pod a label: elsewhere it would lift the limits. */
const DNS_NAMESPACE = "kube-system";
const DNS_APPS: readonly (string | undefined)[] = ["kube-dns", "node-local-dns"];

function isDnsServer({ ref, labels }: Pod): boolean {
  return ref.namespace === DNS_NAMESPACE && DNS_APPS.includes(labels["k8s-app"]);
}

/**
 * Of pods with one address the one that has it now. A pod keeps the address in its status until the API server hears
 * of its end, and the next pod may be told of before that: that one was started later, and nobody deletes it.
 * Undefined: nobody can say.
 */
function presentOf(pods: readonly Pod[]): Pod | undefined {
  if (pods.length === 1) return pods[0];
  const staying = pods.filter(({ isDeleting }) => !isDeleting);
  const candidates = staying.length > 0 ? staying : pods;
  const newestMs = Math.max(...candidates.map(sinceMs));
  const newest = candidates.filter((pod) => sinceMs(pod) === newestMs);
  const isSure = newest.length === 1 && candidates.every((pod) => Number.isFinite(sinceMs(pod)));
  return isSure || candidates.length === 1 ? newest[0] : undefined;
}

function sinceMs({ startedAtMs, createdAtMs }: Pod): number {
  return startedAtMs ?? createdAtMs ?? Number.NEGATIVE_INFINITY;
}

function classOf({ meshMode, ips }: Pod): ClientClass {
  if (meshMode === "sidecar") return "sidecar";
  if (meshMode === "none") return "outside";
  const hasIpv4 = ips.some((address) => familyOf(address) === "A");
  const hasIpv6 = ips.some((address) => familyOf(address) === "AAAA");
  if (hasIpv4 && hasIpv6) return "redirectedDual";
  return hasIpv4 ? "redirectedIpv4" : "redirectedIpv6";
}

function factsOf({ ref, suffixAnswer }: NamespaceObject): NamespaceFacts {
  const name = parseHostName(ref.name);
  return { name: ref.name, suffixAnswer, isDelegated: isHostName(name) && isDelegated(name, []) };
}

/** Whether everything is equal that is read here; readiness, which changes most, is not. */
function areTheSameClient(before: Pod, after: Pod): boolean {
  return (
    before.meshMode === after.meshMode &&
    before.isTerminal === after.isTerminal &&
    before.isDeleting === after.isDeleting &&
    before.usesHostNetwork === after.usesHostNetwork &&
    before.nodeName === after.nodeName &&
    sinceMs(before) === sinceMs(after) &&
    before.ips.join() === after.ips.join() &&
    CLIENT_LABELS.every((name) => before.labels[name] === after.labels[name])
  );
}

function isSamePlace(before: NodeObject | undefined, after: NodeObject | undefined): boolean {
  return (
    before?.region === after?.region && before?.zone === after?.zone && before?.subzone === after?.subzone
  );
}

function podsOf(known: Pod | readonly Pod[] | undefined): readonly Pod[] {
  if (known === undefined) return [];
  return "ref" in known ? [known] : known;
}
