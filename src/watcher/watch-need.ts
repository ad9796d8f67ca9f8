/**
 * How much of the cluster is watched: Pods, by far the most objects, and Nodes only while something that we answer
 * depends on them. Each reason is told by name. Whether a suffixed name is a client's own is none: for that a
 * known pod only narrows what an unknown client may ask.
 */

import { type LabelSelector, matches, namespaceLabels } from "../mesh/label-selector.ts";
import type { MeshChange, MeshState } from "../mesh/mesh-store.ts";
import {
  type AnswerMode,
  type Namespace,
  type ObjectKey,
  objectKey,
  type ServiceEntry,
  type SuffixAnswer,
} from "../mesh/objects.ts";
import { createAllocatedTest, takesAllocated } from "../mesh/virtual-addresses.ts";
import type { IpAddress, IpPrefix } from "../wire/ip-address.ts";

/** Why pods are watched, in the words of the log. */
export const POD_REASONS = {
  selector: "an entry selects workloads",
  visibility: "an entry is not visible to all namespaces",
  contest: "several namespaces claim one host",
  answer: "an entry has virtual addresses, which depend on the client's mesh",
  distribution: "an entry has a traffic distribution",
  suffix: "a Namespace has a suffix answer of its own",
  explain: "explainTxt is on",
} as const;
export type PodReason = keyof typeof POD_REASONS;

/** `clients`: what tells one client from another; `workloads`: what a selector asks for too. */
export type PodDetail = "none" | "clients" | "workloads";

export interface NeedSettings {
  readonly answer: AnswerMode;
  /** For entries that say nothing; empty: `*`. */
  readonly defaultExportTo: readonly string[];
  readonly defaultVisibility: "public" | "namespace";
  readonly hostPolicy: readonly {
    readonly namespaceSelector: LabelSelector;
    readonly maxVisibility: "public" | "namespace";
  }[];
  readonly excludeSelectors: readonly LabelSelector[];
  /** Where a mesh allocates addresses, besides the usual ranges. */
  readonly virtualRanges: readonly IpPrefix[];
  readonly suffixAnswer: SuffixAnswer;
  readonly explainTxt: boolean;
}

/** Follows the store; asked after each change. */
export class WatchNeed {
  readonly #store: MeshState;
  #settings: NeedSettings;
  #isAllocated: (address: IpAddress) => boolean;
  /** Entries that are in force, with what each one needs; only the entry where that is nothing. */
  readonly #entries = new Map<ObjectKey, EntryNeed | ServiceEntry>();
  /** How many entries have each reason. */
  readonly #counts = new Map<PodReason, number>();
  /** Of every host the namespaces that claim it, once per entry; nearly always one. */
  readonly #claims = new Map<string, Namespace | readonly Namespace[]>();
  #contested = 0;
  readonly #suffixNamespaces = new Set<ObjectKey>();

  constructor(store: MeshState, settings: NeedSettings) {
    this.#store = store;
    this.#settings = settings;
    this.#isAllocated = createAllocatedTest(settings.virtualRanges);
    for (const key of store.all("Namespace").keys()) this.#lookAtNamespace(key);
    for (const key of store.all("ServiceEntry").keys()) this.#lookAtEntry(key);
  }

  /** In a fixed order. */
  get reasons(): readonly PodReason[] {
    const { explainTxt } = this.#settings;
    const hasEntries = this.#entries.size > 0;
    const holds: Readonly<Partial<Record<PodReason, boolean>>> = {
      contest: this.#contested > 0,
      suffix: hasEntries && this.#suffixNamespaces.size > 0,
      explain: hasEntries && explainTxt,
    };
    const reasons = Object.keys(POD_REASONS) as PodReason[];
    return reasons.filter((reason) => holds[reason] ?? (this.#counts.get(reason) ?? 0) > 0);
  }

  note(changes: readonly MeshChange[]): void {
    const namespaces = new Set<Namespace>();
    for (const change of changes) {
      if (change.kind === "ServiceEntry") this.#lookAtEntry(change.key);
      if (change.kind !== "Namespace") continue;
      this.#lookAtNamespace(change.key);
      const namespace = change.before ?? this.#store.all("Namespace").get(change.key);
      if (namespace !== undefined) namespaces.add(namespace.ref.name);
    }
    if (namespaces.size > 0) this.#lookAgain(({ ref }) => namespaces.has(ref.namespace));
  }

  updateSettings(settings: NeedSettings): void {
    this.#settings = settings;
    this.#isAllocated = createAllocatedTest(settings.virtualRanges);
    for (const key of this.#store.all("Namespace").keys()) this.#lookAtNamespace(key);
    this.#lookAgain(() => true);
  }

  #lookAgain(isMeant: (entry: ServiceEntry) => boolean): void {
    for (const [key, entry] of this.#store.all("ServiceEntry")) if (isMeant(entry)) this.#lookAtEntry(key);
  }

  #lookAtNamespace(key: ObjectKey): void {
    const suffixAnswer = this.#store.all("Namespace").get(key)?.suffixAnswer;
    const isOther = suffixAnswer !== undefined && suffixAnswer !== this.#settings.suffixAnswer;
    if (isOther) this.#suffixNamespaces.add(key);
    else this.#suffixNamespaces.delete(key);
  }

  #lookAtEntry(key: ObjectKey): void {
    const before = this.#entries.get(key);
    const entry = this.#store.all("ServiceEntry").get(key);
    const now = entry === undefined || this.#isExcluded(entry) ? undefined : entry;
    const reasons = now === undefined ? NO_REASONS : this.#reasonsOf(now);
    if (now === undefined) this.#entries.delete(key);
    else this.#entries.set(key, reasons.length === 0 ? now : { entry: now, reasons });
    if (now !== undefined) this.#claim(now);
    for (const reason of reasons) this.#count(reason, 1);
    if (before === undefined) return;
    this.#unclaim("reasons" in before ? before.entry : before);
    if ("reasons" in before) for (const reason of before.reasons) this.#count(reason, -1);
  }

  #isExcluded({ labels }: ServiceEntry): boolean {
    return this.#settings.excludeSelectors.some((selector) => matches(selector, labels));
  }

