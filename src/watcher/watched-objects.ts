/** Objects of one kind, as the API server lists and changes them, put into the mesh store with their problems. */

import type { ReflectedEvent } from "../cluster/reflector.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { type Kind, type ObjectKey, objectKey } from "../mesh/objects.ts";
import { readMoment } from "../mesh/parse-metadata.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { type ProblemBook, parseOwner } from "../mesh/problem.ts";
import { isReadinessChange } from "../mesh/written-at.ts";
import type { MonotonicMs } from "../runtime.ts";

/** An object as it came. */
export interface WatchedObject {
  readonly parsed: ParsedObject;
  /** As `readWrittenAt` gives it. */
  readonly writtenAt: string | undefined;
}

export class WatchedObjects {
  readonly #kind: Kind;
  readonly #store: MeshStore;
  readonly #problems: ProblemBook;
  /** Those that count as absent: they have problems. All others are in the store. */
  #rejected = new Set<ObjectKey>();

  constructor(kind: Kind, store: MeshStore, problems: ProblemBook) {
    this.#kind = kind;
    this.#store = store;
    this.#problems = problems;
  }

  /** Whether nothing of the kind is known yet. */
  get isEmpty(): boolean {
    return this.#rejected.size === 0 && this.#store.all(this.#kind).size === 0;
  }

  /** Puts one part of a first list in force; flushes. `isLast`: then all are there. */
  addPart(objects: readonly WatchedObject[], receivedAtMs: MonotonicMs, isLast: boolean): void {
    for (const object of objects) this.#put(object, receivedAtMs);
    this.#store.notePartial(this.#kind, !isLast);
    this.#store.flush();
  }

  /** Puts these objects in the place of all others of the kind, wherever those came from; flushes. */
  replace(objects: readonly WatchedObject[], receivedAtMs: MonotonicMs): void {
    const gone = new Set([...this.#rejected, ...this.#store.all(this.#kind).keys()]);
    for (const object of objects) gone.delete(this.#put(object, receivedAtMs));
    for (const key of gone) this.#remove(key, receivedAtMs);
    this.#store.notePartial(this.#kind, false);
    this.#store.flush();
  }

  /** Puts changes in force, in their order; flushes once. */
  apply(events: readonly ReflectedEvent<WatchedObject>[], receivedAtMs: MonotonicMs): void {
    for (const { type, object } of events) {
      if (type === "DELETED") this.#remove(objectKey(object.parsed.ref), receivedAtMs);
      else this.#put(object, receivedAtMs);
    }
    this.#store.flush();
  }

  #put({ parsed, writtenAt }: WatchedObject, receivedAtMs: MonotonicMs): ObjectKey {
    const { kind, ref, value, problems } = parsed;
    const key = objectKey(ref);
    this.#problems.replace(parseOwner(kind, key), problems);
    if (value === undefined) {
      this.#rejected.add(key);
      this.#store.remove(kind, key, receivedAtMs);
    } else {
      this.#rejected.delete(key);
      this.#store.put(kind, value, receivedAtMs, this.#writtenAtMs(parsed, key, writtenAt));
    }
    return key;
  }

  #writtenAtMs({ kind, value }: ParsedObject, key: ObjectKey, writtenAt: string | undefined) {
    if (kind === "Pod" && value !== undefined && !isReadinessChange(this.#store.all(kind).get(key), value))
      return undefined;
    return readMoment(writtenAt);
  }

  #remove(key: ObjectKey, receivedAtMs: MonotonicMs): void {
    this.#rejected.delete(key);
    this.#problems.replace(parseOwner(this.#kind, key), []);
    this.#store.remove(this.#kind, key, receivedAtMs);
  }
}
