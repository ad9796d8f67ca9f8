/**
 * What a host has in one family, and what it lacks: constant addresses, selected workloads, upstream's answers
 * for each name, without what may never be answered. Pure.
 */

import type { ObjectRef, ServiceEntry } from "../mesh/objects.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import type { LookupFailure, Resolution, Resolutions } from "../mesh/resolution.ts";
import type { MonotonicMs } from "../runtime.ts";
import { ExtendedError } from "../wire/constants.ts";
import type { HostName } from "../wire/host-name.ts";
import { type Family, familyOf, type IpAddress } from "../wire/ip-address.ts";
import type { SelectorTarget } from "./host-plan.ts";
import type { Linked, LinkedName } from "./link.ts";
import { mismatchedPorts } from "./plan-endpoints.ts";
import { forbiddenKind } from "./policy.ts";
import { workloadPorts } from "./ports.ts";
import type { SelectedWorkload } from "./selection.ts";
import { MAX_ADDRESSES_PER_FAMILY } from "./settings.ts";
import { addWeighted, type Weighted } from "./weighted.ts";

export interface GatherInput {
  readonly host: HostName;
  /** One per merged entry, oldest first; not empty. */
  readonly parts: readonly Linked[];
  readonly resolutions: Resolutions;
  readonly workloadsOf: (target: SelectorTarget) => readonly SelectedWorkload[];
  /** Whether a name is not resolved because its namespace has too many. */
  readonly isExcluded: (name: HostName) => boolean;
}

/** Both families of a host; what is wrong with its sources is added to `problems`. */
export function gather(input: GatherInput, problems: Problem[]): Readonly<Record<Family, FamilyState>> {
  const constants = gatherConstants(input, problems);
  const names = mergedNames(input.parts);
  return {
    A: gatherFamily("A", constants, names, input, problems),
    AAAA: gatherFamily("AAAA", constants, names, input, problems),
  };
}

/** What is there in one family, and what is missing. */
export interface FamilyState {
  readonly addresses: ReadonlyMap<IpAddress, Weighted>;
  readonly isPending: boolean;
  readonly isStale: boolean;
  /** The earliest of the fresh names that have addresses here. */
  readonly expiresAtMs: MonotonicMs | undefined;
  readonly failure: Failure | undefined;
  /** There are names, and upstream says of each that it has no address here. */
  readonly isDenied: boolean;
  /** All addresses that there would be are forbidden: definitely none. */
  readonly isFiltered: boolean;
}

export interface Failure {
  readonly error: ExtendedError;
  readonly text: string;
}

type Constants = Readonly<Record<Family, ReadonlyMap<IpAddress, Weighted>>>;

/** Inline endpoint addresses and selected workloads. */
function gatherConstants({ parts, workloadsOf }: GatherInput, problems: Problem[]): Constants {
  // Most hosts have addresses of one family.
  const constants: Partial<Record<Family, Map<IpAddress, Weighted>>> = {};
  const { entry, allowedAddresses } = parts[0]!.plan;
  const add = (address: IpAddress, weighted: Weighted) => {
    const kind = forbiddenKind(address, allowedAddresses);
    if (kind === undefined) {
      const family = familyOf(address);
      constants[family] ??= new Map();
      addWeighted(constants[family], address, weighted);
    }
    // Allowed where it is from, in the namespace of a linked host, not here.
    else problems.push(problem("AddressForbidden", entry.ref, "", `${address} is ${kind}.`));
  };
  for (const { plan, fixed, selectors } of parts) {
    for (const each of fixed) add(each.address, each);
    for (const target of selectors)
      for (const selected of workloadsOf(target)) {
        for (const ip of selected.ips) add(ip, selected);
        problems.push(...selected.problems);
        // A host that is merely linked to the selecting one has ports of its own.
        if (plan.answerClass === "selected") problems.push(...portProblems(plan.entry, selected));
      }
  }
  const { A = NO_ADDRESSES, AAAA = NO_ADDRESSES } = constants;
  return { A, AAAA };
}

const NO_ADDRESSES: ReadonlyMap<IpAddress, Weighted> = new Map();

function portProblems(entry: ServiceEntry, { workload }: SelectedWorkload): readonly Problem[] {
  return mismatchedPorts(entry, workloadPorts(workload))
    .filter(({ isNamed }) => isNamed)
    .map(({ port, reached }) => {
      const message = `Port ${port.number} (${port.name}) of ${entry.ref.name} is port ${reached} here.`;
      return problem("PortMismatch", workload.ref, "spec.ports", message);
    });
}

