/**
 * The present state of everything we watch. Sources put and remove objects; the registry is told which
 * keys changed and reads the present state: level, not edge. One store, so no copies of large maps per event.
 */

import { type Kind, type ObjectByKind, type ObjectKey, objectKey } from "./objects.ts";

/** Something about this object changed (it came, went or has another value now). */
export type MeshChange = { readonly [K in Kind]: MeshChangeOf<K> }[Kind];

export interface MeshChangeOf<K extends Kind> {
  readonly kind: K;
  readonly key: ObjectKey;
  /** The value before the first change of the batch; undefined: it was not there. */
  readonly before: ObjectByKind[K] | undefined;
  /** When the source learned of it, monotonic milliseconds (the start of `propagation_seconds`). */
  readonly receivedAtMs: number;
  /** When it was written, milliseconds since 1970; undefined: nobody knows (the start of `dns_programming_duration_seconds`). */
  readonly writtenAtMs: number | undefined;
}

/** Reading side of the store. */
export interface MeshState {
  /** All objects of one kind by key. A live view: do not hold across a turn of the event loop. */
  all<K extends Kind>(kind: K): ReadonlyMap<ObjectKey, ObjectByKind[K]>;
  /** Whether a first list of the kind is being read and there is more than what is here. */
  isPartial(kind: Kind): boolean;
}

export class MeshStore implements MeshState {
  readonly #objects: { readonly [K in Kind]: Map<ObjectKey, ObjectByKind[K]> } = {
    ServiceEntry: new Map(),
    WorkloadEntry: new Map(),
    Pod: new Map(),
    Namespace: new Map(),
    Node: new Map(),
    Service: new Map(),
    EndpointSlice: new Map(),
  };
  readonly #listeners: ((changes: readonly MeshChange[]) => void)[] = [];
  #pending = new Map<ObjectKey, MeshChange>();
  readonly #partial = new Set<Kind>();
  /** A kind is partial no more, and the listeners do not know yet. */
  #isNewlyWhole = false;

  isPartial(kind: Kind): boolean {
    return this.#partial.has(kind);
  }

  /** That it is partial no more, the listeners are told with the next flush. */
  notePartial(kind: Kind, isPartial: boolean): void {
    if (isPartial) this.#partial.add(kind);
    else if (this.#partial.delete(kind)) this.#isNewlyWhole = true;
  }

  all<K extends Kind>(kind: K): ReadonlyMap<ObjectKey, ObjectByKind[K]> {
    return this.#objects[kind];
  }

  /** Puts an object in force; a value with the same uid and resourceVersion changes nothing. */
  put<K extends Kind>(kind: K, object: ObjectByKind[K], receivedAtMs: number, writtenAtMs?: number): void {
    const key = objectKey(object.ref);
    const objects = this.#objects[kind] as Map<ObjectKey, ObjectByKind[K]>;
    const before = objects.get(key);
    if (
      before !== undefined &&
      before.uid === object.uid &&
      before.resourceVersion === object.resourceVersion
    )
      return;
    objects.set(key, object);
    this.#note({ kind, key, before, receivedAtMs, writtenAtMs });
  }

  remove<K extends Kind>(kind: K, key: ObjectKey, receivedAtMs: number): void {
    const before = this.#objects[kind].get(key);
    if (before === undefined) return;
    this.#objects[kind].delete(key);
    this.#note({ kind, key, before, receivedAtMs, writtenAtMs: undefined });
  }

  /**
   * `listener` is called by `flush` with all changes since the last one; with an empty list only where a kind that was
   * partial is whole now.
   */
  onChange(listener: (changes: readonly MeshChange[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Tells the listeners what has changed. A source calls it when one event, file or list is wholly in. */
  flush(): void {
    if (this.#pending.size === 0 && !this.#isNewlyWhole) return;
    this.#isNewlyWhole = false;
    const changes = [...this.#pending.values()];
    this.#pending = new Map();
    for (const listener of this.#listeners) listener(changes);
  }

  #note<K extends Kind>(change: MeshChangeOf<K>): void {
    // The compiler does not see that each K makes a member of the union.
    if (!this.#pending.has(change.key)) this.#pending.set(change.key, change as unknown as MeshChange);
  }
}
