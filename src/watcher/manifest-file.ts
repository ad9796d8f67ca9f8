/**
 * What one manifest file says, and what it said before where a document of it cannot be read now: such a
 * document keeps its last good objects, and its neighbours are not touched by its fault.
 */

import { hash } from "node:crypto";
import { toKeptEntry } from "../mesh/kept-entry.ts";
import { type Kind, type ObjectRef, objectKey } from "../mesh/objects.ts";
import { type ParsedObject, parseObject } from "../mesh/parse-object.ts";
import { type Problem, problem } from "../mesh/problem.ts";
import {
  cutDocuments,
  isMapping,
  type ManifestDocument,
  type ManifestFormat,
  type ManifestObject,
  readDocument,
  type SyntaxFault,
} from "./manifest-documents.ts";

/** An object that some document gives, of a kind that we read. */
export interface ManifestEntry {
  /** Kind (of one group each), namespace and name: equal for two that are one object to Kubernetes. */
  readonly identity: string;
  readonly contentHash: string;
  readonly parsed: ParsedObject;
}

/** One document as last read. */
export interface ReadDocument {
  /** Its first line in the file, from 1. */
  readonly line: number;
  readonly sourceHash: string;
  /** Its objects; while `fault` is set, those of its last readable form. */
  readonly entries: readonly ManifestEntry[];
  /** Objects of kinds that are not ours. */
  readonly otherKinds: number;
  readonly fault: (SyntaxFault & { readonly object: ObjectRef }) | undefined;
}

/**
 * Reads a file's text. `before`: its documents as they were (none: []). A document whose text did not change
 * is not read again. Where as many documents changed as stood there before, a broken one takes over the
 * objects of the one in whose place it stands; else (a broken `---` line, say) the first broken one takes
 * over whatever changed or went, because nothing tells which of it was meant to go.
 */
export function readManifest(
  text: string,
  format: ManifestFormat,
  before: readonly ReadDocument[],
): readonly ReadDocument[] {
  const known = new Map(before.map((each) => [each.sourceHash, each]));
  const now = cutDocuments(text, format).map((document) => {
    const sourceHash = hash("sha256", document.source, "base64url");
    const same = known.get(sourceHash);
    return same === undefined ? readEntries(document, sourceHash, format) : { ...same, line: document.line };
  });
  const isBroken = now.some((each) => each.fault !== undefined && !known.has(each.sourceHash));
  return isBroken ? keepLastGood(now, before) : now;
}

/** The problem of a document that cannot be read; undefined: it can. */
export function syntaxProblem(path: string, document: ReadDocument): Problem | undefined {
  if (document.fault === undefined) return undefined;
  const { object, line, reason } = document.fault;
  const place = `${path}:${document.line + line}`;
  return problem("SyntaxError", object, place, `The document cannot be read: ${reason}.`);
}

function readEntries(document: ManifestDocument, sourceHash: string, format: ManifestFormat): ReadDocument {
  const { line, source } = document;
  const { objects, fault } = readDocument(document, format);
  if (fault !== undefined) {
    return { line, sourceHash, entries: [], otherKinds: 0, fault: { ...fault, object: guessRef(source) } };
  }
  const entries = objects.map(readEntry).filter((each) => each !== undefined);
  return { line, sourceHash, entries, otherKinds: objects.length - entries.length, fault };
}

/** Undefined: not a kind that we read. */
export function readEntry({ raw, contentHash }: ManifestObject): ManifestEntry | undefined {
  const { metadata } = raw;
  // A resourceVersion in a file is what some cluster once gave: editing the file does not change it.
  const parsed = parseObject(
    isMapping(metadata) ? { ...raw, metadata: { ...metadata, resourceVersion: contentHash } } : raw,
  );
  if (parsed === undefined) return undefined;
  const key = objectKey(parsed.ref);
  // Two objects without a readable name are not one object.
  const identity = parsed.ref.name === "" ? `${key} ${contentHash}` : key;
  return { identity, contentHash, parsed: inLittleRoom(parsed) };
}

function inLittleRoom(parsed: ParsedObject): ParsedObject {
  if (parsed.kind !== "ServiceEntry" || parsed.value === undefined) return parsed;
  return { ...parsed, value: toKeptEntry(parsed.value) };
}

function keepLastGood(
  now: readonly ReadDocument[],
  before: readonly ReadDocument[],
): readonly ReadDocument[] {
  const hashesBefore = new Set(before.map((each) => each.sourceHash));
  const hashesNow = new Set(now.map((each) => each.sourceHash));
  const came = now.filter((each) => !hashesBefore.has(each.sourceHash));
  const went = before.filter((each) => !hashesNow.has(each.sourceHash));
  const readable = new Set(
    now
      .filter((each) => each.fault === undefined)
      .flatMap((each) => each.entries.map((entry) => entry.identity)),
  );
  const lastGood = new Map<ReadDocument, readonly ManifestEntry[]>();
  if (came.length === went.length) {
    for (const [position, each] of came.entries()) lastGood.set(each, went[position]!.entries);
  } else {
    const first = came.find((each) => each.fault !== undefined);
    if (first !== undefined)
      lastGood.set(
        first,
        went.flatMap((each) => each.entries),
      );
  }
  return now.map((each) => {
    const last = lastGood.get(each);
    if (each.fault === undefined || last === undefined) return each;
    const entries = last.filter((entry) => !readable.has(entry.identity));
    const object = entries[0]?.parsed.ref ?? each.fault.object;
    return { ...each, entries, fault: { ...each.fault, object } };
  });
}

/** Which object a broken document seems to be about, for the report alone. */
export function guessRef(source: string): ObjectRef {
  const field = (name: string) =>
    new RegExp(`^\\s*"?${name}"?:\\s*"?([\\w.-]+)`, "m").exec(source)?.[1] ?? "";
  const kind = KINDS.find((each) => each === field("kind")) ?? "ServiceEntry";
  return { kind, namespace: field("namespace"), name: field("name") };
}

const KINDS: readonly Kind[] = ["ServiceEntry", "WorkloadEntry", "Pod", "Namespace", "Node"];
