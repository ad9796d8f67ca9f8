/** What an entry says of its hosts, as values: the shapes that `plan.ts` makes and everything after it reads. */

import type { AnswerMode, Labels, Namespace, ServiceEntry } from "../mesh/objects.ts";
import type { Problem, ProblemCode } from "../mesh/problem.ts";
import type { Locality, TrafficDistribution } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpAddress, IpPrefix } from "../wire/ip-address.ts";

export interface EntryPlan {
  readonly entry: ServiceEntry;
  readonly visibility: Visibility;
  readonly hosts: readonly HostPlan[];
  /** Hosts that the entry may not claim. */
  readonly rejectedHosts: readonly HostName[];
  /** Hosts of it that a Namespace's coming or going may reject or allow, by that Namespace. */
  readonly readNamespaces: readonly Namespace[];
  /** Names that a proxy resolves for it. */
  readonly endpointNames: readonly HostName[];
  readonly problems: readonly Problem[];
}

export interface Visibility {
  readonly isPublic: boolean;
  /** Namespaces that see it besides the public; own namespace included only where the entry says so. */
  readonly namespaces: ReadonlySet<Namespace>;
}

export interface HostPlan {
  readonly host: HostName;
  readonly entry: ServiceEntry;
  readonly visibility: Visibility;
  /** A Service's name below the cluster domain: ours only where upstream knows none. */
  readonly isFallback: boolean;
  /** Of those that are never answered otherwise. */
  readonly allowedAddresses: readonly IpPrefix[];
  readonly answerClass: AnswerClass;
  /** Undefined: it has none. Empty where all of them are forbidden. */
  readonly virtual: VirtualPlan | undefined;
  /** Undefined: nothing that real addresses could come from. */
  readonly real: RealPlan | undefined;
  /** By annotation; undefined: not said. */
  readonly mode: AnswerMode | undefined;
  readonly ttlSeconds: number | undefined;
  /** By annotation of the entry or its Namespace; undefined: all addresses are alike. */
  readonly distribution: TrafficDistribution | undefined;
  /** The set of port numbers as a text: entries merge where it is equal. */
  readonly portsKey: string;
  /** Ports that lead elsewhere behind real addresses; a sentence each, without a full stop. */
  readonly portNotes: readonly string[];
}

/** Of two plans of one host: an entry may be planned more than once. */
export function isSameClaim(one: HostPlan, other: HostPlan): boolean {
  return one.entry === other.entry;
}

/** `plans`: of the same host. */
export function isAmongClaims(plan: HostPlan, plans: readonly HostPlan[]): boolean {
  return plans.some((each) => isSameClaim(each, plan));
}

/** How a host comes to its real addresses; `auto` depends on it. */
export type AnswerClass = "static" | "selected" | "names" | "itself" | "none" | "dynamic";

export interface VirtualPlan {
  readonly addresses: readonly IpAddress[];
  /** By the entry's author, not in `status.addresses` by a controller. */
  readonly isWritten: boolean;
  /** Which of the addresses a mesh has allocated: nothing outside of it can reach them. */
  readonly allocated: ReadonlySet<IpAddress>;
}

export interface RealPlan {
  readonly fixed: readonly WeightedAddress[];
  readonly targets: readonly Target[];
}

export interface WeightedAddress {
  readonly address: IpAddress;
  /** 0: not said. */
  readonly weight: number;
  readonly locality: Locality;
}

export type Target = NameTarget | SelectorTarget;

export interface NameTarget {
  readonly kind: "name";
  readonly name: HostName;
  readonly weight: number;
  readonly locality: Locality;
  /** The host asks upstream for itself. */
  readonly isItself: boolean;
}

export interface SelectorTarget {
  readonly kind: "selector";
  /** Equal for equal selections. */
  readonly key: string;
  readonly namespace: Namespace;
  readonly labels: Labels;
  /** Whether a WorkloadEntry's host name is resolved. */
  readonly takesNames: boolean;
}

/** Notes a problem of the entry that is being planned. */
export type Report = (code: ProblemCode, path: string, message: string) => void;
