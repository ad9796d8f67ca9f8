/**
 * The file of a snapshot: a line that says what follows, then compressed lines of JSON. It is written beside the
 * old one and put in its place in one step, so a reader finds a whole one or the one before.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { constants, createGzip, gunzipSync } from "node:zlib";
import type { KeptName } from "../mesh/resolution.ts";
import { errorCode, reasonOf } from "./folder-listing.ts";
import { type KeptObject, objectLine } from "./snapshot-objects.ts";

export interface SnapshotContent {
  /** When it was last known to be what the API server has; milliseconds since 1970. */
  readonly confirmedAtMs: number;
  readonly objects: readonly KeptObject[];
  readonly names: readonly KeptName[];
}

export type ReadSnapshot =
  | { readonly kind: "good"; readonly content: SnapshotContent }
  | { readonly kind: "none" }
  /** `reason`: the end of a sentence about the file. */
  | { readonly kind: "refused"; readonly reason: string; readonly remedy: string };

export const SNAPSHOT_FILE = "snapshot";
export const UNFINISHED_FILE = "snapshot.unfinished";

/** `version`: of the program; what another one wrote may have another meaning. */
export function readSnapshot(folder: string, version: string, wallMs: number): ReadSnapshot {
  let octets: Buffer;
  try {
    octets = readFileSync(join(folder, SNAPSHOT_FILE));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { kind: "none" };
    return refused(`cannot be read (${reasonOf(error)})`, "Make the file readable, or delete it.");
  }
  const lineEnd = octets.indexOf(LINE_FEED);
  const line = octets.subarray(0, Math.max(lineEnd, 0)).toString("utf8");
  const [, magic, format, json] = /^(\S+) (\S+) (.*)$/.exec(line) ?? [];
  if (magic !== MAGIC) return refused("is no snapshot, or its beginning is damaged", REPLACED);
  if (format !== String(FORMAT)) return refused(`has the format ${format}, not ${FORMAT}`, REPLACED);
  const head = readHead(json ?? "");
  if (head === undefined) return refused("has a damaged first line", REPLACED);
  const body = octets.subarray(lineEnd + 1);
  if (body.length < head.octets)
    return refused(`ends after ${body.length} of ${head.octets} octets`, DAMAGED);
  const { sha256, ...said } = head;
  if (digest(said, [body]) !== sha256) return refused("does not match its checksum", DAMAGED);
  if (head.version !== version) return refused(`was written by version ${head.version}`, REPLACED);
  const ageMs = wallMs - head.confirmedAtMs;
  if (ageMs > MOST_AGE_MS)
    return refused(
      `is ${Math.floor(ageMs / 3_600_000)} hours old`,
      "Look why the API server was not reached since.",
    );
  if (ageMs < -MOST_AHEAD_MS) return refused("is from the future", "Set the machine's clock right.");
  try {
    return { kind: "good", content: readLines(head.confirmedAtMs, body) };
  } catch (error) {
    return refused(`cannot be taken apart (${reasonOf(error)})`, REPLACED);
  }
}

/** Makes the folder and sees whether it can be written to; throws the system's error. */
export async function prepareFolder(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const file = await open(join(folder, UNFINISHED_FILE), "w", FILE_MODE);
  await file.close();
}

/** Resolves with the size of the file in octets when it is safe on the disk; rejects with the system's error. */
export async function writeSnapshot(
  folder: string,
  version: string,
  content: SnapshotContent,
): Promise<number> {
  const pieces = await compress(content);
  const octets = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const said = { version, confirmedAtMs: content.confirmedAtMs, octets };
  const head = `${MAGIC} ${FORMAT} ${JSON.stringify({ ...said, sha256: digest(said, pieces) })}\n`;
  await mkdir(folder, { recursive: true });
  const unfinished = join(folder, UNFINISHED_FILE);
  const file = await open(unfinished, "w", FILE_MODE);
  try {
    await file.writeFile(Buffer.concat([Buffer.from(head), ...pieces]));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, join(folder, SNAPSHOT_FILE));
  // The name too is to survive a crash of the machine.
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return head.length + octets;
}

interface Head {
  readonly version: string;
  readonly confirmedAtMs: number;
  /** Of the body. */
  readonly octets: number;
  readonly sha256: string;
}

const MAGIC = "serviceentry-dns-snapshot";
/** Of the file's outer form; what the lines hold belongs to the version of the program. */
const FORMAT = 1;
/** What is not known to be true for so long is better not answered. */
const MOST_AGE_MS = 24 * 3_600_000;
/** Clocks differ by less. */
const MOST_AHEAD_MS = 5 * 60_000;
/** Names and addresses of a cluster are nobody else's business. */
const FILE_MODE = 0o600;
const LINE_FEED = 0x0a;
/** So many objects at a time become text: about a millisecond, then others have their turn. */
const SLICE = 200;
/** Far above the text of a million objects. */
const MOST_TEXT_OCTETS = 2 ** 31;

const REPLACED = "Nothing is to be done: the first list of the API server replaces it.";
const DAMAGED =
  "It is replaced after the first list of the API server; if that repeats, look after the volume.";

function refused(reason: string, remedy: string): ReadSnapshot {
  return { kind: "refused", reason, remedy };
}

function readHead(json: string): Head | undefined {
  try {
    const head = JSON.parse(json) as Partial<Head> | null;
    const { version, confirmedAtMs, octets, sha256 } = head ?? {};
    const isWhole = typeof version === "string" && typeof sha256 === "string";
    if (!isWhole || confirmedAtMs === undefined || octets === undefined) return undefined;
    return { version, confirmedAtMs, octets, sha256 };
  } catch {
    return undefined;
  }
}

function digest(said: Omit<Head, "sha256">, pieces: readonly Buffer[]): string {
  const hash = createHash("sha256").update(JSON.stringify(said));
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

async function compress({ objects, names }: SnapshotContent): Promise<readonly Buffer[]> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  const pieces: Buffer[] = [];
  gzip.on("data", (piece: Buffer) => pieces.push(piece));
  const ended = new Promise<void>((resolve, reject) => gzip.once("end", resolve).once("error", reject));
  for (const slice of slicesOf(objects, objectLine)) await push(gzip, slice);
  for (const slice of slicesOf(names, nameLine)) await push(gzip, slice);
  gzip.end();
  await ended;
  return pieces;
}

function* slicesOf<T>(items: readonly T[], lineOf: (item: T) => string): Iterable<string> {
  for (let at = 0; at < items.length; at += SLICE)
    yield items
      .slice(at, at + SLICE)
      .map((item) => `${lineOf(item)}\n`)
      .join("");
}

function push(gzip: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    gzip.write(text, (error) => (error ? reject(error) : setImmediate(resolve)));
  });
}

function nameLine(name: KeptName): string {
  return JSON.stringify(["Name", name]);
}

/** Its checksum and version say that we wrote it ourselves: so its lines are what they were. */
function readLines(confirmedAtMs: number, body: Buffer): SnapshotContent {
  const text = gunzipSync(body, { maxOutputLength: MOST_TEXT_OCTETS }).toString("utf8");
  const objects: KeptObject[] = [];
  const names: KeptName[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const kept = JSON.parse(line) as KeptObject | readonly ["Name", KeptName];
    if (kept[0] === "Name") names.push(kept[1]);
    else objects.push(kept);
  }
  return { confirmedAtMs, objects, names };
}
