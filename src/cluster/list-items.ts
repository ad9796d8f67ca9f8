/**
 * Cuts the body of a list into its items as the octets come, wherever they are cut: each item is parsed for
 * itself and can be dropped at once, one that is too large or broken harms no other, and no turn of the event
 * loop has to parse a whole page. What is much and read by nobody is left out (`UNREAD_KEYS`, `UNREAD_TEXT_KEY`).
 */

import { OctetPieces } from "./octet-pieces.ts";

/** What stands around the items. */
export interface ListEnvelope {
  readonly resourceVersion: string;
  /** For the next page; "" on the last one. */
  readonly continueToken: string;
}

export interface ListItemsHandlers {
  /** One object of the list, parsed. */
  onItem(raw: unknown): void;
  /** An item that is too large, or no JSON. */
  onRefused(): void;
  /** Before the first item, where there is another page and its token stands before the items. */
  onContinued?(continueToken: string): void;
}

/** Octets of one list response; `push` them all, then `end`. Both throw a SyntaxError where it is no list. */
export class ListItems {
  readonly #handlers: ListItemsHandlers;
  /** All but the items. */
  readonly #envelope = new OctetPieces(MOST_ENVELOPE_OCTETS);
  readonly #item: OctetPieces;
  readonly #unreadKeys: KeysByLength;
  #depth = 0;
  #isInText = false;
  /** The first octet of the next chunk is escaped. */
  #isEscaped = false;
  /** Inside the brackets of `items`. */
  #isInItems = false;
  /** Inside of brackets that are left out, and so many are open with them; 0: not so. */
  #skippedDepth = 0;
  /** Inside a text that is left out. */
  #isTextSkipped = false;

  /** `unread`: further keys whose lists and objects are left empty. */
  constructor(mostItemOctets: number, handlers: ListItemsHandlers, unread: readonly string[] = []) {
    this.#item = new OctetPieces(mostItemOctets);
    this.#handlers = handlers;
    this.#unreadKeys = unread.length === 0 ? ALWAYS_UNREAD : keysByLength([...UNREAD_KEYS, ...unread]);
  }

