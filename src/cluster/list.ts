/** LIST of one resource, page by page, each object parsed and taken over as it comes. */

import type { Clock } from "../runtime.ts";
import type { ApiClient } from "./api-client.ts";
import { ApiFault, faultOfResponse, toFault } from "./api-fault.ts";
import { type ListEnvelope, ListItems } from "./list-items.ts";
import { withStallLimit } from "./stall-limit.ts";

export interface ListOptions<T> {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly mostObjectOctets: number;
  /** Takes out of an object what is kept of it; undefined: it cannot be read. */
  readonly read: (raw: unknown) => { readonly value: T } | undefined;
}

/** The objects of one moment. */
export interface Listed<T> {
  readonly objects: readonly T[];
  /** Objects that were too large or could not be read. */
  readonly refused: number;
  readonly resourceVersion: string;
}

/**
 * `path`: without a query. No `resourceVersion` is asked for: then the limit counts (with 0 the server sends
 * everything at once), and the state is the newest and not some cache's, so that a list heals whatever was
 * missed. Servers since 1.31 give both from memory. Throws ApiFault.
 */
export async function listResource<T>(options: ListOptions<T>, path: string): Promise<Listed<T>> {
  try {
    return await listPages(options, path, PAGE_LIMIT);
  } catch (error) {
    const fault = toFault(error);
    if (fault.code !== "expired") throw fault;
    // The state that the pages are of was compacted away before the last of them: all at once cannot expire.
    return await listPages(options, path, undefined);
  }
}

async function listPages<T>(
  options: ListOptions<T>,
  path: string,
  limit: number | undefined,
): Promise<Listed<T>> {
  const objects: T[] = [];
  let refused = 0;
  const refuse = () => {
    refused += 1;
  };
  const take = (raw: unknown) => {
    const object = options.read(raw);
    if (object === undefined) refuse();
    else objects.push(object.value);
  };
  let token = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", String(limit));
    if (token !== "") query.set("continue", token);
    const items = new ListItems(options.mostObjectOctets, { onItem: take, onRefused: refuse });
    const { resourceVersion, continueToken } = await listPage(options, `${path}?${query}`, items);
    if (continueToken === "") return { objects, refused, resourceVersion };
    token = continueToken;
  }
  throw new ApiFault("broken", `the list has more than ${MOST_PAGES} pages`);
}

function listPage<T>(
  { client, clock, signal }: ListOptions<T>,
  path: string,
  items: ListItems,
): Promise<ListEnvelope> {
  return withStallLimit(clock, STALL_MS, signal, async (pageSignal, noteProgress) => {
    const response = await client.get(path, pageSignal);
    if (response.status !== 200) throw await faultOfResponse(response, clock.wallMs());
    try {
      for await (const chunk of response.body) {
        noteProgress();
        items.push(chunk);
      }
      return items.end();
    } catch (error) {
      throw error instanceof SyntaxError ? new ApiFault("broken", `list: ${error.message}`) : error;
    }
  });
}

/** A page of usual objects is a fraction of a MiB. */
const PAGE_LIMIT = 500;
/** More is a server that goes round in a circle. */
const MOST_PAGES = 10_000;
/** A server under load may need long for the first octet of a list. */
const STALL_MS = 30_000;
