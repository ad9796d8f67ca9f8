/** Who waits for upstream: how many queries and octets of each client address, and whose are the most. */

import type { Client } from "../runtime.ts";
import type { Waiter } from "./pending-query.ts";

/** One client address, as long as a query of its waits. */
export interface Account {
  readonly address: string;
  /** Stands for many clients: no limit of one client is its own, and it is never the heaviest. */
  readonly isTrusted: boolean;
  /** The oldest first. */
  readonly waiters: Set<Waiter>;
  octets: number;
}

export class WaitingClients {
  readonly #isTrusted: (address: string) => boolean;
  readonly #accounts = new Map<string, Account>();
  readonly #octets = new Map<Waiter, number>();
  /** At index n: those who wait for n replies, trusted ones left out. */
  readonly #byCount: Set<Account>[] = [new Set()];
  #most = 0;
  totalOctets = 0;

  constructor(isTrusted: (address: string) => boolean) {
    this.#isTrusted = isTrusted;
  }

  /** Queries that wait. */
  get total(): number {
    return this.#octets.size;
  }

  /** The client's account, which counts from the first `add` on. */
  of(client: Client): Account {
    const { address } = client;
    const account = this.#accounts.get(address);
    return account ?? { address, isTrusted: this.#isTrusted(address), waiters: new Set(), octets: 0 };
  }

  /** `octets`: what is kept of the message. */
  add(account: Account, waiter: Waiter, octets: number): void {
    const { size } = account.waiters;
    if (size === 0) this.#accounts.set(account.address, account);
    account.waiters.add(waiter);
    account.octets += octets;
    this.#octets.set(waiter, octets);
    this.totalOctets += octets;
    if (!account.isTrusted) this.#rank(account, size);
  }

  remove(waiter: Waiter): void {
    const account = this.#accounts.get(waiter.client.address);
    const octets = this.#octets.get(waiter);
    if (account === undefined || octets === undefined) return;
    const { size } = account.waiters;
    this.#octets.delete(waiter);
    this.totalOctets -= octets;
    account.waiters.delete(waiter);
    account.octets -= octets;
    if (!account.isTrusted) this.#rank(account, size);
    if (size === 1) this.#accounts.delete(account.address);
  }

  /** The account with the most queries that wait; null if none is open to comparison. */
  heaviest(): Account | null {
    for (const account of this.#byCount[this.#most]!) return account;
    return null;
  }

  /** Its count was `before`. */
  #rank(account: Account, before: number): void {
    const { size } = account.waiters;
    this.#byCount[before]!.delete(account);
    if (size > 0) {
      this.#byCount[size] ??= new Set();
      this.#byCount[size].add(account);
    }
    this.#most = Math.max(this.#most, size);
    while (this.#most > 0 && this.#byCount[this.#most]!.size === 0) this.#most -= 1;
  }
}

/** The query that the account sent last. */
export function newestOf(account: Account): Waiter | null {
  let newest: Waiter | null = null;
  for (const waiter of account.waiters) newest = waiter;
  return newest;
}
