/**
 * Everything that a story plays in: the product's control plane wired as the program wires it, a data plane
 * reached one way or another, an upstream that says what the story scripts, and time that the story moves.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { Refresher } from "../../src/refresher/refresher.ts";
import { Clients } from "../../src/registry/clients.ts";
import { Registry } from "../../src/registry/registry.ts";
import { type Random, silentLogger } from "../../src/runtime.ts";
import { packClientDelta } from "../../src/table/client-index.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { cutDocuments, readDocument } from "../../src/watcher/manifest-documents.ts";
import { ManifestEntries } from "../../src/watcher/manifest-entries.ts";
import { type ReadDocument, readManifest } from "../../src/watcher/manifest-file.ts";
import { encodeMessage } from "../../src/wire/message.ts";
import type { Exchange } from "./expectation.ts";
import type { Front, FrontParts } from "./front.ts";
import { createMemoryFront } from "./memory-front.ts";
import { type AskedMessage, ScriptedZone } from "./scripted-zone.ts";
import { openSocketFront } from "./socket-front.ts";
import type { QuestionFields, RawObject, Story, StoryClient, StoryMesh, Way } from "./story.ts";
import { StoryClock } from "./story-clock.ts";
import { isMapping } from "./story-error.ts";
import { UpstreamScript } from "./upstream-script.ts";
import { type PartSettings, partSettings } from "./world-settings.ts";

/** Where the paths of `apply` steps begin. */
const EXAMPLES = resolve(import.meta.dirname, "../../manifests/examples");

/** A query on its way, and its reply once it came. */
export interface AskedQuery {
  readonly exchange: () => Exchange | undefined;
}

export class World {
  readonly clock: StoryClock;
  readonly zone: ScriptedZone;
  readonly script: UpstreamScript;
  /** What clients have sent. */
  readonly sent: Uint8Array[] = [];
  readonly problems: ProblemBook;
  readonly registry: Registry;
  readonly front: Front;
  readonly #store = new MeshStore();
  readonly #entries: ManifestEntries;
  readonly #refresher: Refresher;
  readonly #clients: Clients;
  /** What stands for the pods of clients, by the last number of their addresses. */
  readonly #clientPods = new Map<number, string>();
  /** What was applied and not deleted, by `Kind/namespace/name`. */
  readonly #objects = new Map<string, RawObject>();
  #files: Files = new Map();
  #nextId = 0x1000;

  /** Throws a `SettingsError` for flags that the product does not take. */
  static async open(way: Way, story: Story): Promise<World> {
    const settings = partSettings(story.settings);
    const zone = new ScriptedZone();
    const parts: FrontParts = {
      clock: new StoryClock(),
      random: dice(),
      script: new UpstreamScript(zone),
      settings: settings.dataPlane,
      upstreams: story.upstreams,
      loopProbes: story.loopProbes,
    };
    const front = way === "memory" ? createMemoryFront(parts) : await openSocketFront(way, parts);
    return new World(settings, parts, zone, front);
  }

