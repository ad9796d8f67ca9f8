/**
 * Upstream names and their addresses, kept fresh: every wanted name is looked up in both families when it
 * appears and again before its TTL ends, for as long as it is wanted. Never on the path of a query.
 */

import type { Namespace } from "../mesh/objects.ts";
import type { FamilyResolutions, KeptName, Resolution } from "../mesh/resolution.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Random, Timer } from "../runtime.ts";
import { type HostName, isAtOrBelow } from "../wire/host-name.ts";
import { FAMILIES, type Family } from "../wire/ip-address.ts";
import { Admission, type Priority } from "./admission.ts";
import { Attempt, type AttemptEnd } from "./attempt.ts";
import { RefresherCounts, type RefresherGauges } from "./counts.ts";
import { keep, recall } from "./kept-knowledge.ts";
import {
  type Knowledge,
  knowNothing,
  type LookupError,
  lapse,
  lapsesAtMs,
  learn,
  nextDelayMs,
} from "./knowledge.ts";
import type { Lookup, UpstreamServer } from "./lookup.ts";
import { Schedule } from "./schedule.ts";
import { logStateChange } from "./state-log.ts";
import { UpstreamOrder } from "./upstream-order.ts";

/** What may change while the refresher runs. */
export interface RefresherSettings {
  /** Whom to ask for names at or below `clusterDomain` and for all others; at least one each. */
  readonly servers: {
    readonly cluster: readonly UpstreamServer[];
    readonly other: readonly UpstreamServer[];
  };
  readonly clusterDomain: string;
  /** How long after their expiry the last good addresses are kept while refreshes fail. */
  readonly maxStaleMs: number;
}

export interface RefresherOptions {
  readonly settings: RefresherSettings;
  readonly lookup: Lookup;
  /** The set of addresses or the state of a wanted name is another now: read it with `resolution`. */
  readonly onChanged: (name: HostName, family: Family) => void;
  /** A refresh brought the same addresses; they now expire at `expiresAtMs`. */
  readonly onTouched: (name: HostName, family: Family, expiresAtMs: MonotonicMs) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What there is to say about a name in one family. */
export interface RefreshDescription {
  readonly resolution: Resolution;
  /** When upstream last said anything that counts; undefined: never. */
  readonly answeredAtMs: MonotonicMs | undefined;
  /** When it is due again; null while a lookup runs or waits for its turn. */
  readonly nextRefreshMs: MonotonicMs | null;
  readonly lastError: LookupError | null;
}

/** A wanted name in one family. */
interface Target {
  readonly name: HostName;
  readonly family: Family;
  /** How often each namespace wants it; shared by both families. */
  namespaces: ReadonlyMap<Namespace, number>;
  knowledge: Knowledge;
  /** When the lookup that waits or runs was due. */
  dueAtMs: MonotonicMs;
  attempt: Attempt | undefined;
  /** Its lookup was ended unanswered to make room, and waits for another turn. */
  gaveWay: boolean;
}

export class Refresher implements Closeable {
  readonly counts = new RefresherCounts();
  readonly #options: RefresherOptions;
  #settings: RefresherSettings;
  #clusterUpstreams: UpstreamOrder;
  #otherUpstreams: UpstreamOrder;
  readonly #targets = new Map<HostName, Readonly<Record<Family, Target>>>();
  readonly #onlyOne = new Map<Namespace, ReadonlyMap<Namespace, number>>();
  /** When to look up next. A target is either here, or waits for admission, or has an attempt. */
  readonly #lookups = new Schedule<Target>();
  /** When what is known changes by time alone. */
  readonly #lapses = new Schedule<Target>();
  readonly #admission = new Admission<Target>();
  /** What was kept over a restart, of names that were not wanted yet. */
  readonly #recalled = new Map<HostName, KeptName>();
  #recallEnd: Timer | undefined;
  #wakeAtMs: MonotonicMs = Number.POSITIVE_INFINITY;
  #wake: Timer | undefined;
  #isClosed = false;

