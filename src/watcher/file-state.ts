/** One manifest file as last read, and the rules by which a file is believed to be what its writer meant. */

import { readFileSync } from "node:fs";
import { errorCode, type FileStamp, manifestFormat, reasonOf, sameStamp } from "./folder-listing.ts";
import { type ReadDocument, readManifest } from "./manifest-file.ts";

export interface FileState {
  readonly stamp: FileStamp;
  readonly documents: readonly ReadDocument[];
  /** Why it cannot be read now; the documents are then the last good ones. */
  readonly fault: string | undefined;
  /** Whether an equal stamp means an equal content. */
  readonly isFinal: boolean;
  /** Somebody seems to be writing it just now: to be looked at again soon, and believed if it stays so. */
  readonly isSuspect: boolean;
}

/**
 * Reads a file if its stamp changed since `known`. Undefined: it went away since it was listed.
 * `wallMs`: the time now, for the age of the stamp.
 */
export function readFileState(
  path: string,
  stamp: FileStamp,
  known: FileState | undefined,
  wallMs: number,
): FileState | undefined {
  const isSameStamp = known !== undefined && sameStamp(known.stamp, stamp);
  if (isSameStamp && known.isFinal) return known;
  const documents = known?.documents ?? [];
  const state = { stamp, documents, fault: undefined, isFinal: false, isSuspect: false };
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    // Permissions change no stamp: so this is tried again at every look.
    return errorCode(error) === "ENOENT" ? undefined : { ...state, fault: reasonOf(error) };
  }
  // Many a writer empties the file first and fills it then, in parts.
  const ageMs = Math.abs(wallMs - stamp.mtimeMs);
  const isWhole =
    bytes.length === stamp.size &&
    (bytes.length > 0 || documents.length === 0) &&
    (endsWhole(bytes) || ageMs > WRITTEN_WITHIN_MS);
  if (!isWhole && !isSameStamp) return { ...state, isSuspect: true };
  const format = manifestFormat(path) ?? "yaml";
  return {
    ...state,
    documents: readManifest(bytes.toString("utf8"), format, documents),
    isFinal: ageMs > STAMP_GRAIN_MS,
  };
}

/** File systems stamp with the tick of the kernel: two writes within one can leave equal stamps. */
const STAMP_GRAIN_MS = 20;
/** A file that was not touched for so long is nobody's unfinished work. */
const WRITTEN_WITHIN_MS = 100;

/** A part of a manifest ends anywhere (`address: 10.0.0.1` of 10.0.0.12); a whole one with its line, or as JSON does. */
function endsWhole(bytes: Buffer): boolean {
  const last = bytes.at(-1);
  return last === undefined || last === LINE_FEED || last === CLOSING_BRACE || last === CLOSING_BRACKET;
}

const LINE_FEED = 0x0a;
const CLOSING_BRACE = 0x7d;
const CLOSING_BRACKET = 0x5d;
