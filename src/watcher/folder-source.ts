/**
 * The embedded source: manifests in files and folders, put into the mesh store and kept in step with it.
 * It looks at what the system's events name, each second at what they may miss, and at every file from time to
 * time; it reads only files whose stamp changed.
 */

import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { MeshStore } from "../mesh/mesh-store.ts";
import type { ProblemBook } from "../mesh/problem.ts";
import type { Clock, Closeable, Logger, MonotonicMs, Timer } from "../runtime.ts";
import {
  areSameFolders,
  type FileStamp,
  type FolderListing,
  isFolder,
  isHidden,
  listManifests,
  manifestFormat,
  pathBelow,
  stampAt,
} from "./folder-listing.ts";
import { FolderWatch } from "./folder-watch.ts";
import type { EntryChange } from "./manifest-entries.ts";
import { type FolderCounts, ManifestFiles } from "./manifest-files.ts";

export interface FolderSourceOptions {
  /** A manifest file, or a folder of them, or several; in messages they stand as given here. */
  readonly path: string | readonly string[];
  readonly store: MeshStore;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called once, when all that was there at the start is in the store and flushed. */
  readonly onSynced: () => void;
}

export class FolderSource implements Closeable {
  readonly #options: FolderSourceOptions;
  readonly #roots: readonly string[];
  readonly #files: ManifestFiles;
  readonly #isManifest: (path: string) => boolean;
  readonly #watch: FolderWatch;
  #listing: FolderListing = { files: new Map(), folders: new Map(), loose: new Set(), unreadable: new Map() };
  /** Known files that are to be looked at. */
  #named = new Set<string>();
  /** The folders are to be listed too: an event was about more than known files. */
  #mustList = false;
  /** No event can be trusted to have come: every file is to be looked at. */
  #mustLookAtAll = false;
  /** Since the last look. */
  #events = 0;
  /** When the first event since the last look came; undefined: none came. */
  #firstEventMs: MonotonicMs | undefined;
  #polledAtMs: MonotonicMs = 0;
  #pollEveryMs = POLL_INTERVAL_MS;
  /** The files that are still to be looked at in this round, a part with each poll; undefined: another begins. */
  #round: Iterator<string, void> | undefined;
  #looking: Promise<void> | undefined;
  #nextLook: Timer | undefined;
  #pausedMs: MonotonicMs = 0;
  #isClosed = false;

