/**
 * The source in a cluster: the API server's objects, put into the mesh store and kept in step with it. A kind that
 * is missing or denied is said and counts as empty; the others are served.
 */

import type { ApiClient } from "../cluster/api-client.ts";
import { WatchCounts, type WatchedKind as WatchReport } from "../cluster/metrics.ts";
import { type ReflectedEvent, Reflector, type ReflectorState } from "../cluster/reflector.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { objectKey } from "../mesh/objects.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { type ProblemBook, type ProblemCode, problem } from "../mesh/problem.ts";
import type { Clock, Closeable, Logger, Random, Timer } from "../runtime.ts";
import { ALWAYS_WATCHED, PodNeed, WATCHED, WATCHED_KINDS, type WatchedKind } from "./watched-kinds.ts";
import { WatchedObjects } from "./watched-objects.ts";

export interface ClusterSourceOptions {
  /** Stays open when the source is closed. */
  readonly client: ApiClient;
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, when every kind that is needed was listed (or cannot be) and what came is flushed. */
  readonly onSynced: () => void;
}

export class ClusterSource implements Closeable {
  readonly #options: ClusterSourceOptions;
  readonly #counts = new Map(WATCHED_KINDS.map((kind) => [kind, new WatchCounts()]));
  /** Those that run. */
  readonly #watches = new Map<WatchedKind, Watch>();
  readonly #podNeed: PodNeed;
  #podStop: Timer | undefined;
  #isSynced = false;
  #isClosed = false;
  /** Resolves what `start` returned. */
  #endStart = () => {};

  constructor(options: ClusterSourceOptions) {
    this.#options = options;
    this.#podNeed = new PodNeed(options.store);
    options.store.onChange((changes) => {
      if (this.#isClosed) return;
      this.#podNeed.note(changes);
      this.#followPodNeed();
    });
  }

  /** Resolves when every kind that is needed was listed, or when the source is closed; never rejects. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#endStart = resolve;
      for (const kind of ALWAYS_WATCHED) this.#watch(kind);
      this.#followPodNeed();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#podStop?.cancel();
    await Promise.all(Array.from(this.#watches.values(), ({ reflector }) => reflector.close()));
    this.#endStart();
  }

  /** What has not been listed yet, a sentence for each kind; for `/readyz`. */
  missing(): readonly string[] {
    const kinds = [...this.#watches].filter(([, { reflector }]) => !reflector.state.isListed);
    return kinds.map(([kind, { reflector }]) => {
      const { message } = reflector.state;
      return `${WATCHED[kind].plural} were not listed yet${message === "" ? "" : `: ${message}`}`;
    });
  }

  /** For `registerClusterMetrics`. */
  watches(): readonly WatchReport[] {
    return Array.from(this.#counts, ([kind, counts]) => {
      const state = this.#watches.get(kind)?.reflector.state;
      return { kind, counts, isConnected: state && state.phase === "watching" };
    });
  }

  #watch(kind: WatchedKind): void {
    const { client, clock, random, logger, store, problems } = this.#options;
    const { parse, ...resource } = WATCHED[kind];
    const objects = new WatchedObjects(kind, store, problems);
    const counts = this.#counts.get(kind)!;
    let refused = 0;
    let phase: ReflectorState["phase"] = "starting";
    const reportRefused = (count: number) => {
      refused = count;
      const text = `${count} ${resource.plural} were left out: too large, or not to be read.`;
      this.#report(kind, "objects", "ObjectUnreadable", count === 0 ? undefined : text);
    };
    const reflector = new Reflector<ParsedObject>({
      client,
      resource,
      clock,
      random,
      logger,
      counts,
      handlers: {
        read: parse,
        onList: (listed, refusedNow, receivedAtMs) => {
          objects.replace(listed, receivedAtMs);
          reportRefused(refusedNow);
          logger.debug({ component: COMPONENT, kind, objects: listed.length }, "listed");
        },
        onEvents: (events, receivedAtMs) => {
          objects.apply(events, receivedAtMs);
          this.#logEvents(kind, events);
        },
        onRefused: (count) => reportRefused(refused + count),
        onState: (state) => {
          if (state.phase !== phase) this.#logPhase(kind, state);
          phase = state.phase;
          this.#reportAbsence(kind, state);
          this.#noteListed();
        },
      },
    });
    this.#watches.set(kind, { reflector, objects });
    reflector.start();
  }

