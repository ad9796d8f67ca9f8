/**
 * One question to one upstream: which addresses has this name in this family? The body asks through c-ares
 * (`node:dns`), which checks replies against forgery and goes to TCP on truncation. What to ask, when, of
 * whom and how often again is the refresher's.
 */

import { Resolver } from "node:dns/promises";
import type { LookupFailure } from "../mesh/resolution.ts";
import type { HostName } from "../wire/host-name.ts";
import { type Family, familyOf, type IpAddress, parseIpAddress } from "../wire/ip-address.ts";

/** Where a DNS server listens. */
export interface UpstreamServer {
  /** An IP address as text. */
  readonly address: string;
  readonly port: number;
}

export type LookupResult =
  /** At least one and at most 256 addresses of the asked family, canonical, sorted, none twice. */
  | { readonly kind: "addresses"; readonly addresses: readonly IpAddress[]; readonly ttlSeconds: number }
  | { readonly kind: "denied"; readonly by: "nxdomain" | "nodata" }
  | { readonly kind: "failed"; readonly failure: LookupFailure };

/** Asks once; never rejects. `signal`: the reply is wanted no longer, the result has no meaning then. */
export type Lookup = (
  name: HostName,
  family: Family,
  server: UpstreamServer,
  signal: AbortSignal,
) => Promise<LookupResult>;

/** How long a lookup accepts a reply: just under the 5 s at which the C libraries give up. */
export const ACCEPT_REPLY_MS = 4500;
/** More addresses than this no host carries, whatever upstream sends. */
export const MAX_ADDRESSES = 256;
/** CNAME records followed, one after the other, where upstream does not follow them itself. */
const MAX_CNAME_DEPTH = 8;
/** What a TTL counts as that is 0 or, with its top bit set, not to be believed (RFC 2181, section 8). */
const UNUSABLE_TTL_SECONDS = 5;

/**
 * A lookup on c-ares. A `Resolver` asks one question at a time, and few in its life: one that lives longer learns
 * from fast replies to give up after about a second, whatever its `timeout` says. c-ares asks for the name as it is:
 * its `query` functions know no search list. It sends no EDNS, caches nothing, closes the socket (and gives up its
 * source port) when nothing is asked, and rounds its own timeout up to whole seconds, so a caller in a hurry aborts.
 */
export function createCaresLookup(): Lookup {
  const resolvers = new Resolvers();
  return async (name, family, server, signal) => {
    try {
      return await lookUp(name, family, (question) => resolvers.ask(server, signal, question));
    } catch (error) {
      return resultOfError(error);
    }
  };
}

async function lookUp(
  name: string,
  family: Family,
  question: <T>(ask: (resolver: Resolver) => Promise<T>) => Promise<T>,
): Promise<LookupResult> {
  let owner = name;
  for (let depth = 0; depth <= MAX_CNAME_DEPTH; depth += 1) {
    const asked = owner;
    const records = await question((resolver) =>
      family === "A" ? resolver.resolve4(asked, { ttl: true }) : resolver.resolve6(asked, { ttl: true }),
    );
    if (records.length > 0) return addressesOf(records, family);
    // An empty list is a reply with a CNAME and nothing at its target; c-ares does not tell which target.
    const [target] = await question((resolver) => resolver.resolveCname(asked));
    if (target === undefined) return { kind: "failed", failure: "badresp" };
    owner = target;
  }
  return { kind: "failed", failure: "badresp" };
}

/** c-ares makes up its mind about a server with the third reply. */
const MOST_QUESTIONS = 3;
/** As many as may be asked at once. */
const MOST_WAITING = 64;

interface Used {
  readonly resolver: Resolver;
  /** So far. */
  questions: number;
}

/** To make one costs four times as much as to ask. */
class Resolvers {
  /** By server, those that may be asked once more. */
  readonly #waiting = new Map<string, Used[]>();
  #count = 0;

  async ask<T>(
    server: UpstreamServer,
    signal: AbortSignal,
    question: (resolver: Resolver) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const key = formatServer(server);
    const used = this.#take(key);
    const cancel = () => used.resolver.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const answer = await question(used.resolver);
      this.#putBack(key, used);
      return answer;
    } catch (error) {
      // Of a server that said no there is nothing to learn; any other failure is the end of it.
      if (resultOfError(error).kind === "denied") this.#putBack(key, used);
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #take(key: string): Used {
    const known = this.#waiting.get(key)?.pop();
    if (known !== undefined) {
      this.#count -= 1;
      return known;
    }
    const resolver = new Resolver({ timeout: ACCEPT_REPLY_MS, tries: 1 });
    resolver.setServers([key]);
    return { resolver, questions: 0 };
  }

  #putBack(key: string, used: Used): void {
    used.questions += 1;
    if (used.questions >= MOST_QUESTIONS) return;
    if (this.#count >= MOST_WAITING) {
      // They may be of servers that nobody asks any more.
      this.#waiting.clear();
      this.#count = 0;
    }
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [used]);
    else waiting.push(used);
    this.#count += 1;
  }
}

function addressesOf(
  records: readonly { readonly address: string; readonly ttl: number }[],
  family: Family,
): LookupResult {
  const addresses = new Set<IpAddress>();
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (const record of records) {
    ttlSeconds = Math.min(ttlSeconds, countedTtlSeconds(record.ttl));
    const address = parseIpAddress(record.address);
    // An IPv4-mapped address in an AAAA record is no IPv6 address that a client could reach.
    if (address !== null && familyOf(address) === family) addresses.add(address);
  }
  if (addresses.size === 0) return { kind: "denied", by: "nodata" };
  return { kind: "addresses", addresses: [...addresses].sort().slice(0, MAX_ADDRESSES), ttlSeconds };
}

/** The TTL to reckon with, for one received as an unsigned 32-bit number. */
function countedTtlSeconds(ttl: number): number {
  return ttl <= 0 || ttl >= 2 ** 31 ? UNUSABLE_TTL_SECONDS : ttl;
}

const RESULT_BY_CODE: Readonly<Record<string, LookupResult>> = {
  ENOTFOUND: { kind: "denied", by: "nxdomain" },
  ENODATA: { kind: "denied", by: "nodata" },
  ETIMEOUT: { kind: "failed", failure: "timeout" },
  ESERVFAIL: { kind: "failed", failure: "servfail" },
  EREFUSED: { kind: "failed", failure: "refused" },
  EFORMERR: { kind: "failed", failure: "formerr" },
  ENOTIMP: { kind: "failed", failure: "notimp" },
  EBADRESP: { kind: "failed", failure: "badresp" },
  EBADNAME: { kind: "failed", failure: "badresp" },
};

/** ECONNREFUSED and whatever else keeps a question or its reply from travelling is a failure of the network. */
function resultOfError(error: unknown): LookupResult {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return RESULT_BY_CODE[code] ?? { kind: "failed", failure: "network" };
}

/** `address:port`, IPv6 in brackets. */
export function formatServer(server: UpstreamServer): string {
  return server.address.includes(":")
    ? `[${server.address}]:${server.port}`
    : `${server.address}:${server.port}`;
}
