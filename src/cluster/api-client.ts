/**
 * What we need of the Kubernetes API: GET, with the body as it comes, and for those that write the other methods.
 * `connection.ts` makes one from a kubeconfig or a pod's service account; tests make their own.
 */

import type { Closeable } from "../runtime.ts";

export interface ApiClient extends Closeable {
  /**
   * Sends GET for `path` (from the server's root, with its query). Resolves with any status; rejects where no
   * response came: an `ApiFault`, or the system's own error. Aborting ends the body too.
   */
  get(path: string, signal: AbortSignal): Promise<ApiResponse>;
}

/** A client that can write too. */
export interface WritingApiClient extends ApiClient {
  /**
   * As `get`, with any method. A call may be sent a second time where the connection broke before an answer, so it
   * must be guarded: by a resource version, by a test, or by a name that is given only once.
   */
  send(call: ApiCall, signal: AbortSignal): Promise<ApiResponse>;
}

export interface ApiCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the server's root, with its query. */
  readonly path: string;
  readonly body?: { readonly mediaType: string; readonly text: string };
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
  /** Those of one namespace alone. */
  readonly namespace?: string;
  /** Those alone whose labels match, as the API writes it: `name in (a,b)`. */
  readonly labelSelector?: string;
  /** Keys whose lists and objects nobody reads, wherever they stand: of listed objects they may be empty. */
  readonly unread?: readonly string[];
}