  private constructor(
    settings: PartSettings,
    { clock, script }: FrontParts,
    zone: ScriptedZone,
    front: Front,
  ) {
    this.clock = clock;
    this.zone = zone;
    this.script = script;
    this.front = front;
    this.problems = new ProblemBook(() => clock.wallMs());
    this.#entries = new ManifestEntries(this.#store, this.problems);
    this.#refresher = new Refresher({
      lookup: zone.lookup(clock),
      settings: settings.refresher,
      clock,
      random: NO_CHANCE,
      logger: silentLogger,
      onChanged: (name, family) => this.registry.resolutionChanged(name, family),
      onTouched: (name, family, expiresAtMs) => this.registry.resolutionTouched(name, family, expiresAtMs),
    });
    this.#clients = new Clients({
      store: this.#store,
      settings: settings.clients,
      clock,
      emit: (delta) => front.applyClients(packClientDelta(delta)),
    });
    this.registry = new Registry({
      store: this.#store,
      settings: settings.registry,
      problems: this.problems,
      clock,
      resolutions: (name) => this.#refresher.resolution(name),
      wanted: this.#refresher,
      emit: (delta) => front.apply(packDelta(delta), delta.version),
    });
  }

  /** Objects, or the files and folders below manifests/examples that hold some; all take effect at once. */
  apply(sources: readonly (string | RawObject)[]): void {
    for (const source of sources) {
      const objects = typeof source === "string" ? readExamples(source) : [withApiVersion(source)];
      for (const object of objects) this.#objects.set(identityOf(object), object);
    }
    this.#take();
  }

  /** A merge patch (RFC 7396) of an object that was applied. */
  edit(identity: string, patch: unknown): void {
    const patched = mergePatch(this.#object(identity), patch);
    if (!isMapping(patched)) throw new Error(`the patch of ${identity} leaves no object`);
    this.#objects.set(identity, patched);
    this.#take();
  }

  delete(identities: readonly string[]): void {
    for (const identity of identities) {
      this.#object(identity);
      this.#objects.delete(identity);
    }
    this.#take();
  }

  /** Known from now on, and what has changed of them before. */
  changeClients(clients: ReadonlyMap<number, StoryClient | null>): void {
    for (const [number, client] of clients) {
      const known = this.#clientPods.get(number);
      if (known !== undefined) this.#objects.delete(known);
      this.#clientPods.delete(number);
      if (client === null) continue;
      const pod = podOf(number, client);
      this.#objects.set(identityOf(pod), pod);
      this.#clientPods.set(number, identityOf(pod));
    }
    this.#take();
    this.#clients.settle();
  }

  update(flags: readonly string[]): void {
    const settings = partSettings(flags);
    this.#clients.updateSettings(settings.clients);
    this.#refresher.update(settings.refresher);
    this.registry.updateSettings(settings.registry);
    this.front.update(settings.dataPlane);
  }

  /** Messages that the forwarder sent, all or those since. */
  forwarded(from = 0): readonly AskedMessage[] {
    return this.zone.asked.slice(from).filter((each) => each.by === "forwarder");
  }

  /** `client`: the last number of its address. */
  ask(question: QuestionFields, client: number): AskedQuery {
    const query = this.#message(question);
    this.sent.push(query);
    const sentAtMs = this.clock.nowMs();
    const firstAsked = this.zone.asked.length;
    let exchange: Exchange | undefined;
    this.front.ask(query, client, (reply) => {
      const forwarded = this.forwarded(firstAsked).filter(
        ({ name, type }) => name === question.name.toLowerCase() && type === question.type,
      );
      const waitedMs = this.clock.nowMs() - sentAtMs;
      exchange = { transport: this.front.transport, query, reply, waitedMs, forwarded };
    });
    return { exchange: () => exchange };
  }

  readonly settle = (): Promise<void> => this.front.settle();

  async close(): Promise<void> {
    await this.#refresher.close();
    this.registry.close();
    this.#clients.close();
    await this.front.close();
  }

  #object(identity: string): RawObject {
    const object = this.#objects.get(identity);
    if (object !== undefined) return object;
    throw new Error(`there is no ${identity}; there are ${[...this.#objects.keys()].join(", ")}`);
  }

  /** Each object is a file of its own to the product's reader of files. */
  #take(): void {
    const files = new Map<string, { readonly documents: readonly ReadDocument[] }>();
    for (const [identity, object] of this.#objects) {
      const before = this.#files.get(identity);
      const documents = readManifest(JSON.stringify(object), "json", before?.documents ?? []);
      const isSame = documents[0]?.sourceHash === before?.documents[0]?.sourceHash;
      files.set(identity, isSame && before !== undefined ? before : { documents });
    }
    this.#entries.replace(this.#files, files, this.clock.nowMs());
    this.#files = files;
    this.#store.flush();
  }

  #message({ name, type, class: questionClass, flags, edns, trailing }: QuestionFields): Uint8Array {
    const message = encodeMessage({
      id: this.#nextId++,
      flags,
      questions: [{ name, type, class: questionClass }],
      answers: [],
      authorities: [],
      additionals: [],
      ...(edns && { edns: { ...edns, extendedRcode: 0 } }),
    });
    return Uint8Array.of(...message, ...trailing);
  }
}

type Files = ReadonlyMap<string, { readonly documents: readonly ReadDocument[] }>;

/** Chance only delays a refresh: without it a TTL of 30 s is refreshed after 27 s sharp. */
const NO_CHANCE: Random = { fraction: () => 0, uint16: () => 0 };

/** The same numbers in every run: a linear congruential generator (Numerical Recipes' constants). */
function dice(): Random {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return { fraction: () => next() / 2 ** 32, uint16: () => next() >>> 16 };
}

function readExamples(path: string): readonly RawObject[] {
  const whole = join(EXAMPLES, path);
  if (statSync(whole).isDirectory()) {
    return readdirSync(whole)
      .sort()
      .flatMap((name) => readExamples(join(path, name)));
  }
  return cutDocuments(readFileSync(whole, "utf8"), "yaml").flatMap((document) => {
    const { objects, fault } = readDocument(document, "yaml");
    if (fault !== undefined) throw new Error(`${path}: ${fault.reason}`);
    return objects.map(({ raw }) => raw);
  });
}

/** Annotations that sidecar injectors and node agents leave on a pod. */
const MESH_ANNOTATIONS: Readonly<Record<StoryMesh, RawObject>> = {
  none: {},
  sidecar: { "sidecar.istio.io/status": '{"containers":["istio-proxy"]}' },
  ambient: { "ambient.istio.io/redirection": "enabled" },
  kmesh: { "kmesh.net/redirection": "enabled" },
};

function podOf(number: number, { namespace, mesh, ips, node }: StoryClient): RawObject {
  const podIPs = [`127.0.0.${number}`, ...ips].map((ip) => ({ ip }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `client-${number}`, namespace, annotations: MESH_ANNOTATIONS[mesh] },
    spec: node === "" ? {} : { nodeName: node },
    status: { phase: "Running", podIPs },
  };
}

/** Stories may leave it out. */
function withApiVersion(object: RawObject): RawObject {
  const { kind } = object;
  const isIstio = kind === "ServiceEntry" || kind === "WorkloadEntry";
  return { apiVersion: isIstio ? "networking.istio.io/v1" : "v1", ...object };
}

/** `Kind/namespace/name`; without a namespace in the object `default`, as kubectl does. */
function identityOf({ kind, metadata }: RawObject): string {
  const fields = isMapping(metadata) ? metadata : {};
  const namespace = kind === "Namespace" || kind === "Node" ? "" : (fields["namespace"] ?? "default");
  return `${kind}/${namespace}/${fields["name"]}`;
}

/** RFC 7396: null takes a field away, mappings are merged, everything else is replaced. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMapping(patch)) return patch;
  const merged = new Map(Object.entries(isMapping(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}
