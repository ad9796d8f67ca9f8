/**
 * Which manifest files lie under a path now, with what tells a changed file from an unchanged one.
 * Links to files are followed (a ConfigMap mount is made of them); links to folders are not, so that no
 * circle of links can be walked. Names that start with a dot are skipped.
 */

import { type Dirent, lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { ManifestFormat } from "./manifest-documents.ts";

/** A file whose stamp did not change is not read again. */
export interface FileStamp {
  readonly mtimeMs: number;
  readonly size: number;
  readonly inode: number;
}

export interface FolderStamp {
  readonly inode: number;
  /** Type and permissions. */
  readonly mode: number;
  /** Changes with its entries. */
  readonly ctimeMs: number;
}

export interface FolderListing {
  /** By path as the user would write it: one of the listed paths, and what is below it. */
  readonly files: ReadonlyMap<string, FileStamp>;
  /** Every folder whose entries matter: what a watch has to cover. */
  readonly folders: ReadonlyMap<string, FolderStamp>;
  /** Files that can change without an event of their folder: links, files with a second name, mounted ones. */
  readonly loose: ReadonlySet<string>;
  /** Folders and files of which nothing could be learned, with the reason; a listed path that is not there too. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/**
 * Lists files and, recursively, folders. `pause` is awaited between blocks of files. A file with a `trusted`
 * stamp is taken to have it still: looking at each of 10,000 files takes five times as long as listing them.
 */
export async function listManifests(
  roots: readonly string[],
  pause: () => Promise<void>,
  trusted: (path: string) => FileStamp | undefined = () => undefined,
): Promise<FolderListing> {
  const files = new Map<string, FileStamp>();
  const folders = new Map<string, FolderStamp>();
  const loose = new Set<string>();
  const unreadable = new Map<string, string>();

  const lookAt = (path: string): Stats | undefined => {
    try {
      return statSync(path, { throwIfNoEntry: false });
    } catch (error) {
      unreadable.set(path, reasonOf(error));
      return undefined;
    }
  };

  const walk = async (folder: string, folderStats: Stats): Promise<void> => {
    folders.set(folder, folderStampOf(folderStats));
    for (const [position, entry] of listFolder(folder, unreadable).entries()) {
      if (position % STATS_BETWEEN_PAUSES === 0) await pause();
      if (isHidden(entry.name)) continue;
      const path = pathBelow(folder, entry.name);
      if (entry.isDirectory()) {
        const stats = lookAt(path);
        if (stats?.isDirectory()) await walk(path, stats);
      } else if (manifestFormat(entry.name) !== undefined) {
        const known = entry.isFile() ? trusted(path) : undefined;
        if (known !== undefined) {
          files.set(path, known);
          continue;
        }
        const stats = lookAt(path);
        if (!stats?.isFile()) continue;
        files.set(path, stampOf(stats));
        if (!entry.isFile() || stats.nlink > 1 || stats.dev !== folderStats.dev) loose.add(path);
      }
    }
  };

  for (const root of roots) {
    const stats = lookAt(root);
    if (stats?.isDirectory()) {
      await walk(root, stats);
    } else if (stats?.isFile()) {
      files.set(root, stampOf(stats));
      loose.add(root);
      const parent = dirname(root);
      const parentStats = lookAt(parent);
      if (parentStats !== undefined) folders.set(parent, folderStampOf(parentStats));
    } else if (!unreadable.has(root)) {
      unreadable.set(
        root,
        stats === undefined ? "there is no such file or folder" : "it is no file or folder",
      );
    }
  }
  return { files, folders, loose, unreadable };
}

/** Whether every folder is still the one that was listed, as readable as it was; and, if asked, with the same entries. */
export function areSameFolders(listing: FolderListing, compareEntries: boolean): boolean {
  return [...listing.folders].every(([path, known]) => {
    try {
      const { ino, mode, ctimeMs } = statSync(path);
      return ino === known.inode && mode === known.mode && (!compareEntries || ctimeMs === known.ctimeMs);
    } catch {
      return false;
    }
  });
}

/** The stamp of one file; undefined: there is none that can be looked at, and a listing tells why. */
export function stampAt(path: string): FileStamp | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? stampOf(stats) : undefined;
  } catch {
    return undefined;
  }
}

export function isFolder(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Such names are skipped: a ConfigMap mount keeps its versions under them, editors what is unfinished. */
export function isHidden(path: string): boolean {
  return basename(path).startsWith(".");
}

/** By the end of the name; undefined: not a manifest. */
export function manifestFormat(path: string): ManifestFormat | undefined {
  const name = basename(path).toLowerCase();
  if (name.endsWith(".json")) return "json";
  return name.endsWith(".yaml") || name.endsWith(".yml") ? "yaml" : undefined;
}

/** The path of an entry of a folder; the folder's own path stays as it was written. */
export function pathBelow(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

export function sameStamp(one: FileStamp | undefined, other: FileStamp): boolean {
  return one?.mtimeMs === other.mtimeMs && one.size === other.size && one.inode === other.inode;
}

/** Why a file cannot be read, in words that end a sentence. */
export function reasonOf(error: unknown): string {
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "ELOOP") return "its links go round in a circle";
  return error instanceof Error ? error.message : String(error);
}

/** The system's name of what went wrong, such as `ENOENT`. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** About half a millisecond of work. */
const STATS_BETWEEN_PAUSES = 200;

function listFolder(folder: string, unreadable: Map<string, string>): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    // Gone between two looks: the folder above lists it no more the next time.
    if (errorCode(error) !== "ENOENT") unreadable.set(folder, reasonOf(error));
    return [];
  }
}

function stampOf(stats: Stats): FileStamp {
  return { mtimeMs: stats.mtimeMs, size: stats.size, inode: stats.ino };
}

function folderStampOf(stats: Stats): FolderStamp {
  return { inode: stats.ino, mode: stats.mode, ctimeMs: stats.ctimeMs };
}
