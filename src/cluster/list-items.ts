/**
 * Cuts the body of a list into its items as the octets come, wherever they are cut: each item is parsed for
 * itself and can be dropped at once, one that is too large or broken harms no other, and no turn of the event
 * loop has to parse a whole page.
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

  constructor(mostItemOctets: number, handlers: ListItemsHandlers) {
    this.#item = new OctetPieces(mostItemOctets);
    this.#handlers = handlers;
  }

  push(chunk: Buffer): void {
    // Octets from here on are not yet in the envelope or the item.
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const octet = chunk[at]!;
      if (this.#isInText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (octet === BACKSLASH) this.#isEscaped = true;
        else if (octet === QUOTE) this.#isInText = false;
        continue;
      }
      switch (octet) {
        case QUOTE:
          this.#isInText = true;
          break;
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (this.#isInItems && this.#depth === ITEM_DEPTH) from = at;
          this.#depth += 1;
          if (octet === OPEN_BRACKET && this.#depth === ITEM_DEPTH && !this.#isInItems) {
            this.#envelope.add(chunk, from, at + 1);
            from = at + 1;
            this.#isInItems = ITEMS_KEY.test(this.#envelope.tail(ITEMS_KEY_OCTETS));
          }
          break;
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          this.#depth -= 1;
          if (!this.#isInItems) break;
          if (this.#depth === ITEM_DEPTH) {
            this.#item.add(chunk, from, at + 1);
            from = at + 1;
            this.#endItem();
          } else if (this.#depth < ITEM_DEPTH) {
            this.#isInItems = false;
            from = at;
          }
          break;
      }
    }
    if (!this.#isInItems) this.#envelope.add(chunk, from, chunk.length);
    else if (this.#depth > ITEM_DEPTH) this.#item.add(chunk, from, chunk.length);
    if (this.#envelope.isTooLong) throw new SyntaxError("what stands around the items is too long");
  }

  end(): ListEnvelope {
    const text = this.#envelope.take();
    const list: unknown = JSON.parse(text);
    const metadata = isObject(list) ? list["metadata"] : undefined;
    const resourceVersion = isObject(metadata) ? metadata["resourceVersion"] : undefined;
    if (!isObject(metadata) || typeof resourceVersion !== "string" || resourceVersion === "")
      throw new SyntaxError("the list has no resourceVersion");
    const token = metadata["continue"];
    return { resourceVersion, continueToken: typeof token === "string" ? token : "" };
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
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