  constructor(options: RefresherOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#clusterUpstreams = new UpstreamOrder(options.settings.servers.cluster);
    this.#otherUpstreams = new UpstreamOrder(options.settings.servers.other);
  }

  /** From the next lookup on; one that runs still ends with the servers that it began with. */
  update(settings: RefresherSettings): void {
    this.#settings = settings;
    this.#clusterUpstreams = new UpstreamOrder(settings.servers.cluster);
    this.#otherUpstreams = new UpstreamOrder(settings.servers.other);
  }

  /** Starts looking the name up, unless it is wanted already. Each `want` is ended by one `unwant`. */
  want(name: HostName, namespace: Namespace): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.clock.nowMs();
    const known = this.#targets.get(name);
    if (known === undefined) {
      this.#add(name, namespace, nowMs);
    } else {
      const { namespaces } = known.A;
      const before = namespaces.get(namespace) ?? 0;
      share(known, new Map(namespaces).set(namespace, before + 1));
      if (before > 0) return;
      for (const family of FAMILIES) this.#admission.alsoIn(known[family], namespace, nowMs);
    }
    this.#run();
  }

  /** Ends one `want`; after the last one the name is forgotten and its lookups are cancelled. */
  unwant(name: HostName, namespace: Namespace): void {
    const known = this.#targets.get(name);
    const count = known?.A.namespaces.get(namespace);
    if (known === undefined || count === undefined) return;
    const namespaces = new Map(known.A.namespaces);
    if (count > 1) namespaces.set(namespace, count - 1);
    else namespaces.delete(namespace);
    share(known, namespaces);
    if (namespaces.size > 0) return;
    this.#targets.delete(name);
    for (const family of FAMILIES) this.#forget(known[family]);
    this.#run();
  }

  /** What is known of a name now; undefined: it is not wanted. */
  resolution(name: HostName): FamilyResolutions | undefined {
    const known = this.#targets.get(name);
    return known && { A: known.A.knowledge.resolution, AAAA: known.AAAA.knowledge.resolution };
  }

  /** What there is to show of a name; undefined: it is not wanted. */
  describe(name: HostName): Readonly<Record<Family, RefreshDescription>> | undefined {
    const known = this.#targets.get(name);
    if (known === undefined) return undefined;
    const describe = (target: Target): RefreshDescription => ({
      resolution: target.knowledge.resolution,
      answeredAtMs: target.knowledge.answeredAtMs,
      nextRefreshMs: this.#lookups.dueAtMs(target) ?? null,
      lastError: target.knowledge.lastError,
    });
    return { A: describe(known.A), AAAA: describe(known.AAAA) };
  }

