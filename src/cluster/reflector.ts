/**
 * Keeps one kind of objects in step with the API server: LIST, then WATCH from there, for ever, whatever comes
 * between. Each object is read once and only what its reader took out of it is handed on.
 */

import {
  assertNever,
  type Clock,
  type Closeable,
  type Logger,
  type MonotonicMs,
  type Random,
} from "../runtime.ts";
import type { ApiClient, ApiResource } from "./api-client.ts";
import { ApiFault, type FaultReason, toFault } from "./api-fault.ts";
import { BackOff } from "./back-off.ts";
import type { WatchCounts } from "./metrics.ts";
import { pause } from "./pause.ts";
import { listServed } from "./served-list.ts";
import { watchResource } from "./watch.ts";
import type { WatchEvent } from "./watch-event.ts";

export interface ReflectorOptions<T> {
  readonly client: ApiClient;
  readonly resource: ApiResource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counts: WatchCounts;
  readonly handlers: ReflectorHandlers<T>;
  /** An object above this is left out; default 2 MiB. */
  readonly mostObjectOctets?: number;
  /** Objects of the kind were there before: its absence is doubted for a while. */
  readonly isExpected?: boolean;
}

/** What comes of it. None is called after `close`. */
export interface ReflectorHandlers<T> {
  /** Takes out of an object what is kept of it. One that it throws at is left out. */
  read(raw: unknown): T;
  /** Whether `onPart` is to get what a list that begins now has, as it comes; absent: no. */
  takesParts?(): boolean;
  /** Some of the objects that there are now. If the list breaks off, another one begins. */
  onPart?(objects: readonly T[], receivedAtMs: MonotonicMs): void;
  /**
   * All there is now; what is not among it is gone. `isRest`: nor among what `onPart` got since the list began.
   * `refused`: objects that could not be taken.
   */
  onList(objects: readonly T[], refused: number, receivedAtMs: MonotonicMs, isRest: boolean): void;
  /** Changes since the list, in their order. */
  onEvents(events: readonly ReflectedEvent<T>[], receivedAtMs: MonotonicMs): void;
  /** Of a change only. */
  onState(state: ReflectorState): void;
  /** Changes of the watch that could not be taken: those objects keep their last value until the next list. */
  onRefused(count: number): void;
}

export interface ReflectedEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
}

export interface ReflectorState {
  /** `missing`: the server does not know the kind; `denied`: we may not read it. Both are asked again every 30 s. */
  readonly phase: "starting" | "watching" | "failing" | "missing" | "denied";
  /** Whether `onList` was called: with all objects, or with none because the kind is missing or denied. */
  readonly isListed: boolean;
  /** What went wrong last; "" while watching. */
  readonly message: string;
}

export class Reflector<T> implements Closeable {
  readonly #options: ReflectorOptions<T>;
  readonly #closing = new AbortController();
  /** Where the server is there and does not do what is asked. */
  readonly #backOff: BackOff;
  /** Where there is no server. */
  readonly #reconnect: BackOff;
  /** Where a list leads on: whatever failed before it, the first is made at once. */
  readonly #relist: BackOff;
  #state: ReflectorState = { phase: "starting", isListed: false, message: "" };
  #running: Promise<void> | undefined;
  /** Of the version that is served; undefined: to be found out. */
  #path: string | undefined;
  /** Up to where the state is known; undefined: a list is needed. */
  #resourceVersion: string | undefined;
  #relistDueMs: MonotonicMs = 0;
  /** Whether what was listed, or is expected, was more than the absence of the kind. */
  #wasServed: boolean;
  #absentSinceMs: MonotonicMs | undefined;
  /** Somebody behind us threw: only a list makes certain again what is in force. */
  #isInDoubt = false;
  /** Where the last watch failed that the server had accepted. */
  #failedAtVersion: string | undefined;

  constructor(options: ReflectorOptions<T>) {
    const { clock, random } = options;
    this.#options = options;
    this.#wasServed = options.isExpected ?? false;
    this.#backOff = new BackOff({ clock, random, mostMs: MOST_BACK_OFF_MS });
    this.#reconnect = new BackOff({ clock, random, mostMs: MOST_BACK_OFF_MS });
    this.#relist = new BackOff({ clock, random, mostMs: MOST_BACK_OFF_MS });
  }

