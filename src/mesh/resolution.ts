/** What the refresher knows of one upstream name in one family; the registry compiles it into answers. */

import type { MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family, IpAddress } from "../wire/ip-address.ts";

/** Why a lookup failed; also the label `result` of `refreshes_total`. */
export type LookupFailure = "timeout" | "servfail" | "refused" | "formerr" | "notimp" | "network" | "badresp";

export type Resolution =
  /** No first attempt has ended. */
  | { readonly state: "pending"; readonly sinceMs: MonotonicMs }
  /** Upstream's addresses, at most 256, sorted; may be past `expiresAtMs` while a refresh is on its way. */
  | { readonly state: "fresh"; readonly addresses: readonly IpAddress[]; readonly expiresAtMs: MonotonicMs }
  /** The last good addresses, kept because refreshes fail; at most `maxStale` after their expiry. */
  | { readonly state: "stale"; readonly addresses: readonly IpAddress[]; readonly failure: LookupFailure }
  /** Upstream said that there is none: the name (NXDOMAIN) or the type (NODATA) does not exist. */
  | { readonly state: "denied"; readonly by: "nxdomain" | "nodata" }
  /** Attempts failed and nothing good is left to give. */
  | { readonly state: "failed"; readonly failure: LookupFailure };

export type FamilyResolutions = Readonly<Record<Family, Resolution>>;

/** Reads what is known of a name now; undefined: the name is not (yet) wanted. */
export type Resolutions = (name: HostName) => FamilyResolutions | undefined;

/** What is worth keeping of a name over a restart; absent: of that family nothing is. */
export type KeptName = { readonly name: HostName } & Readonly<Partial<Record<Family, KeptResolution>>>;

export type KeptResolution =
  /** Upstream's last addresses; `expiresAtWallMs` since 1970. */
  | {
      readonly state: "resolved";
      readonly addresses: readonly IpAddress[];
      readonly ttlSeconds: number;
      readonly expiresAtWallMs: number;
    }
  | { readonly state: "denied"; readonly by: "nxdomain" | "nodata" };
