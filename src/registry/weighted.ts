/** How much an address or name counts among its like, and where it is; the same one by two ways counts once. */

import type { Locality } from "../table/host-record.ts";

export interface Weighted {
  /** 0: not said. */
  readonly weight: number;
  readonly locality: Locality;
}

/** The larger weight counts, and the place that was said first. */
export function addWeighted<K>(all: Map<K, Weighted>, key: K, weighted: Weighted): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, weighted);
  else
    all.set(key, {
      weight: Math.max(known.weight, weighted.weight),
      locality: isKnown(known.locality) ? known.locality : weighted.locality,
    });
}

/** Whether anything is known of it. */
export function isKnown({ network, region, zone, subzone, node }: Locality): boolean {
  return network !== "" || region !== "" || zone !== "" || subzone !== "" || node !== "";
}

export const UNKNOWN_LOCALITY: Locality = { network: "", region: "", zone: "", subzone: "", node: "" };
