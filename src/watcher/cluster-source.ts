/**
 * The source in a cluster: the API server's objects, put into the mesh store and kept in step with it. A kind that
 * is missing or denied is said and counts as empty; the others are served.
 */

import type { ApiClient } from "../cluster/api-client.ts";
import { WatchCounts, type WatchedKind as WatchReport } from "../cluster/metrics.ts";
import { type ReflectedEvent, Reflector, type ReflectorState } from "../cluster/reflector.ts";
import { toClientPod } from "../mesh/client-pod.ts";
import { toKeptEntry } from "../mesh/kept-entry.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { type Kind, objectKey } from "../mesh/objects.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { type ProblemBook, type ProblemCode, problem } from "../mesh/problem.ts";
import { sharedText } from "../mesh/shared-values.ts";
import { readWrittenAt } from "../mesh/written-at.ts";
import type { Clock, Closeable, Logger, Random, Timer } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import { PublishNeed, type PublishNeedSettings } from "./publish-need.ts";
import { SliceWatches } from "./slice-watches.ts";
import {
  type NeedSettings,
  needsNodes,
  POD_REASONS,
  type PodDetail,
  podDetail,
  WatchNeed,
} from "./watch-need.ts";
import { ALWAYS_WATCHED, CLIENT_PODS, WATCHED, WATCHED_KINDS } from "./watched-kinds.ts";
import { type WatchedObject, WatchedObjects } from "./watched-objects.ts";

export interface ClusterSourceOptions {
  /** Stays open when the source is closed. */
  readonly client: ApiClient;
  readonly store: MeshStore;
  /** They decide how much is watched. */
  readonly settings: NeedSettings;
  /** Absent: nothing is published. */
  readonly publishing?: PublishNeedSettings;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, when every kind that is needed was listed (or cannot be) and what came is flushed. */
  readonly onSynced: () => void;
}

export class ClusterSource implements Closeable {
  readonly #options: ClusterSourceOptions;
  readonly #counts = new Map<Kind, WatchCounts>(WATCHED_KINDS.map((kind) => [kind, new WatchCounts()]));
  readonly #publishNeed: PublishNeed;
  readonly #slices: SliceWatches;
  /** Those that run. */
  readonly #watches = new Map<Kind, Watch>();
  readonly #need: WatchNeed;
  /** As last said in the log. */
  #reasons = "";
  /** What of each pod is kept. */
  #podDetail: PodDetail = "none";
  #lowering: Timer | undefined;
  /** Milliseconds since 1970, of kinds whose changes do not come. */
  readonly #failingSinceMs = new Map<Kind, number>();
  #isSynced = false;
  #isClosed = false;
  /** Resolves what `start` returned. */
  #endStart = () => {};

