/** Upstreams in the order in which the next lookup asks them: one that stays silent is not asked first again. */

import type { UpstreamServer } from "./lookup.ts";

export class UpstreamOrder {
  readonly #servers: readonly UpstreamServer[];
  #first = 0;

  /** `servers`: at least one. */
  constructor(servers: readonly UpstreamServer[]) {
    if (servers.length === 0) throw new RangeError("no upstream to ask");
    this.#servers = servers;
  }

  current(): readonly UpstreamServer[] {
    return [...this.#servers.slice(this.#first), ...this.#servers.slice(0, this.#first)];
  }

  /** If this server is the first now, its successor takes its place; reports that come late change nothing. */
  demote(server: UpstreamServer): void {
    if (this.#servers[this.#first] === server) this.#first = (this.#first + 1) % this.#servers.length;
  }
}
