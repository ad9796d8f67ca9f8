/**
 * Every manifest file as last read, with the objects and problems that it gives. Files are taken in one by one
 * and put into the store together by `commit`, whose work grows with these files alone.
 */

import type { MeshStore } from "../mesh/mesh-store.ts";
import { type Problem, type ProblemBook, problem } from "../mesh/problem.ts";
import type { MonotonicMs } from "../runtime.ts";
import { type FileState, readFileState } from "./file-state.ts";
import type { FileStamp } from "./folder-listing.ts";
import { type EntryChange, ManifestEntries } from "./manifest-entries.ts";
import { syntaxProblem } from "./manifest-file.ts";

/** How many there are now. */
export interface FolderCounts {
  readonly files: number;
  readonly documents: number;
  /** Objects of kinds that we read, doubled and invalid ones included. */
  readonly objects: number;
  /** Objects of other kinds: counted, otherwise passed over in silence. */
  readonly otherKinds: number;
}

export class ManifestFiles {
  readonly #store: MeshStore;
  readonly #problems: ProblemBook;
  readonly #entries: ManifestEntries;
  readonly #states = new Map<string, FileState>();
  /** Files taken in since the last commit; undefined: it went. */
  #taken = new Map<string, FileState | undefined>();
  #unreadable: ReadonlyMap<string, string> = new Map();
  readonly #faulty = new Set<string>();

  constructor(store: MeshStore, problems: ProblemBook) {
    this.#store = store;
    this.#problems = problems;
    this.#entries = new ManifestEntries(store, problems);
  }

  get states(): ReadonlyMap<string, FileState> {
    return this.#states;
  }

  /** Files that could not be read: a permission that comes back changes no stamp. */
  get faulty(): ReadonlySet<string> {
    return this.#faulty;
  }

  counts(): FolderCounts {
    let documents = 0;
    let objects = 0;
    let otherKinds = 0;
    for (const file of this.#states.values()) {
      documents += file.documents.length;
      for (const document of file.documents) {
        objects += document.entries.length;
        otherKinds += document.otherKinds;
      }
    }
    return { files: this.#states.size, documents, objects, otherKinds };
  }

  /** Reads the file if its stamp is another; returns whether that was so, or it went since it was looked at. */
  take(path: string, stamp: FileStamp, wallMs: number): boolean {
    const known = this.#states.get(path);
    const state = readFileState(path, stamp, known, wallMs);
    if (state === known && known !== undefined) return false;
    this.#taken.set(path, state);
    return true;
  }

  /** The file is there no more. */
  leave(path: string): void {
    this.#taken.set(path, undefined);
  }

  /**
   * Puts what was taken in into the store and flushes it. `unreadable`: what the folders do not show now, with
   * the reason. Returns the objects that came, changed or went, and the files that are to be looked at again
   * soon, because somebody seems to be writing them (`suspect`) or did so within a tick of the clock (`fresh`).
   */
  commit(unreadable: ReadonlyMap<string, string>, receivedAtMs: MonotonicMs): Commit {
    const taken = this.#taken;
    const before = new Map<string, FileState>();
    const now = new Map<string, FileState>();
    const fresh: string[] = [];
    const suspect: string[] = [];
    for (const [path, state] of taken) {
      const known = this.#states.get(path);
      if (known !== undefined) before.set(path, known);
      this.#faulty.delete(path);
      if (state === undefined) {
        this.#states.delete(path);
        continue;
      }
      now.set(path, state);
      this.#states.set(path, state);
      if (state.fault !== undefined) this.#faulty.add(path);
      else if (state.isSuspect) suspect.push(path);
      else if (!state.isFinal) fresh.push(path);
    }
    for (const path of new Set([...taken.keys(), ...this.#unreadable.keys(), ...unreadable.keys()]))
      this.#problems.replace(`manifest ${path}`, this.#problemsOf(path, unreadable.get(path)));
    this.#taken = new Map();
    this.#unreadable = unreadable;
    const changes = this.#entries.replace(before, now, receivedAtMs);
    this.#store.flush();
    return { changes, fresh, suspect };
  }

  #problemsOf(path: string, reason: string | undefined): readonly Problem[] {
    if (reason !== undefined) return [unreadableProblem(path, reason)];
    const state = this.#states.get(path);
    if (state === undefined) return [];
    const faults = state.documents.flatMap((document) => syntaxProblem(path, document) ?? []);
    return state.fault === undefined ? faults : [...faults, unreadableProblem(path, state.fault)];
  }
}

export interface Commit {
  readonly changes: readonly EntryChange[];
  readonly fresh: readonly string[];
  readonly suspect: readonly string[];
}

function unreadableProblem(path: string, reason: string): Problem {
  const object = { kind: "ServiceEntry", namespace: "", name: "" } as const;
  return problem("FileUnreadable", object, path, `${path} cannot be read: ${reason}.`);
}
