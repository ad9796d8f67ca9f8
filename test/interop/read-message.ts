/** Octets to the fields that are compared, without any code of the program; names are expanded everywhere. */

import { type Name, nameOctets } from "./octets.ts";

export interface ReadRecord {
  readonly owner: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Names as text, the rest in hexadecimal digits. */
  readonly data: string;
}

export interface ReadOpt {
  readonly size: number;
  readonly extendedRcode: number;
  readonly version: number;
  readonly flags: number;
  readonly options: readonly { readonly code: number; readonly data: string }[];
}

export interface ReadMessage {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly {
    readonly name: Name;
    readonly text: string;
    readonly type: number;
    readonly class: number;
  }[];
  readonly answers: readonly ReadRecord[];
  readonly authorities: readonly ReadRecord[];
  /** Without OPT. */
  readonly additionals: readonly ReadRecord[];
  /** The OPT records, wherever they stand. */
  readonly opts: readonly ReadOpt[];
  /** Octets behind the last record. */
  readonly trailing: number;
}

/** Null: it cannot be walked to its end. */
export function readMessage(octets: Buffer): ReadMessage | null {
  try {
    return new Reader(octets).message();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** In the manner of RFC 1035 5.1. */
export function nameText(name: Name): string {
  return `${name.map(labelText).join(".")}.`;
}

const MAX_POINTERS = 128;
/** Types whose RDATA holds names (RFC 1035 3.3, RFC 2782): octets before them, names, octets behind. */
const NAMES_IN_DATA: Readonly<Record<number, readonly [number, number, number]>> = {
  2: [0, 1, 0],
  5: [0, 1, 0],
  6: [0, 2, 20],
  12: [0, 1, 0],
  15: [2, 1, 0],
  33: [6, 1, 0],
  39: [0, 1, 0],
};

class Reader {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  message(): ReadMessage {
    const [id, flags, ...counts] = Array.from({ length: 6 }, () => this.#uint16());
    const questions = Array.from({ length: counts[0]! }, () => {
      const name = this.#name();
      return { name, text: nameText(name), type: this.#uint16(), class: this.#uint16() };
    });
    const opts: ReadOpt[] = [];
    const [answers, authorities, additionals] = counts.slice(1).map((count) => this.#records(count, opts));
    return {
      id: id!,
      flags: flags!,
      questions,
      answers: answers!,
      authorities: authorities!,
      additionals: additionals!,
      opts,
      trailing: this.#octets.length - this.#at,
    };
  }

  #records(count: number, opts: ReadOpt[]): ReadRecord[] {
    const records: ReadRecord[] = [];
    for (let index = 0; index < count; index += 1) {
      const owner = nameText(this.#name());
      const type = this.#uint16();
      const recordClass = this.#uint16();
      const ttl = this.#octets.readUInt32BE(this.#at);
      this.#at += 4;
      const end = this.#uint16() + this.#at;
      if (end > this.#octets.length) throw new RangeError("RDATA past the end");
      if (type === 41) opts.push(this.#opt(recordClass, ttl, end));
      else records.push({ owner, type, class: recordClass, ttl, data: this.#data(type, end) });
    }
    return records;
  }

  #opt(size: number, ttl: number, end: number): ReadOpt {
    const options: { code: number; data: string }[] = [];
    while (this.#at < end) {
      const code = this.#uint16();
      options.push({ code, data: this.#hex(this.#uint16() + this.#at, end) });
    }
    return { size, extendedRcode: ttl >>> 24, version: (ttl >>> 16) & 0xff, flags: ttl & 0xffff, options };
  }

  #data(type: number, end: number): string {
    const layout = NAMES_IN_DATA[type];
    if (layout === undefined) return this.#hex(end, end);
    const [before, names, behind] = layout;
    const parts = [this.#hex(this.#at + before, end)];
    for (let index = 0; index < names; index += 1) parts.push(nameText(this.#name()));
    if (this.#at + behind !== end) throw new RangeError("RDATA of another length");
    return [...parts, this.#hex(end, end)].filter((part) => part !== "").join(" ");
  }

  #hex(end: number, limit: number): string {
    if (end > limit || this.#at > end) throw new RangeError("past the end");
    const text = this.#octets.toString("hex", this.#at, end);
    this.#at = end;
    return text;
  }

  #uint16(): number {
    this.#at += 2;
    return this.#octets.readUInt16BE(this.#at - 2);
  }

  #name(): Name {
    const labels: Buffer[] = [];
    let at = this.#at;
    let pointers = 0;
    for (;;) {
      const length = this.#octets.readUInt8(at);
      if (length >= 0xc0) {
        if (pointers === 0) this.#at = at + 2;
        pointers += 1;
        if (pointers > MAX_POINTERS) throw new RangeError("a circle of pointers");
        at = this.#octets.readUInt16BE(at) & 0x3fff;
        continue;
      }
      if (length > 63 || at + 1 + length > this.#octets.length) throw new RangeError("no label");
      at += 1 + length;
      if (length === 0) break;
      labels.push(this.#octets.subarray(at - length, at));
    }
    if (pointers === 0) this.#at = at;
    if (nameOctets(labels).length > 255) throw new RangeError("a name of more than 255 octets");
    return labels;
  }
}

function labelText(label: Buffer): string {
  let text = "";
  for (const octet of label) {
    const isPlain = octet > 0x20 && octet < 0x7f && octet !== 0x2e && octet !== 0x5c;
    text += isPlain ? String.fromCharCode(octet) : `\\${octet.toString().padStart(3, "0")}`;
  }
  return text;
}
