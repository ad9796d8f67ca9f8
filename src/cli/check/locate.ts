/**
 * Where in a document a field of an object stands. The text is parsed a second time, by a parser that keeps the
 * places, and only where there is something to say of it: it takes ten times as long as reading the values.
 */

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
} from "yaml";
import type { Place } from "./finding.ts";
import type { SourceDocument, SourceObject } from "./sources.ts";

/** Finds places; remembers the document that it parsed last, because findings come object by object. */
export class Locator {
  #document: SourceDocument | undefined;
  #parsed: ParsedSource | undefined;

  /**
   * The field `path` of the object, or the nearest that is there. Within it the value that `message` names is
   * meant, if it names one: of a list of hosts the host.
   */
  locate(object: SourceObject, path: string, message: string): Place {
    const { document } = object;
    if (this.#document !== document || this.#parsed === undefined) {
      this.#document = document;
      this.#parsed = parseSource(document.source);
    }
    const parsed = this.#parsed;
    const root = parsed.objects[object.ordinal];
    if (root === undefined) return placeAt(document, parsed, 0, 0);
    const found = walk(root, stepsOf(path));
    const named = found.isWhole ? namedValue(found.spot, message) : undefined;
    const { from, to } = named ?? extentOf(found.spot);
    return placeAt(document, parsed, from, to);
  }
}

interface ParsedSource {
  readonly objects: readonly Spot[];
  readonly lines: LineCounter;
  readonly texts: readonly string[];
}

/** A value and the key that leads to it. */
interface Spot {
  readonly document: Document;
  readonly key: Node | undefined;
  readonly value: Node | undefined;
}

interface Extent {
  readonly from: number;
  readonly to: number;
}

function parseSource(source: string): ParsedSource {
  const lines = new LineCounter();
  const documents = parseAllDocuments(source, { lineCounter: lines, prettyErrors: false, merge: true });
  const objects = Array.isArray(documents)
    ? documents.flatMap((document) => {
        const contents = isNode(document.contents) ? document.contents : undefined;
        return unrollLists({ document, key: undefined, value: contents }, 0);
      })
    : [];
  return { objects, lines, texts: source.split("\n") };
}

/** As the reader of values does: `List` kinds stand for their items, in their order; what is empty is nothing. */
function unrollLists(spot: Spot, depth: number): readonly Spot[] {
  const value = resolved(spot);
  if (value === undefined || (isScalar(value) && value.value === null)) return [];
  if (!isMap(value)) return [spot];
  const kind = value.get("kind");
  const items = value.get("items", true);
  if (typeof kind !== "string" || !kind.endsWith("List") || !isSeq(items) || depth > MOST_NESTED_LISTS)
    return [spot];
  return items.items
    .filter(isNode)
    .map((item): Spot => ({ document: spot.document, key: undefined, value: item }))
    .filter((item) => isMap(resolved(item)))
    .flatMap((item) => unrollLists(item, depth + 1));
}

const MOST_NESTED_LISTS = 3;

/** `spec.endpoints[1].ports["http"]`: the names and numbers of it. A word before it (`a.yaml:3 spec`) is none. */
function stepsOf(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  const words = path.slice(path.lastIndexOf(" ") + 1);
  for (const [, name, index, quoted] of words.matchAll(/([^.[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    if (name !== undefined) steps.push(name);
    else if (index !== undefined) steps.push(Number(index));
    else if (quoted !== undefined) steps.push(String(JSON.parse(quoted)));
  }
  return steps;
}

function walk(root: Spot, steps: readonly (string | number)[]): { spot: Spot; isWhole: boolean } {
  let spot = root;
  for (const step of steps) {
    const next = stepInto(spot, step);
    if (next === undefined) return { spot, isWhole: false };
    spot = next;
  }
  return { spot, isWhole: true };
}

function stepInto(spot: Spot, step: string | number): Spot | undefined {
  const value = resolved(spot);
  const { document } = spot;
  if (isSeq(value)) {
    const item = typeof step === "number" ? value.items[step] : undefined;
    return isNode(item) ? { document, key: undefined, value: item } : undefined;
  }
  if (!isMap(value)) return undefined;
  const pair = value.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair && spotOf(document, pair);
}

function spotOf(document: Document, { key, value }: Pair): Spot {
  return { document, key: isNode(key) ? key : undefined, value: isNode(value) ? value : undefined };
}

function resolved({ document, value }: Spot): Node | undefined {
  return isAlias(value) ? value.resolve(document) : value;
}

/** The value of the spot, or of what is in it, that stands earliest in the message. */
function namedValue(spot: Spot, message: string): Extent | undefined {
  const value = resolved(spot);
  if (!isMap(value) && !isSeq(value)) return undefined;
  const words = new Map<string, number>();
  for (const [index, word] of message.split(/\s+/).entries()) {
    const bare = word.replace(/^["'(]+|["'.,;:)]+$/g, "").toLowerCase();
    if (bare !== "" && !words.has(bare)) words.set(bare, index);
  }
  let best: { readonly at: number; readonly extent: Extent } | undefined;
  let looked = 0;
  const look = (each: Spot, depth: number) => {
    looked += 1;
    if (looked > MOST_LOOKED_AT) return;
    const inner = resolved(each);
    for (const node of [each.key, inner]) {
      if (!isScalar(node)) continue;
      const at = words.get(String(node.value).replace(/\.$/, "").toLowerCase());
      if (at !== undefined && (best === undefined || at < best.at)) best = { at, extent: extentOf(each) };
    }
    if (depth === MOST_DEPTH) return;
    if (isSeq(inner))
      for (const item of inner.items.filter(isNode))
        look({ document: each.document, key: undefined, value: item }, depth + 1);
    else if (isMap(inner)) for (const pair of inner.items) look(spotOf(each.document, pair), depth + 1);
  };
  look({ ...spot, key: undefined }, 0);
  return best?.extent;
}

/** An object of Kubernetes is nowhere deeper, nor has it more in one field; aliases may multiply both. */
const MOST_DEPTH = 8;
const MOST_LOOKED_AT = 5000;

/** A scalar value itself; of a list or a mapping the key; of an object its `kind` or first line. */
function extentOf({ key, value }: Spot): Extent {
  const node = value !== undefined && (isScalar(value) || isAlias(value)) ? value : (key ?? value);
  const [from, to] = node?.range ?? key?.range ?? value?.range ?? [0, 0];
  return { from, to };
}

function placeAt(
  { file, line: start }: SourceDocument,
  { lines, texts }: ParsedSource,
  from: number,
  to: number,
): Place {
  const { line, col } = lines.linePos(from);
  // Of an empty source the counter knows no line.
  const row = Math.max(1, line);
  const column = Math.max(1, col);
  const text = (texts[row - 1] ?? "").replace(/\r$/, "");
  const length = Math.max(1, Math.min(to - from, text.length - column + 1));
  return { file, line: start + row - 1, column, length, text };
}
