/**
 * Writes to the Kubernetes API: create, patch, apply, replace and delete of single objects. All of one writer
 * share a rate; what fails for a moment is repeated, later and later.
 */

import type { Clock, MonotonicMs, Random } from "../runtime.ts";
import type { ApiCall, WritingApiClient } from "./api-client.ts";
import { BackOff } from "./back-off.ts";
import { exchange, type StoredObject } from "./exchange.ts";
import type { WriteCounts, WriteVerb } from "./metrics.ts";
import { pause } from "./pause.ts";
import { type Rate, TokenBucket } from "./token-bucket.ts";
import { toWriteFault, WriteFault } from "./write-fault.ts";

export interface ApiWriterOptions {
  readonly client: WritingApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly counts: WriteCounts;
  readonly rate: Rate;
  /** How often a call is sent that fails for reasons that may pass; default 5. */
  readonly mostAttempts?: number;
}

/** What is sent as an object. */
export interface WrittenObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** RFC 6902. A path is a JSON pointer. */
export type JsonPatchOperation =
  | { readonly op: "test" | "add" | "replace"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string };

/** Which object is meant: another of the same name is left alone. */
export interface Precondition {
  readonly uid: string;
  readonly resourceVersion?: string;
}

/** Paths are those of `objectPath`. Every method throws WriteFault; "aborted" when `signal` is. */
export class ApiWriter {
  readonly #options: ApiWriterOptions;
  readonly #bucket: TokenBucket;
  /** The server asked to be left alone until then: that holds for all our calls. */
  #notBeforeMs: MonotonicMs = Number.NEGATIVE_INFINITY;

  constructor(options: ApiWriterOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.rate, options.clock.nowMs());
  }

  /** Takes part in the rate as the writes do. */
  get(path: string, signal: AbortSignal): Promise<StoredObject> {
    return this.#object("get", { method: "GET", path }, signal);
  }

  /** `path`: of the collection. "exists" may mean that an earlier attempt of the same call did it. */
  create(path: string, object: WrittenObject, signal: AbortSignal): Promise<StoredObject> {
    return this.#object("create", { method: "POST", path, body: json(object) }, signal);
  }

  /** PUT; its resourceVersion in `object.metadata` guards it. */
  replace(path: string, object: WrittenObject, signal: AbortSignal): Promise<StoredObject> {
    return this.#object("replace", { method: "PUT", path, body: json(object) }, signal);
  }

  /** JSON patch; begins with the tests that guard it. "guard": one of them failed, and nothing was written. */
  patch(path: string, operations: readonly JsonPatchOperation[], signal: AbortSignal): Promise<StoredObject> {
    const body = { mediaType: "application/json-patch+json", text: JSON.stringify(operations) };
    return this.#object("patch", { method: "PATCH", path, body }, signal);
  }

  /** JSON merge patch (RFC 7386): the given fields take the place of those that are there. */
  mergePatch(
    path: string,
    fields: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    const body = { mediaType: "application/merge-patch+json", text: JSON.stringify(fields) };
    return this.#object("patch", { method: "PATCH", path, body }, signal);
  }

  /**
   * Server-side apply in the name of `fieldManager`, taking over fields that others own. Without a uid and a
   * resourceVersion in `object.metadata` it creates what is missing and adopts what is somebody else's.
   */
  apply(
    path: string,
    object: WrittenObject,
    fieldManager: string,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    const query = new URLSearchParams({ fieldManager, force: "true" });
    const body = { mediaType: "application/apply-patch+yaml", text: JSON.stringify(object) };
    return this.#object("apply", { method: "PATCH", path: `${path}?${query}`, body }, signal);
  }

  /** What is gone already is no fault. "conflict": the object of that name is another one, or was changed. */
  async delete(path: string, precondition: Precondition, signal: AbortSignal): Promise<void> {
    const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: precondition };
    try {
      await this.#send("delete", { method: "DELETE", path, body: json(options) }, signal);
    } catch (error) {
      if (toWriteFault(error).code !== "missing") throw error;
    }
  }

  async #object(verb: WriteVerb, call: ApiCall, signal: AbortSignal): Promise<StoredObject> {
    const object = await this.#send(verb, call, signal);
    if (object === undefined) throw new WriteFault("broken", "the answer is no object");
    return object;
  }

  async #send(verb: WriteVerb, call: ApiCall, signal: AbortSignal): Promise<StoredObject | undefined> {
    const { client, clock, random, counts, mostAttempts = MOST_ATTEMPTS } = this.#options;
    const backOff = new BackOff({ clock, random, mostMs: MOST_BACK_OFF_MS });
    for (let attempt = 1; ; attempt++) {
      await this.#turn(signal);
      try {
        const object = await exchange({ client, clock, mostSilenceMs: MOST_SILENCE_MS }, call, signal);
        counts.note(verb, "ok");
        return object;
      } catch (error) {
        const fault = toWriteFault(error);
        counts.note(verb, fault.code);
        this.#noteWish(fault);
        if (!fault.isTransient || attempt >= mostAttempts) throw fault;
      }
      await pause(clock, backOff.next(), signal);
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const delayMs = this.#bucket.take(clock.nowMs());
    if (delayMs > 0) await pause(clock, delayMs, signal);
    while (!signal.aborted && clock.nowMs() < this.#notBeforeMs)
      await pause(clock, this.#notBeforeMs - clock.nowMs(), signal);
    if (signal.aborted) throw new WriteFault("aborted", "given up before it was sent");
  }

  #noteWish({ retryAfterMs }: WriteFault): void {
    if (retryAfterMs === undefined) return;
    const { clock, random } = this.#options;
    const untilMs = clock.nowMs() + retryAfterMs + random.fraction() * RETRY_AFTER_SPREAD_MS;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, untilMs);
  }
}

/** A kind of objects, under the version in which it is written. */
export interface WrittenResource {
  /** "" for Kubernetes' core. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** Without a name: the collection. */
export function objectPath(
  { group, version, plural }: WrittenResource,
  namespace: string,
  name?: string,
  subresource?: string,
): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const steps = ["namespaces", namespace, plural, name, subresource].filter((step) => step !== undefined);
  return [root, ...steps.map(encodeURIComponent)].join("/");
}

const MOST_ATTEMPTS = 5;
const MOST_BACK_OFF_MS = 30_000;
const MOST_SILENCE_MS = 15_000;
/** Those that were told to come back at one moment come one after the other. */
const RETRY_AFTER_SPREAD_MS = 1000;

function json(value: unknown): { readonly mediaType: string; readonly text: string } {
  return { mediaType: "application/json", text: JSON.stringify(value) };
}