  constructor(options: ClusterSourceOptions) {
    this.#options = options;
    this.#need = new WatchNeed(options.store, options.settings);
    this.#publishNeed = new PublishNeed(options.store, options.publishing ?? NOT_PUBLISHING);
    this.#slices = new SliceWatches({
      ...options,
      counts: this.#counts.get("EndpointSlice")!,
      onState: () => this.#noteListed(),
    });
    options.store.onChange((changes) => {
      if (this.#isClosed) return;
      this.#need.note(changes);
      this.#publishNeed.note(changes);
      this.#followNeed();
      this.#followPublishing();
    });
  }

  /** Resolves when every kind that is needed was listed, or when the source is closed; never rejects. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#endStart = resolve;
      for (const kind of ALWAYS_WATCHED) this.#watch(kind);
      this.#followNeed();
      this.#followPublishing();
    });
  }

  updateSettings(settings: NeedSettings, publishing: PublishNeedSettings = NOT_PUBLISHING): void {
    this.#need.updateSettings(settings);
    this.#publishNeed.updateSettings(publishing);
    this.#followNeed();
    this.#followPublishing();
  }

  /** Whether changes of the kind arrive now. */
  isConnected(kind: Kind): boolean {
    if (kind === "EndpointSlice") return this.#slices.isConnected === true;
    return this.#watches.get(kind)?.reflector.state.phase === "watching";
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#lowering?.cancel();
    await Promise.all(Array.from(this.#watches.values(), ({ reflector }) => reflector.close()));
    await this.#slices.close();
    this.#endStart();
  }

  /** What has not been listed yet, a sentence for each kind; for `/readyz`. */
  missing(): readonly string[] {
    const kinds = [...this.#watches].filter(([, { reflector }]) => !reflector.state.isListed);
    const missing = kinds.map(([kind, { reflector }]) => {
      const { message } = reflector.state;
      return `${WATCHED[kind].plural} were not listed yet${message === "" ? "" : `: ${message}`}`;
    });
    return this.#slices.isListed ? missing : [...missing, "endpointslices were not listed yet"];
  }

  /** Whether the store is in step with the API server now, as far as that has the kinds and lets us read them. */
  get isLive(): boolean {
    const states = Array.from(this.#watches.values(), ({ reflector }) => reflector.state);
    return states.length > 0 && states.every(({ isListed, phase }) => isListed && phase !== "failing");
  }

  /** For `registerClusterMetrics`. */
  watches(): readonly WatchReport[] {
    return Array.from(this.#counts, ([kind, counts]) => {
      if (kind === "EndpointSlice") return { kind, counts, isConnected: this.#slices.isConnected };
      const state = this.#watches.get(kind)?.reflector.state;
      return { kind, counts, isConnected: state && state.phase === "watching" };
    });
  }

  #watch(kind: Kind, before?: WatchedObjects): void {
    const { client, clock, random, logger, store, problems } = this.#options;
    const isOfClients = kind === "Pod" && this.#podDetail === "clients";
    const { parse, ...resource } = isOfClients ? CLIENT_PODS : WATCHED[kind];
    const objects = before ?? new WatchedObjects(kind, store, problems);
    const counts = this.#counts.get(kind)!;
    let refused = 0;
    let phase: ReflectorState["phase"] = "starting";
    const reportRefused = (count: number) => {
      refused = count;
      const text = `${count} ${resource.plural} were left out, because they are too large or no objects; the log names those that it can.`;
      this.#report(kind, "objects", "ObjectUnreadable", count === 0 ? undefined : text);
    };
    const reflector = new Reflector<WatchedObject>({
      client,
      resource,
      clock,
      random,
      logger,
      counts,
      isExpected: store.all(kind).size > 0,
      handlers: {
        read: (raw) => {
          const parsed = parse(raw);
          return { parsed: this.#keepNeeded(parsed), writtenAt: readWrittenAt(kind, raw) };
        },
        // What selects workloads is answered from all of them.
        takesParts: () => objects.isEmpty && (kind === "ServiceEntry" || isOfClients),
        onPart: (part, receivedAtMs) => objects.addPart(part, receivedAtMs, false),
        onList: (listed, refusedNow, receivedAtMs, isRest) => {
          if (isRest) objects.addPart(listed, receivedAtMs, true);
          else objects.replace(listed, receivedAtMs);
          reportRefused(refusedNow);
          logger.debug({ component: COMPONENT, kind, objects: store.all(kind).size }, "listed");
        },
        onEvents: (events, receivedAtMs) => {
          objects.apply(events, receivedAtMs);
          this.#logEvents(kind, events);
        },
        onRefused: (count) => reportRefused(refused + count),
        onState: (state) => {
          if (state.phase !== phase) this.#logPhase(kind, state, phase);
          phase = state.phase;
          this.#reportAbsence(kind, state);
          this.#noteListed();
        },
      },
    });
    this.#watches.set(kind, { reflector, objects });
    reflector.start();
  }

  /** More is watched at once, less after some time. */
  #followNeed(): void {
    const { reasons } = this.#need;
    const detail = podDetail(reasons);
    const current = this.#podDetail;
    this.#logReasons();
    // A selector reads labels that were not kept: all pods are listed anew. Their old values stay until then.
    const before = detail === "workloads" && current === "clients" ? this.#stop("Pod") : undefined;
    if (PRECEDENCE[detail] > PRECEDENCE[current]) this.#podDetail = detail;
    if (detail !== "none" && !this.#watches.has("Pod")) this.#watch("Pod", before);
    if (needsNodes(reasons) && !this.#watches.has("Node")) this.#watch("Node");
    const isLess =
      PRECEDENCE[detail] < PRECEDENCE[this.#podDetail] || (this.#watches.has("Node") && !needsNodes(reasons));
    if (isLess) {
      this.#lowering ??= this.#options.clock.setTimer(LINGER_MS, () => this.#lower());
    } else {
      this.#lowering?.cancel();
      this.#lowering = undefined;
    }
  }

  /** What is published is not looked at again when nothing is published for a moment: it is not much. */
  #followPublishing(): void {
    if (this.#publishNeed.isActive && !this.#watches.has("Service")) this.#watch("Service");
    else if (!this.#publishNeed.isActive) this.#forget("Service");
    this.#slices.follow(this.#publishNeed.scopes);
  }

  #lower(): void {
    this.#lowering = undefined;
    const { reasons } = this.#need;
    // Labels that nobody reads any more go with the next list.
    this.#podDetail = podDetail(reasons);
    if (this.#podDetail === "none") this.#forget("Pod");
    if (!needsNodes(reasons)) this.#forget("Node");
    this.#noteListed();
  }

  #forget(kind: Kind): void {
    const objects = this.#stop(kind);
    if (objects === undefined) return;
    objects.replace([], this.#options.clock.nowMs());
    for (const part of ["watch", "objects"] as const) this.#report(kind, part, "AccessDenied", undefined);
    const message = `${WATCHED[kind].plural} are not watched any more: no answer depends on them`;
    this.#options.logger.info({ component: COMPONENT, kind }, message);
  }

  #stop(kind: Kind): WatchedObjects | undefined {
    const watch = this.#watches.get(kind);
    this.#watches.delete(kind);
    // Its handlers are silent from here on; what is still open ends by itself.
    void watch?.reflector.close();
    return watch?.objects;
  }

  #keepNeeded(parsed: ParsedObject): ParsedObject {
    if (parsed.kind === "ServiceEntry" && parsed.value !== undefined)
      return { ...parsed, value: toKeptEntry(parsed.value) };
    if (this.#podDetail === "workloads" || parsed.kind !== "Pod" || parsed.value === undefined) return parsed;
    return { ...parsed, value: toClientPod(parsed.value, sharedText) };
  }

  #noteListed(): void {
    if (this.#isSynced || this.#isClosed || this.missing().length > 0) return;
    this.#isSynced = true;
    this.#dropUnwatched();
    this.#options.onSynced();
    this.#endStart();
  }

  /** What a snapshot brought of kinds that nobody needs would never change again. */
  #dropUnwatched(): void {
    const { store, clock } = this.#options;
    const nowMs = clock.nowMs();
    for (const kind of WATCHED_KINDS) {
      if (kind === "EndpointSlice" || this.#watches.has(kind)) continue;
      for (const key of [...store.all(kind).keys()]) store.remove(kind, key, nowMs);
    }
    this.#slices.dropUnwatched();
    store.flush();
  }

  #reportAbsence(kind: Kind, { phase, message }: ReflectorState): void {
    const { plural } = WATCHED[kind];
    if (phase === "missing")
      this.#report(kind, "watch", "ResourceMissing", `The API server has no ${plural}: ${message}.`);
    else if (phase === "denied")
      this.#report(
        kind,
        "watch",
        "AccessDenied",
        `The API server does not let us read ${plural}: ${message}.`,
      );
    else if (phase === "watching") this.#report(kind, "watch", "AccessDenied", undefined);
  }

  /** About the kind as a whole: the problem's object has no name. */
  #report(kind: Kind, part: string, code: ProblemCode, message: string | undefined): void {
    const object = { kind, namespace: "", name: "" };
    const found = message === undefined ? [] : [problem(code, object, WATCHED[kind].plural, message)];
    this.#options.problems.replace(`${part} ${kind}`, found);
  }

  #logReasons(): void {
    const reasons = this.#need.reasons.map((reason) => POD_REASONS[reason]);
    if (reasons.join() === this.#reasons) return;
    this.#reasons = reasons.join();
    const message =
      reasons.length > 0
        ? "pods are watched, because answers depend on them"
        : "no answer depends on pods now";
    this.#options.logger.info({ component: COMPONENT, kind: "Pod", reasons }, message);
  }

  /** What is missing or denied is a problem, and said as one. */
  #logPhase(kind: Kind, { phase, message, isListed }: ReflectorState, before: ReflectorState["phase"]): void {
    const { logger, store, clock } = this.#options;
    const { plural } = WATCHED[kind];
    const fields = { component: COMPONENT, kind };
    const nowMs = clock.wallMs();
    if (phase === "watching") {
      const sinceMs = this.#failingSinceMs.get(kind);
      this.#failingSinceMs.delete(kind);
      const again = before === "starting" ? "" : " again";
      const after = sinceMs === undefined ? {} : { afterSeconds: Math.round((nowMs - sinceMs) / 1000) };
      logger.info({ ...fields, objects: store.all(kind).size, ...after }, `${plural} are watched${again}`);
    } else if (phase === "failing") {
      if (!this.#failingSinceMs.has(kind)) this.#failingSinceMs.set(kind, nowMs);
      const effect = isListed ? EFFECT_OF_SILENCE : EFFECT_BEFORE_LIST;
      const said = `no changes of ${plural} come from the API server; ${effect}`;
      logger.warn({ ...fields, reason: message, remedy: WATCH_REMEDY }, said);
    }
  }

  #logEvents(kind: Kind, events: readonly ReflectedEvent<WatchedObject>[]): void {
    if (!LOGGED_KINDS.has(kind) || events.length > MOST_LOGGED_EVENTS) return;
    for (const { type, object } of events) {
      const key = objectKey(object.parsed.ref);
      this.#options.logger.info({ component: COMPONENT, object: key }, `${key} ${CHANGES[type]}`);
    }
  }
}

interface Watch {
  readonly reflector: Reflector<WatchedObject>;
  readonly objects: WatchedObjects;
}

const COMPONENT = "dns.watch";
const EFFECT_OF_SILENCE = "answers go on from memory";
const EFFECT_BEFORE_LIST = "the server gets ready when they have been listed";
const WATCH_REMEDY =
  "It is tried again every few seconds by itself. If it lasts: does the API server answer, may the pod reach it (egress policy), is its token valid?";
const NOT_PUBLISHING: PublishNeedSettings = { publish: "off", clusterDomain: "cluster.local" as HostName };
/** An entry that is replaced or edited does not cost a list of all pods. */
const LINGER_MS = 30_000;
const PRECEDENCE: Readonly<Record<PodDetail, number>> = { none: 0, clients: 1, workloads: 2 };
/** Written by people; pods and namespaces would fill the log. */
const LOGGED_KINDS: ReadonlySet<Kind> = new Set(["ServiceEntry", "WorkloadEntry"]);
/** More at once is a deployment, whose single objects nobody reads. */
const MOST_LOGGED_EVENTS = 20;
const CHANGES = { ADDED: "added", MODIFIED: "changed", DELETED: "removed" } as const;
