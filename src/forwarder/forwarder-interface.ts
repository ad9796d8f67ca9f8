/** What the server needs of the forwarder: the smallest thing that a name which is not ours asks for. */

import type { Client, Closeable } from "../runtime.ts";
import type { Query } from "../wire/query.ts";

export interface Forwarder extends Closeable {
  /**
   * Takes a query that is not answered from the table. From the cache: writes the reply into `reply` and
   * returns its length; `client` is not kept then. Otherwise returns 0 and sends exactly one reply through `client`: upstream's later, SERVFAIL
   * by the deadline, or, when nobody can be asked, one that is sent before the call returns. `message` and `query`
   * are used during the call only. Never throws.
   */
  forward(message: Uint8Array, query: Query, client: Client, reply: Uint8Array): number;
  /** A query that was refused because its name is not ours: one of our own may have come back. */
  noteRefused(query: Query): void;
  /**
   * Drops what the cache holds for the host (for every name below it, if a wildcard), all types: it became ours.
   * `name`: lower-cased wire octets; of a wildcard those behind `*.`.
   */
  forget(name: Uint8Array, isWildcard: boolean): void;
}
