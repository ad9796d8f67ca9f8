/**
 * Which hosts proxies may come to resolve because some entry or workload names them, or a name below their wildcard,
 * as an endpoint.
 */

import type { HostName } from "../wire/host-name.ts";

export class EndpointNames {
  /** How often each host is named. */
  readonly #counts = new Map<HostName, number>();

  has(host: HostName): boolean {
    return this.#counts.has(host);
  }

  /** One object's names are others now. Returns the hosts for which `has` changed. */
  change(before: readonly HostName[], after: readonly HostName[]): readonly HostName[] {
    const was = new Map<HostName, boolean>();
    const count = (names: readonly HostName[], step: number) => {
      for (const host of names.flatMap(hostsOf)) {
        if (!was.has(host)) was.set(host, this.has(host));
        const count = (this.#counts.get(host) ?? 0) + step;
        if (count > 0) this.#counts.set(host, count);
        else this.#counts.delete(host);
      }
    };
    count(after, 1);
    count(before, -1);
    return [...was].filter(([host, before]) => this.has(host) !== before).map(([host]) => host);
  }
}

/** The name and every wildcard that it lies below. */
function hostsOf(name: HostName): readonly HostName[] {
  const hosts = [name];
  for (let dot = name.indexOf("."); dot !== -1; dot = name.indexOf(".", dot + 1))
    hosts.push(`*${name.slice(dot)}` as HostName);
  return hosts;
}
