/**
 * From the endpoints that a host shall have, and the slices that are there, to the writes that are missing: as few
 * as can be. Pure, and done with itself: planned again on its own result it writes nothing.
 *
 * One set of slices for each family and each mapping of ports. An endpoint stays in the slice where it stands; what
 * is new goes where something is written anyhow, else where there is room. A family that has had an endpoint keeps
 * a slice, empty if need be: that is how every replica knows.
 */

import { isDeepStrictEqual } from "node:util";
import type { EndpointSlice, KubernetesPort, SliceAddressType, SliceEndpoint } from "../mesh/objects.ts";
import { familyOf } from "../wire/ip-address.ts";
import { type DesiredEndpoint, NOT_REACHED } from "./desired-endpoint.ts";
import { sliceName } from "./names.ts";

/** What a slice shall hold. */
export interface SliceContent {
  readonly name: string;
  readonly addressType: SliceAddressType;
  readonly ports: readonly KubernetesPort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export type SliceWrite =
  | { readonly kind: "create"; readonly content: SliceContent }
  | { readonly kind: "apply"; readonly content: SliceContent; readonly present: EndpointSlice }
  | { readonly kind: "delete"; readonly present: EndpointSlice };

/** As Kubernetes' own controller does. */
export const MAX_ENDPOINTS_PER_SLICE = 100;

/**
 * `ports`: of the Service; an endpoint's `reached` is in their order. `present`: of this Service, ours.
 * The writes in the order in which they are to be done: what takes endpoints away comes last.
 */
export function planSlices(
  service: string,
  ports: readonly KubernetesPort[],
  endpoints: readonly DesiredEndpoint[],
  present: readonly EndpointSlice[],
): readonly SliceWrite[] {
  const groups = groupsOf(ports, endpoints);
  const taken = new Set(present.map(({ ref }) => ref.name));
  const ordered = [...present].sort((a, b) => (a.ref.name < b.ref.name ? -1 : 1));
  const byGroup = new Map<Group, EndpointSlice[]>(groups.map((group) => [group, []]));
  const spare: EndpointSlice[] = [];
  for (const slice of ordered) {
    const group = groups.find(
      (each) => each.addressType === slice.addressType && hasPorts(slice, each.ports),
    );
    if (group === undefined) spare.push(slice);
    else byGroup.get(group)!.push(slice);
  }
  // A mapping that is new takes over the slices of one that is gone, so that no moment is without endpoints.
  for (const group of groups) {
    const own = byGroup.get(group)!;
    if (own.length > 0) continue;
    const at = spare.findIndex(({ addressType }) => addressType === group.addressType);
    if (at !== -1) own.push(...spare.splice(at, 1));
  }

  const writes: SliceWrite[] = [];
  const nameNext = (type: SliceAddressType) => {
    const name = sliceName(service, type, (each) => taken.has(each));
    taken.add(name);
    return name;
  };
  for (const group of groups) writes.push(...planGroup(group, byGroup.get(group)!, nameNext));
  const families = new Set(groups.map(({ addressType }) => addressType));
  for (const slice of spare) {
    const { addressType, endpoints: left, ports: kept, ref } = slice;
    if (families.has(addressType)) {
      writes.push({ kind: "delete", present: slice });
      continue;
    }
    families.add(addressType);
    if (left.length > 0)
      writes.push({
        kind: "apply",
        present: slice,
        content: { name: ref.name, addressType, ports: kept, endpoints: [] },
      });
  }
  return writes.sort((a, b) => ORDER[a.kind] - ORDER[b.kind]);
}

const ORDER = { create: 0, apply: 1, delete: 2 } as const;

/** Endpoints that can stand in one slice. */
interface Group {
  readonly addressType: SliceAddressType;
  readonly ports: readonly KubernetesPort[];
  readonly endpoints: ReadonlyMap<string, SliceEndpoint>;
}

function groupsOf(ports: readonly KubernetesPort[], endpoints: readonly DesiredEndpoint[]): readonly Group[] {
  const groups = new Map<string, Group & { readonly endpoints: Map<string, SliceEndpoint> }>();
  for (const { reached, ...endpoint } of endpoints) {
    if (reached.every((port) => port === NOT_REACHED)) continue;
    const addressType = familyOf(endpoint.address) === "A" ? "IPv4" : "IPv6";
    const key = `${addressType} ${reached.join()}`;
    let group = groups.get(key);
    if (group === undefined) {
      const mapped = ports.flatMap((port, at) => {
        const number = reached[at] ?? NOT_REACHED;
        return number === NOT_REACHED ? [] : [{ ...port, number }];
      });
      group = { addressType, ports: mapped, endpoints: new Map() };
      groups.set(key, group);
    }
    const known = group.endpoints.get(endpoint.address);
    // The same one by two ways is ready if it is so by one.
    if (known === undefined || (endpoint.isReady && !known.isReady))
      group.endpoints.set(endpoint.address, endpoint);
  }
  // The order of the sources leaves no trace.
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function hasPorts(slice: EndpointSlice, ports: readonly KubernetesPort[]): boolean {
  return isDeepStrictEqual(sorted(slice.ports), sorted(ports));
}

function sorted(ports: readonly KubernetesPort[]): readonly KubernetesPort[] {
  return [...ports].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A slice as it is to become. */
interface Draft {
  readonly present: EndpointSlice | undefined;
  readonly endpoints: SliceEndpoint[];
  isOther: boolean;
}

function planGroup(
  { addressType, ports, endpoints }: Group,
  present: readonly EndpointSlice[],
  nameNext: (type: SliceAddressType) => string,
): readonly SliceWrite[] {
  const missing = new Map(endpoints);
  const drafts = present.map((slice): Draft => {
    const kept: SliceEndpoint[] = [];
    let isOther = !hasPorts(slice, ports);
    for (const before of slice.endpoints) {
      const wanted = kept.length < MAX_ENDPOINTS_PER_SLICE ? missing.get(before.address) : undefined;
      if (wanted === undefined) isOther = true;
      else {
        missing.delete(before.address);
        kept.push(wanted);
        if (!isDeepStrictEqual(before, wanted)) isOther = true;
      }
    }
    return { present: slice, endpoints: kept, isOther };
  });
  fill(drafts, [...missing.values()]);
  const isKept = (draft: Draft) => draft.endpoints.length > 0;
  return drafts.flatMap((draft): readonly SliceWrite[] => {
    const { present: slice, endpoints: held, isOther } = draft;
    if (slice !== undefined && !isKept(draft)) return [{ kind: "delete", present: slice }];
    if (slice === undefined)
      return [
        { kind: "create", content: { name: nameNext(addressType), addressType, ports, endpoints: held } },
      ];
    if (!isOther) return [];
    const content = { name: slice.ref.name, addressType, ports, endpoints: held };
    return [{ kind: "apply", present: slice, content }];
  });
}

/** First where something is written anyhow, the fullest first; then one more write, the one that takes most. */
function fill(drafts: Draft[], missing: readonly SliceEndpoint[]): void {
  let rest = [...missing];
  const put = (draft: Draft) => {
    const room = MAX_ENDPOINTS_PER_SLICE - draft.endpoints.length;
    if (room <= 0 || rest.length === 0) return;
    draft.endpoints.push(...rest.slice(0, room));
    rest = rest.slice(room);
    draft.isOther = true;
  };
  const fullestFirst = (a: Draft, b: Draft) => b.endpoints.length - a.endpoints.length;
  for (const draft of drafts.filter(({ isOther }) => isOther).sort(fullestFirst)) put(draft);
  const unchanged = drafts.filter(({ isOther }) => !isOther).sort(fullestFirst);
  while (rest.length > 0) {
    const roomiest = unchanged.at(-1);
    const fitting = unchanged.find(
      ({ endpoints }) => MAX_ENDPOINTS_PER_SLICE - endpoints.length >= rest.length,
    );
    const next =
      fitting ?? (roomiest && roomiest.endpoints.length < MAX_ENDPOINTS_PER_SLICE ? roomiest : undefined);
    if (next === undefined || rest.length >= MAX_ENDPOINTS_PER_SLICE) {
      const draft: Draft = { present: undefined, endpoints: [], isOther: true };
      drafts.push(draft);
      put(draft);
      continue;
    }
    unchanged.splice(unchanged.indexOf(next), 1);
    put(next);
  }
}
