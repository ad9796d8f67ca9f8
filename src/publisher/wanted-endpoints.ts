/**
 * The endpoints that a host shall have now: those of its sources, without what must not stand in a slice, and those
 * that a name had a short while ago. Pure.
 */

import type { EndpointSlice, Service } from "../mesh/objects.ts";
import type { Publication, PublishedSource, ServiceRef } from "../mesh/publication.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, familyOf } from "../wire/ip-address.ts";
import type { AddressFilter } from "./address-filter.ts";
import { type DesiredEndpoint, endpointKey, PLAIN_ENDPOINT } from "./desired-endpoint.ts";
import { serviceEndpoints } from "./service-endpoints.ts";

export interface EndpointContext {
  readonly filter: AddressFilter;
  readonly serviceOf: (ref: ServiceRef) => Service | undefined;
  readonly slicesOf: (ref: ServiceRef) => readonly EndpointSlice[];
  readonly nowMs: MonotonicMs;
}

export interface WantedEndpoints {
  readonly endpoints: readonly NamedEndpoint[];
  /** Names of which nobody knows yet, or any more, what they resolve to. */
  readonly unknown: ReadonlySet<HostName>;
  /** Some first lookup has not ended: nothing is written before that. */
  readonly isPending: boolean;
  /** Sentences, without a full stop. */
  readonly skipped: readonly string[];
}

export interface NamedEndpoint extends DesiredEndpoint {
  /** What was resolved to it; undefined: it stays until its source goes. */
  readonly from: HostName | undefined;
  /** How long it stays when the name resolves to others. Milliseconds. */
  readonly lingerMs: number;
}

/** Ten slices of each family; a host with more is better served by a mesh. */
export const MAX_ENDPOINTS_PER_FAMILY = 1000;

export function wantedEndpoints(publication: Publication, context: EndpointContext): WantedEndpoints {
  const endpoints = new Map<string, NamedEndpoint>();
  const skipped = new Set<string>();
  const unknown = new Set<HostName>();
  const counts = { A: 0, AAAA: 0 };
  let isPending = false;

  const add = (found: NamedEndpoint, what: string) => {
    const isForZone = publication.prefersZone && LABEL_VALUE.test(found.zone);
    const endpoint = { ...found, isForZone };
    const { address } = endpoint;
    const reason = context.filter(address);
    if (reason !== undefined) {
      skipped.add(`endpoint ${what === "" ? address : `${what} (${address})`} ${reason}`);
      return;
    }
    const key = endpointKey(endpoint);
    const known = endpoints.get(key);
    if (known === undefined && ++counts[familyOf(address)] > MAX_ENDPOINTS_PER_FAMILY) {
      skipped.add(`more than ${MAX_ENDPOINTS_PER_FAMILY} endpoints of one family are not published`);
      return;
    }
    // What a source names itself does not depend on what some name resolves to.
    if (known === undefined || known.from !== undefined) endpoints.set(key, endpoint);
  };

  for (const source of publication.sources) {
    if (source.kind === "address") {
      const { address, reached, zone, node, pod } = source;
      const place = { ...PLAIN_ENDPOINT, zone, nodeName: node, pod };
      add({ address, reached, ...place, from: undefined, lingerMs: 0 }, "");
      continue;
    }
    const followed = followService(source, publication, context);
    if (followed !== undefined) {
      for (const each of followed) {
        const zone = each.zone || source.zone;
        add({ ...each, zone, from: undefined, lingerMs: 0 }, source.name);
      }
      continue;
    }
    const { name, resolutions, reached, zone } = source;
    if (resolutions === undefined) {
      unknown.add(name);
      continue;
    }
    for (const family of FAMILIES) {
      const resolution = resolutions[family];
      if (resolution.state === "pending") isPending = true;
      if (resolution.state === "pending" || resolution.state === "failed") unknown.add(name);
      if (resolution.state !== "fresh" && resolution.state !== "stale") continue;
      const ttlMs = resolution.state === "fresh" ? resolution.expiresAtMs - context.nowMs : 0;
      const lingerMs = Math.max(LEAST_LINGER_MS, 2 * Math.min(ttlMs, MOST_TTL_MS));
      for (const address of resolution.addresses)
        add({ ...PLAIN_ENDPOINT, address, reached, zone, from: name, lingerMs }, name);
    }
  }
  return { endpoints: [...endpoints.values()], unknown, isPending, skipped: [...skipped] };
}

/** What the API server takes for a zone in hints; of another one it refuses the whole slice. */
const LABEL_VALUE = /^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$/i;
/** A large service answers with other addresses each time, and a client keeps one for its TTL. */
const LEAST_LINGER_MS = 60_000;
/** A name is looked up at least so often, whatever its TTL. */
const MOST_TTL_MS = 300_000;

/** Undefined: the name is no Service, or one that is resolved. */
function followService(
  source: PublishedSource & { kind: "name" },
  { ports }: Publication,
  { serviceOf, slicesOf }: EndpointContext,
): readonly DesiredEndpoint[] | undefined {
  if (source.service === undefined) return undefined;
  const service = serviceOf(source.service);
  if (service === undefined) return undefined;
  return serviceEndpoints(service, slicesOf(source.service), ports, source.reached);
}
