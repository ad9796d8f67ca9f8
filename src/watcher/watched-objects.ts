/** Objects of one kind, as the API server lists and changes them, put into the mesh store with their problems. */

import type { ReflectedEvent } from "../cluster/reflector.ts";
import type { MeshStore } from "../mesh/mesh-store.ts";
import { type Kind, type ObjectKey, objectKey } from "../mesh/objects.ts";
import type { ParsedObject } from "../mesh/parse-object.ts";
import { type ProblemBook, parseOwner } from "../mesh/problem.ts";
import type { MonotonicMs } from "../runtime.ts";

export class WatchedObjects {
  readonly #kind: Kind;
  readonly #store: MeshStore;
  readonly #problems: ProblemBook;
  /** Those that count as absent too: they have problems. */
  #known = new Set<ObjectKey>();

  constructor(kind: Kind, store: MeshStore, problems: ProblemBook) {
    this.#kind = kind;
    this.#store = store;
    this.#problems = problems;
  }

  /** Puts these objects in the place of all others of the kind, wherever those came from; flushes. */
  replace(objects: readonly ParsedObject[], receivedAtMs: MonotonicMs): void {
    const before = new Set([...this.#known, ...this.#store.all(this.#kind).keys()]);
    const known = new Set<ObjectKey>();
    for (const object of objects) known.add(this.#put(object, receivedAtMs));
    for (const key of before) if (!known.has(key)) this.#remove(key, receivedAtMs);
    this.#known = known;
    this.#store.flush();
  }

  /** Puts changes in force, in their order; flushes once. */
  apply(events: readonly ReflectedEvent<ParsedObject>[], receivedAtMs: MonotonicMs): void {
    for (const { type, object } of events) {
      const key = objectKey(object.ref);
      if (type === "DELETED") {
        this.#known.delete(key);
        this.#remove(key, receivedAtMs);
      } else {
        this.#known.add(this.#put(object, receivedAtMs));
      }
    }
    this.#store.flush();
  }

  #put({ kind, ref, value, problems }: ParsedObject, receivedAtMs: MonotonicMs): ObjectKey {
    const key = objectKey(ref);
    this.#problems.replace(parseOwner(kind, key), problems);
    if (value === undefined) this.#store.remove(kind, key, receivedAtMs);
    else this.#store.put(kind, value, receivedAtMs);
    return key;
  }

  #remove(key: ObjectKey, receivedAtMs: MonotonicMs): void {
    this.#problems.replace(parseOwner(this.#kind, key), []);
    this.#store.remove(this.#kind, key, receivedAtMs);
  }
}
