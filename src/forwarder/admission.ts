/**
 * Who may wait for upstream: bounds of each client address, by rate, queries and octets, and of all together. Over
 * the bound of all, the newest query of the heaviest client gives way.
 */

import type { Client, MonotonicMs } from "../runtime.ts";
import type { IpPrefix } from "../wire/ip-address.ts";
import { AddressSet } from "./address-set.ts";
import type { RejectionReason } from "./metrics.ts";
import type { Waiter } from "./pending-query.ts";
import { RateLimit } from "./rate-limit.ts";
import { WaitingClients } from "./waiting-clients.ts";

/** Octets of messages that wait: a message over TCP may have 65,535, so counting messages is not enough. */
const MAX_OCTETS_IN_FLIGHT = 16 * 1024 * 1024;
/** Of one client address: its usual bound of messages, if they are of 4 KiB each. */
const MAX_OCTETS_PER_CLIENT = 1024 * 1024;

export interface AdmissionLimits {
  /** Clients' queries that wait for upstream at once, and those of one client address. */
  readonly maxInFlight: number;
  readonly maxInFlightPerClient: number;
  /** Queries per second of one client address; 0: any number. */
  readonly rateLimit: number;
  /** Clients that ask for many others: no limit of one client holds for them. */
  readonly trustedForwarders: readonly IpPrefix[];
}

export class Admission {
  readonly #waiting = new WaitingClients((address) => this.#isTrusted(address));
  readonly #isForwarder: (address: string) => boolean;
  readonly #onShed: (waiter: Waiter) => void;
  #limits: AdmissionLimits;
  #trusted: AddressSet;
  #rateLimit: RateLimit | null;

  /**
   * `onShed`: the waiter has given way to another one and is to be told. `isForwarder`: whether the address is
   * known for one that asks for many others, besides those of the limits.
   */
  constructor(
    limits: AdmissionLimits,
    onShed: (waiter: Waiter) => void,
    isForwarder: (address: string) => boolean = () => false,
  ) {
    this.#limits = limits;
    this.#isForwarder = isForwarder;
    this.#onShed = onShed;
    this.#trusted = new AddressSet(limits.trustedForwarders);
    this.#rateLimit = this.#newRateLimit();
  }

  set limits(limits: AdmissionLimits) {
    const { rateLimit, trustedForwarders } = this.#limits;
    this.#limits = limits;
    this.#trusted = new AddressSet(limits.trustedForwarders);
    if (limits.rateLimit !== rateLimit || limits.trustedForwarders !== trustedForwarders) {
      this.#rateLimit = this.#newRateLimit();
    }
  }

  /** Counts one more query of the address; whether it is one too many for this second. */
  isTooFast(address: string, nowMs: MonotonicMs): boolean {
    return this.#rateLimit !== null && !this.#rateLimit.admits(address, nowMs);
  }

  /** Why one more query of `octets` may not wait; null: it may, maybe in the place of another. */
  refusal(client: Client, octets: number): RejectionReason | null {
    const { maxInFlight, maxInFlightPerClient } = this.#limits;
    const { isTrusted, count, octets: ownOctets } = this.#waiting.of(client);
    const isOverOwn = count >= maxInFlightPerClient || ownOctets + octets > MAX_OCTETS_PER_CLIENT;
    if (isOverOwn && !isTrusted) return "client";
    while (this.#waiting.total >= maxInFlight || this.#waiting.totalOctets + octets > MAX_OCTETS_IN_FLIGHT) {
      const heaviest = this.#waiting.heaviest();
      const newest = heaviest?.newest ?? null;
      // The query that has just come is the newest of its client, which may be the heaviest with it.
      const ownCount = isTrusted ? 1 : count + 1;
      if (heaviest === null || newest === null || heaviest.count <= ownCount) return "overload";
      this.#waiting.remove(newest);
      this.#onShed(newest);
    }
    return null;
  }

  /** `octets`: what is kept of its message. */
  add(waiter: Waiter, octets: number): void {
    this.#waiting.add(this.#waiting.of(waiter.client), waiter, octets);
  }

  remove(waiter: Waiter): void {
    this.#waiting.remove(waiter);
  }

  #newRateLimit(): RateLimit | null {
    const { rateLimit } = this.#limits;
    return rateLimit === 0 ? null : new RateLimit(rateLimit, (address) => this.#isTrusted(address));
  }

  #isTrusted(address: string): boolean {
    return this.#trusted.has(address) || this.#isForwarder(address);
  }
}