  push(chunk: Buffer): void {
    const { length } = chunk;
    if (length === 0) return;
    // Octets from here on are not yet in the envelope or the item.
    let from = 0;
    // Of the quote before the last text that began in this chunk: the key, where a value begins.
    let textAt = -1;
    let at = this.#isEscaped ? 1 : 0;
    this.#isEscaped = false;
    if (this.#isInText) {
      at = this.#passText(chunk, at);
      if (this.#isTextSkipped && !this.#isInText) from = this.#endSkippedText(at - 1);
    }
    while (at < length) {
      if (this.#skippedDepth !== 0) {
        at = this.#passSkipped(chunk, at);
        if (this.#skippedDepth !== 0) break;
        from = at;
      }
      const octet = chunk[at]!;
      at += 1;
      if (octet === QUOTE) {
        if (this.#isInItems && isOneOf(UNREAD_TEXT_KEYS, chunk, textAt, at - 1)) {
          this.#item.add(chunk, from, at);
          this.#isTextSkipped = true;
        }
        textAt = at - 1;
        at = this.#passText(chunk, at);
        if (this.#isTextSkipped && !this.#isInText) from = this.#endSkippedText(at - 1);
      } else if (octet === OPEN_BRACE || octet === OPEN_BRACKET) {
        this.#depth += 1;
        if (!this.#isInItems) {
          if (octet === OPEN_BRACKET && this.#depth === ITEM_DEPTH) {
            this.#envelope.add(chunk, from, at);
            from = at;
            this.#isInItems = ITEMS_KEY.test(this.#envelope.tail(ITEMS_KEY_OCTETS));
            if (this.#isInItems) this.#tellToken();
          }
        } else if (this.#depth === ITEM_DEPTH + 1) from = at - 1;
        else if (isOneOf(this.#unreadKeys, chunk, textAt, at - 1)) {
          this.#item.add(chunk, from, at);
          this.#skippedDepth = this.#depth;
        }
      } else if (octet === CLOSE_BRACE || octet === CLOSE_BRACKET) {
        this.#depth -= 1;
        if (!this.#isInItems) continue;
        if (this.#depth === ITEM_DEPTH) {
          this.#item.add(chunk, from, at);
          from = at;
          this.#endItem();
        } else if (this.#depth < ITEM_DEPTH) {
          this.#isInItems = false;
          from = at - 1;
        }
      }
    }
    if (!this.#isInItems) this.#envelope.add(chunk, from, length);
    else if (this.#depth > ITEM_DEPTH && this.#skippedDepth === 0 && !this.#isTextSkipped)
      this.#item.add(chunk, from, length);
    if (this.#envelope.isTooLong) throw new SyntaxError("what stands around the items is too long");
  }

  end(): ListEnvelope {
    const envelope = readEnvelope(this.#envelope.take());
    if (envelope.resourceVersion === "") throw new SyntaxError("the list has no resourceVersion");
    return envelope;
  }

  /** `at`: within a text. Where it goes on: behind its quote, or behind the chunk. */
  #passText(chunk: Buffer, at: number): number {
    const end = endOfText(chunk, at);
    this.#isInText = end >= chunk.length;
    this.#isEscaped = end > chunk.length;
    return end + 1;
  }

  /** `at`: in brackets that are left out, in no text. Where it goes on: at the bracket that closes them, or behind the chunk. */
  #passSkipped(chunk: Buffer, at: number): number {
    const { length } = chunk;
    let depth = this.#depth;
    let here = at;
    for (; here < length; here += 1) {
      const octet = chunk[here]!;
      if (octet === QUOTE) {
        here = endOfText(chunk, here + 1);
        if (here < length) continue;
        this.#isInText = true;
        this.#isEscaped = here > length;
      } else if (octet === OPEN_BRACE || octet === OPEN_BRACKET) depth += 1;
      else if (octet === CLOSE_BRACE || octet === CLOSE_BRACKET) {
        if (depth === this.#skippedDepth) {
          this.#skippedDepth = 0;
          break;
        }
        depth -= 1;
      }
    }
    this.#depth = depth;
    return here;
  }

  /** `at`: of its quote, which is kept. */
  #endSkippedText(at: number): number {
    this.#isTextSkipped = false;
    return at;
  }

  #tellToken(): void {
    const { onContinued } = this.#handlers;
    if (onContinued === undefined || this.#envelope.isTooLong) return;
    const { continueToken } = readEnvelope(`${this.#envelope.text}]}`);
    if (continueToken !== "") onContinued(continueToken);
  }

  #endItem(): void {
    if (this.#item.isTooLong) {
      this.#item.take();
      this.#handlers.onRefused();
      return;
    }
    let raw: unknown;
    try {
      raw = JSON.parse(this.#item.take());
    } catch {
      this.#handlers.onRefused();
      return;
    }
    this.#handlers.onItem(raw);
  }
}

const MOST_ENVELOPE_OCTETS = 64 * 1024;
/** Brackets that are open around an item: the list's and those of `items`. */
const ITEM_DEPTH = 2;
const ITEMS_KEY = /"items"\s*:\s*\[$/;
const ITEMS_KEY_OCTETS = 32;
/**
 * Before what is left empty: which fields each writer of an object owns, in `metadata.managedFields`, and of Pods and
 * Nodes what runs there and how. It is most of such objects, and parsed for nobody. Where the octets are cut within
 * the key it is parsed all the same.
 */
export const UNREAD_KEYS = [
  "fieldsV1",
  "affinity",
  "args",
  "command",
  "containerStatuses",
  "env",
  "envFrom",
  "ephemeralContainers",
  "ephemeralContainerStatuses",
  "finalizers",
  "images",
  "initContainers",
  "initContainerStatuses",
  "lifecycle",
  "livenessProbe",
  "ownerReferences",
  "readinessProbe",
  "resources",
  "securityContext",
  "startupProbe",
  "tolerations",
  "topologySpreadConstraints",
  "volumeMounts",
  "volumes",
];
/** The same of a text: the object once more, as somebody wrote it. */
const UNREAD_TEXT_KEY = "kubectl.kubernetes.io/last-applied-configuration";

/** Keys as they stand before their values, from quote to colon, by their number of octets. */
type KeysByLength = readonly (readonly Buffer[])[];

function keysByLength(names: readonly string[]): KeysByLength {
  const keys = names.map((name) => Buffer.from(`"${name}":`));
  const longest = Math.max(...keys.map(({ length }) => length));
  return Array.from({ length: longest + 1 }, (_, each) => keys.filter(({ length }) => length === each));
}

const ALWAYS_UNREAD = keysByLength(UNREAD_KEYS);
const UNREAD_TEXT_KEYS = keysByLength([UNREAD_TEXT_KEY]);

/** Whether `chunk[from, to)` is one of the keys. */
function isOneOf(keys: KeysByLength, chunk: Buffer, from: number, to: number): boolean {
  if (from < 0 || to - from >= keys.length || chunk[to - 1] !== COLON) return false;
  for (const key of keys[to - from]!) if (isAt(chunk, from, key)) return true;
  return false;
}

function isAt(chunk: Buffer, from: number, key: Buffer): boolean {
  for (let index = 1; index < key.length; index += 1) if (chunk[from + index] !== key[index]) return false;
  return true;
}

/**
 * Of the quote that ends the text that `at` is in; `chunk.length`: it is not in the chunk; one more: nor that, and the first
 * octet of the next chunk is escaped.
 */
function endOfText(chunk: Buffer, at: number): number {
  const { length } = chunk;
  let here = at;
  for (; here < length; here += 1) {
    const octet = chunk[here];
    if (octet === QUOTE) return here;
    if (octet === BACKSLASH) here += 1;
  }
  return here;
}

const COLON = 0x3a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Of what is not there "". Throws a SyntaxError. */
function readEnvelope(text: string): ListEnvelope {
  const list: unknown = JSON.parse(text);
  const metadata = isObject(list) ? list["metadata"] : undefined;
  const textOf = (name: string): string => {
    const value = isObject(metadata) ? metadata[name] : undefined;
    return typeof value === "string" ? value : "";
  };
  return { resourceVersion: textOf("resourceVersion"), continueToken: textOf("continue") };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