function mergedNames(parts: readonly Linked[]): readonly LinkedName[] {
  if (parts.length === 1) return parts[0]!.names;
  const names = new Map<HostName, Weighted>();
  const itself = new Set<HostName>();
  for (const each of parts.flatMap((part) => part.names)) {
    addWeighted(names, each.name, each);
    if (each.isItself) itself.add(each.name);
  }
  return [...names].map(([name, weighted]) => ({ name, ...weighted, isItself: itself.has(name) }));
}

function gatherFamily(
  family: Family,
  constants: Constants,
  names: readonly LinkedName[],
  { host, parts, resolutions, isExcluded }: GatherInput,
  problems: Problem[],
): FamilyState {
  const { entry, allowedAddresses } = parts[0]!.plan;
  // Where nothing is added they stay as they are.
  const merged = names.length === 0 ? undefined : new Map(constants[family]);
  const addresses = merged ?? constants[family];
  let isPending = false;
  let isStale = false;
  let expiresAtMs: MonotonicMs | undefined;
  let failure: Failure | undefined;
  let denied = 0;
  let filtered = 0;

  /** Adds what may be answered; returns whether that was anything. */
  const add = (name: LinkedName, resolved: readonly IpAddress[]): boolean => {
    const allowed = resolved.filter((address) => forbiddenKind(address, allowedAddresses) === undefined);
    const refused = resolved.find((address) => !allowed.includes(address));
    if (refused !== undefined) problems.push(forbidden(entry.ref, name.name, refused));
    if (merged !== undefined) for (const address of allowed) addWeighted(merged, address, name);
    if (allowed.length === 0) filtered += 1;
    return allowed.length > 0;
  };

  for (const each of names) {
    if (!each.isItself && isExcluded(each.name)) {
      if (family === "A") problems.push(beyondLimit(entry.ref, each.name));
      failure ??= { error: ExtendedError.NOT_READY, text: cut(each.name, "too many names in its namespace") };
      continue;
    }
    const resolution: Resolution = resolutions(each.name)?.[family] ?? NOT_ASKED;
    switch (resolution.state) {
      case "pending":
        isPending = true;
        break;
      case "fresh":
        if (add(each, resolution.addresses))
          expiresAtMs = Math.min(expiresAtMs ?? Number.POSITIVE_INFINITY, resolution.expiresAtMs);
        break;
      case "stale":
        if (add(each, resolution.addresses)) isStale = true;
        break;
      case "denied":
        denied += 1;
        break;
      case "failed":
        failure ??= failureOf(each.name, resolution.failure);
        break;
    }
  }
  if (addresses.size > MAX_ADDRESSES_PER_FAMILY)
    problems.push(tooMany(entry.ref, host, family, addresses.size));
  return {
    addresses,
    isPending,
    isStale,
    expiresAtMs,
    failure,
    isDenied: names.length > 0 && denied === names.length,
    isFiltered: addresses.size === 0 && filtered > 0 && failure === undefined,
  };
}

/** A name of which the refresher has not heard yet: the first attempt is due. */
const NOT_ASKED: Resolution = { state: "pending", sinceMs: 0 };

const FAILURE_TEXTS: Readonly<Record<LookupFailure, string>> = {
  timeout: "no reply from upstream",
  servfail: "SERVFAIL from upstream",
  refused: "REFUSED from upstream",
  formerr: "FORMERR from upstream",
  notimp: "NOTIMP from upstream",
  network: "upstream cannot be reached",
  badresp: "unusable reply from upstream",
};

/** RFC 8914, sections 4.23 and 4.24. */
function failureOf(name: HostName, failure: LookupFailure): Failure {
  const error = failure === "timeout" ? ExtendedError.NO_REACHABLE_AUTHORITY : ExtendedError.NETWORK_ERROR;
  return { error, text: cut(name, FAILURE_TEXTS[failure]) };
}

/** EXTRA-TEXT travels in a UDP reply that must stay small. */
const MAX_TEXT_OCTETS = 100;

/** `name: text`, at the cost of the name's front where it is too long. */
function cut(name: HostName, text: string): string {
  const room = MAX_TEXT_OCTETS - text.length - 2;
  return `${name.length <= room ? name : `...${name.slice(name.length - room + 3)}`}: ${text}`;
}

function forbidden(ref: ObjectRef, name: HostName, address: IpAddress): Problem {
  const message = `${name} resolves to ${address}, ${forbiddenKind(address)}.`;
  return problem("AddressForbidden", ref, "", message);
}

function beyondLimit(ref: ObjectRef, name: HostName): Problem {
  const message = `${name} is beyond the names per namespace (namesPerNamespace) and is not resolved.`;
  return problem("LimitExceeded", ref, "spec.endpoints", message);
}

function tooMany(ref: ObjectRef, host: HostName, family: Family, count: number): Problem {
  const message = `${host} has ${count} ${family} addresses; ${MAX_ADDRESSES_PER_FAMILY} are answered.`;
  return problem("LimitExceeded", ref, "", message);
}