  /** What is worth keeping of the wanted names over a restart. */
  kept(): readonly KeptName[] {
    const { clock } = this.#options;
    const wallAheadMs = clock.wallMs() - clock.nowMs();
    return Array.from(this.#targets, ([name, { A, AAAA }]) => ({
      name,
      ...keep("A", A.knowledge, wallAheadMs),
      ...keep("AAAA", AAAA.knowledge, wallAheadMs),
    }));
  }

  /**
   * Begins with what was kept, for names that come to be wanted within the next minute, instead of with nothing.
   * They are looked up as if they were due.
   */
  recall(names: readonly KeptName[]): void {
    for (const each of names) this.#recalled.set(each.name, each);
    this.#recallEnd = this.#options.clock.setTimer(RECALL_MS, () => this.#recalled.clear());
  }

  /** Makes a wanted name due now, whatever its TTL or back-off; the limits stay in force. */
  refreshNow(name: HostName): void {
    const known = this.#targets.get(name);
    if (known === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    for (const family of FAMILIES) {
      if (this.#lookups.dueAtMs(known[family]) !== undefined) this.#lookups.set(known[family], nowMs);
    }
    this.#run();
  }

  /** For the metrics; walks over all names. */
  gauges(): RefresherGauges {
    const nowMs = this.#options.clock.nowMs();
    let backoff = 0;
    let oldestMs = nowMs;
    for (const known of this.#targets.values()) {
      for (const family of FAMILIES) {
        const { failures, answeredAtMs } = known[family].knowledge;
        if (failures > 0) backoff += 1;
        if (answeredAtMs !== undefined && answeredAtMs < oldestMs) oldestMs = answeredAtMs;
      }
    }
    return {
      inFlight: this.#admission.running,
      backoff,
      oldestSuccessAgeSeconds: (nowMs - oldestMs) / 1000,
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.cancel();
    this.#recallEnd?.cancel();
    for (const known of this.#targets.values()) {
      for (const family of FAMILIES) this.#forget(known[family]);
    }
    this.#targets.clear();
  }

  #add(name: HostName, namespace: Namespace, nowMs: MonotonicMs): void {
    const namespaces = this.#onlyOf(namespace);
    const kept = this.#recalled.get(name);
    this.#recalled.delete(name);
    const wallAheadMs = this.#options.clock.wallMs() - nowMs;
    const target = (family: Family): Target => ({
      name,
      family,
      namespaces,
      knowledge: recall(kept?.[family], nowMs, wallAheadMs, this.#settings.maxStaleMs) ?? knowNothing(nowMs),
      dueAtMs: nowMs,
      attempt: undefined,
      gaveWay: false,
    });
    const targets = { A: target("A"), AAAA: target("AAAA") };
    this.#targets.set(name, targets);
    for (const family of FAMILIES) this.#lookups.set(targets[family], nowMs);
  }

  /** Nearly all names are wanted once, by one namespace: one map serves all of its names. */
  #onlyOf(namespace: Namespace): ReadonlyMap<Namespace, number> {
    const known = this.#onlyOne.get(namespace);
    if (known !== undefined) return known;
    if (this.#onlyOne.size >= MOST_NAMESPACES) this.#onlyOne.clear();
    const only = new Map([[namespace, 1]]);
    this.#onlyOne.set(namespace, only);
    return only;
  }

  #upstreamsOf({ name }: Target): UpstreamOrder {
    return isAtOrBelow(name, this.#settings.clusterDomain) ? this.#clusterUpstreams : this.#otherUpstreams;
  }

  #forget(target: Target): void {
    this.#stop(target);
    this.#lookups.remove(target);
    this.#lapses.remove(target);
  }

  /** Ends its lookup, or its waiting for one. */
  #stop(target: Target): void {
    target.attempt?.cancel();
    target.attempt = undefined;
    this.#admission.withdraw(target);
    this.#admission.ended(target);
  }

  /** Does all that is to be done by now, and sets the timer for what comes next. */
  #run(): void {
    const nowMs = this.#options.clock.nowMs();
    for (let due = this.#lapses.takeDue(nowMs); due !== undefined; due = this.#lapses.takeDue(nowMs)) {
      this.#know(due.item, lapse(due.item.knowledge, nowMs, this.#settings.maxStaleMs));
    }
    for (let due = this.#lookups.takeDue(nowMs); due !== undefined; due = this.#lookups.takeDue(nowMs)) {
      due.item.dueAtMs = due.dueAtMs;
      this.#admission.apply(due.item, priorityOf(due.item), nowMs);
    }
    let decision = this.#admission.decide(nowMs);
    while (decision.kind !== "wait") {
      if (decision.kind === "start") this.#start(decision.item, nowMs);
      else this.#giveWay(decision.item, nowMs);
      decision = this.#admission.decide(nowMs);
    }
    this.#wakeUp(Math.min(this.#lookups.nextDueAtMs, this.#lapses.nextDueAtMs, decision.untilMs), nowMs);
  }

  #wakeUp(atMs: MonotonicMs, nowMs: MonotonicMs): void {
    if (this.#isClosed || (this.#wake !== undefined && atMs === this.#wakeAtMs)) return;
    this.#wake?.cancel();
    this.#wake = undefined;
    this.#wakeAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#options.clock.setTimer(Math.ceil(atMs - nowMs), () => {
      this.#wake = undefined;
      this.#run();
    });
  }

  #start(target: Target, startedAtMs: MonotonicMs): void {
    const { lookup, clock } = this.#options;
    const upstreams = this.#upstreamsOf(target);
    this.counts.latenessSeconds.observe((startedAtMs - target.dueAtMs) / 1000);
    target.attempt = new Attempt({
      name: target.name,
      family: target.family,
      servers: upstreams.current(),
      lookup,
      clock,
      onSilent: (server) => upstreams.demote(server),
      onEnd: (end) => this.#ended(target, end, startedAtMs),
    });
  }

  #giveWay(target: Target, nowMs: MonotonicMs): void {
    if (target.attempt !== undefined) this.#upstreamsOf(target).demote(target.attempt.firstServer);
    this.#stop(target);
    target.gaveWay = true;
    this.#admission.apply(target, priorityOf(target), nowMs);
  }

  #ended(target: Target, end: AttemptEnd, startedAtMs: MonotonicMs): void {
    const { clock, random } = this.#options;
    const nowMs = clock.nowMs();
    target.attempt = undefined;
    target.gaveWay = false;
    this.#admission.ended(target);
    const before = target.knowledge;
    const after = learn(before, end, nowMs, this.#settings.maxStaleMs);
    this.counts.durationSeconds.observe((nowMs - startedAtMs) / 1000);
    this.counts.refreshes[refreshResult(before, after, end)] += 1;
    this.#lookups.set(target, nowMs + nextDelayMs(after, random));
    this.#know(target, after);
    this.#run();
  }

  /** Takes over what is known now and tells those who care, after everything of ours is in place. */
  #know(target: Target, after: Knowledge): void {
    const { logger, clock, onChanged, onTouched } = this.#options;
    const { resolution: was, lastError: errorBefore } = target.knowledge;
    target.knowledge = after;
    const lapsesAt = lapsesAtMs(after, this.#settings.maxStaleMs);
    if (lapsesAt === Number.POSITIVE_INFINITY) this.#lapses.remove(target);
    else this.#lapses.set(target, lapsesAt);
    const is = after.resolution;
    if (is === was) return;
    if (is.state === "fresh" && was.state === "fresh" && is.addresses === was.addresses) {
      onTouched(target.name, target.family, is.expiresAtMs);
      return;
    }
    const { name, family, namespaces } = target;
    const failingSince = (after.lastError ?? errorBefore)?.sinceMs;
    logStateChange(logger, {
      name,
      family,
      namespaces: namespaces.keys(),
      was,
      is,
      lastError: after.lastError,
      failingSinceWallMs:
        failingSince === undefined ? undefined : failingSince + clock.wallMs() - clock.nowMs(),
    });
    onChanged(target.name, target.family);
  }
}

/** Long enough for the first objects to be compiled; later, what was kept would be too old to begin with. */
const RECALL_MS = 60_000;

/** More than a cluster has. */
const MOST_NAMESPACES = 20_000;

function share(known: Readonly<Record<Family, Target>>, namespaces: ReadonlyMap<Namespace, number>): void {
  for (const family of FAMILIES) known[family].namespaces = namespaces;
}

function priorityOf(target: Target): Priority {
  if (target.gaveWay || target.knowledge.failures > 0) return "suspect";
  return target.knowledge.resolution.state === "pending" ? "first" : "refresh";
}

function refreshResult(before: Knowledge, after: Knowledge, end: AttemptEnd) {
  if (end.result.kind === "denied") return end.result.by;
  if (end.result.kind === "failed") return end.result.failure;
  return before.good?.addresses === after.good?.addresses ? "unchanged" : "changed";
}