  get state(): ReflectorState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the last request is given up. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const delayMs = await this.#step();
      if (delayMs > 0) await pause(this.#options.clock, delayMs, signal);
    }
  }

  /** One list or one watch; milliseconds to wait before the next. */
  async #step(): Promise<number> {
    const { clock, counts } = this.#options;
    const from = this.#resourceVersion;
    const path = this.#path;
    const isRelist = from !== undefined && clock.nowMs() >= this.#relistDueMs;
    try {
      if (from === undefined || path === undefined || isRelist) {
        if (isRelist) counts.note("relist");
        await this.#list();
      } else {
        await this.#watch(from, path);
        counts.note("ended");
      }
      return 0;
    } catch (error) {
      if (this.#closing.signal.aborted) return 0;
      const fault = toFault(error);
      counts.note(fault.code);
      // The watch goes on without it; what it would have healed is healed a little later.
      if (isRelist) this.#relistDueMs = clock.nowMs() + RELIST_RETRY_MS;
      const delayMs = this.#delayAfter(fault);
      const { code: reason, message } = fault;
      const { logger, resource } = this.#options;
      logger.debug(
        { component: COMPONENT, resource: resource.plural, reason, message, delayMs },
        `${resource.plural} are asked for again`,
      );
      return delayMs;
    }
  }

  async #list(): Promise<void> {
    const { client, resource, clock, random, handlers } = this.#options;
    const { mostObjectOctets = MOST_OBJECT_OCTETS } = this.#options;
    const { signal } = this.#closing;
    const read = (raw: unknown) => this.#read(raw);
    const { unread = [] } = resource;
    const onPart = handlers.takesParts?.()
      ? (objects: readonly T[]) => this.#hand(() => handlers.onPart?.(objects, clock.nowMs()))
      : undefined;
    const options = { client, clock, mostObjectOctets, signal, read, unread, onPart };
    const listed = await listServed(options, resource, this.#path);
    const { path, objects, isRest, refused, resourceVersion } = listed;
    this.#path = path;
    this.#resourceVersion = resourceVersion;
    this.#relistDueMs = clock.nowMs() + RELIST_MS * (1 - random.fraction() * RELIST_SPREAD);
    this.#wasServed = true;
    this.#hand(() => handlers.onList(objects, refused, clock.nowMs(), isRest));
    this.#setState({ ...this.#state, isListed: true });
    this.#endDoubt();
  }

  async #watch(from: string, path: string): Promise<void> {
    const { client, clock, random, mostObjectOctets = MOST_OBJECT_OCTETS } = this.#options;
    await watchResource(
      {
        client,
        clock,
        random,
        mostObjectOctets,
        signal: this.#closing.signal,
        onOpen: () => this.#noteWatching(),
        onEvents: (events) => this.#take(events),
      },
      path,
      from,
    );
    this.#failedAtVersion = undefined;
  }

  #noteWatching(): void {
    this.#backOff.noteHealth();
    this.#reconnect.noteHealth();
    this.#relist.noteHealth();
    this.#absentSinceMs = undefined;
    this.#setState({ phase: "watching", isListed: true, message: "" });
  }

  #take(received: readonly WatchEvent[]): void {
    if (this.#closing.signal.aborted) return;
    const { clock, handlers } = this.#options;
    const events: ReflectedEvent<T>[] = [];
    let refused = 0;
    for (const event of received) {
      if (event.type === "BOOKMARK") continue;
      const object = event.type === "OVERSIZED" ? undefined : this.#read(event.object);
      if (object === undefined || event.type === "OVERSIZED") refused += 1;
      else events.push({ type: event.type, object: object.value });
    }
    if (refused > 0) this.#hand(() => handlers.onRefused(refused));
    if (events.length > 0) this.#hand(() => handlers.onEvents(events, clock.nowMs()));
    const last = received.findLast((event) => event.type !== "OVERSIZED");
    this.#resourceVersion = last?.resourceVersion ?? this.#resourceVersion;
    this.#endDoubt();
  }

  /** Undefined: the reader threw, which costs this object alone. */
  #read(raw: unknown): { readonly value: T } | undefined {
    const { handlers, logger, resource } = this.#options;
    try {
      return { value: handlers.read(raw) };
    } catch (error) {
      const object = nameOf(raw);
      const message = `one of the ${resource.plural} cannot be read and is left out: ${object}`;
      logger.error(
        { component: COMPONENT, resource: resource.plural, object, remedy: FAULT_REMEDY, error },
        message,
      );
      return undefined;
    }
  }

  /** What throws behind us must not end the loop; a list makes good what it missed. */
  #hand(call: () => void): void {
    if (this.#closing.signal.aborted) return;
    try {
      call();
    } catch (error) {
      const { logger, resource } = this.#options;
      const message = `a change of ${resource.plural} could not be taken over; they are all listed anew`;
      logger.error({ component: COMPONENT, resource: resource.plural, remedy: FAULT_REMEDY, error }, message);
      this.#isInDoubt = true;
    }
  }

  #endDoubt(): void {
    if (!this.#isInDoubt) return;
    this.#isInDoubt = false;
    this.#resourceVersion = undefined;
    throw new ApiFault("internal", "a change could not be taken over here; the log has the error");
  }

  #delayAfter(fault: ApiFault): number {
    switch (fault.code) {
      case "connection":
        this.#fail("failing", fault);
        return this.#reconnect.next();
      case "stalled":
        this.#fail("failing", fault);
        return this.#reconnect.next(true);
      case "expired":
        this.#resourceVersion = undefined;
        return this.#relist.next(true);
      case "missing":
      case "denied":
        return this.#delayAfterAbsence(fault, fault.code);
      case "unauthorized":
      case "throttled":
      case "server":
      case "refused":
      case "broken":
      case "internal":
        this.#fail("failing", fault);
        this.#doubtVersion(fault.code);
        return Math.max(this.#backOff.next(), waitOf(fault, this.#options.random));
      default:
        return assertNever(fault.code);
    }
  }

  /** A watch that breaks twice at one place may break there for ever: a list leads past it. */
  #doubtVersion(reason: FaultReason): void {
    if (reason === "throttled" || reason === "unauthorized") return;
    const version = this.#resourceVersion;
    if (version !== undefined && version === this.#failedAtVersion) this.#resourceVersion = undefined;
    this.#failedAtVersion = version;
  }

  /**
   * A kind that is not there, or not for us, counts as listed and empty. One that was there a moment ago does not:
   * an API server that has just started says both for some seconds. When it is certain, what is missing is gone;
   * of what is denied we know nothing new, so the last state stays.
   */
  #delayAfterAbsence(fault: ApiFault, phase: "missing" | "denied"): number {
    const { clock, handlers } = this.#options;
    const isFromWatch = this.#resourceVersion !== undefined;
    this.#resourceVersion = undefined;
    this.#absentSinceMs ??= clock.nowMs();
    if (this.#wasServed && clock.nowMs() - this.#absentSinceMs < ABSENCE_DOUBT_MS) {
      this.#fail("failing", fault);
      return Math.min(this.#backOff.next(isFromWatch), MOST_DOUBT_RETRY_MS);
    }
    if (this.#wasServed ? phase === "missing" : !this.#state.isListed) {
      this.#wasServed = false;
      this.#hand(() => handlers.onList([], 0, clock.nowMs(), false));
    }
    this.#setState({ phase, isListed: true, message: fault.message });
    return ABSENT_RETRY_MS;
  }

  #fail(phase: ReflectorState["phase"], { message }: ApiFault): void {
    this.#setState({ ...this.#state, phase, message });
  }

  #setState(state: ReflectorState): void {
    const before = this.#state;
    this.#state = state;
    const isSame =
      before.phase === state.phase && before.isListed === state.isListed && before.message === state.message;
    if (!isSame && !this.#closing.signal.aborted) this.#options.handlers.onState(state);
  }
}