  constructor(options: FolderSourceOptions) {
    this.#options = options;
    this.#roots = typeof options.path === "string" ? [options.path] : options.path;
    this.#files = new ManifestFiles(options.store, options.problems);
    const files = new Set(this.#roots.map((root) => resolve(root)));
    this.#isManifest = (path) => manifestFormat(path) !== undefined || files.has(resolve(path));
    this.#watch = new FolderWatch(this.#isManifest, (path) => this.#noteEvent(path), options.logger);
  }

  /** Resolves when the first look is in the store; rejects if nothing can be read at the path. */
  async start(): Promise<void> {
    const first = this.#lookFirst();
    this.#looking = first.catch(() => {});
    await first;
  }

  counts(): FolderCounts {
    return this.#files.counts();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#nextLook?.cancel();
    this.#watch.close();
    await this.#looking;
  }

  #noteEvent(path: string | undefined): void {
    if (this.#isClosed) return;
    // The system drops events where too many came at once, and does not tell.
    this.#events += 1;
    if (this.#events > MOST_EVENTS) this.#mustLookAtAll = true;
    if (path !== undefined && this.#files.states.has(path)) this.#named.add(path);
    else if (path === undefined || this.#isNews(path)) this.#mustList = true;
    else return;
    const nowMs = this.#options.clock.nowMs();
    this.#firstEventMs ??= nowMs;
    // While a look is on its way, its end plans the next one.
    if (this.#looking !== undefined) return;
    this.#schedule(Math.max(0, Math.min(SETTLE_MS, this.#firstEventMs + MOST_SETTLE_MS - nowMs)));
  }

  /** Whether an event about something else than a known file can mean another listing. */
  #isNews(path: string): boolean {
    const { folders, loose } = this.#listing;
    // Where there are links, anything may be what one of them leads to.
    if (loose.size > 0 || folders.has(path)) return true;
    // Writers make files beside the one that they mean.
    return !isHidden(path) && (this.#isManifest(path) || isFolder(path));
  }

  #schedule(delayMs: number): void {
    this.#nextLook?.cancel();
    this.#nextLook = this.#options.clock.setTimer(delayMs, () => {
      this.#looking = this.#lookAgain().then(() => this.#endLook());
    });
  }

  async #lookFirst(): Promise<void> {
    const { path, clock, logger, onSynced } = this.#options;
    const startMs = clock.nowMs();
    await this.#list(() => undefined);
    for (const root of this.#roots) {
      const reason = this.#listing.unreadable.get(root);
      if (reason !== undefined) throw new SourceUnreadableError(root, reason);
    }
    await this.#takeListing(startMs);
    if (this.#isClosed) return;
    const durationMs = Math.round(clock.nowMs() - startMs);
    logger.info({ component: COMPONENT, path, ...this.counts(), durationMs }, "manifests read");
    onSynced();
    this.#endLook();
  }

  async #lookAgain(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#polledAtMs >= this.#pollEveryMs) this.#poll(nowMs);
    const named = this.#named;
    const receivedAtMs = this.#firstEventMs ?? nowMs;
    const { states } = this.#files;
    const lookAtAll = this.#mustLookAtAll;
    const mustList = this.#mustList || lookAtAll;
    this.#named = new Set();
    this.#mustList = false;
    this.#mustLookAtAll = false;
    this.#events = 0;
    this.#firstEventMs = undefined;
    if (mustList || !this.#takeNamed(named, receivedAtMs)) {
      const { loose } = this.#listing;
      await this.#list((path) => {
        const state = states.get(path);
        const isTrusted = !lookAtAll && state?.isFinal && !named.has(path) && !loose.has(path);
        return isTrusted ? state.stamp : undefined;
      });
      this.#log(await this.#takeListing(receivedAtMs));
    }
  }

  #endLook(): void {
    this.#looking = undefined;
    if (this.#isClosed) return;
    const isSoon = this.#firstEventMs !== undefined || this.#named.size > 0;
    const untilPollMs = this.#polledAtMs + this.#pollEveryMs - this.#options.clock.nowMs();
    this.#schedule(isSoon ? SETTLE_MS : Math.max(0, untilPollMs));
  }

  /** Adds to the next look what no event tells of. */
  #poll(nowMs: MonotonicMs): void {
    this.#polledAtMs = nowMs;
    if (!this.#watch.hearsAll || this.#listing.unreadable.size > 0) this.#mustLookAtAll = true;
    if (this.#mustLookAtAll) return;
    const { states, faulty } = this.#files;
    const round = this.#round ?? states.keys();
    if (!areSameFolders(this.#listing, round !== this.#round)) this.#mustList = true;
    for (const path of [...this.#listing.loose, ...faulty]) this.#named.add(path);
    this.#round = round;
    for (let count = Math.ceil(states.size / POLLS_PER_ROUND); count > 0; count -= 1) {
      const { value: path } = round.next();
      if (path === undefined) {
        this.#round = undefined;
        return;
      }
      this.#named.add(path);
    }
  }

  /** Takes known files as they are now. False, and nothing done, where a listing has to tell what they are. */
  #takeNamed(named: ReadonlySet<string>, receivedAtMs: MonotonicMs): boolean {
    const stamps: [string, FileStamp][] = [];
    for (const path of named) {
      const stamp = stampAt(path);
      if (stamp === undefined || !this.#files.states.has(path)) return false;
      stamps.push([path, stamp]);
    }
    const wallMs = this.#options.clock.wallMs();
    let isOther = false;
    for (const [path, stamp] of stamps) if (this.#files.take(path, stamp, wallMs)) isOther = true;
    if (isOther) this.#log(this.#commit(receivedAtMs));
    return true;
  }

  async #list(trusted: (path: string) => FileStamp | undefined): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    this.#listing = await listManifests(this.#roots, () => this.#pause(), trusted);
    if (this.#isClosed) return;
    if (this.#watch.cover(this.#listing.folders)) this.#mustLookAtAll = true;
    const leastMs = this.#watch.hearsAll ? 0 : (clock.nowMs() - startMs) * LEAST_REST_PER_LISTING;
    this.#pollEveryMs = Math.max(POLL_INTERVAL_MS, leastMs);
  }

  /** Takes the files of the listing, and gives up those that it lacks, all at once. */
  async #takeListing(receivedAtMs: MonotonicMs): Promise<readonly EntryChange[]> {
    const listing = this.#listing;
    const files = this.#files;
    const wallMs = this.#options.clock.wallMs();
    for (const [path, stamp] of listing.files) {
      if (!files.take(path, stamp, wallMs)) continue;
      await this.#pause();
      if (this.#isClosed) return [];
    }
    for (const path of files.states.keys()) {
      if (!listing.files.has(path) && !isUnknown(listing, path)) files.leave(path);
    }
    // The states know the files from now on.
    this.#listing = { ...listing, files: new Map() };
    return this.#commit(receivedAtMs);
  }

  #commit(receivedAtMs: MonotonicMs): readonly EntryChange[] {
    const { changes, fresh, suspect } = this.#files.commit(this.#listing.unreadable, receivedAtMs);
    if (suspect.length > 0) this.#firstEventMs ??= receivedAtMs;
    for (const path of [...fresh, ...suspect]) this.#named.add(path);
    return changes;
  }

  #log(changes: readonly EntryChange[]): void {
    const { path, logger } = this.#options;
    if (changes.length > MOST_LOGGED_CHANGES) {
      const fields = { component: COMPONENT, path, changed: changes.length, ...this.counts() };
      logger.info(fields, "manifests changed");
      return;
    }
    for (const { key, change } of changes) {
      logger.info({ component: COMPONENT, object: key }, `${key} ${change}`);
    }
  }

  /** Gives way to the rest of the control plane when a turn has lasted long enough. */
  async #pause(): Promise<void> {
    if (this.#options.clock.nowMs() - this.#pausedMs < TURN_MS) return;
    await setImmediate();
    this.#pausedMs = this.#options.clock.nowMs();
  }
}

/** There is nothing to read at the path that the user gave as the source. */
export class SourceUnreadableError extends Error {
  readonly code = "SOURCE_UNREADABLE";

  constructor(path: string, reason: string) {
    super(`source ${path}: ${reason}; give a readable manifest file or folder as --source`);
    this.name = "SourceUnreadableError";
  }
}

const COMPONENT = "dns.watch";
/** Changes that no event tells of (ConfigMap swaps, network file systems) are found within this time. */
const POLL_INTERVAL_MS = 1000;
/** Where listing takes long (a slow network file system), it takes at most a tenth of the time. */
const LEAST_REST_PER_LISTING = 9;
/** Where events tell of everything, files are looked at nonetheless, all of them within so many polls. */
const POLLS_PER_ROUND = 10;
/** Far below what the system keeps for us (fs.inotify.max_queued_events, 16384). */
const MOST_EVENTS = 1000;
/** A writer makes several events; the last of them is waited for, */
const SETTLE_MS = 15;
/** but no longer than this after the first. */
const MOST_SETTLE_MS = 300;
/** The longest stretch of reading without giving way. */
const TURN_MS = 15;
/** More changes at once are logged as a number. */
const MOST_LOGGED_CHANGES = 20;

/** Whether nothing can be said about a path now: then what it last gave stays in force. */
function isUnknown(listing: FolderListing, path: string): boolean {
  for (const folder of listing.unreadable.keys()) {
    if (path === folder || path.startsWith(pathBelow(folder, ""))) return true;
  }
  return false;
}
