/**
 * Tells that something may have changed in some folders, as soon as the system says so. It may say nothing
 * at all (network file systems, no watches left): who listens also polls.
 */

import { type FSWatcher, statfsSync, watch } from "node:fs";
import { basename } from "node:path";
import type { Logger } from "../runtime.ts";
import { errorCode, type FolderStamp, pathBelow, reasonOf } from "./folder-listing.ts";

/** One watch per folder: the system's recursive one would take a watch per file. */
export class FolderWatch {
  readonly #isManifest: (path: string) => boolean;
  readonly #onEvent: (path: string | undefined) => void;
  readonly #logger: Logger;
  readonly #watches = new Map<string, FolderWatcher>();
  #covered = 0;
  #hasFailed = false;

  /** `onEvent` is told the path that came, changed or went; undefined: it may be any. */
  constructor(
    isManifest: (path: string) => boolean,
    onEvent: (path: string | undefined) => void,
    logger: Logger,
  ) {
    this.#isManifest = isManifest;
    this.#onEvent = onEvent;
    this.#logger = logger;
  }

  /** Whether every covered folder is watched, and on a file system where nothing changes without an event. */
  get hearsAll(): boolean {
    return (
      this.#watches.size === this.#covered && [...this.#watches.values()].every(({ isLocal }) => isLocal)
    );
  }

  /**
   * Watches these folders, by path and inode, and no others. A path with another inode is another folder.
   * Returns whether one is watched that was not before: what happened there meanwhile, no event tells.
   */
  cover(folders: ReadonlyMap<string, FolderStamp>): boolean {
    for (const [path, { inode, watcher }] of this.#watches) {
      if (folders.get(path)?.inode === inode) continue;
      watcher.close();
      this.#watches.delete(path);
    }
    this.#covered = folders.size;
    let hasMore = false;
    for (const [path, { inode }] of folders) {
      if (!this.#watches.has(path) && this.#add(path, inode)) hasMore = true;
    }
    return hasMore;
  }

  close(): void {
    this.cover(new Map());
  }

  #add(path: string, inode: number): boolean {
    try {
      const isLocal = LOCAL_FILE_SYSTEMS.has(statfsSync(path).type);
      const watcher = watch(path, { persistent: false }, (event, name) => {
        // What befalls the folder itself comes with its own name.
        const named = name === null || name === basename(path) ? undefined : pathBelow(path, name);
        // Writes to other files are no news; a name that comes or goes may be a folder's.
        if (event === "rename" || named === undefined || this.#isManifest(named)) this.#onEvent(named);
      });
      watcher.on("error", (error) => this.#fail(path, error));
      this.#watches.set(path, { inode, watcher, isLocal });
      return true;
    } catch (error) {
      this.#fail(path, error);
      return false;
    }
  }

  #fail(path: string, error: unknown): void {
    this.#watches.get(path)?.watcher.close();
    this.#watches.delete(path);
    // A folder that went away is no failure: the next listing will not name it.
    if (this.#hasFailed || errorCode(error) === "ENOENT") return;
    this.#hasFailed = true;
    this.#logger.warn(
      { component: "dns.watch", path, reason: reasonOf(error) },
      "cannot watch a folder: changes are found by looking every second",
    );
  }
}

interface FolderWatcher {
  readonly inode: number;
  readonly watcher: FSWatcher;
  readonly isLocal: boolean;
}

/** Linux's magic numbers (statfs(2)) of file systems that only this machine changes. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, // ext2 to ext4
  0x5846_5342, // XFS
  0x9123_683e, // Btrfs
  0xf2f5_2010, // F2FS
  0x2fc1_2fc1, // ZFS
  0x0102_1994, // tmpfs
  0x794c_7630, // overlayfs, of containers
]);
