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
  #depth = 0;
  #isInText = false;
  #isEscaped = false;
  /** Inside the brackets of `items`. */
  #isInItems = false;
  /** Inside of brackets that are left out, and so many are open with them; 0: not so. */
  #skippedDepth = 0;
  /** Inside a text that is left out. */
  #isTextSkipped = false;

  constructor(mostItemOctets: number, handlers: ListItemsHandlers) {
    this.#item = new OctetPieces(mostItemOctets);
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    const { length } = chunk;
    // Fields are read and written for each octet only where they have to be: most octets are in texts.
    let depth = this.#depth;
    let isInText = this.#isInText;
    // Octets from here on are not yet in the envelope or the item.
    let from = 0;
    for (let at = 0; at < length; at++) {
      if (isInText) {
        if (this.#isEscaped) {
          this.#isEscaped = false;
          continue;
        }
        let octet = chunk[at]!;
        while (octet !== QUOTE && octet !== BACKSLASH && at < length - 1) octet = chunk[++at]!;
        if (octet === QUOTE) {
          isInText = false;
          if (this.#isTextSkipped) {
            this.#isTextSkipped = false;
            from = at;
          }
        } else if (octet === BACKSLASH) this.#isEscaped = true;
        continue;
      }
      switch (chunk[at]!) {
        case QUOTE:
          isInText = true;
          if (this.#isInItems && this.#skippedDepth === 0 && followsKey(chunk, at, UNREAD_TEXT_KEY)) {
            this.#item.add(chunk, from, at + 1);
            this.#isTextSkipped = true;
          }
          break;
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.#isInItems && depth === ITEM_DEPTH) from = at;
          depth += 1;
          if (this.#isInItems) {
            if (this.#skippedDepth !== 0 || !followsUnreadKey(chunk, at)) break;
            this.#item.add(chunk, from, at + 1);
            this.#skippedDepth = depth;
          } else if (chunk[at] === OPEN_BRACKET && depth === ITEM_DEPTH) {
            this.#envelope.add(chunk, from, at + 1);
            from = at + 1;
            this.#isInItems = ITEMS_KEY.test(this.#envelope.tail(ITEMS_KEY_OCTETS));
            if (this.#isInItems) this.#tellToken();
          }
          break;
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          depth -= 1;
          if (!this.#isInItems) break;
          if (this.#skippedDepth > depth) {
            this.#skippedDepth = 0;
            from = at;
          }
          if (depth === ITEM_DEPTH) {
            this.#item.add(chunk, from, at + 1);
            from = at + 1;
            this.#endItem();
          } else if (depth < ITEM_DEPTH) {
            this.#isInItems = false;
            from = at;
          }
          break;
      }
    }
    this.#depth = depth;
    this.#isInText = isInText;
    if (!this.#isInItems) this.#envelope.add(chunk, from, length);
    else if (depth > ITEM_DEPTH && this.#skippedDepth === 0 && !this.#isTextSkipped)
      this.#item.add(chunk, from, length);
    if (this.#envelope.isTooLong) throw new SyntaxError("what stands around the items is too long");
  }

  end(): ListEnvelope {
    const envelope = readEnvelope(this.#envelope.take());
    if (envelope.resourceVersion === "") throw new SyntaxError("the list has no resourceVersion");
    return envelope;
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
const UNREAD_KEYS = [
  "fieldsV1",
  "affinity",
  "containerStatuses",
  "env",
  "envFrom",
  "images",
  "initContainers",
  "initContainerStatuses",
  "livenessProbe",
  "readinessProbe",
  "resources",
  "securityContext",
  "startupProbe",
  "tolerations",
  "volumeMounts",
  "volumes",
];
/** The same of a text: the object once more, as somebody wrote it. */
const UNREAD_TEXT_KEY = keyOctets("kubectl.kubernetes.io/last-applied-configuration");
/** By the last octet of the key: others need no comparing. */
const UNREAD_KEYS_BY_END: readonly (readonly Buffer[])[] = Array.from({ length: 256 }, (_, end) =>
  UNREAD_KEYS.map(keyOctets).filter((key) => key.at(-3) === end),
);

/** As it stands before its value. */
function keyOctets(key: string): Buffer {
  return Buffer.from(`"${key}":`);
}

/** `at`: of an opening bracket. */
function followsUnreadKey(chunk: Buffer, at: number): boolean {
  if (at < 3 || chunk[at - 1] !== COLON) return false;
  for (const key of UNREAD_KEYS_BY_END[chunk[at - 3]!]!) if (followsKey(chunk, at, key)) return true;
  return false;
}

function followsKey(chunk: Buffer, at: number, key: Buffer): boolean {
  const start = at - key.length;
  if (start < 0 || chunk[at - 1] !== COLON) return false;
  for (let index = key.length - 2; index >= 0; index -= 1)
    if (chunk[start + index] !== key[index]) return false;
  return true;
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
