/**
 * Manifest text into objects as they were written: cut into documents, each read for itself, `List` kinds
 * unrolled. Pure; a document that cannot be read says at which line and why, and spoils no other.
 */

import { hash } from "node:crypto";
import { CORE_SCHEMA, loadAll, mergeTag, YAMLException } from "js-yaml";

/** `json`: one strict JSON value; `yaml`: any number of documents (JSON is YAML too). */
export type ManifestFormat = "json" | "yaml";

/** One document of a file, not yet read. */
export interface ManifestDocument {
  /** The line of the file on which `source` begins, from 1. */
  readonly line: number;
  /** The text, without a bare `---` line before it. */
  readonly source: string;
}

/** One object of a document, its content unchecked beyond being a mapping. */
export interface ManifestObject {
  readonly raw: Readonly<Record<string, unknown>>;
  /** Equal for equal content: indentation, comments and quotes do not count. */
  readonly contentHash: string;
}

/** Why a document cannot be read; `line` counts from the document's own first line, which is 0. */
export interface SyntaxFault {
  readonly line: number;
  readonly reason: string;
}

export type DocumentContent =
  | { readonly objects: readonly ManifestObject[]; readonly fault?: never }
  | { readonly fault: SyntaxFault; readonly objects?: never };

/**
 * Cuts at `---` lines, before anything is read: YAML allows that marker at the start of a line nowhere else
 * (YAML 1.2, rule c-forbidden). Directives (`%YAML 1.2`) stay with the document that they introduce.
 */
export function cutDocuments(text: string, format: ManifestFormat): readonly ManifestDocument[] {
  const whole = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  if (format === "json") return [{ line: 1, source: whole }];
  const documents: ManifestDocument[] = [];
  let start = 0;
  let line = 1;
  const cutAt = (end: number) => {
    const source = whole.slice(start, end);
    if (end < whole.length && isDirectives(source)) return;
    // A document is the same with and without a marker before it.
    const marker = /^---[ \t\r]*\n/.exec(source)?.[0] ?? "";
    const content = source.slice(marker.length);
    if (content.trim() !== "") documents.push({ line: line + countLines(marker), source: content });
    line += countLines(source);
    start = end;
  };
  for (let at = whole.indexOf("\n---"); at !== -1; at = whole.indexOf("\n---", at + 1)) {
    if (isMarker(whole, at + 1)) cutAt(at + 1);
  }
  cutAt(whole.length);
  return documents;
}

/** Reads one document; never throws. An empty document has no objects; anything but mappings is a fault. */
export function readDocument(document: ManifestDocument, format: ManifestFormat): DocumentContent {
  try {
    const values = format === "json" ? [readJson(document.source)] : loadAll(document.source, { schema });
    // With anchors few octets can stand for a value of any size: then the text stands for the content.
    const anchored = format === "yaml" && document.source.includes("&");
    const objects: ManifestObject[] = [];
    for (const value of values) {
      if (value === null) continue;
      if (!isMapping(value)) return { fault: { line: 0, reason: "a document is a mapping of fields" } };
      for (const raw of unrollLists(value, 0)) {
        const content = anchored ? `${objects.length} ${document.source}` : JSON.stringify(raw);
        objects.push({ raw, contentHash: hash("sha256", content, "base64url") });
      }
    }
    return { objects };
  } catch (error) {
    return { fault: faultOf(error, document.source) };
  }
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const BYTE_ORDER_MARK = "\ufeff";
/** A list inside a list inside a list is a mistake, or an anchor that contains itself. */
const MOST_NESTED_LISTS = 3;
const schema = CORE_SCHEMA.withTags(mergeTag);

/** `kind: List`, or a typed list such as `ServiceEntryList`, whose items may leave out kind and apiVersion. */
function unrollLists(
  value: Readonly<Record<string, unknown>>,
  depth: number,
): readonly Readonly<Record<string, unknown>>[] {
  const { kind, apiVersion, items } = value;
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items)) return [value];
  if (depth === MOST_NESTED_LISTS) throw new Error("lists are nested too deeply");
  const itemDefaults = kind === "List" ? {} : { apiVersion, kind: kind.slice(0, -"List".length) };
  return items
    .filter(isMapping)
    .flatMap((item) => unrollLists("kind" in item ? item : { ...itemDefaults, ...item }, depth + 1));
}

function readJson(source: string): unknown {
  return source.trim() === "" ? null : JSON.parse(source);
}

function faultOf(error: unknown, source: string): SyntaxFault {
  if (error instanceof YAMLException) {
    // At the end of the input the mark lies behind the last line: what is missing is missing there.
    const last = countLines(source.trimEnd());
    return { line: Math.min(error.mark?.line ?? 0, last), reason: error.reason };
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (!(error instanceof SyntaxError)) return { line: 0, reason };
  // V8 shows the text around the fault, or its offset: the line and the name of the fault say enough.
  return {
    line: brokenJsonLine(source),
    reason: reason.replace(/,? (in JSON at|at position|\.\.\."|").*$/s, ""),
  };
}

/** The first line (from 0) at which the text stops being the beginning of any JSON: not every message says it. */
function brokenJsonLine(source: string): number {
  const lines = source.trimEnd().split("\n");
  let good = 0;
  let bad = lines.length;
  while (good + 1 < bad) {
    const middle = (good + bad) >> 1;
    if (canBeginJson(lines.slice(0, middle).join("\n"))) good = middle;
    else bad = middle;
  }
  return bad - 1;
}

function canBeginJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    const at = /at position (\d+)/.exec(message)?.[1];
    return message.startsWith("Unexpected end") || (at !== undefined && Number(at) >= text.length);
  }
}

function isMarker(text: string, at: number): boolean {
  const next = text[at + 3];
  return next === undefined || next === "\n" || next === "\r" || next === " " || next === "\t";
}

function isDirectives(source: string): boolean {
  const lines = source.split("\n").map((line) => line.trim());
  return (
    lines.some((line) => line.startsWith("%")) && lines.every((line) => line === "" || /^[#%]/.test(line))
  );
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
