/** Watches of EndpointSlices, one for each namespace, of all Services there or of some: put into the store together. */

import type { ApiClient } from "../cluster/api-client.ts";
import type { WatchCounts } from "../cluster/metrics.ts";
import { Reflector } from "../cluster/reflector.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { type Namespace, type ObjectKey, objectKey } from "../mesh/objects.ts";
import { SERVICE_NAME_LABEL } from "../mesh/parse-endpoint-slice.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { type ProblemBook, problem } from "../mesh/problem.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Random } from "../runtime.ts";
import type { SliceScopes } from "./publish-need.ts";
import { WATCHED } from "./watched-kinds.ts";

export interface SliceWatchesOptions {
  readonly client: ApiClient;
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counts: WatchCounts;
  /** A watch was listed, or is in another phase. */
  readonly onState: () => void;
}

export class SliceWatches implements Closeable {
  readonly #options: SliceWatchesOptions;
  readonly #watches = new Map<Namespace, SliceWatch>();

  constructor(options: SliceWatchesOptions) {
    this.#options = options;
  }

  /** Watches these and no others from now on. */
  follow(scopes: SliceScopes): void {
    for (const [namespace, watch] of this.#watches) {
      const scope = scopes.get(namespace);
      if (scope !== undefined && selectorOf(scope) === watch.selector) continue;
      this.#watches.delete(namespace);
      // Its handlers are silent from here on; what is still open ends by itself.
      void watch.reflector.close();
      // What the next list does not have goes with it.
      if (scope === undefined) this.#replace(namespace, [], this.#options.clock.nowMs());
    }
    for (const [namespace, scope] of scopes)
      if (!this.#watches.has(namespace)) this.#watch(namespace, selectorOf(scope));
  }

  /** Takes away those of namespaces without a watch; flushes not. */
  dropUnwatched(): void {
    const { store, clock } = this.#options;
    for (const [key, { ref }] of [...store.all("EndpointSlice")])
      if (!this.#watches.has(ref.namespace)) store.remove("EndpointSlice", key, clock.nowMs());
  }

  /** Whether every watch was listed, or cannot be. */
  get isListed(): boolean {
    return [...this.#watches.values()].every(({ reflector }) => reflector.state.isListed);
  }

  /** Undefined: there is none. */
  get isConnected(): boolean | undefined {
    if (this.#watches.size === 0) return undefined;
    return [...this.#watches.values()].every(({ reflector }) => reflector.state.phase === "watching");
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#watches.values(), ({ reflector }) => reflector.close()));
  }

  #watch(namespace: Namespace, selector: string): void {
    const { client, clock, random, logger, counts, store, onState } = this.#options;
    const { parse, ...resource } = WATCHED.EndpointSlice;
    const reflector = new Reflector<ParsedObject>({
      client,
      resource: { ...resource, namespace, ...(selector === "" ? {} : { labelSelector: selector }) },
      clock,
      random,
      logger,
      counts,
      handlers: {
        read: parse,
        onList: (listed, _refused, receivedAtMs) => this.#replace(namespace, listed, receivedAtMs),
        onEvents: (events, receivedAtMs) => {
          for (const { type, object } of events) {
            if (type === "DELETED") store.remove("EndpointSlice", objectKey(object.ref), receivedAtMs);
            else this.#put(object, receivedAtMs);
          }
          store.flush();
        },
        onRefused: () => {},
        onState: ({ phase, message }) => {
          const isOut = phase === "missing" || phase === "denied";
          const object = { kind: "EndpointSlice", namespace, name: "" } as const;
          const code = phase === "missing" ? "ResourceMissing" : "AccessDenied";
          const says = phase === "missing" ? "has no" : "does not let us read";
          const text = `The API server ${says} ${resource.plural} of ${namespace}: ${message}.`;
          const found = isOut ? [problem(code, object, resource.plural, text)] : [];
          this.#options.problems.replace(`watch EndpointSlice ${namespace}`, found);
          onState();
        },
      },
    });
    this.#watches.set(namespace, { reflector, selector });
    reflector.start();
  }

  #replace(namespace: Namespace, listed: readonly ParsedObject[], receivedAtMs: MonotonicMs): void {
    const { store } = this.#options;
    const gone = new Set<ObjectKey>();
    for (const [key, { ref }] of store.all("EndpointSlice")) if (ref.namespace === namespace) gone.add(key);
    for (const object of listed) gone.delete(this.#put(object, receivedAtMs));
    for (const key of gone) store.remove("EndpointSlice", key, receivedAtMs);
    store.flush();
  }

  #put({ ref, value }: ParsedObject, receivedAtMs: MonotonicMs): ObjectKey {
    const key = objectKey(ref);
    if (value === undefined) this.#options.store.remove("EndpointSlice", key, receivedAtMs);
    else this.#options.store.put(value.ref.kind, value, receivedAtMs);
    return key;
  }
}

interface SliceWatch {
  readonly reflector: Reflector<ParsedObject>;
  /** "": all of the namespace. */
  readonly selector: string;
}

function selectorOf(scope: "all" | ReadonlySet<string>): string {
  return scope === "all" ? "" : `${SERVICE_NAME_LABEL} in (${[...scope].sort().join()})`;
}
