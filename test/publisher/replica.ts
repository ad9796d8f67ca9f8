/** A replica's whole way from the API server to published objects, and a cluster for it: Namespaces, entries, writes. */

import type { WritingApiClient } from "../../src/cluster/api-client.ts";
import { WriteCounts } from "../../src/cluster/metrics.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { PUBLISHED_NAMESPACE, type PublishMode } from "../../src/mesh/publication.ts";
import type { FamilyResolutions, Resolution } from "../../src/mesh/resolution.ts";
import { PublishedHosts } from "../../src/publisher/published-hosts.ts";
import { Publisher, type PublisherOptions } from "../../src/publisher/publisher.ts";
import { Registry } from "../../src/registry/registry.ts";
import { type Clock, silentLogger } from "../../src/runtime.ts";
import type { ClientClass, HostRecord, HostVariant } from "../../src/table/host-record.ts";
import { ClusterSource } from "../../src/watcher/cluster-source.ts";
import { FixedRandom, plainClient } from "../cluster/fixture.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { GivenLease } from "../support/given-lease.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until } from "../support/waiting.ts";
import { host, ip } from "./fixture.ts";

export interface ReplicaOptions
  extends Partial<Pick<PublisherOptions, "rate" | "onWritten" | "virtualRanges">> {
  readonly mode?: PublishMode;
  readonly client?: WritingApiClient;
  readonly clock?: Clock;
}

export class Replica {
  readonly clock = new FakeClock();
  readonly lease = new GivenLease();
  readonly store = new MeshStore();
  readonly counts = new WriteCounts();
  readonly problems: ProblemBook;
  readonly source: ClusterSource;
  readonly registry: Registry;
  readonly hosts: PublishedHosts;
  readonly publisher: Publisher;
  readonly #resolutions = new Map<string, FamilyResolutions>();
  readonly #client: WritingApiClient;
  #isSynced = false;

  /** Synced when it resolves; the lease is not held yet. */
  static async start(server: ScriptedApiServer | undefined, options: ReplicaOptions = {}): Promise<Replica> {
    const replica = new Replica(options.client ?? plainClient(server!), options);
    await replica.source.start();
    replica.#isSynced = true;
    replica.publisher.start();
    return replica;
  }

  private constructor(
    client: WritingApiClient,
    { mode = "annotated", clock: given, ...rest }: ReplicaOptions,
  ) {
    const { store, lease, counts } = this;
    const clock = given ?? this.clock;
    this.#client = client;
    this.problems = new ProblemBook(() => clock.wallMs());
    const common = { store, clock, random: new FixedRandom(), logger: silentLogger, problems: this.problems };
    this.hosts = new PublishedHosts({
      mode,
      store,
      clock,
      isSynced: () => this.#isSynced,
      onChanged: (name) => this.registry.publicationChanged(name),
      onAvailable: () => this.registry.publishingChanged(),
    });
    this.registry = new Registry({
      ...common,
      settings: DEFAULT_SETTINGS,
      resolutions: (name) => this.#resolutions.get(name),
      wanted: { want() {}, unwant() {} },
      emit() {},
      batchWindowMs: 0,
      publishing: this.hosts,
    });
    this.source = new ClusterSource({
      ...common,
      client,
      settings: NEED_SETTINGS,
      publishing: { publish: mode, clusterDomain: DEFAULT_SETTINGS.clusterDomain },
      onSynced() {},
    });
    this.publisher = new Publisher({
      ...common,
      client,
      lease,
      hosts: this.hosts,
      counts,
      virtualRanges: [],
      isComplete: () => this.#isSynced && this.source.missing().length === 0,
      mayDelete: () => this.source.isConnected("ServiceEntry") && this.source.isConnected("Namespace"),
      ...rest,
    });
  }

  /** As a new value of the setting. */
  setMode(publish: PublishMode): void {
    const { clusterDomain } = DEFAULT_SETTINGS;
    this.hosts.mode = publish;
    this.registry.updateSettings(DEFAULT_SETTINGS);
    this.source.updateSettings(NEED_SETTINGS, { publish, clusterDomain });
  }

  /** What upstream says from now on: addresses by family, or a word for both. */
  resolve(
    name: string,
    said: Readonly<{ A?: readonly string[]; AAAA?: readonly string[] }> | "pending" | "failed",
    ttlMs = 30_000,
  ): void {
    this.#resolutions.set(name, resolutionsOf(said, this.clock.nowMs() + ttlMs));
    this.registry.resolutionChanged(host(name), "A");
    this.clock.advance(0);
  }

