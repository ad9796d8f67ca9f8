/** The files that `check` is given, as documents and objects: read like the folder source reads them. */

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Fields } from "../../mesh/read-fields.ts";
import { listManifests, manifestFormat, reasonOf } from "../../watcher/folder-listing.ts";
import { cutDocuments, type ManifestFormat, readDocument } from "../../watcher/manifest-documents.ts";
import {
  guessRef,
  type ManifestEntry,
  type ReadDocument,
  readEntry,
  syntaxProblem,
} from "../../watcher/manifest-file.ts";
import { type Finding, finding, type Place } from "./finding.ts";

/** One document of a file, with the text that places are looked up in. */
export interface SourceDocument {
  readonly file: string;
  /** The line of the file on which `source` begins, from 1. */
  readonly line: number;
  readonly source: string;
}

export interface SourceObject {
  readonly document: SourceDocument;
  /** Which of the document's objects, from 0, lists unrolled. */
  readonly ordinal: number;
  readonly raw: Fields;
  /** Undefined: of a kind that is not answered. */
  readonly entry: ManifestEntry | undefined;
}

export interface Sources {
  readonly files: number;
  readonly objects: readonly SourceObject[];
  /** For `ManifestEntries`: which of two equal objects is in force. */
  readonly byPath: ReadonlyMap<string, { readonly documents: readonly ReadDocument[] }>;
  /** What could not be read. */
  readonly findings: readonly Finding[];
}

export interface ReadOptions {
  /** Text of standard input, for `-`. */
  readonly stdin: () => Promise<string>;
  /** Told after each file. */
  readonly onRead: (done: number, all: number) => void;
}

/** What names standard input in messages. */
export const STDIN = "stdin";

/** `paths`: files, folders and `-`. Resolves with a text, the end of a sentence, for a path that is not there. */
export async function readSources(
  paths: readonly string[],
  { stdin, onRead }: ReadOptions,
): Promise<Sources | { readonly fault: string }> {
  const listing = await listManifests(
    paths.filter((path) => path !== "-"),
    async () => {},
  );
  for (const path of paths) {
    const reason = listing.unreadable.get(path);
    if (reason !== undefined) return { fault: `${path}: ${reason}` };
  }
  const objects: SourceObject[] = [];
  const findings: Finding[] = [];
  const byPath = new Map<string, { readonly documents: readonly ReadDocument[] }>();
  for (const [path, reason] of listing.unreadable) findings.push(unreadable(path, reason));
  const take = (file: string, text: string, format: ManifestFormat) => {
    const documents = readText(file, text, format, objects, findings);
    byPath.set(file, { documents });
  };
  if (paths.includes("-")) {
    const text = await stdin();
    take(STDIN, text, /^\s*[[{]/.test(text) && isJson(text) ? "json" : "yaml");
  }
  const all = listing.files.size;
  let done = 0;
  for (const path of listing.files.keys()) {
    try {
      take(path, readFileSync(path, "utf8"), manifestFormat(path) ?? "yaml");
    } catch (error) {
      findings.push(unreadable(path, reasonOf(error)));
    }
    done += 1;
    onRead(done, all);
  }
  return { files: byPath.size, objects, byPath, findings };
}

function readText(
  file: string,
  text: string,
  format: ManifestFormat,
  objects: SourceObject[],
  findings: Finding[],
): readonly ReadDocument[] {
  return cutDocuments(text, format).map(({ line, source }): ReadDocument => {
    const document: SourceDocument = { file, line, source };
    const sourceHash = hash("sha256", source, "base64url");
    const content = readDocument({ line, source }, format);
    if (content.fault !== undefined) {
      const broken = { line, sourceHash, entries: [], otherKinds: 0 };
      const read = { ...broken, fault: { ...content.fault, object: guessRef(source) } };
      const said = syntaxProblem(file, read);
      const at = lineOf(document, content.fault.line);
      if (said !== undefined) findings.push(finding({ ...said, path: "" }, said.object, at));
      return read;
    }
    const entries: ManifestEntry[] = [];
    for (const [ordinal, each] of content.objects.entries()) {
      const entry = readEntry(each);
      objects.push({ document, ordinal, raw: each.raw, entry });
      if (entry !== undefined) entries.push(entry);
    }
    const otherKinds = content.objects.length - entries.length;
    return { line, sourceHash, entries, otherKinds, fault: undefined };
  });
}

/** The first word of a line of the document, `line` from 0. */
function lineOf({ file, line: start, source }: SourceDocument, line: number): Place {
  const text = source.split("\n")[line]?.replace(/\r$/, "") ?? "";
  const column = Math.max(1, text.search(/\S/) + 1);
  return { file, line: start + line, column, length: Math.max(1, text.trim().length), text };
}

function unreadable(path: string, reason: string): Finding {
  const object = { kind: "File", namespace: "", name: path };
  const place: Place = { file: path, line: 1, column: 1, length: 1, text: "" };
  return finding(
    { code: "FileUnreadable", path: "", message: `It cannot be read: ${reason}.` },
    object,
    place,
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
