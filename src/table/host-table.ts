/**
 * The table as the data plane sees it: one name in, the octets of one host's record out. Two bodies pass
 * one suite: `LinearTable` is the oracle that is obviously right, `FlatTable` the product.
 */

import type { HostName } from "../wire/host-name.ts";

export const NOT_FOUND = -1;

/** A name to look up, as a `Query` has it: on the wire, lower-cased. */
export interface NameView {
  /** The first `nameLength` octets count, the root label included. */
  readonly name: Uint8Array;
  readonly nameLength: number;
  /** Labels without the root. */
  readonly labelCount: number;
  /** Where each label's length octet lies in `name`; the first `labelCount` count. */
  readonly labelStarts: Uint8Array;
  /** Whether some label begins with `_`: then no wildcard matches. */
  readonly hasUnderscoreLabel: boolean;
}

export interface HostTable {
  /** Of the last delta that was wholly applied. */
  readonly version: number;
  /** Hosts in the table. */
  readonly size: number;
  /** Holds the records; another array after a change, so read it anew for every query. */
  readonly octets: Uint8Array;
  /**
   * Where the record that answers the name begins in `octets` (read it with `packed-record.ts`), or NOT_FOUND.
   * An exact host first, then the most specific wildcard; an exact host blocks wildcards; a name with a label
   * that begins with `_` matches no wildcard; the apex of a wildcard does not match.
   * (RFC 4592 differs: this is Istio's rule, any depth below the `*`.)
   */
  find(name: NameView): number;
  /**
   * The most specific wildcard that matches the name and whose part after `*.` begins at label `fromLabel` or later
   * (1: any wildcard), or NOT_FOUND. Goes on where a client does not see what was found: an exact host blocks
   * nothing then (`fromLabel` 1), nor does a wildcard (`labelCount - nameLabelCount + 1`).
   */
  findWildcard(name: NameView, fromLabel: number): number;
  /** The same by host name (`*.rest` for the wildcard itself), for the control plane and `touch`. */
  findHost(host: HostName): number;
  /**
   * Applies at most `maxHosts` changes of a packed delta (`packed-delta.ts`), starting at octet `from` (0: at the first).
   * Returns where to go on, or -1 when the delta is wholly applied (then `version` has moved).
   * `onChange` is called for each host after it was applied with its packed name and whether it is a wildcard,
   * so that waiting queries and cached replies for it can be dealt with. Not called for what changes nothing: a
   * delete or touch of a host that is not there, a touch of a family whose TTL does not count down.
   */
  apply(delta: Uint8Array, from: number, maxHosts: number, onChange?: OnHostChange): number;
}

/** `name`: wire octets of the host (of the part after `*.` for a wildcard); valid during the call only. */
export type OnHostChange = (
  kind: "set" | "delete" | "touch",
  name: Uint8Array,
  isWildcard: boolean,
  isNew: boolean,
) => void;
