/**
 * Endpoints that a name had a short while ago, of each publication. With them, answers that rotate write nothing,
 * and nobody who has just learned an address is refused.
 */

import type { MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { AddressFilter } from "./address-filter.ts";
import { type DesiredEndpoint, endpointKey } from "./desired-endpoint.ts";
import type { NamedEndpoint, WantedEndpoints } from "./wanted-endpoints.ts";

export class Lingering {
  /** Of one publication, by the endpoint: those that were wanted when last looked at, and those that left since. */
  readonly #current = new Map<string, NamedEndpoint>();
  readonly #left = new Map<string, Left>();

  /**
   * Takes over what stands in slices already, as if it had been wanted until now: what wrote it is not running any
   * more. Only of a publication that has names.
   */
  adopt(present: readonly DesiredEndpoint[], nowMs: MonotonicMs): void {
    for (const endpoint of present)
      this.#left.set(endpointKey(endpoint), { endpoint, from: undefined, untilMs: nowMs + ADOPTED_MS });
  }

  /**
   * The wanted endpoints, and those that linger beside them; `nextMs`: when the first of these is to go.
   * `names`: those that the publication has.
   */
  update(
    { endpoints, unknown }: WantedEndpoints,
    names: ReadonlySet<HostName>,
    nowMs: MonotonicMs,
    filter: AddressFilter,
  ): { readonly endpoints: readonly DesiredEndpoint[]; readonly nextMs: MonotonicMs } {
    const wanted = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
    for (const [key, endpoint] of this.#current)
      if (!wanted.has(key) && endpoint.from !== undefined)
        this.#left.set(key, { endpoint, from: endpoint.from, untilMs: nowMs + endpoint.lingerMs });
    this.#current.clear();
    for (const [key, endpoint] of wanted) {
      this.#current.set(key, endpoint);
      this.#left.delete(key);
    }
    const lingering: DesiredEndpoint[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, { endpoint, from, untilMs }] of this.#left) {
      const isNamed = from === undefined ? names.size > 0 : names.has(from);
      // Nobody knows better while the name does not resolve.
      const isUnknown = from === undefined ? unknown.size > 0 : unknown.has(from);
      const isForbidden = filter(endpoint.address) !== undefined;
      if (!isNamed || isForbidden || (!isUnknown && untilMs <= nowMs)) {
        this.#left.delete(key);
        continue;
      }
      lingering.push(endpoint);
      if (!isUnknown) nextMs = Math.min(nextMs, untilMs);
    }
    const excess = lingering.length - MOST_LINGERING;
    return {
      endpoints: [...wanted.values(), ...(excess > 0 ? lingering.slice(excess) : lingering)].map(plain),
      nextMs,
    };
  }
}

interface Left {
  readonly endpoint: DesiredEndpoint;
  /** Undefined: adopted, so from any of the names. */
  readonly from: HostName | undefined;
  readonly untilMs: MonotonicMs;
}

const ADOPTED_MS = 60_000;
/** Of one host: a name that answers with another thousand each time is not gathered without end. */
const MOST_LINGERING = 500;

function plain(endpoint: DesiredEndpoint): DesiredEndpoint {
  const { address, reached, isReady, isServing, isTerminating, zone, nodeName, isForZone, pod } = endpoint;
  return { address, reached, isReady, isServing, isTerminating, zone, nodeName, isForZone, pod };
}
