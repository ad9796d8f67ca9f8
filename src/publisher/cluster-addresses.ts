/** The addresses of the cluster's Services, and the ranges that they are from: none of them may be an endpoint. */

import type { ApiClient } from "../cluster/api-client.ts";
import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import type { Service } from "../mesh/objects.ts";
import type { Clock } from "../runtime.ts";
import { type IpAddress, type IpPrefix, parseIpPrefix, prefixContains } from "../wire/ip-address.ts";

export class ClusterAddresses {
  readonly #store: MeshStore;
  readonly #client: ApiClient;
  readonly #clock: Clock;
  /** With how many Services have it: one may come before another that had it is gone. */
  readonly #counts = new Map<IpAddress, number>();
  #ranges: readonly IpPrefix[] = [];

  constructor(store: MeshStore, client: ApiClient, clock: Clock) {
    this.#store = store;
    this.#client = client;
    this.#clock = clock;
    for (const service of store.all("Service").values()) this.#count(service, 1);
  }

  /** Empty where the API server does not tell (before 1.33), or not us. */
  get ranges(): readonly IpPrefix[] {
    return this.#ranges;
  }

  has(address: IpAddress): boolean {
    return this.#counts.has(address);
  }

  /** Returns the addresses that no Service had before. */
  apply(changes: readonly MeshChange[]): ReadonlySet<IpAddress> {
    const found = new Set<IpAddress>();
    for (const change of changes) {
      if (change.kind !== "Service") continue;
      const after = this.#store.all("Service").get(change.key);
      for (const address of after?.clusterIps ?? [])
        if (!this.has(address) && !this.#isInRange(address)) found.add(address);
      if (after !== undefined) this.#count(after, 1);
      if (change.before !== undefined) this.#count(change.before, -1);
    }
    return found;
  }

  /** Asks the API server for the ranges; keeps the last ones where it does not tell. Never rejects. */
  async readRanges(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const timer = this.#clock.setTimer(PATIENCE_MS, () => end.abort());
    try {
      const { status, body } = await this.#client.get(SERVICE_RANGES, AbortSignal.any([signal, end.signal]));
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk);
      if (status === 200) this.#ranges = rangesIn(JSON.parse(Buffer.concat(chunks).toString("utf8")));
    } catch {
      // The addresses of the Services that are there are left out all the same.
    } finally {
      timer.cancel();
    }
  }

  #isInRange(address: IpAddress): boolean {
    return this.#ranges.some((range) => prefixContains(range, address));
  }

  #count({ clusterIps }: Service, by: 1 | -1): void {
    for (const address of clusterIps) {
      const count = (this.#counts.get(address) ?? 0) + by;
      if (count === 0) this.#counts.delete(address);
      else this.#counts.set(address, count);
    }
  }
}

const SERVICE_RANGES = "/apis/networking.k8s.io/v1/servicecidrs";
const PATIENCE_MS = 5000;

/** Total: what is odd counts as no range. */
function rangesIn(list: unknown): readonly IpPrefix[] {
  return listOf(fieldOf(list, "items")).flatMap((item) =>
    listOf(fieldOf(fieldOf(item, "spec"), "cidrs")).flatMap((text) => {
      const prefix = typeof text === "string" ? parseIpPrefix(text) : null;
      return prefix === null ? [] : [prefix];
    }),
  );
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
