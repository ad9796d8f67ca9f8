/**
 * Who asks, as far as an answer depends on it: a known pod's namespace, kind and place, else the namespace that
 * the client's own search suffix told, else nobody in particular.
 */

import { AddressSet } from "../forwarder/address-set.ts";
import type { Client, MonotonicMs } from "../runtime.ts";
import { type ClientIndex, ClientKind } from "../table/client-index.ts";
import { CLIENT_CLASSES } from "../table/host-record.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import type { IpPrefix } from "../wire/ip-address.ts";
import type { Query } from "../wire/query.ts";
import { SuffixNamespaces } from "./suffix-namespaces.ts";

const UNKNOWN_CLASS = CLIENT_CLASSES.indexOf("unknown");
/** Addresses of which is remembered whether they are trusted forwarders. */
const MAX_REMEMBERED = 4096;
/** Namespaces that other threads are told of: a client that names another one each time shall keep nobody busy. */
const MAX_PASSED_ON_PER_SECOND = 100;

/** One is filled again for every query. */
export class Asker {
  isPod = false;
  /** Octets of the namespace whose views it sees; null: it sees what is for all. */
  namespace: Uint8Array | null = null;
  /** The client index's number of it; NOT_FOUND where that knows no such Namespace. */
  namespaceId = NOT_FOUND;
  /** Index of `CLIENT_CLASSES`. */
  clientClass = UNKNOWN_CLASS;
  /** Where it is; null: not known. */
  locality: Uint32Array | null = null;
  /** Whether its question's own search suffix says in which namespace it is. */
  mayTellNamespace = false;
}

export interface AskerSettings {
  /** Whether search suffixes tell the namespace of clients that are no known pods. */
  readonly suffixView: boolean;
  /** DNS servers whose clients are hidden behind them: nothing is known of those who ask through them. */
  readonly trustedForwarders: readonly IpPrefix[];
}

/** What tells clients apart. */
export type Addressed = Pick<Client, "address" | "readAddress">;

/** `namespace`: its octets, the listener's to keep. */
export type ToldListener = (address: string, namespace: Uint8Array) => void;

export class Askers {
  readonly #clients: ClientIndex;
  readonly #told = new SuffixNamespaces();
  readonly #onTold: ToldListener;
  readonly #words = new Uint32Array(4);
  readonly #remembered = new Map<string, boolean>();
  #passedOnSinceMs: MonotonicMs = 0;
  #passedOn = 0;
  #settings: AskerSettings;
  #forwarders: AddressSet;

  /** `onTold`: what the other threads should hear, by `hear`, as the client may ask them next. */
  constructor(clients: ClientIndex, settings: AskerSettings, onTold: ToldListener = () => {}) {
    this.#clients = clients;
    this.#onTold = onTold;
    this.#settings = settings;
    this.#forwarders = new AddressSet(settings.trustedForwarders);
  }

  updateSettings(settings: AskerSettings): void {
    if (!settings.suffixView) this.#told.clear();
    this.#settings = settings;
    this.#forwarders = new AddressSet(settings.trustedForwarders);
    this.#remembered.clear();
  }

  /** Most questions need no text of their client's address. */
  identify(client: Addressed, nowMs: MonotonicMs, asker: Asker): void {
    const clients = this.#clients;
    const entry = this.#isForwarder(client) ? NOT_FOUND : this.#find(client);
    asker.isPod = entry !== NOT_FOUND && clients.kind(entry) === ClientKind.POD;
    if (asker.isPod) {
      asker.namespaceId = clients.namespaceOf(entry);
      asker.namespace = clients.namespaceOctets(asker.namespaceId);
      asker.clientClass = clients.classOf(entry);
      asker.locality = clients.localityMarks(clients.localityOf(entry));
      asker.mayTellNamespace = false;
      return;
    }
    // An address that is known, but is no pod's, stands for more than one client.
    const mayTell = this.#settings.suffixView && entry === NOT_FOUND && !this.#isForwarder(client);
    asker.mayTellNamespace = mayTell;
    asker.namespace = mayTell && this.#told.size > 0 ? this.#told.find(client.address, nowMs) : null;
    asker.namespaceId =
      asker.namespace === null ? NOT_FOUND : clients.namespaceId(asker.namespace, 0, asker.namespace.length);
    asker.clientClass = UNKNOWN_CLASS;
    asker.locality = null;
  }

  /** The query's label of this number is the namespace of the client at the address. */
  tell(address: string, query: Query, label: number, nowMs: MonotonicMs): void {
    const from = query.labelStarts[label]! + 1;
    const length = query.name[from - 1]!;
    if (!this.#note(address, query.name, from, length, nowMs)) return;
    if (nowMs >= this.#passedOnSinceMs + 1000) {
      this.#passedOnSinceMs = nowMs;
      this.#passedOn = 0;
    }
    this.#passedOn += 1;
    if (this.#passedOn <= MAX_PASSED_ON_PER_SECOND)
      this.#onTold(address, query.name.slice(from, from + length));
  }

  /** The client at the address has told another thread its namespace. */
  hear(address: string, namespace: Uint8Array, nowMs: MonotonicMs): void {
    if (this.#settings.suffixView) this.#note(address, namespace, 0, namespace.length, nowMs);
  }

  #note(address: string, octets: Uint8Array, from: number, length: number, nowMs: MonotonicMs): boolean {
    const isKnown = this.#clients.namespaceId(octets, from, length) !== NOT_FOUND;
    return this.#told.tell(address, octets, from, length, isKnown, nowMs);
  }

  #find(client: Addressed): number {
    const words = this.#words;
    if (client.readAddress === undefined) return this.#clients.find(client.address);
    return this.#clients.findWords(words, client.readAddress(words));
  }

  #isForwarder(client: Addressed): boolean {
    if (this.#settings.trustedForwarders.length === 0) return false;
    const { address } = client;
    const remembered = this.#remembered.get(address);
    if (remembered !== undefined) return remembered;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    const isForwarder = this.#forwarders.has(address);
    this.#remembered.set(address, isForwarder);
    return isForwarder;
  }
}
