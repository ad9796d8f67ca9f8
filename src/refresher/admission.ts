/**
 * Which of the lookups that are due may run now, so that no name, dead zone or namespace takes the turn of
 * another: 64 at once, 32 of one namespace, 16 of names that do not answer; 200 per second and namespace.
 */

import type { Namespace } from "../mesh/objects.ts";
import type { MonotonicMs } from "../runtime.ts";

/** Lookups that run at once. */
export const MAX_RUNNING = 64;
export const MAX_RUNNING_PER_NAMESPACE = 32;
/** Of these, lookups of suspects (see `Priority`). */
export const MAX_RUNNING_SUSPECTS = 16;
export const LOOKUPS_PER_SECOND = 200;
/** Lookups that a namespace may have saved up: a thousand new names in both families. */
export const LOOKUP_BURST = 2000;
/**
 * A lookup unanswered for this long gives way while others wait for its place, and becomes a suspect. Longer
 * than nearly every reply takes; short, because a batch of dead names holds up the batch behind it this long.
 */
export const GIVE_WAY_AFTER_MS = 300;

/**
 * In the order of precedence: names of which nothing is known yet, names to be refreshed, and suspects, whose
 * last lookup failed or gave way.
 */
export type Priority = "first" | "refresh" | "suspect";
const PRIORITIES: readonly Priority[] = ["first", "refresh", "suspect"];

/** One lookup that waits or runs. It stands under all its namespaces and is charged to one of them. */
export interface Applicant {
  readonly namespaces: ReadonlyMap<Namespace, unknown>;
}

export type Decision<T> =
  /** This one runs from now on. */
  | { readonly kind: "start"; readonly item: T }
  /** This one runs for long enough without a reply: it is to be ended, and may apply again as a suspect. */
  | { readonly kind: "give-way"; readonly item: T }
  /** Nothing may start before that moment (Infinity: before something ends or applies). */
  | { readonly kind: "wait"; readonly untilMs: MonotonicMs };

interface Running<T> {
  readonly item: T;
  readonly share: Share<T>;
  readonly isSuspect: boolean;
  readonly startedAtMs: MonotonicMs;
}

interface Application {
  readonly priority: Priority;
}

interface Share<T> {
  readonly namespace: Namespace;
  tokens: number;
  tokensAtMs: MonotonicMs;
  running: number;
  readonly queues: Readonly<Record<Priority, Queue<T>>>;
}

