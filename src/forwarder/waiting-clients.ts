/**
 * Who waits for upstream: how many queries and octets of each client address, and whose are the most. Accounts and
 * waiters are links of lists, so that a query that comes and goes costs no entry in a set.
 */

import type { Client } from "../runtime.ts";
import type { Waiter } from "./pending-query.ts";

/** One client address, as long as a query of its waits. */
export class Account {
  readonly address: string;
  /** Stands for many clients: no limit of one client is its own, and it is never the heaviest. */
  readonly isTrusted: boolean;
  /** Queries that wait, and their octets. */
  count = 0;
  octets = 0;
  /** The query that it sent last. */
  newest: Waiter | null = null;
  /** Its neighbours among those that wait for as many replies; `WaitingClients`' own. */
  before: Account | null = null;
  behind: Account | null = null;

  constructor(address: string, isTrusted: boolean) {
    this.address = address;
    this.isTrusted = isTrusted;
  }
}

export class WaitingClients {
  readonly #isTrusted: (address: string) => boolean;
  readonly #accounts = new Map<string, Account>();
  /** At index n: the first and the last of those who wait for n replies, trusted ones left out. */
  readonly #firsts: (Account | null)[] = [null];
  readonly #lasts: (Account | null)[] = [null];
  #most = 0;
  /** Queries that wait. */
  total = 0;
  totalOctets = 0;

  constructor(isTrusted: (address: string) => boolean) {
    this.#isTrusted = isTrusted;
  }

  /** The client's account, which counts from the first `add` on. */
  of(client: Client): Account {
    const { address } = client;
    return this.#accounts.get(address) ?? new Account(address, this.#isTrusted(address));
  }

  /** `octets`: what is kept of the message. */
  add(account: Account, waiter: Waiter, octets: number): void {
    if (account.count === 0) this.#accounts.set(account.address, account);
    waiter.account = account;
    waiter.octets = octets;
    waiter.older = account.newest;
    if (account.newest !== null) account.newest.newer = waiter;
    account.newest = waiter;
    this.#count(account, 1, octets);
  }

  remove(waiter: Waiter): void {
    const { account, older, newer } = waiter;
    if (account === null) return;
    if (older !== null) older.newer = newer;
    if (newer !== null) newer.older = older;
    else account.newest = older;
    waiter.account = null;
    waiter.older = null;
    waiter.newer = null;
    this.#count(account, -1, -waiter.octets);
    if (account.count === 0) this.#accounts.delete(account.address);
  }

  /** The account with the most queries that wait; null if none is open to comparison. */
  heaviest(): Account | null {
    return this.#firsts[this.#most]!;
  }

  #count(account: Account, change: 1 | -1, octets: number): void {
    this.total += change;
    this.totalOctets += octets;
    account.octets += octets;
    if (!account.isTrusted && account.count > 0) this.#leave(account);
    account.count += change;
    if (account.isTrusted) return;
    if (account.count > 0) this.#enter(account);
    this.#most = Math.max(this.#most, account.count);
    while (this.#most > 0 && this.#firsts[this.#most] === null) this.#most -= 1;
  }

  /** Behind the others with its count. */
  #enter(account: Account): void {
    const { count } = account;
    const last = this.#lasts[count] ?? null;
    account.before = last;
    if (last === null) this.#firsts[count] = account;
    else last.behind = account;
    this.#lasts[count] = account;
  }

  #leave(account: Account): void {
    const { count, before, behind } = account;
    if (before === null) this.#firsts[count] = behind;
    else before.behind = behind;
    if (behind === null) this.#lasts[count] = before;
    else behind.before = before;
    account.before = null;
    account.behind = null;
  }
}
