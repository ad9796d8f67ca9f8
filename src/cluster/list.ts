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
  /** Keys whose lists and objects `read` does not look at, wherever they stand: they may be empty. */
  readonly unread?: readonly string[];
  /** Takes out of an object what is kept of it; undefined: it cannot be read. */
  readonly read: (raw: unknown) => { readonly value: T } | undefined;
  /** Gets the objects of each page but the last when that page is read; absent: all come at the end. */
  readonly onPart?: ((objects: readonly T[]) => void) | undefined;
}

/** The objects of one moment. */
export interface Listed<T> {
  readonly objects: readonly T[];
  /** Those that `onPart` got are there too. */
  readonly isRest: boolean;
  /** Objects that were too large or could not be read. */
  readonly refused: number;
  readonly resourceVersion: string;
}

/**
 * `path`: may have a query, the selector. No `resourceVersion` is asked for: then the limit counts (with 0 the server sends
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
    return await listPages({ ...options, onPart: undefined }, path, undefined);
  }
}

async function listPages<T>(
  options: ListOptions<T>,
  path: string,
  limit: number | undefined,
): Promise<Listed<T>> {
  let objects: T[] = [];
  let isRest = false;
  let refused = 0;
  const refuse = () => {
    refused += 1;
  };
  const take = (raw: unknown) => {
    const object = options.read(raw);
    if (object === undefined) refuse();
    else objects.push(object.value);
  };
  const ask = (token: string): AskedPage => {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", String(limit));
    if (token !== "") query.set("continue", token);
    return askPage(options, withQuery(path, query));
  };
  let page = ask("");
  let next: AskedPage | undefined;
  try {
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const handlers = {
        onItem: take,
        onRefused: refuse,
        // While this page is read, the server makes the next one ready.
        onContinued: (token: string) => {
          next = ask(token);
        },
      };
      const items = new ListItems(options.mostObjectOctets, handlers, options.unread);
      const { resourceVersion, continueToken } = await page.read(items, () => next?.noteProgress());
      if (continueToken === "") return { objects, isRest, refused, resourceVersion };
      if (options.onPart !== undefined) {
        options.onPart(objects);
        objects = [];
        isRest = true;
      }
      page = next ?? ask(continueToken);
      next = undefined;
    }
    throw new ApiFault("broken", `the list has more than ${MOST_PAGES} pages`);
  } finally {
    page.giveUp();
    next?.giveUp();
  }
}

/** One page, asked for already. To be read, or given up. */
interface AskedPage {
  /** `onProgress`: called now and then while it comes. */
  read(items: ListItems, onProgress: () => void): Promise<ListEnvelope>;
  /** It is not forgotten, though nobody reads it yet. */
  noteProgress(): void;
  /** Does nothing where it was read. */
  giveUp(): void;
}

function askPage<T>({ client, clock, signal }: ListOptions<T>, path: string): AskedPage {
  const turn = Promise.withResolvers<{ readonly items: ListItems; readonly onProgress: () => void }>();
  const unwanted = new AbortController();
  let note = () => {};
  const page = withStallLimit(
    clock,
    STALL_MS,
    AbortSignal.any([signal, unwanted.signal]),
    async (pageSignal, noteProgress) => {
      note = noteProgress;
      const response = await client.get(path, pageSignal);
      if (response.status !== 200) throw await faultOfResponse(response, clock.wallMs());
      const { items, onProgress } = await turn.promise;
      try {
        for await (const chunk of response.body) {
          noteProgress();
          onProgress();
          items.push(chunk);
        }
        return items.end();
      } catch (error) {
        throw error instanceof SyntaxError ? new ApiFault("broken", `list: ${error.message}`) : error;
      }
    },
  );
  // Who reads the page is told.
  page.catch(() => {});
  turn.promise.catch(() => {});
  return {
    read: (items, onProgress) => {
      turn.resolve({ items, onProgress });
      return page;
    },
    noteProgress: () => note(),
    giveUp: () => {
      turn.reject(new ApiFault("broken", "the page is not read any more"));
      unwanted.abort();
    },
  };
}

/** `path` may have a query of its own. */
export function withQuery(path: string, query: URLSearchParams): string {
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

/** A page of usual objects is a fraction of a MiB. */
const PAGE_LIMIT = 500;
/** More is a server that goes round in a circle. */
const MOST_PAGES = 10_000;
/** A server under load may need long for the first octet of a list. */
const STALL_MS = 30_000;
