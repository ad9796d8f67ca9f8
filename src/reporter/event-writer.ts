/** Puts one waiting Event into the API: created, or added to the one that is there. */

import { type ApiWriter, objectPath } from "../cluster/api-writes.ts";
import type { StoredObject } from "../cluster/exchange.ts";
import { toWriteFault } from "../cluster/write-fault.ts";
import type { ServiceEntry } from "../mesh/objects.ts";
import type { Clock } from "../runtime.ts";
import { EVENT_RESOURCE, eventFields, eventObject } from "./event-object.ts";
import type { WaitingEvent } from "./event-queue.ts";

export class EventWriter {
  readonly #writer: ApiWriter;
  readonly #clock: Clock;
  readonly #instance: string;
  /** Key -> what the Event counted when we last wrote it, the latest last. */
  readonly #counts = new Map<string, { readonly uid: string; readonly count: number }>();

  constructor(writer: ApiWriter, clock: Clock, instance: string) {
    this.#writer = writer;
    this.#clock = clock;
    this.#instance = instance;
  }

  /** Throws WriteFault. */
  async write(event: WaitingEvent, entry: ServiceEntry, signal: AbortSignal): Promise<void> {
    const wallMs = this.#clock.wallMs();
    const object = eventObject(event, entry, this.#instance, wallMs);
    const { namespace } = event.object;
    const path = objectPath(EVENT_RESOURCE, namespace, object.metadata.name);
    const patch = (fields: Readonly<Record<string, unknown>>) =>
      this.#writer.mergePatch(path, fields, signal);

    const known = this.#counts.get(event.key);
    if (known !== undefined && known.uid === entry.uid) {
      const count = known.count + event.count;
      try {
        await patch(eventFields(event, wallMs, count));
        this.#note(event, entry, count);
        return;
      } catch (error) {
        // Events live for an hour.
        if (toWriteFault(error).code !== "missing") throw error;
      }
    }
    try {
      await this.#writer.create(objectPath(EVENT_RESOURCE, namespace), object, signal);
      this.#note(event, entry, event.count);
    } catch (error) {
      if (toWriteFault(error).code !== "exists") throw error;
      // Another replica's, or ours from before a restart: what it counts is told by a first patch.
      const stored = await patch(eventFields(event, wallMs, undefined));
      const count = countOf(stored) + event.count;
      await patch({ count });
      this.#note(event, entry, count);
    }
  }

  #note({ key }: WaitingEvent, { uid }: ServiceEntry, count: number): void {
    this.#counts.delete(key);
    this.#counts.set(key, { uid, count });
    if (this.#counts.size <= MOST_COUNTS) return;
    for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      return;
    }
  }
}

/** One that is forgotten costs two calls more. */
const MOST_COUNTS = 10_000;

function countOf({ raw }: StoredObject): number {
  return typeof raw["count"] === "number" ? raw["count"] : 1;
}
