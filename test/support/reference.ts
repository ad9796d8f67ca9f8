/**
 * A second reading of what we answer: from objects and resolutions straight to the expected records, by the
 * slowest and most obvious way, as an oracle for the registry. It knows no index, no memory and no events, and
 * shares no code with `src/registry/`. The client is an unknown one. Left open here: until when a pending host
 * is held (that depends on when it became pending) and the words of a failure.
 */

import type {
  AnswerMode,
  Endpoint,
  Labels,
  Namespace,
  NamespaceObject,
  ObjectRef,
  Pod,
  ServiceEntry,
  WorkloadEntry,
} from "../../src/mesh/objects.ts";
import type { Resolution, Resolutions } from "../../src/mesh/resolution.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import type { MonotonicMs } from "../../src/runtime.ts";
import type { FamilyAnswer, HostRecord, HostView } from "../../src/table/host-record.ts";
import { ExtendedError } from "../../src/wire/constants.ts";
import { type HostName, isAtOrBelow, isWildcard, wildcardRest } from "../../src/wire/host-name.ts";
import {
  type Family,
  familyOf,
  type IpAddress,
  type IpPrefix,
  parseIpPrefix,
  prefixContains,
} from "../../src/wire/ip-address.ts";

/** All objects that matter, in any order. */
export interface World {
  readonly serviceEntries: readonly ServiceEntry[];
  readonly workloadEntries: readonly WorkloadEntry[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly NamespaceObject[];
}

/** What the whole table has to be, one record per own host. */
export function referenceTable(
  world: World,
  resolutions: Resolutions,
  settings: RegistrySettings,
  nowMs: MonotonicMs,
): Map<HostName, HostRecord> {
  const table = new Map<HostName, HostRecord>();
  const reading: Reading = { world, settings };
  const excluded = excludedNames(reading);
  const known: KnowledgeOf = (name, family) =>
    resolutions(name)?.[family] ?? { state: "pending", sinceMs: nowMs };
  for (const host of claimedHosts(world)) {
    const own = ownHost(host, undefined, reading);
    if (own !== undefined)
      table.set(host, {
        host,
        views: [viewOf(own, targetsOfAnswer(own, reading), known, excluded, settings)],
      });
  }
  return table;
}

/** What upstream has to be asked for: `name namespace` of each name and the namespace that has it asked, sorted. */
export function referenceNames(world: World, settings: RegistrySettings): string[] {
  const reading: Reading = { world, settings };
  const excluded = excludedNames(reading);
  return [...new Set(askedNames(reading).map(({ id }) => id))].filter((id) => !excluded.has(id)).sort();
}

const PENDING_TARGET_TTL_SECONDS = 5;
const STALE_TTL_SECONDS = 30;
const MAX_LINK_DEPTH = 8;
const MAX_ADDRESSES_PER_FAMILY = 256;

interface Reading {
  readonly world: World;
  readonly settings: RegistrySettings;
}

/**
 * Where the real addresses of a host come from. The last two have none: "none" (STATIC or NONE without anything)
 * and "dynamic". A wildcard of class "itself" has none either.
 */
type ResolutionClass = "static" | "selected" | "names" | "itself" | "none" | "dynamic";

/** What one entry says of one host. */
interface Claim {
  readonly entry: ServiceEntry;
  readonly host: HostName;
  readonly resolutionClass: ResolutionClass;
  readonly hasReal: boolean;
  readonly mode: AnswerMode;
}

/** One or more entries of one namespace that answer a host together, the oldest first. */
interface OwnHost {
  readonly host: HostName;
  readonly claims: readonly [Claim, ...Claim[]];
}

/** `weight` 0: not said. */
type Target =
  | { readonly kind: "static" | "workload"; readonly address: IpAddress; readonly weight: number }
  /** Where workloads come from, be there any or not. */
  | { readonly kind: "selector" }
  | { readonly kind: "name"; readonly name: HostName; readonly weight: number };

function claimedHosts(world: World): Set<HostName> {
  return new Set(world.serviceEntries.flatMap((entry) => entry.hosts));
}

// --- Who answers a host ---------------------------------------------------------------------------------

/** `viewer`: the namespace of the client; undefined: not known. */
function ownHost(host: HostName, viewer: Namespace | undefined, reading: Reading): OwnHost | undefined {
  const { world, settings } = reading;
  if (isReserved(host, settings)) return undefined;
  const claims = world.serviceEntries
    .filter((entry) => entry.hosts.includes(host) && isWithinHostLimit(entry.ref.namespace, host, reading))
    .filter((entry) => nearness(entry, viewer, settings) !== INVISIBLE)
    .map((entry) => claimOf(entry, host, reading))
    .filter((claim) => choiceOf({ host, claims: [claim] }).kind !== "forwarded")
    .sort((a, b) => byAge(a.entry, b.entry));
  const nearest = Math.min(...claims.map(({ entry }) => nearness(entry, viewer, settings)));
  const winner = claims.find(({ entry }) => nearness(entry, viewer, settings) === nearest);
  // Never merged across namespaces.
  const [oldest, ...others] = claims.filter(
    ({ entry }) => entry.ref.namespace === winner?.entry.ref.namespace,
  );
  if (oldest === undefined) return undefined;
  const equal = others.filter(({ entry }) => portNumbers(entry) === portNumbers(oldest.entry));
  return { host, claims: [oldest, ...equal] };
}

const INVISIBLE = 3;

/** The client's own namespace, exported to it by name, public. */
function nearness(
  entry: ServiceEntry,
  viewer: Namespace | undefined,
  settings: RegistrySettings,
): 0 | 1 | 2 | 3 {
  const { namespace } = entry.ref;
  const written: readonly string[] = entry.exportTo.length > 0 ? entry.exportTo : settings.defaultExportTo;
  const effective = written.length > 0 ? written : ["*"];
  const isPublic = effective.includes("*");
  const isNamed =
    viewer !== undefined && (effective.includes(viewer) || (effective.includes(".") && viewer === namespace));
  if (!isPublic && !isNamed) return INVISIBLE;
  return namespace === viewer ? 0 : isPublic ? 2 : 1;
}

function isReserved(host: HostName, settings: RegistrySettings): boolean {
  if (isWildcard(host) && host.split(".").length < 3) return true;
  const name = wildcardRest(host);
  if (["svc", "pod"].includes(name.split(".").at(-1)!)) return true;
  return [
    settings.clusterDomain,
    "clusterset.local",
    "in-addr.arpa",
    "ip6.arpa",
    "localhost",
    "invalid",
  ].some((zone) => isAtOrBelow(name, zone));
}

/** The first ones by the alphabet count. */
function isWithinHostLimit(namespace: Namespace, host: HostName, { world, settings }: Reading): boolean {
  const hosts = world.serviceEntries
    .filter((entry) => entry.ref.namespace === namespace)
    .flatMap((entry) => entry.hosts)
    .filter((each) => !isReserved(each, settings));
  return [...new Set(hosts)].sort().indexOf(host) < settings.hostsPerNamespace;
}

/** Oldest first, those without a time last; then by name, then by namespace. */
function byAge(a: ServiceEntry, b: ServiceEntry): number {
  const atA = a.createdAtMs ?? Number.POSITIVE_INFINITY;
  const atB = b.createdAtMs ?? Number.POSITIVE_INFINITY;
  if (atA !== atB) return atA < atB ? -1 : 1;
  return compareText(a.ref.name, b.ref.name) || compareText(a.ref.namespace, b.ref.namespace);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function portNumbers(entry: ServiceEntry): string {
  return [...new Set(entry.ports.map((port) => port.number))].sort((a, b) => a - b).join();
}

// --- What one entry says --------------------------------------------------------------------------------

function claimOf(entry: ServiceEntry, host: HostName, { world, settings }: Reading): Claim {
  const namespace = world.namespaces.find((each) => each.ref.name === entry.ref.namespace);
  const resolutionClass = resolutionClassOf(entry);
  return {
    entry,
    host,
    resolutionClass,
    hasReal:
      ["static", "selected", "names"].includes(resolutionClass) ||
      (resolutionClass === "itself" && !isWildcard(host)),
    mode: entry.answer ?? namespace?.answer ?? settings.answer,
  };
}

function resolutionClassOf({ resolution, hasEndpoints, selector }: ServiceEntry): ResolutionClass {
  const otherwise = selector !== undefined ? "selected" : undefined;
  switch (resolution) {
    case "STATIC":
      return hasEndpoints ? "static" : (otherwise ?? "none");
    case "NONE":
      return otherwise ?? "none";
    case "DNS":
    case "DNS_ROUND_ROBIN":
      return hasEndpoints ? "names" : (otherwise ?? "itself");
    case "DYNAMIC_DNS":
      return "dynamic";
  }
}

/** What a controller allocated, forbidden addresses included: the last of each family. */
function allocatedVirtual({ entry, host }: Claim): IpAddress[] {
  const isOptedOut = entry.labels["networking.istio.io/enable-autoallocate-ip"]?.toLowerCase() === "false";
  if (entry.resolution === "NONE" || isOptedOut || entry.hasAddresses) return [];
  const mine = entry.allocated.filter((each) => each.host === host).map((each) => each.address);
  const last = (family: Family) => mine.filter((address) => familyOf(address) === family).slice(-1);
  return [...last("A"), ...last("AAAA")];
}

type Choice =
  | { readonly kind: "virtual"; readonly addresses: readonly IpAddress[] }
  | { readonly kind: "real" }
  | { readonly kind: "forwarded" };

/** One choice for the whole host; mode and class are the oldest entry's. */
function choiceOf({ claims }: OwnHost): Choice {
  const [{ mode, resolutionClass }] = claims;
  const own = claims.flatMap(({ entry }) => entry.addresses);
  const all = [...own, ...claims.flatMap(allocatedVirtual)];
  const real: Choice = claims.some(({ hasReal }) => hasReal) ? { kind: "real" } : { kind: "forwarded" };
  // An address that is never answered still is the choice: nothing stands in its place.
  const virtual = (written: readonly IpAddress[]): Choice | undefined =>
    written.length === 0
      ? undefined
      : { kind: "virtual", addresses: written.filter((address) => !isForbidden(address)) };
  if (mode === "resolved") return real;
  if (mode === "virtual") return virtual(all) ?? real;
  if (resolutionClass === "itself" || resolutionClass === "names") return real;
  if (resolutionClass === "dynamic" && real.kind === "real") return real;
  return virtual(own) ?? real;
}

// --- Where real addresses come from ---------------------------------------------------------------------

/** Of the host's entries, one list for each. */
function targetsOfAnswer(own: OwnHost, reading: Reading): Target[][] {
  const choice = choiceOf(own);
  if (choice.kind === "virtual")
    return [choice.addresses.map((address) => ({ kind: "static", address, weight: 0 }))];
  // Of too many addresses the first ones count: those written down, then workloads, then upstream's.
  const order: readonly Target["kind"][] = ["static", "selector", "workload", "name"];
  return own.claims.map((claim) => {
    const targets = targetsOf(claim, [], 0, reading);
    return order.flatMap((kind) => targets.filter((target) => target.kind === kind));
  });
}

/**
 * What the claim stands for when each endpoint that is an own host is replaced by that host's targets.
 * `path`: the hosts that led here; `weight`: that of the endpoint that did.
 */
function targetsOf(claim: Claim, path: readonly HostName[], weight: number, reading: Reading): Target[] {
  const here = [...path, claim.host];
  return ownTargets(claim, reading).flatMap((own): Target[] => {
    const target =
      own.kind === "static" || own.kind === "name" ? { ...own, weight: weight || own.weight } : own;
    if (target.kind !== "name" || claim.resolutionClass === "itself") return [target];
    if (here.includes(target.name) || here.length > MAX_LINK_DEPTH) return [target];
    const linked = ownHost(target.name, claim.entry.ref.namespace, reading)?.claims.filter(
      ({ hasReal }) => hasReal,
    );
    if (linked === undefined || linked.length === 0) return [target];
    return linked.flatMap((each) => targetsOf(each, here, target.weight, reading));
  });
}

/** Addresses first. */
function ownTargets(claim: Claim, { world, settings }: Reading): Target[] {
  const { entry, host, resolutionClass } = claim;
  if (!claim.hasReal) return [];
  switch (resolutionClass) {
    case "itself":
      return [{ kind: "name", name: host, weight: 0 }];
    case "static":
    case "names": {
      const targets = entry.endpoints.flatMap((endpoint) => endpointTargets(endpoint, "static", settings));
      const names = new Map<HostName, number>();
      if (resolutionClass === "names")
        for (const target of targets)
          if (target.kind === "name")
            names.set(target.name, Math.max(names.get(target.name) ?? 0, target.weight));
      return [
        ...targets.filter(({ kind }) => kind !== "name"),
        ...[...names].map(([name, weight]): Target => ({ kind: "name", name, weight })),
      ];
    }
    case "selected":
      return [{ kind: "selector" }, ...selectedTargets(entry, world, settings)];
    default:
      return [];
  }
}

function endpointTargets(
  { network, address, weight }: Endpoint,
  kind: "static" | "workload",
  settings: RegistrySettings,
): Target[] {
  if (settings.network !== undefined && network !== undefined && network !== settings.network) return [];
  if (address.kind === "ip") return isForbidden(address.ip) ? [] : [{ kind, address: address.ip, weight }];
  if (address.kind === "name") return [{ kind: "name", name: address.name, weight }];
  return [];
}

function selectedTargets(entry: ServiceEntry, world: World, settings: RegistrySettings): Target[] {
  const isSelected = (namespace: Namespace, labels: Labels) =>
    namespace === entry.ref.namespace &&
    Object.entries(entry.selector ?? {}).every(([name, value]) => labels[name] === value);
  const byName = (a: { ref: ObjectRef }, b: { ref: ObjectRef }) => compareText(a.ref.name, b.ref.name);
  const pods = [...world.pods]
    .sort(byName)
    .filter((pod) => pod.isReady && isSelected(pod.ref.namespace, pod.labels))
    .flatMap((pod) => pod.ips)
    .filter((address) => !isForbidden(address))
    .map((address): Target => ({ kind: "workload", address, weight: 0 }));
  const workloads = [...world.workloadEntries]
    .sort(byName)
    .filter((each) => each.isHealthy && isSelected(each.ref.namespace, each.workloadLabels))
    .flatMap((each) => endpointTargets(each.endpoint, "workload", settings))
    .filter(({ kind }) => kind !== "name" || ["DNS", "DNS_ROUND_ROBIN"].includes(entry.resolution));
  return [...pods, ...workloads];
}

// --- Which names are asked ------------------------------------------------------------------------------

interface AskedName {
  /** `name namespace`. */
  readonly id: string;
  readonly namespace: Namespace;
  readonly name: HostName;
  /** A host that asks for itself counts towards no limit. */
  readonly isItself: boolean;
}

function askedNames(reading: Reading): AskedName[] {
  return [...claimedHosts(reading.world)].flatMap((host) => {
    const own = ownHost(host, undefined, reading);
    if (own === undefined) return [];
    const { namespace } = own.claims[0].entry.ref;
    return targetsOfAnswer(own, reading).flatMap((targets, index) =>
      targets.flatMap((target): AskedName[] => {
        if (target.kind !== "name") return [];
        const { name } = target;
        const isItself = own.claims[index]?.resolutionClass === "itself";
        return [{ id: nameId(name, namespace), namespace, name, isItself }];
      }),
    );
  });
}

function nameId(name: HostName, namespace: Namespace): string {
  return `${name} ${namespace}`;
}

/** Names beyond their namespace's limit, as `nameId`s: the first ones by the alphabet count. */
function excludedNames(reading: Reading): Set<string> {
  const asked = askedNames(reading);
  const excluded = new Set<string>();
  for (const { namespace } of asked) {
    const ofNamespace = asked.filter((each) => each.namespace === namespace && !each.isItself);
    const names = [...new Set(ofNamespace.map(({ name }) => name))].sort();
    for (const name of names.slice(reading.settings.namesPerNamespace)) excluded.add(nameId(name, namespace));
  }
  for (const { id, isItself } of asked) if (isItself) excluded.delete(id);
  return excluded;
}

// --- What is answered -----------------------------------------------------------------------------------

type KnowledgeOf = (name: HostName, family: Family) => Resolution;

/** `parts`: the targets of each entry. */
function viewOf(
  own: OwnHost,
  parts: readonly (readonly Target[])[],
  knownOf: KnowledgeOf,
  excluded: ReadonlySet<string>,
  settings: RegistrySettings,
): HostView {
  const isVirtual = choiceOf(own).kind === "virtual";
  const { namespace } = own.claims[0].entry.ref;
  const targets = parts.flat();
  const gather = (family: Family) =>
    gatherFamily(targets, family, (name) =>
      excluded.has(nameId(name, namespace)) ? { state: "failed", failure: "network" } : knownOf(name, family),
    );
  const a = gather("A");
  const aaaa = gather("AAAA");
  const ttlSeconds = Math.min(
    ...own.claims.map((claim, index) => ttlOf(claim, parts[index] ?? [], isVirtual, settings)),
  );
  const hasNames = targets.some(({ kind }) => kind === "name");
  const hasSelector = targets.some(({ kind }) => kind === "selector");
  const asksForItself = own.claims.every(
    ({ hasReal, resolutionClass }) => !hasReal || resolutionClass === "itself",
  );
  const isDenied = [...a.resolutions, ...aaaa.resolutions].every(({ state }) => state === "denied");
  return {
    visibleTo: "all",
    isPass: !isVirtual && asksForItself && isDenied,
    isAuthoritative: !hasNames,
    source: isVirtual ? "virtual" : hasNames ? "resolved" : hasSelector ? "workload" : "static",
    forwardsDnssec: !isVirtual && own.claims[0].resolutionClass === "itself",
    negativeTtlSeconds: settings.negativeTtlSeconds,
    answers: {
      A: answerOf(a, aaaa, ttlSeconds, settings),
      AAAA: answerOf(aaaa, a, ttlSeconds, settings),
    },
  };
}

interface Given {
  readonly address: IpAddress;
  readonly weight: number;
  /** Of addresses from upstream. */
  readonly resolution: Resolution | undefined;
}

/** All that is known of one family. */
interface Gathered {
  /** What may be answered; constant addresses first. */
  readonly given: readonly Given[];
  /** Of every name. */
  readonly resolutions: readonly Resolution[];
}

function gatherFamily(
  targets: readonly Target[],
  family: Family,
  knownOf: (name: HostName) => Resolution,
): Gathered {
  const constant = targets.flatMap((target): Given[] =>
    (target.kind === "static" || target.kind === "workload") && familyOf(target.address) === family
      ? [{ ...target, resolution: undefined }]
      : [],
  );
  const names = targets.flatMap((target) => (target.kind === "name" ? [target] : []));
  const resolved = names.flatMap(({ name, weight }): Given[] => {
    const resolution = knownOf(name);
    return "addresses" in resolution
      ? resolution.addresses
          .filter((address) => !isForbidden(address))
          .map((address) => ({ address, weight, resolution }))
      : [];
  });
  return { given: [...constant, ...resolved], resolutions: names.map(({ name }) => knownOf(name)) };
}

function answerOf(
  own: Gathered,
  other: Gathered,
  ttlSeconds: number,
  settings: RegistrySettings,
): FamilyAnswer {
  const isIn = (gathered: Gathered, state: Resolution["state"]) =>
    gathered.resolutions.some((each) => each.state === state);
  if (own.given.length > 0) {
    const isStale = own.given.some(({ resolution }) => resolution?.state === "stale");
    const expiries = own.given.flatMap(({ resolution }) =>
      resolution?.state === "fresh" ? [resolution.expiresAtMs] : [],
    );
    const firsts = new Set(own.given.map(({ address }) => address));
    const addresses = [...firsts].slice(0, MAX_ADDRESSES_PER_FAMILY).sort();
    // Like Envoy: an endpoint that says no weight has the weight 1.
    const weights = addresses.map((address) =>
      Math.max(1, ...own.given.filter((each) => each.address === address).map(({ weight }) => weight)),
    );
    return {
      kind: "addresses",
      addresses,
      ...(new Set(weights).size > 1 ? { weights } : {}),
      ttlSeconds: Math.min(
        ttlSeconds,
        ...(isStale ? [STALE_TTL_SECONDS] : []),
        ...(isIn(own, "pending") ? [PENDING_TARGET_TTL_SECONDS] : []),
      ),
      ...(expiries.length > 0 ? { expiresAtMs: Math.min(...expiries) } : {}),
      isStale,
    };
  }
  const pending: FamilyAnswer = { kind: "pending", untilMs: pendingUntilMs([own, other], settings) };
  if (isIn(own, "pending")) return pending;
  if (other.given.length > 0) return { kind: "empty" };
  // Upstream has given addresses that are never answered: that is known for certain.
  const isFiltered = isIn(own, "fresh") || isIn(own, "stale");
  if (isFiltered && !isIn(own, "failed")) return { kind: "empty" };
  // Whether this host exists at all is known when the other family is.
  if (isIn(other, "pending")) return pending;
  return isIn(own, "failed") || isIn(other, "failed")
    ? { kind: "failed", error: ExtendedError.NO_REACHABLE_AUTHORITY, text: "" }
    : { kind: "empty" };
}

function pendingUntilMs(families: readonly Gathered[], settings: RegistrySettings): MonotonicMs {
  const since = families
    .flatMap(({ resolutions }) => resolutions)
    .flatMap((each) => (each.state === "pending" ? [each.sinceMs] : []));
  return Math.min(...since) + settings.pendingTimeoutMs;
}

/** What the entry says, else the smallest of its kinds of addresses. */
function ttlOf(
  { entry }: Claim,
  targets: readonly Target[],
  isVirtual: boolean,
  settings: RegistrySettings,
): number {
  if (entry.ttlSeconds !== undefined) return entry.ttlSeconds;
  const { ttlSeconds, workloadTtlSeconds, resolvedMaxTtlSeconds } = settings;
  const has = (kind: Target["kind"]) => targets.some((target) => target.kind === kind);
  const kinds = [
    ...(has("static") ? [ttlSeconds] : []),
    ...(has("selector") ? [workloadTtlSeconds] : []),
    ...(has("name") ? [resolvedMaxTtlSeconds] : []),
  ];
  return isVirtual || kinds.length === 0 ? ttlSeconds : Math.min(...kinds);
}

// --- Addresses that are never answered ------------------------------------------------------------------

const FORBIDDEN: readonly (IpPrefix | null)[] = [
  "127.0.0.0/8",
  "::1/128",
  "0.0.0.0/8",
  "::/128",
  "169.254.0.0/16",
  "fe80::/10",
  "224.0.0.0/4",
  "ff00::/8",
  "255.255.255.255/32",
].map(parseIpPrefix);

function isForbidden(address: IpAddress): boolean {
  return FORBIDDEN.some((prefix) => prefix !== null && prefixContains(prefix, address));
}
