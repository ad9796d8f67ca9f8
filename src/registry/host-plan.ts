/** What an entry says of its hosts, as values: the shapes that `plan.ts` makes and everything after it reads. */

import type { AnswerMode, Labels, Namespace, ServiceEntry } from "../mesh/objects.ts";
import type { Problem, ProblemCode } from "../mesh/problem.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";

export interface EntryPlan {
  readonly entry: ServiceEntry;
  readonly visibility: Visibility;
  readonly hosts: readonly HostPlan[];
  /** Hosts that nobody may claim. */
  readonly rejectedHosts: readonly HostName[];
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
  readonly answerClass: AnswerClass;
  /** Undefined: it has none. Empty where all of them are forbidden. */
  readonly virtual: VirtualPlan | undefined;
  /** Undefined: nothing that real addresses could come from. */
  readonly real: RealPlan | undefined;
  /** By annotation; undefined: not said. */
  readonly mode: AnswerMode | undefined;
  readonly ttlSeconds: number | undefined;
  /** The set of port numbers as a text: entries merge where it is equal. */
  readonly portsKey: string;
}

/** How a host comes to its real addresses; `auto` depends on it. */
export type AnswerClass = "static" | "selected" | "names" | "itself" | "none" | "dynamic";

export interface VirtualPlan {
  readonly addresses: readonly IpAddress[];
  /** From `status.addresses`, not from the entry's author. */
  readonly isAllocated: boolean;
}

export interface RealPlan {
  readonly fixed: readonly WeightedAddress[];
  readonly targets: readonly Target[];
}

export interface WeightedAddress {
  readonly address: IpAddress;
  /** 0: not said. */
  readonly weight: number;
}

export type Target = NameTarget | SelectorTarget;

export interface NameTarget {
  readonly kind: "name";
  readonly name: HostName;
  readonly weight: number;
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
