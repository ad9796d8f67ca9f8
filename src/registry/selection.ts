/**
 * Which workloads each selector has now. A change of one workload touches only the selectors of its namespace
 * that match it before or after: selectors are found by one of their label pairs, workloads by each of theirs.
 */

import type { Labels, Namespace, NodeObject, ObjectKey, Pod, WorkloadEntry } from "../mesh/objects.ts";
import { objectKey } from "../mesh/objects.ts";
import { type Problem, type ProblemCode, problem } from "../mesh/problem.ts";
import { assertNever } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { IpAddress, IpPrefix } from "../wire/ip-address.ts";
import type { SelectorTarget } from "./host-plan.ts";
import { podLocality, workloadLocality } from "./locality.ts";
import { isInOtherNetwork } from "./plan-endpoints.ts";
import { forbiddenKind } from "./policy.ts";
import type { Weighted } from "./weighted.ts";

export type Workload = Pod | WorkloadEntry;

/** What one ready workload adds to a selection. */
export interface SelectedWorkload extends Weighted {
  readonly workload: Workload;
  readonly ips: readonly IpAddress[];
  /** To be resolved; undefined: it has addresses, or names are not taken. */
  readonly name: HostName | undefined;
  readonly problems: readonly Problem[];
}

/** What selected workloads depend on besides themselves. */
export interface SelectionContext {
  /** Ours; undefined: workloads of all networks are taken. */
  readonly network: () => string | undefined;
  readonly nodeOf: (name: string) => NodeObject | undefined;
  /** Of the addresses that are never answered otherwise. */
  readonly allowedAddressesOf: (namespace: Namespace) => readonly IpPrefix[];
}

interface Selected {
  readonly target: SelectorTarget;
  readonly members: Map<ObjectKey, Workload>;
  readonly hosts: Set<HostName>;
  /** Of `members`, in the order of their keys; undefined: not computed since the last change. */
  workloads: readonly SelectedWorkload[] | undefined;
}

export class Selection {
  readonly #selected = new Map<string, Selected>();
  /** Selectors by namespace and their first label pair. */
  readonly #selectorsByPair = new Map<string, Set<Selected>>();
  readonly #workloadsByPair = new Map<string, Map<ObjectKey, Workload>>();
  readonly #context: SelectionContext;

  /** What the context says counts from the next `invalidate` on. */
  constructor(context: SelectionContext) {
    this.#context = context;
  }