  #followPodNeed(): void {
    const isWatched = this.#watches.has("Pod");
    if (this.#podNeed.isThere) {
      this.#podStop?.cancel();
      this.#podStop = undefined;
      if (!isWatched) this.#watch("Pod");
    } else if (isWatched) {
      this.#podStop ??= this.#options.clock.setTimer(POD_LINGER_MS, () => this.#stopPods());
    }
  }

  #stopPods(): void {
    this.#podStop = undefined;
    const watch = this.#watches.get("Pod");
    if (watch === undefined) return;
    this.#watches.delete("Pod");
    // Its handlers are silent from here on; what is still open ends by itself.
    void watch.reflector.close();
    watch.objects.replace([], this.#options.clock.nowMs());
    for (const part of ["watch", "objects"] as const) this.#report("Pod", part, "AccessDenied", undefined);
    this.#options.logger.info({ component: COMPONENT, kind: "Pod" }, "no entry selects pods: not watched");
    this.#noteListed();
  }

  #noteListed(): void {
    if (this.#isSynced || this.#isClosed || this.missing().length > 0) return;
    this.#isSynced = true;
    this.#options.onSynced();
    this.#endStart();
  }

  #reportAbsence(kind: WatchedKind, { phase, message }: ReflectorState): void {
    if (phase === "missing") this.#report(kind, "watch", "ResourceMissing", `The API server: ${message}`);
    else if (phase === "denied") this.#report(kind, "watch", "AccessDenied", `The API server: ${message}`);
    else if (phase === "watching") this.#report(kind, "watch", "AccessDenied", undefined);
  }

  /** About the kind as a whole: the problem's object has no name. */
  #report(kind: WatchedKind, part: string, code: ProblemCode, message: string | undefined): void {
    const object = { kind, namespace: "", name: "" };
    const found = message === undefined ? [] : [problem(code, object, WATCHED[kind].plural, message)];
    this.#options.problems.replace(`${part} ${kind}`, found);
  }

  #logPhase(kind: WatchedKind, { phase, message }: ReflectorState): void {
    const { logger, store } = this.#options;
    const fields = { component: COMPONENT, kind };
    if (phase === "watching") logger.info({ ...fields, objects: store.all(kind).size }, "watching");
    else logger.warn({ ...fields, reason: message }, `watch is ${phase}`);
  }

  #logEvents(kind: WatchedKind, events: readonly ReflectedEvent<ParsedObject>[]): void {
    if (!LOGGED_KINDS.has(kind) || events.length > MOST_LOGGED_EVENTS) return;
    for (const { type, object } of events) {
      const fields = { component: COMPONENT, object: objectKey(object.ref) };
      this.#options.logger.info(fields, `object ${CHANGES[type]}`);
    }
  }
}

interface Watch {
  readonly reflector: Reflector<ParsedObject>;
  readonly objects: WatchedObjects;
}

const COMPONENT = "dns.watch";
/** An entry that is replaced or edited does not cost a list of all pods. */
const POD_LINGER_MS = 30_000;
/** Written by people; pods and namespaces would fill the log. */
const LOGGED_KINDS: ReadonlySet<WatchedKind> = new Set(["ServiceEntry", "WorkloadEntry"]);
/** More at once is a deployment, whose single objects nobody reads. */
const MOST_LOGGED_EVENTS = 20;
const CHANGES = { ADDED: "added", MODIFIED: "changed", DELETED: "removed" } as const;