/** Who waits and who runs. Knows no timers: it is asked again whenever something applied, ended or came of age. */
export class Admission<T extends Applicant> {
  readonly #shares = new Map<Namespace, Share<T>>();
  /** Shares with something in that queue, in the order of their turn. */
  readonly #turns: Readonly<Record<Priority, Set<Share<T>>>> = {
    first: new Set(),
    refresh: new Set(),
    suspect: new Set(),
  };
  readonly #applications = new Map<T, Application>();
  /** In the order of their start. */
  readonly #running = new Map<T, Running<T>>();
  #suspects = 0;

  get running(): number {
    return this.#running.size;
  }

  /** Lets the item wait for its turn, in the place of an earlier application. */
  apply(item: T, priority: Priority, nowMs: MonotonicMs): void {
    const application = { priority };
    this.#applications.set(item, application);
    for (const namespace of item.namespaces.keys()) this.#queue(item, application, namespace, nowMs);
  }

  /** The item came to stand under one more namespace, which may have a turn earlier. */
  alsoIn(item: T, namespace: Namespace, nowMs: MonotonicMs): void {
    const application = this.#applications.get(item);
    if (application !== undefined) this.#queue(item, application, namespace, nowMs);
  }

  /** The item waits no longer. */
  withdraw(item: T): void {
    this.#applications.delete(item);
  }

  /** The item runs no longer. */
  ended(item: T): void {
    const running = this.#running.get(item);
    if (running === undefined) return;
    this.#running.delete(item);
    running.share.running -= 1;
    if (running.isSuspect) this.#suspects -= 1;
  }

  /** What to do now; to be carried out and asked again until it says "wait". */
  decide(nowMs: MonotonicMs): Decision<T> {
    let untilMs = Number.POSITIVE_INFINITY;
    const isFull = this.#running.size >= MAX_RUNNING;
    for (const priority of PRIORITIES) {
      const isSuspect = priority === "suspect";
      if (isSuspect && this.#suspects >= MAX_RUNNING_SUSPECTS) continue;
      for (const share of this.#turns[priority]) {
        const item = this.#head(share, priority);
        if (item === undefined) continue;
        const isShareFull = share.running >= MAX_RUNNING_PER_NAMESPACE;
        const tokenAtMs = nextTokenAtMs(share, nowMs);
        if (tokenAtMs > nowMs) {
          untilMs = Math.min(untilMs, tokenAtMs);
        } else if (!isFull && !isShareFull) {
          this.#start(item, share, isSuspect, nowMs);
          return { kind: "start", item };
        } else if (!isSuspect) {
          const slowest = this.#slowest(isShareFull ? share : undefined);
          if (slowest === undefined) continue;
          const givesWayAtMs = slowest.startedAtMs + GIVE_WAY_AFTER_MS;
          if (givesWayAtMs <= nowMs) return { kind: "give-way", item: slowest.item };
          untilMs = Math.min(untilMs, givesWayAtMs);
        }
      }
    }
    return { kind: "wait", untilMs };
  }

  #queue(item: T, application: Application, namespace: Namespace, nowMs: MonotonicMs): void {
    const share = this.#share(namespace, nowMs);
    share.queues[application.priority].push({ item, application });
    this.#turns[application.priority].add(share);
  }

  #share(namespace: Namespace, nowMs: MonotonicMs): Share<T> {
    const known = this.#shares.get(namespace);
    if (known !== undefined) return known;
    // Whoever has all its tokens and nothing to do is forgotten: it would come back the same.
    for (const share of this.#shares.values()) {
      const isIdle = share.running === 0 && PRIORITIES.every((priority) => !this.#turns[priority].has(share));
      if (isIdle && tokensOf(share, nowMs) >= LOOKUP_BURST) this.#shares.delete(share.namespace);
    }
    const share: Share<T> = {
      namespace,
      tokens: LOOKUP_BURST,
      tokensAtMs: nowMs,
      running: 0,
      queues: { first: new Queue(), refresh: new Queue(), suspect: new Queue() },
    };
    this.#shares.set(namespace, share);
    return share;
  }

  /** The share's next item that still waits; without one the share loses its turn. */
  #head(share: Share<T>, priority: Priority): T | undefined {
    const queue = share.queues[priority];
    for (let head = queue.head; head !== undefined; head = queue.head) {
      const { item, application } = head;
      if (this.#applications.get(item) === application && item.namespaces.has(share.namespace)) return item;
      queue.shift();
    }
    this.#turns[priority].delete(share);
    return undefined;
  }

  #start(item: T, share: Share<T>, isSuspect: boolean, nowMs: MonotonicMs): void {
    const turns = this.#turns[this.#applications.get(item)!.priority];
    this.#applications.delete(item);
    share.tokens = tokensOf(share, nowMs) - 1;
    share.tokensAtMs = nowMs;
    share.running += 1;
    if (isSuspect) this.#suspects += 1;
    this.#running.set(item, { item, share, isSuspect, startedAtMs: nowMs });
    // To the end of the line: the namespaces take turns.
    turns.delete(share);
    turns.add(share);
  }

  /** Of those that may give way, the one that runs for longest; `share`: of that one only. */
  #slowest(share: Share<T> | undefined): Running<T> | undefined {
    for (const running of this.#running.values()) {
      if (!running.isSuspect && (share === undefined || running.share === share)) return running;
    }
    return undefined;
  }
}

function tokensOf(share: Share<unknown>, nowMs: MonotonicMs): number {
  const earned = ((nowMs - share.tokensAtMs) * LOOKUPS_PER_SECOND) / 1000;
  return Math.min(LOOKUP_BURST, share.tokens + earned);
}

function nextTokenAtMs(share: Share<unknown>, nowMs: MonotonicMs): MonotonicMs {
  const missing = 1 - tokensOf(share, nowMs);
  // Not before a whole millisecond has passed: a smaller step may be lost in rounding.
  return missing <= 0 ? nowMs : nowMs + Math.ceil((missing * 1000) / LOOKUPS_PER_SECOND);
}

interface Queued<T> {
  readonly item: T;
  readonly application: Application;
}

/** First in, first out, each step O(1) on average. */
class Queue<T> {
  #items: Queued<T>[] = [];
  #start = 0;

  get head(): Queued<T> | undefined {
    return this.#items[this.#start];
  }

  push(queued: Queued<T>): void {
    this.#items.push(queued);
  }

  shift(): void {
    this.#start += 1;
    if (this.#start * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#start);
    this.#start = 0;
  }
}
