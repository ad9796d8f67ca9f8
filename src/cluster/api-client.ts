/**
 * What the reflector needs of the Kubernetes API: GET, with the body as it comes. `connection.ts` makes one
 * from a kubeconfig or a pod's service account; tests make their own.
 */

import type { Closeable } from "../runtime.ts";

export interface ApiClient extends Closeable {
  /**
   * Sends GET for `path` (from the server's root, with its query). Resolves with any status; rejects where no
   * response came: an `ApiFault`, or the system's own error. Aborting ends the body too.
   */
  get(path: string, signal: AbortSignal): Promise<ApiResponse>;
}

export interface ApiResponse {
  readonly status: number;
  /** The header `Retry-After` as it was sent; undefined: there is none. */
  readonly retryAfter: string | undefined;
  /** To be read to its end or left by `break`, else the connection is held. Throws when it is cut. */
  readonly body: AsyncIterable<Buffer>;
}

/** A kind of objects as the API names it. */
export interface ApiResource {
  /** "" for Kubernetes' core. */
  readonly group: string;
  /** Those that we can read, the dearest first. */
  readonly versions: readonly string[];
  readonly plural: string;
}