  record(name: string): HostRecord | undefined {
    const found = this.registry.recordsOf([host(name)]);
    return found[0];
  }

  /** What a client of the class gets, of the last view: `published 10.96.0.1`, `static pending`. */
  answer(name: string, client: ClientClass = "outside"): string {
    const view = this.record(name)?.views.at(-1);
    const choice = view?.choices[client] ?? null;
    return choice === null ? "forwarded" : told(view!.variants[choice]!);
  }

  problem(code: string): string | undefined {
    return [...this.problems.all()].find(({ problem }) => problem.code === code)?.problem.message;
  }

  async close(): Promise<void> {
    await this.publisher.close();
    await this.source.close();
    this.hosts.close();
    this.registry.close();
    await this.#client.close();
  }
}

function told({ source, answers }: HostVariant): string {
  const families = [answers.A, answers.AAAA].flatMap((answer): readonly string[] => {
    if (answer.kind === "addresses") return answer.addresses;
    return answer.kind === "empty" ? [] : [answer.kind];
  });
  return [source, ...new Set(families)].join(" ");
}

function resolutionsOf(said: Parameters<Replica["resolve"]>[1], expiresAtMs: number): FamilyResolutions {
  if (said === "pending")
    return { A: { state: "pending", sinceMs: 0 }, AAAA: { state: "pending", sinceMs: 0 } };
  if (said === "failed")
    return { A: { state: "failed", failure: "timeout" }, AAAA: { state: "failed", failure: "timeout" } };
  const of = (addresses: readonly string[] | undefined): Resolution =>
    addresses === undefined
      ? { state: "denied", by: "nodata" }
      : { state: "fresh", addresses: addresses.map(ip).sort(), expiresAtMs };
  return { A: of(said.A), AAAA: of(said.AAAA) };
}

/** A scripted cluster in which hosts may be published, from the namespace `default`. */
export async function publishingCluster(): Promise<ScriptedApiServer> {
  const server = await ScriptedApiServer.start();
  let addresses = 0;
  server.admit = (object) => {
    if (object.kind !== "Service") return object;
    addresses += 1;
    const spec = object["spec"] as object;
    const clusterIP = `10.96.${addresses >> 8}.${addresses & 255}`;
    return {
      ...object,
      spec: { ...spec, clusterIP, clusterIPs: [clusterIP, `fd00:96::${addresses.toString(16)}`] },
    };
  };
  server.apply(namespace(PUBLISHED_NAMESPACE));
  server.apply(namespace("default", { "serviceentry-dns.io/publish": "allowed" }));
  return server;
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): ApiObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

/** The document's object, asked to be published. */
export function kmeshEntry(
  spec: Readonly<Record<string, unknown>> = {},
  metadata: Readonly<Record<string, unknown>> = {},
): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: {
      name: "kmesh-fake",
      namespace: "default",
      annotations: { "serviceentry-dns.io/publish": "true" },
      ...metadata,
    },
    spec: {
      hosts: ["kmesh-fake.com"],
      ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8000 }],
      resolution: "STATIC",
      endpoints: [{ address: "10.1.0.1" }],
      ...spec,
    },
  };
}

/** All of the published objects of a kind, by name. */
export function published(
  server: ScriptedApiServer,
  kind: "Service" | "EndpointSlice",
): readonly ApiObject[] {
  return server.all(kind).filter(({ metadata }) => metadata.namespace === PUBLISHED_NAMESPACE);
}

/** `IPv4 http=8000 10.1.0.1 10.1.0.2`, one for each slice. */
export function slices(server: ScriptedApiServer): readonly string[] {
  return published(server, "EndpointSlice")
    .map((slice) => {
      const ports = slice["ports"] as readonly { name: string; port: number }[];
      const endpoints = slice["endpoints"] as readonly {
        addresses: string[];
        conditions: { ready: boolean };
      }[];
      const addresses = endpoints.map(
        ({ addresses: [address], conditions }) => `${address}${conditions.ready ? "" : " (unready)"}`,
      );
      return [
        slice["addressType"],
        ports.map(({ name, port }) => `${name}=${port}`).join(),
        ...addresses,
      ].join(" ");
    })
    .sort();
}

export function writes(server: ScriptedApiServer): number {
  return server.requests.filter(({ method }) => method !== "GET").length;
}

/** Resolves when it is so, and the replica has nothing on its way any more: only then may time pass. */
export async function comes(what: () => boolean, description: string, replica: Replica): Promise<void> {
  await until(() => {
    replica.clock.advance(0);
    return what() && replica.publisher.numbers().waiting === 0;
  }, description);
}
