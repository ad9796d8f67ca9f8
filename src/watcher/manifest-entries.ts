/**
 * Which of the objects that files give are in force. An object that stands twice is taken from the file
 * whose path comes first in byte order, then from the earlier line, whether or not it is valid there;
 * when that one goes, the next takes its place.
 */

import type { MeshStore } from "../mesh/mesh-store.ts";
import { type ObjectKey, objectKey } from "../mesh/objects.ts";
import { type Problem, type ProblemBook, parseOwner, problem } from "../mesh/problem.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { ManifestEntry, ReadDocument } from "./manifest-file.ts";

export type FilesByPath = ReadonlyMap<string, { readonly documents: readonly ReadDocument[] }>;

export interface EntryChange {
  readonly key: ObjectKey;
  readonly change: "added" | "changed" | "removed" | "rejected";
}

export class ManifestEntries {
  readonly #store: MeshStore;
  readonly #problems: ProblemBook;
  /** Every place of an object, by identity. */
  readonly #places = new Map<string, readonly Place[]>();
  readonly #inForce = new Map<string, ManifestEntry>();

  constructor(store: MeshStore, problems: ProblemBook) {
    this.#store = store;
    this.#problems = problems;
  }

  /** Puts the difference between two states of the files into the store, without flushing it. */
  replace(before: FilesByPath, now: FilesByPath, receivedAtMs: MonotonicMs): readonly EntryChange[] {
    const touched = new Set<string>();
    for (const [path, { documents }] of before) {
      if (now.get(path)?.documents !== documents) this.#leave(path, documents, touched);
    }
    for (const [path, { documents }] of now) {
      if (before.get(path)?.documents !== documents) this.#enter(path, documents, touched);
    }
    const changes: EntryChange[] = [];
    for (const identity of touched) {
      const change = this.#settle(identity, receivedAtMs);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  #leave(path: string, documents: readonly ReadDocument[], touched: Set<string>): void {
    for (const { entries } of documents) {
      for (const { identity } of entries) {
        touched.add(identity);
        const others = (this.#places.get(identity) ?? []).filter((place) => place.path !== path);
        if (others.length === 0) this.#places.delete(identity);
        else this.#places.set(identity, others);
      }
    }
  }

  #enter(path: string, documents: readonly ReadDocument[], touched: Set<string>): void {
    for (const { entries, line } of documents) {
      for (const entry of entries) {
        touched.add(entry.identity);
        const place: Place = { path, line, entry };
        const others = this.#places.get(entry.identity);
        // An array that is spread has room for more; there are as many of these as objects.
        this.#places.set(entry.identity, others === undefined ? [place] : [...others, place]);
      }
    }
  }

  #settle(identity: string, receivedAtMs: MonotonicMs): EntryChange | undefined {
    const places = this.#places.get(identity)?.toSorted(byPathAndLine) ?? [];
    const [first, ...others] = places;
    this.#problems.replace(
      `manifest twice ${identity}`,
      first === undefined ? [] : others.map((other) => duplicate(other, first)),
    );
    const before = this.#inForce.get(identity);
    if (first?.entry.contentHash === before?.contentHash) return undefined;
    if (first === undefined) this.#inForce.delete(identity);
    else this.#inForce.set(identity, first.entry);
    const { ref } = (first?.entry ?? before!).parsed;
    const key = objectKey(ref);
    this.#problems.replace(parseOwner(ref.kind, identity), first === undefined ? [] : problemsOf(first));
    const value = first?.entry.parsed.value;
    if (value !== undefined) this.#store.put(ref.kind, value, receivedAtMs);
    else this.#store.remove(ref.kind, key, receivedAtMs);
    if (first === undefined) return { key, change: "removed" };
    if (value === undefined) return { key, change: "rejected" };
    return { key, change: before === undefined ? "added" : "changed" };
  }
}

/** Where an object stands. */
interface Place {
  readonly path: string;
  /** The first line of its document. */
  readonly line: number;
  readonly entry: ManifestEntry;
}

function byPathAndLine(one: Place, other: Place): number {
  return Buffer.compare(Buffer.from(one.path), Buffer.from(other.path)) || one.line - other.line;
}

/** Where an object has no name to find it by, the path begins with its place. */
function problemsOf({ path, line, entry }: Place): readonly Problem[] {
  const { problems, ref } = entry.parsed;
  return ref.name === ""
    ? problems.map((each) => ({ ...each, path: `${path}:${line} ${each.path}` }))
    : problems;
}

function duplicate(place: Place, first: Place): Problem {
  return problem(
    "DuplicateObject",
    place.entry.parsed.ref,
    `${place.path}:${place.line}`,
    `The same object stands in ${first.path}:${first.line}, which is in force.`,
  );
}