  /**
   * The context is another now for the workloads of which `isMeant` is true. Returns the hosts whose selection may
   * be another.
   */
  invalidate(isMeant: (workload: Workload) => boolean): ReadonlySet<HostName> {
    const hosts = new Set<HostName>();
    for (const selected of this.#selected.values())
      for (const member of selected.members.values()) {
        if (!isMeant(member)) continue;
        noteChange(selected, hosts);
        break;
      }
    return hosts;
  }

  /** A workload came (`before` undefined), changed or went. Returns the hosts whose selection changed with it. */
  change(before: Workload | undefined, after: Workload | undefined): ReadonlySet<HostName> {
    const hosts = new Set<HostName>();
    const key = objectKey((after ?? before)!.ref);
    if (before !== undefined) {
      for (const pair of pairsOf(before)) removeFrom(this.#workloadsByPair, pair, key);
      for (const selected of this.#matching(before)) {
        if (after !== undefined && isSelected(after, selected.target)) continue;
        if (selected.members.delete(key)) noteChange(selected, hosts);
      }
    }
    if (after !== undefined) {
      for (const pair of pairsOf(after)) {
        let workloads = this.#workloadsByPair.get(pair);
        if (workloads === undefined) {
          workloads = new Map();
          this.#workloadsByPair.set(pair, workloads);
        }
        workloads.set(key, after);
      }
      for (const selected of this.#matching(after)) {
        const known = selected.members.get(key);
        selected.members.set(key, after);
        if (known === undefined || !addsTheSame(known, after)) noteChange(selected, hosts);
      }
    }
    return hosts;
  }

  /** The ready workloads, in a fixed order. */
  workloadsOf(target: SelectorTarget): readonly SelectedWorkload[] {
    const selected = this.#select(target);
    if (selected.workloads === undefined) {
      const keys = [...selected.members.keys()].sort();
      selected.workloads = keys.map((key) =>
        contributionOf(selected.members.get(key)!, target, this.#context),
      );
    }
    return selected.workloads;
  }

  /** From now on the host is told of changes. */
  use(target: SelectorTarget, host: HostName): void {
    this.#select(target).hosts.add(host);
  }

  /** The host needs it no more; a selector without hosts is forgotten. */
  release(target: SelectorTarget, host: HostName): void {
    const selected = this.#selected.get(target.key);
    if (selected === undefined) return;
    selected.hosts.delete(host);
    if (selected.hosts.size > 0) return;
    this.#selected.delete(target.key);
    const pair = firstPair(target);
    const selectors = this.#selectorsByPair.get(pair);
    selectors?.delete(selected);
    if (selectors?.size === 0) this.#selectorsByPair.delete(pair);
  }

  /** Selectors in use. */
  get size(): number {
    return this.#selected.size;
  }

  #select(target: SelectorTarget): Selected {
    const known = this.#selected.get(target.key);
    if (known !== undefined) return known;
    const members = new Map<ObjectKey, Workload>();
    for (const [key, workload] of this.#candidates(target))
      if (isSelected(workload, target)) members.set(key, workload);
    const selected: Selected = { target, members, hosts: new Set(), workloads: undefined };
    this.#selected.set(target.key, selected);
    const pair = firstPair(target);
    const selectors = this.#selectorsByPair.get(pair) ?? new Set();
    selectors.add(selected);
    this.#selectorsByPair.set(pair, selectors);
    return selected;
  }

  /** A small superset of the selector's workloads: those that have its rarest label pair. */
  #candidates({ namespace, labels }: SelectorTarget): ReadonlyMap<ObjectKey, Workload> {
    let smallest = this.#workloadsByPair.get(pairKey(namespace)) ?? NO_WORKLOADS;
    for (const [name, value] of Object.entries(labels)) {
      const workloads = this.#workloadsByPair.get(pairKey(namespace, name, value)) ?? NO_WORKLOADS;
      if (workloads.size < smallest.size) smallest = workloads;
    }
    return smallest;
  }

  *#matching(workload: Workload): IterableIterator<Selected> {
    for (const pair of pairsOf(workload))
      for (const selected of this.#selectorsByPair.get(pair) ?? [])
        if (isSelected(workload, selected.target)) yield selected;
  }
}

const NO_WORKLOADS: ReadonlyMap<ObjectKey, Workload> = new Map();

function noteChange(selected: Selected, hosts: Set<HostName>): void {
  selected.workloads = undefined;
  for (const host of selected.hosts) hosts.add(host);
}

/** Status writes of a ready pod are many; its addresses stay, and what says where it is. */
function addsTheSame(one: Workload, other: Workload): boolean {
  if ("endpoint" in one || "endpoint" in other) return false;
  return (
    one.ips.length === other.ips.length &&
    one.ips.every((ip, at) => ip === other.ips[at]) &&
    isEqual(podLocality(one, undefined, undefined), podLocality(other, undefined, undefined)) &&
    isEqual(one.portNames, other.portNames)
  );
}

function isEqual<T extends object>(one: T, other: T): boolean {
  const names = Object.keys(one) as (keyof T)[];
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** Ready and with the selector's labels in the selector's namespace. */
function isSelected(workload: Workload, { namespace, labels }: SelectorTarget): boolean {
  if (workload.ref.namespace !== namespace || !isReady(workload)) return false;
  const own = labelsOf(workload);
  return Object.entries(labels).every(([name, value]) => Object.hasOwn(own, name) && own[name] === value);
}

function isReady(workload: Workload): boolean {
  return "endpoint" in workload ? workload.isHealthy : workload.isReady && workload.ips.length > 0;
}

function labelsOf(workload: Workload): Labels {
  return "endpoint" in workload ? workload.workloadLabels : workload.labels;
}

/** Every pair of the workload, and the empty one, which the selector without labels has. */
function* pairsOf(workload: Workload): IterableIterator<string> {
  const { namespace } = workload.ref;
  yield pairKey(namespace);
  for (const [name, value] of Object.entries(labelsOf(workload))) yield pairKey(namespace, name, value);
}

function firstPair({ namespace, labels }: SelectorTarget): string {
  const name = Object.keys(labels).sort()[0];
  return name === undefined ? pairKey(namespace) : pairKey(namespace, name, labels[name]);
}

function pairKey(namespace: Namespace, name = "", value = ""): string {
  return `${namespace}\0${name}\0${value}`;
}

function removeFrom(index: Map<string, Map<ObjectKey, Workload>>, pair: string, key: ObjectKey): void {
  const workloads = index.get(pair);
  workloads?.delete(key);
  if (workloads?.size === 0) index.delete(pair);
}

function contributionOf(
  workload: Workload,
  target: SelectorTarget,
  context: SelectionContext,
): SelectedWorkload {
  const { nodeOf, allowedAddressesOf } = context;
  const network = context.network();
  const allowed = allowedAddressesOf(target.namespace);
  const locality = workloadLocality(workload, nodeOf, network);
  if (!("endpoint" in workload))
    return { ...contribution(workload, workload.ips, allowed, "status.podIPs"), weight: 0, locality };
  const { endpoint } = workload;
  const { address, weight } = endpoint;
  const skipped = (code: ProblemCode, message: string): SelectedWorkload => {
    const problems = [problem(code, workload.ref, "spec.address", message)];
    return { workload, ips: [], name: undefined, weight, locality, problems };
  };
  if (isInOtherNetwork(endpoint, network))
    return skipped("EndpointOtherNetwork", `It is in the network ${endpoint.network}.`);
  switch (address.kind) {
    case "ip":
      return { ...contribution(workload, [address.ip], allowed, "spec.address"), weight, locality };
    case "name":
      return target.takesNames
        ? { workload, ips: [], name: address.name, weight, locality, problems: [] }
        : skipped("EndpointNameInStatic", `${address.name} is a name, not an IP address.`);
    case "unix":
      return skipped("EndpointUnixSocket", `unix:${address.path} is a Unix socket.`);
    case "none":
      return skipped("EndpointWithoutAddress", "It has no address.");
    default:
      return assertNever(address);
  }
}

function contribution(
  workload: Workload,
  ips: readonly IpAddress[],
  allowed: readonly IpPrefix[],
  path: string,
): Omit<SelectedWorkload, keyof Weighted> {
  const problems: Problem[] = [];
  const usable = ips.filter((ip) => {
    const kind = forbiddenKind(ip, allowed);
    if (kind !== undefined)
      problems.push(problem("AddressForbidden", workload.ref, path, `${ip} is ${kind}.`));
    return kind === undefined;
  });
  return { workload, ips: usable, name: undefined, problems };
}
