/**
 * A second reading of what we answer: from objects and resolutions straight to what each client gets, by the
 * slowest and most obvious way, as an oracle for the registry. It knows no index, no memory, no views and no events,
 * and shares no code with `src/registry/`. Left open here: until when a pending host is held (that depends on when
 * it became pending), the words of a failure, and what answers other types than addresses.
 */

import type {
  AnswerMode,
  Endpoint,
  Labels,
  Namespace,
  NamespaceObject,
  NodeObject,
  ObjectRef,
  Pod,
  ServiceEntry,
  WorkloadEntry,
} from "../../src/mesh/objects.ts";
import type { Resolution, Resolutions } from "../../src/mesh/resolution.ts";
import type { HostPolicyRule, RegistrySettings } from "../../src/registry/settings.ts";
import type { MonotonicMs } from "../../src/runtime.ts";
import {
  CLIENT_CLASSES,
  type ClientClass,
  type FamilyAnswer,
  type HostVariant,
  type Locality,
} from "../../src/table/host-record.ts";
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
  readonly nodes: readonly NodeObject[];
}

/** Who asks. */
export interface Client {
  /** Undefined: not known. */
  readonly namespace: Namespace | undefined;
  readonly clientClass: ClientClass;
}

export function clientId({ namespace, clientClass }: Client): string {
  return `${namespace ?? "?"} ${clientClass}`;
}

/** What each of the clients gets by `clientId`, host by host; without those to whom the host is forwarded. */
export function referenceTable(
  world: World,
  resolutions: Resolutions,
  settings: RegistrySettings,
  nowMs: MonotonicMs,
  viewers: readonly (Namespace | undefined)[],
): Map<HostName, Map<string, HostVariant>> {
  const table = new Map<HostName, Map<string, HostVariant>>();
  const reading = readingOf(world, settings, viewers);
  const excluded = excludedNames(reading);
  const known: KnowledgeOf = (name, family) =>
    resolutions(name)?.[family] ?? { state: "pending", sinceMs: nowMs };
  for (const host of claimedHosts(reading.world)) {
    const variants = new Map<string, HostVariant>();
    // Equal choices of equal claims are equal answers.
    const byOwn = new Map<string, HostVariant>();
    for (const client of reading.clients) {
      const own = ownHost(host, client, reading);
      if (own === undefined) continue;
      const key = JSON.stringify([own.claims.map(({ entry }) => entry.ref), choiceOf(own, client, reading)]);
      const variant =
        byOwn.get(key) ??
        variantOf(
          own,
          choiceOf(own, client, reading),
          targetsOfAnswer(own, client, reading),
          known,
          excluded,
          reading,
        );
      byOwn.set(key, variant);
      variants.set(clientId(client), variant);
    }
    if (variants.size > 0) table.set(host, variants);
  }
  return table;
}

/** What upstream has to be asked for: `name namespace` of each name and the namespace that has it asked, sorted. */
export function referenceNames(
  world: World,
  settings: RegistrySettings,
  viewers: readonly (Namespace | undefined)[],
): string[] {
  const reading = readingOf(world, settings, viewers);
  const excluded = excludedNames(reading);
  return [...new Set(askedNames(reading).map(({ id }) => id))].filter((id) => !excluded.has(id)).sort();
}

const PENDING_TARGET_TTL_SECONDS = 5;
const STALE_TTL_SECONDS = 30;
const MAX_LINK_DEPTH = 8;
const MAX_ADDRESSES_PER_FAMILY = 256;

interface Reading {
  /** Without what the operator has excluded. */
  readonly world: World;
  readonly settings: RegistrySettings;
  /** All that could ask. */
  readonly clients: readonly Client[];
  /** What was found out, so that it is not found out for each client again. */
  readonly found: Map<string, OwnHost | undefined>;
  readonly claims: Map<HostName, readonly Claim[]>;
}