const COMPONENT = "dns.watch";
const FAULT_REMEDY = "This is a fault of this program: report it with this line.";
/** Above what etcd takes (1.5 MiB): so a bound on what one object costs us, and no usual one meets it. */
const MOST_OBJECT_OCTETS = 2 * 1024 * 1024;
/** Whatever a watch lost is found by then: it is looked at between two watches, so half a minute is kept free. */
const RELIST_MS = 570_000;
/** Replicas that started together do not list together. */
const RELIST_SPREAD = 0.1;
const RELIST_RETRY_MS = 60_000;
/** Answers must be right again within 5 s of the server's recovery; one that has too much to do says by 429 how long. */
const MOST_BACK_OFF_MS = 3000;
const ABSENT_RETRY_MS = 30_000;
const ABSENCE_DOUBT_MS = 30_000;
/** A server that has just started knows its kinds a moment later. */
const MOST_DOUBT_RETRY_MS = 1000;
/** Those that were told to come back at one moment come one after the other. */
const RETRY_AFTER_SPREAD_MS = 1000;

/** For the log: `namespace/name`, as far as an object of unknown shape has them. */
function nameOf(raw: unknown): string {
  const metadata = (raw as { metadata?: Partial<Record<"namespace" | "name", unknown>> } | null)?.metadata;
  const parts = [metadata?.namespace, metadata?.name].filter((each) => typeof each === "string");
  return parts.length === 0 ? "no name" : parts.join("/").slice(0, MOST_NAME_CHARACTERS);
}

/** Longer ones are no names. */
const MOST_NAME_CHARACTERS = 320;

/** kube-apiserver says 5 s with every 503 while it starts, and is there sooner. */
const MOST_WAIT_FOR_START_MS = 2000;

function waitOf({ code, retryAfterMs }: ApiFault, random: Random): number {
  if (retryAfterMs === undefined) return 0;
  const wishMs = code === "throttled" ? retryAfterMs : Math.min(retryAfterMs, MOST_WAIT_FOR_START_MS);
  return wishMs + random.fraction() * RETRY_AFTER_SPREAD_MS;
}
