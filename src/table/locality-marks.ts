/**
 * How near two localities are, without their texts: five numbers each, one for every scope from network to
 * node. Each is a hash of the scope and all wider ones, so two numbers are equal where those are the same places.
 */

import type { Locality, TrafficDistribution } from "./host-record.ts";

/** From the widest to the narrowest. */
export const SCOPES = [
  "network",
  "region",
  "zone",
  "subzone",
  "node",
] as const satisfies readonly (keyof Locality)[];
export const SCOPE_COUNT = SCOPES.length;

/** How many of `SCOPES` a distribution looks at, beginning with the widest. */
export const DISTRIBUTION_SCOPES: Readonly<Record<TrafficDistribution, number>> = {
  PreferNetwork: 1,
  PreferSameZone: 3,
  PreferClose: 4,
  PreferSameNode: 5,
};

/** Of a number of scopes; undefined for one that no distribution has. */
export function distributionOf(scopes: number): TrafficDistribution | undefined {
  return DISTRIBUTIONS.find((word) => DISTRIBUTION_SCOPES[word] === scopes);
}

const DISTRIBUTIONS: readonly TrafficDistribution[] = [
  "PreferNetwork",
  "PreferSameZone",
  "PreferClose",
  "PreferSameNode",
];

/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;
/** Behind each scope, so that "a" in "bc" is not "ab" in "c". No UTF-16 unit has this value. */
const SCOPE_END = 0x10000;

/**
 * The marks of a locality, one for each of `SCOPES`; 0 for a scope that is not known. Where two say nothing of a
 * scope, the narrower ones still count: few clusters have subzones, and one network has no name.
 */
export function localityMarks(locality: Locality): Uint32Array {
  let hash = HASH_START;
  return Uint32Array.from(SCOPES, (scope) => {
    const text = locality[scope];
    for (let at = 0; at < text.length; at += 1) hash = mixed(hash, text.charCodeAt(at));
    hash = mixed(hash, SCOPE_END);
    return text === "" ? 0 : hash >>> 0 || 1;
  });
}

function mixed(hash: number, value: number): number {
  const next = Math.imul(hash ^ value, HASH_PRIME);
  return next ^ (next >>> 15);
}