function readingOf(
  world: World,
  settings: RegistrySettings,
  viewers: readonly (Namespace | undefined)[],
): Reading {
  const isKept = (labels: Labels) =>
    !settings.excludeSelectors.some(({ matchLabels = {} }) =>
      Object.entries(matchLabels).every(([name, value]) => labels[name] === value),
    );
  const kept = {
    ...world,
    serviceEntries: world.serviceEntries.filter(({ labels }) => isKept(labels)),
    workloadEntries: world.workloadEntries.filter(({ workloadLabels }) => isKept(workloadLabels)),
  };
  // An unknown client has no namespace, and a client without one is unknown.
  const clients = viewers.flatMap((namespace): Client[] =>
    CLIENT_CLASSES.map((clientClass) => ({ namespace, clientClass })),
  );
  return { world: kept, settings, clients, found: new Map(), claims: new Map() };
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
  | {
      readonly kind: "static" | "workload";
      readonly address: IpAddress;
      readonly weight: number;
      readonly locality: Locality;
    }
  /** Where workloads come from, be there any or not. */
  | { readonly kind: "selector" }
  | {
      readonly kind: "name";
      readonly name: HostName;
      readonly weight: number;
      readonly locality: Locality;
    };

function claimedHosts(world: World): Set<HostName> {
  return new Set(world.serviceEntries.flatMap((entry) => entry.hosts));
}

// --- Who answers a host ---------------------------------------------------------------------------------

function ownHost(host: HostName, client: Client, reading: Reading): OwnHost | undefined {
  const id = `${host} ${clientId(client)}`;
  if (!reading.found.has(id)) reading.found.set(id, findOwnHost(host, client, reading));
  return reading.found.get(id);
}

function findOwnHost(host: HostName, client: Client, reading: Reading): OwnHost | undefined {
  const { namespace: viewer } = client;
  const claims = claimsOn(host, reading)
    .filter(({ entry }) => nearness(entry, viewer, reading) !== INVISIBLE)
    .filter((claim) => choiceOf({ host, claims: [claim] }, client, reading).kind !== "forwarded");
  const nearest = Math.min(...claims.map(({ entry }) => nearness(entry, viewer, reading)));
  const winner = claims.find(({ entry }) => nearness(entry, viewer, reading) === nearest);
  // Never merged across namespaces.
  const [oldest, ...others] = claims.filter(
    ({ entry }) => entry.ref.namespace === winner?.entry.ref.namespace,
  );
  if (oldest === undefined) return undefined;
  const equal = others.filter(({ entry }) => portNumbers(entry) === portNumbers(oldest.entry));
  return { host, claims: [oldest, ...equal] };
}

/** Of everybody who may claim it, the oldest first. */
function claimsOn(host: HostName, reading: Reading): readonly Claim[] {
  const known = reading.claims.get(host);
  if (known !== undefined) return known;
  const claims = reading.world.serviceEntries
    .filter(
      (entry) => mayClaim(entry, host, reading) && isWithinHostLimit(entry.ref.namespace, host, reading),
    )
    .map((entry) => claimOf(entry, host, reading))
    .sort((a, b) => byAge(a.entry, b.entry));
  reading.claims.set(host, claims);
  return claims;
}

const INVISIBLE = 4;

/** The client's own namespace, a trusted one, exported to it by name, public. */
function nearness(
  entry: ServiceEntry,
  viewer: Namespace | undefined,
  { settings, world }: Reading,
): 0 | 1 | 2 | 3 | 4 {
  const { namespace } = entry.ref;
  const written: readonly string[] = entry.exportTo.length > 0 ? entry.exportTo : settings.defaultExportTo;
  const effective = written.length > 0 ? written : ["*"];
  const meansAll = effective.includes("*");
  const names = (who: Namespace) => effective.includes(who) || (effective.includes(".") && who === namespace);
  const isKept =
    (ruleFor(namespace, world, settings)?.maxVisibility ?? settings.defaultVisibility) === "namespace";
  const isPublic = meansAll && !isKept;
  const isNamed =
    viewer !== undefined && (isKept ? viewer === namespace && (meansAll || names(viewer)) : names(viewer));
  if (!isPublic && !isNamed) return INVISIBLE;
  if (namespace === viewer) return 0;
  if (settings.trustedNamespaces.includes(namespace)) return 1;
  return isPublic ? 3 : 2;
}

/** The first rule that fits the namespace. Only label matches are read here. */
function ruleFor(
  namespace: Namespace,
  world: World,
  { hostPolicy }: RegistrySettings,
): HostPolicyRule | undefined {
  const object = world.namespaces.find(({ ref }) => ref.name === namespace);
  const labels: Labels = { ...object?.labels, "kubernetes.io/metadata.name": namespace };
  return hostPolicy.find(({ namespaceSelector: { matchLabels = {} } }) =>
    Object.entries(matchLabels).every(([name, value]) => labels[name] === value),
  );
}

function mayClaim(entry: ServiceEntry, host: HostName, reading: Reading): boolean {
  const { world, settings } = reading;
  if (!entry.hosts.includes(host) || isReserved(host, entry.ref.namespace, reading)) return false;
  const denied = ruleFor(entry.ref.namespace, world, settings)?.deny ?? [];
  // A wildcard would take what is denied below it.
  return !denied.some((name) => name === host || (isWildcard(host) && name.endsWith(host.slice(1))));
}

function isReserved(host: HostName, home: Namespace, { world, settings }: Reading): boolean {
  // A Service of the entry's own namespace.
  const [, namespace] = host.split(".");
  if (host.endsWith(`.${home}.svc.${settings.clusterDomain}`) && namespace === home) return isWildcard(host);
  if (isWildcard(host) && host.split(".").length < 3) return true;
  const name = wildcardRest(host);
  const last = name.split(".").at(-1)!;
  if (["svc", "pod"].includes(last)) return true;
  if (last !== home && world.namespaces.some(({ ref }) => ref.name === last)) return true;
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
function isWithinHostLimit(namespace: Namespace, host: HostName, reading: Reading): boolean {
  const { world, settings } = reading;
  if (settings.hostsPerNamespace > world.serviceEntries.length * 10) return true;
  const hosts = world.serviceEntries
    .filter((entry) => entry.ref.namespace === namespace)
    .flatMap((entry) => entry.hosts.filter((each) => mayClaim(entry, each, reading)));
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

/** One choice for the whole host; mode, resolution and class are the oldest entry's. */
function choiceOf({ host, claims }: OwnHost, { clientClass }: Client, reading: Reading): Choice {
  const [{ entry: oldest, mode, resolutionClass }] = claims;
  const { virtualRanges } = reading.settings;
  const forbidden = (address: IpAddress) => isForbidden(address, oldest.ref.namespace, reading);
  const real: Choice = claims.some(({ hasReal }) => hasReal) ? { kind: "real" } : { kind: "forwarded" };
  const written = claims.flatMap(({ entry }) => entry.addresses);
  const all = [...written, ...claims.flatMap(allocatedVirtual)];
  const isAllocated = (address: IpAddress) =>
    [...ALLOCATION_RANGES, ...virtualRanges].some((range) => prefixContains(range, address));

  // What may be used of a list. An address that is never answered still is a choice: nothing stands in its place.
  // Each list is one entry's.
  const virtual = (
    lists: readonly (readonly IpAddress[])[],
    fits: (address: IpAddress) => boolean = () => true,
  ): Choice | undefined => {
    const usable = lists.map((list) => list.filter((address) => !forbidden(address)));
    const isBlocked = lists.some((list, at) => list.length > 0 && usable[at]!.length === 0);
    const addresses = [...new Set(usable.flat().filter(fits))];
    return addresses.length > 0 || isBlocked ? { kind: "virtual", addresses } : undefined;
  };
  const writtenLists = claims.map(({ entry }) => entry.addresses);
  const allocatedLists = claims.map(allocatedVirtual);
  const allLists = [...writtenLists, ...allocatedLists];
  if (all.length === 0 || mode === "resolved") return real;
  if (mode === "virtual")
    return clientClass === "outside"
      ? (virtual(writtenLists, (address) => !isAllocated(address)) ?? real)
      : (virtual(allLists) ?? real);
  switch (clientClass) {
    case "unknown":
      if (resolutionClass === "itself" || resolutionClass === "names") return real;
      return virtual(writtenLists) ?? real;
    case "outside":
      if (real.kind === "real") return real;
      return virtual(writtenLists, (address) => !isAllocated(address)) ?? real;
    case "sidecar":
      if (oldest.resolution !== "STATIC" && oldest.resolution !== "NONE") return real;
      return isNamedAsEndpoint(host, reading.world) ? real : (virtual(writtenLists) ?? real);
    case "redirectedIpv4":
      return virtual(allLists, (address) => familyOf(address) === "A") ?? real;
    case "redirectedIpv6":
      return virtual(allLists, (address) => familyOf(address) === "AAAA") ?? real;
    case "redirectedDual":
      return virtual(allLists) ?? real;
  }
}

const ALLOCATION_RANGES = ["240.0.0.0/4", "2001:2::/48", "198.18.0.0/15"].map((text) => parseIpPrefix(text)!);

/** By whatever a proxy resolves. */
function isNamedAsEndpoint(host: HostName, { serviceEntries, workloadEntries }: World): boolean {
  const endpoints = [
    ...serviceEntries
      .filter(({ resolution }) => resolution === "DNS" || resolution === "DNS_ROUND_ROBIN")
      .flatMap((entry) => entry.endpoints),
    ...workloadEntries.map(({ endpoint }) => endpoint),
  ];
  return endpoints.some(
    ({ address }) =>
      address.kind === "name" &&
      (isWildcard(host) ? address.name.endsWith(host.slice(1)) : address.name === host),
  );
}

// --- Where real addresses come from ---------------------------------------------------------------------

/** Of the host's entries, one list for each. */
function targetsOfAnswer(own: OwnHost, client: Client, reading: Reading): Target[][] {
  const choice = choiceOf(own, client, reading);
  if (choice.kind === "virtual")
    return [choice.addresses.map((address) => ({ kind: "static", address, weight: 0, locality: NOWHERE }))];
  // Of too many addresses the first ones count: those written down, then workloads, then upstream's.
  const order: readonly Target["kind"][] = ["static", "selector", "workload", "name"];
  return own.claims.map((claim) => {
    const home = claim.entry.ref.namespace;
    const targets = targetsOf(claim, [], { weight: 0, locality: NOWHERE }, reading).filter(
      (target) => !("address" in target) || !isForbidden(target.address, home, reading),
    );
    return order.flatMap((kind) => targets.filter((target) => target.kind === kind));
  });
}

/**
 * What the claim stands for when each endpoint that is an own host is replaced by that host's targets.
 * `path`: the hosts that led here; `by`: the weight and place of the endpoint that did.
 */
function targetsOf(
  claim: Claim,
  path: readonly HostName[],
  by: { readonly weight: number; readonly locality: Locality },
  reading: Reading,
): Target[] {
  const here = [...path, claim.host];
  return ownTargets(claim, reading).flatMap((own): Target[] => {
    // Workloads have weights and places of their own.
    if (own.kind === "selector" || own.kind === "workload") return [own];
    const locality = isSomewhere(own.locality) ? own.locality : by.locality;
    const target = { ...own, locality, weight: by.weight || own.weight };
    if (target.kind !== "name" || claim.resolutionClass === "itself") return [target];
    if (here.includes(target.name) || here.length > MAX_LINK_DEPTH) return [target];
    const viewer: Client = { namespace: claim.entry.ref.namespace, clientClass: "unknown" };
    const linked = ownHost(target.name, viewer, reading)?.claims.filter(({ hasReal }) => hasReal);
    if (linked === undefined || linked.length === 0) return [target];
    return linked.flatMap((each) => targetsOf(each, here, target, reading));
  });
}

/** Addresses first. */
function ownTargets(claim: Claim, reading: Reading): Target[] {
  const { entry, host, resolutionClass } = claim;
  if (!claim.hasReal) return [];
  switch (resolutionClass) {
    case "itself":
      return [{ kind: "name", name: host, weight: 0, locality: NOWHERE }];
    case "static":
    case "names": {
      const targets = entry.endpoints.flatMap((endpoint) =>
        endpointTargets(endpoint, "static", entry.ref.namespace, reading),
      );
      const isTaken = (target: Target) => target.kind !== "name" || resolutionClass === "names";
      const once = onlyOnce(targets.filter(isTaken));
      return [...once.filter(({ kind }) => kind !== "name"), ...once.filter(({ kind }) => kind === "name")];
    }
    case "selected":
      return [{ kind: "selector" }, ...selectedTargets(entry, reading)];
    default:
      return [];
  }
}

/** What stands there several times counts once: with its largest weight, and where the first one is that says so. */
function onlyOnce(targets: readonly Target[]): Target[] {
  const id = (target: Target) => ("address" in target ? target.address : "name" in target ? target.name : "");
  const ids = [...new Set(targets.map(id))];
  return ids.map((each): Target => {
    const same = targets.filter((target) => id(target) === each);
    const first = same[0]!;
    if (first.kind === "selector") return first;
    const weights = same.map((target) => (target.kind === "selector" ? 0 : target.weight));
    const places = same.flatMap((target) => (target.kind === "selector" ? [] : [target.locality]));
    return { ...first, weight: Math.max(...weights), locality: places.find(isSomewhere) ?? NOWHERE };
  });
}

function endpointTargets(
  endpoint: Endpoint,
  kind: "static" | "workload",
  home: Namespace,
  reading: Reading,
): Target[] {
  const { network, address, weight } = endpoint;
  const own = reading.settings.network;
  if (own !== undefined && network !== undefined && network !== own) return [];
  const locality = { ...placeOf(endpoint.locality), network: network ?? own ?? "" };
  if (address.kind === "ip")
    return isForbidden(address.ip, home, reading) ? [] : [{ kind, address: address.ip, weight, locality }];
  if (address.kind === "name") return [{ kind: "name", name: address.name, weight, locality }];
  return [];
}

function selectedTargets(entry: ServiceEntry, reading: Reading): Target[] {
  const { world, settings } = reading;
  const home = entry.ref.namespace;
  const isSelected = (namespace: Namespace, labels: Labels) =>
    namespace === home &&
    Object.entries(entry.selector ?? {}).every(([name, value]) => labels[name] === value);
  const byName = (a: { ref: ObjectRef }, b: { ref: ObjectRef }) => compareText(a.ref.name, b.ref.name);
  const pods = [...world.pods]
    .sort(byName)
    .filter((pod) => pod.isReady && isSelected(pod.ref.namespace, pod.labels))
    .flatMap((pod) => {
      const node = world.nodes.find(({ ref }) => ref.name === pod.nodeName);
      const { region = "", zone = "", subzone = "" } = node ?? {};
      const network = settings.network ?? "";
      const locality = { network, region, zone, subzone, node: pod.nodeName };
      return pod.ips.map((address) => ({ address, locality }));
    })
    .filter(({ address }) => !isForbidden(address, home, reading))
    .map((each): Target => ({ kind: "workload", ...each, weight: 0 }));
  const workloads = [...world.workloadEntries]
    .sort(byName)
    .filter((each) => each.isHealthy && isSelected(each.ref.namespace, each.workloadLabels))
    .flatMap((each) => endpointTargets(each.endpoint, "workload", home, reading))
    .filter(({ kind }) => kind !== "name" || ["DNS", "DNS_ROUND_ROBIN"].includes(entry.resolution));
  return [...pods, ...workloads];
}

// --- Where things are -----------------------------------------------------------------------------------

const NOWHERE: Locality = { network: "", region: "", zone: "", subzone: "", node: "" };

function placeOf(text: string): Locality {
  const [region = "", zone = "", subzone = ""] = text.split("/");
  return { ...NOWHERE, region, zone, subzone };
}

function isSomewhere(locality: Locality): boolean {
  return Object.values(locality).some((each) => each !== "");
}

/** What the oldest entry says, else its Namespace. */
function distributionOf({ entry }: Claim, { world }: Reading): HostVariant["distribution"] {
  const object = world.namespaces.find(({ ref }) => ref.name === entry.ref.namespace);
  const said = entry.trafficDistribution ?? object?.trafficDistribution ?? "Any";
  return said === "Any" ? undefined : said;
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
  const { clients } = reading;
  return [...claimedHosts(reading.world)].flatMap((host) => {
    const seen = new Set<string>();
    return clients.flatMap((client) => {
      const own = ownHost(host, client, reading);
      if (own === undefined || choiceOf(own, client, reading).kind !== "real") return [];
      const key = JSON.stringify(own.claims.map(({ entry }) => entry.ref));
      if (seen.has(key)) return [];
      seen.add(key);
      const { namespace } = own.claims[0].entry.ref;
      return targetsOfAnswer(own, client, reading).flatMap((targets, index) =>
        targets.flatMap((target): AskedName[] => {
          if (target.kind !== "name") return [];
          const { name } = target;
          const isItself = own.claims[index]?.resolutionClass === "itself";
          return [{ id: nameId(name, namespace), namespace, name, isItself }];
        }),
      );
    });
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
function variantOf(
  own: OwnHost,
  choice: Choice,
  parts: readonly (readonly Target[])[],
  knownOf: KnowledgeOf,
  excluded: ReadonlySet<string>,
  reading: Reading,
): HostVariant {
  const { settings } = reading;
  const isVirtual = choice.kind === "virtual";
  const { namespace } = own.claims[0].entry.ref;
  const distribution = isVirtual ? undefined : distributionOf(own.claims[0], reading);
  const isFit = (address: IpAddress) => !isForbidden(address, namespace, reading);
  const targets = parts.flat();
  const gather = (family: Family) =>
    gatherFamily(targets, family, isFit, (name) =>
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
    ...(distribution === undefined ? {} : { distribution }),
    isPass: !isVirtual && asksForItself && isDenied,
    isAuthoritative: !hasNames,
    source: isVirtual ? "virtual" : hasNames ? "resolved" : hasSelector ? "workload" : "static",
    forwardsDnssec: !isVirtual && own.claims[0].resolutionClass === "itself",
    negativeTtlSeconds: settings.negativeTtlSeconds,
    answers: {
      A: answerOf(a, aaaa, ttlSeconds, distribution !== undefined, settings),
      AAAA: answerOf(aaaa, a, ttlSeconds, distribution !== undefined, settings),
    },
  };
}

interface Given {
  readonly address: IpAddress;
  readonly weight: number;
  readonly locality: Locality;
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
  isFit: (address: IpAddress) => boolean,
  knownOf: (name: HostName) => Resolution,
): Gathered {
  const constant = targets.flatMap((target): Given[] =>
    (target.kind === "static" || target.kind === "workload") && familyOf(target.address) === family
      ? [{ ...target, resolution: undefined }]
      : [],
  );
  const names = onlyOnce(targets.filter(({ kind }) => kind === "name")).flatMap((target) =>
    target.kind === "name" ? [target] : [],
  );
  const resolved = names.flatMap(({ name, weight, locality }): Given[] => {
    const resolution = knownOf(name);
    return "addresses" in resolution
      ? resolution.addresses.filter(isFit).map((address) => ({ address, weight, locality, resolution }))
      : [];
  });
  return { given: [...constant, ...resolved], resolutions: names.map(({ name }) => knownOf(name)) };
}

function answerOf(
  own: Gathered,
  other: Gathered,
  ttlSeconds: number,
  hasPlaces: boolean,
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
    const localities = addresses.map((address) => {
      const places = own.given.filter((each) => each.address === address).map(({ locality }) => locality);
      return places.find(isSomewhere) ?? NOWHERE;
    });
    return {
      kind: "addresses",
      addresses,
      ...(hasPlaces ? { localities } : {}),
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

/** Unless the operator lets the namespace have it. */
function isForbidden(address: IpAddress, home: Namespace, { world, settings }: Reading): boolean {
  if (!FORBIDDEN.some((prefix) => prefix !== null && prefixContains(prefix, address))) return false;
  const allowed = ruleFor(home, world, settings)?.allowAddresses ?? [];
  return !allowed.some((prefix) => prefixContains(prefix, address));
}
