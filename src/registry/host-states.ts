/**
 * What the registry holds of each host. Of a host that one entry alone claims, with addresses of its own and nothing
 * to be said, only that entry is kept: what there is to know of it is found out again when somebody asks. Most hosts
 * of most clusters are like that.
 */

import type { ServiceEntry } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";
import { type HostState, isPlain, newHostState } from "./host-state.ts";

export class HostStates {
  /** But for the plain ones. */
  readonly #states = new Map<HostName, HostState>();
  readonly #plain = new Map<HostName, ServiceEntry>();

  /** Undefined: the host is plain, or nobody claims it. */
  get(host: HostName): HostState | undefined {
    return this.#states.get(host);
  }

  /** But for the plain ones. */
  all(): Iterable<HostState> {
    return this.#states.values();
  }

  isPlain(host: HostName): boolean {
    return this.#plain.has(host);
  }

  /** To be linked and compiled; from now on the whole state is kept. */
  open(host: HostName): HostState {
    const state = this.#states.get(host) ?? this.plainState(host) ?? newHostState(host);
    this.#plain.delete(host);
    this.#states.set(host, state);
    return state;
  }

  /** As it was when it became plain, not linked; undefined: it is not. */
  plainState(host: HostName): HostState | undefined {
    const entry = this.#plain.get(host);
    if (entry === undefined) return undefined;
    const state = newHostState(host);
    state.conditions = [{ condition: "ok", object: entry.ref, reason: "" }];
    return state;
  }

  /** After compiling: keeps no more than is needed. `soleEntry`: undefined if several claim the host. */
  settle(
    state: HostState,
    isClaimed: boolean,
    soleEntry: (host: HostName) => ServiceEntry | undefined,
  ): void {
    const { host } = state;
    const entry = isClaimed && isPlain(state) ? soleEntry(host) : undefined;
    if (isClaimed && entry === undefined) return;
    this.#states.delete(host);
    if (entry !== undefined) this.#plain.set(host, entry);
  }
}
