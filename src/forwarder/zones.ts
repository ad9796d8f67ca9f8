/** Which names are the cluster's own: other upstreams know them, and the cache must not hold them for long. */

import { hostNameOctets, isHostName, parseHostName } from "../wire/host-name.ts";
import type { Query } from "../wire/query.ts";

/** Beside the cluster domain: names of several clusters, and the reverse zones, where pod addresses stand. */
const SHORT_LIVED_ZONES = ["clusterset.local", "in-addr.arpa", "ip6.arpa"] as const;

export class Zones {
  /** Wire octets. */
  readonly clusterDomain: Uint8Array;
  readonly #shortLived: readonly Uint8Array[];

  /** Throws when the cluster domain is no host name. */
  constructor(clusterDomain: string) {
    this.clusterDomain = zoneOctets(clusterDomain);
    this.#shortLived = [this.clusterDomain, ...SHORT_LIVED_ZONES.map(zoneOctets)];
  }

  /** At or below the cluster domain. */
  isClusterName(query: Query): boolean {
    return isAtOrBelow(query, this.clusterDomain);
  }

  /** What the name stands for changes often: addresses of pods are given to others soon. */
  isShortLived(query: Query): boolean {
    for (const zone of this.#shortLived) if (isAtOrBelow(query, zone)) return true;
    return false;
  }
}

export function isAtOrBelow(query: Query, zone: Uint8Array): boolean {
  const start = query.nameLength - zone.length;
  if (start < 0) return false;
  for (let at = 0; at < zone.length; at += 1) if (query.name[start + at] !== zone[at]) return false;
  // The octets may also match in the middle of a label: only a label's start counts.
  for (let label = 0; label < query.labelCount; label += 1) {
    if (query.labelStarts[label] === start) return true;
  }
  return false;
}

/** Throws when the name is no host name. */
export function zoneOctets(name: string): Uint8Array {
  const host = parseHostName(name);
  if (!isHostName(host)) throw new Error(`the zone ${JSON.stringify(name)} ${host.fault}`);
  return hostNameOctets(host);
}