  #reasonsOf(entry: ServiceEntry): readonly PodReason[] {
    const { namespace } = entry.ref;
    const key = objectKey({ kind: "Namespace", namespace: "", name: namespace });
    const object = this.#store.all("Namespace").get(key);
    const reasons: PodReason[] = [];
    if (selectsWorkloads(entry)) reasons.push("selector");
    if (this.#isRestricted(entry)) reasons.push("visibility");
    const mode = entry.answer ?? object?.answer ?? this.#settings.answer;
    if (this.#dependsOnMesh(entry, mode)) reasons.push("answer");
    const distribution = entry.trafficDistribution ?? object?.trafficDistribution ?? "Any";
    if (distribution !== "Any") reasons.push("distribution");
    return reasons.length === 0 ? NO_REASONS : reasons;
  }

  /**
   * Whether one client may get a virtual address and another not. With `virtual` only one that a mesh has allocated
   * is kept from those outside; with `resolved` nobody gets any.
   */
  #dependsOnMesh(entry: ServiceEntry, mode: AnswerMode): boolean {
    if (mode === "resolved") return false;
    if (entry.allocated.length > 0 && takesAllocated(entry)) return true;
    return mode === "auto" ? entry.addresses.length > 0 : entry.addresses.some(this.#isAllocated);
  }

  /** Whether some namespaces see it and others do not. */
  #isRestricted({ exportTo, ref }: ServiceEntry): boolean {
    const { defaultExportTo, hostPolicy, defaultVisibility } = this.#settings;
    const said = exportTo.length > 0 ? exportTo : defaultExportTo;
    if (said.length > 0 && said.every((each) => each === "~")) return false;
    if (said.length > 0 && !said.includes("*")) return true;
    if (hostPolicy.length === 0) return defaultVisibility === "namespace";
    const key = objectKey({ kind: "Namespace", namespace: "", name: ref.namespace });
    const labels = namespaceLabels(ref.namespace, this.#store.all("Namespace").get(key)?.labels);
    const rule = hostPolicy.find(({ namespaceSelector }) => matches(namespaceSelector, labels));
    return (rule?.maxVisibility ?? defaultVisibility) === "namespace";
  }

  #claim({ hosts, ref }: ServiceEntry): void {
    for (const host of hosts) {
      const claims = this.#claims.get(host);
      if (claims === undefined) this.#claims.set(host, ref.namespace);
      else this.#changeClaims(host, listOf(claims), [...listOf(claims), ref.namespace]);
    }
  }

  #unclaim({ hosts, ref }: ServiceEntry): void {
    for (const host of hosts) {
      const claims = listOf(this.#claims.get(host)!);
      this.#changeClaims(host, claims, claims.toSpliced(claims.indexOf(ref.namespace), 1));
    }
  }

  #changeClaims(host: string, before: readonly Namespace[], now: readonly Namespace[]): void {
    if (isContested(before)) this.#contested -= 1;
    if (isContested(now)) this.#contested += 1;
    const [only, another] = now;
    if (only === undefined) this.#claims.delete(host);
    else this.#claims.set(host, another === undefined ? only : now);
  }

  #count(reason: PodReason, by: 1 | -1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + by);
  }
}

/** What of each pod is to be kept. */
export function podDetail(reasons: readonly PodReason[]): PodDetail {
  if (reasons.includes("selector")) return "workloads";
  return reasons.length > 0 ? "clients" : "none";
}

/** Whether nodes are needed: a pod that is only selected does not ask where it runs. */
export function needsNodes(reasons: readonly PodReason[]): boolean {
  return reasons.some((reason) => reason !== "selector");
}

interface EntryNeed {
  readonly entry: ServiceEntry;
  readonly reasons: readonly PodReason[];
}

const NO_REASONS: readonly PodReason[] = [];

/** Inline endpoints win over a selector, and DYNAMIC_DNS takes neither. */
function selectsWorkloads({ selector, hasEndpoints, resolution }: ServiceEntry): boolean {
  if (selector === undefined || resolution === "DYNAMIC_DNS") return false;
  return resolution === "NONE" || !hasEndpoints;
}

function listOf(claims: Namespace | readonly Namespace[]): readonly Namespace[] {
  return typeof claims === "string" ? [claims] : claims;
}

function isContested(claims: readonly Namespace[]): boolean {
  return claims.some((namespace) => namespace !== claims[0]);
}
