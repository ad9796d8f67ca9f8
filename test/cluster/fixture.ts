/** A reflector on a scripted API server, under a clock that the test moves, with everything that it hands on. */

import type { ApiClient, WritingApiClient } from "../../src/cluster/api-client.ts";
import { HttpApiClient } from "../../src/cluster/http-client.ts";
import { type RestartReason, WatchCounts } from "../../src/cluster/metrics.ts";
import { Reflector, type ReflectorHandlers, type ReflectorState } from "../../src/cluster/reflector.ts";
import type { Logger, Random } from "../../src/runtime.ts";
import { silentLogger } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";
import type { ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until } from "../support/waiting.ts";

/** Without credentials, so without the library. */
export function plainClient(server: { readonly url: string }): WritingApiClient {
  const credentials = { authentication: async () => ({ server: server.url, options: {} }) };
  return new HttpApiClient(credentials, async () => credentials);
}

export function serviceEntry(name: string, fields: Readonly<Record<string, unknown>> = {}): ApiObject {
  const { metadata, ...rest } = { metadata: {}, ...fields };
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace: "default", ...(metadata as object) },
    spec: { hosts: [`${name}.example.com`] },
    ...rest,
  };
}

/** Chance that a test fixes. */
export class FixedRandom implements Random {
  value = 0.5;

  fraction(): number {
    return this.value;
  }

  uint16(): number {
    return 0;
  }
}

/** What a test's reader keeps of an object. */
export interface Kept {
  readonly name: string;
  readonly mark: unknown;
}

export class Reflection {
  readonly clock = new FakeClock();
  readonly random = new FixedRandom();
  readonly counts = new WatchCounts();
  readonly client: ApiClient;
  readonly reflector: Reflector<Kept>;
  /** Name -> mark, as the handlers were told. */
  readonly objects = new Map<string, unknown>();
  readonly states: ReflectorState[] = [];
  /** What was handed on: `list 2`, `ADDED a`, in order. */
  readonly story: string[] = [];
  refused = 0;

  constructor(
    server: { readonly url: string },
    options: {
      readonly mostObjectOctets?: number;
      readonly logger?: Logger;
      readonly handlers?: Partial<ReflectorHandlers<Kept>>;
    } = {},
  ) {
    this.client = plainClient(server);
    const { handlers, ...rest } = options;
    this.reflector = new Reflector<Kept>({
      client: this.client,
      resource: {
        group: "networking.istio.io",
        versions: ["v1", "v1beta1", "v1alpha3"],
        plural: "serviceentries",
      },
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      counts: this.counts,
      ...rest,
      handlers: {
        read: (raw) => {
          const { metadata, mark } = raw as ApiObject;
          return { name: metadata.name, mark };
        },
        onList: (objects, refused) => {
          this.objects.clear();
          for (const { name, mark } of objects) this.objects.set(name, mark);
          this.refused = refused;
          this.story.push(`list ${objects.length}`);
        },
        onEvents: (events) => {
          for (const { type, object } of events) {
            if (type === "DELETED") this.objects.delete(object.name);
            else this.objects.set(object.name, object.mark);
            this.story.push(`${type} ${object.name}`);
          }
        },
        onState: (state) => this.states.push(state),
        onRefused: (count) => {
          this.refused += count;
        },
        ...handlers,
      },
    });
  }

  get state(): ReflectorState {
    return this.reflector.state;
  }

  get names(): string {
    return [...this.objects.keys()].sort().join(" ");
  }

  start(): this {
    this.reflector.start();
    return this;
  }

  /** Resolves when the reflector watches. */
  async watching(): Promise<void> {
    await until(() => this.state.phase === "watching", "watching");
  }

  /** Resolves when `count` lists or watches have ended for this reason, and the wait that follows has begun. */
  async ended(reason: RestartReason, count = 1): Promise<void> {
    await until(() => this.counts.restarts(reason) >= count, `${count} times ${reason}`);
    await new Promise(setImmediate);
  }

  async close(): Promise<void> {
    await this.reflector.close();
    await this.client.close();
  }
}

export function isList({ isWatch, path }: { readonly isWatch: boolean; readonly path: string }): boolean {
  return !isWatch && path.endsWith("/serviceentries");
}

export function isWatch({ isWatch }: { readonly isWatch: boolean }): boolean {
  return isWatch;
}

export type { ScriptedApiServer };
