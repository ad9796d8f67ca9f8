/** One value for each class of clients. */

import type { ClientClass } from "../table/host-record.ts";

export type ByClass<T> = Readonly<Record<ClientClass, T>>;

/** Written out: objects made of entries cost several times the memory, and every host has some. */
export function byClass<T>(of: (client: ClientClass) => T): ByClass<T> {
  return {
    unknown: of("unknown"),
    outside: of("outside"),
    sidecar: of("sidecar"),
    redirectedIpv4: of("redirectedIpv4"),
    redirectedIpv6: of("redirectedIpv6"),
    redirectedDual: of("redirectedDual"),
  };
}
