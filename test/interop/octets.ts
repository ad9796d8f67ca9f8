/** DNS messages as octets, written without any code of the program: well-formed ones and others. */

/** Labels without their length octets; the root has none. */
export type Name = readonly Buffer[];

export interface RecordFields {
  /** Octets as they stand in the message: a pointer, or labels. */
  readonly owner: Buffer;
  readonly type: number;
  readonly class?: number;
  readonly ttl?: number;
  readonly data: Buffer;
}

export interface OptFields {
  readonly size: number;
  readonly version?: number;
  /** The eight upper bits of the RCODE. */
  readonly extendedRcode?: number;
  /** DO is 0x8000. */
  readonly flags?: number;
  readonly options?: readonly Buffer[];
}

export interface MessageFields {
  readonly id: number;
  /** The header's second 16-bit word. */
  readonly flags: number;
  readonly questions: readonly Buffer[];
  readonly answers?: readonly Buffer[];
  readonly authorities?: readonly Buffer[];
  readonly additionals?: readonly Buffer[];
}

/** Text with dots between labels; no escapes. */
export function nameOf(text: string): Name {
  return text === "" ? [] : text.split(".").map((label) => Buffer.from(label, "latin1"));
}

/** The name's wire octets; `end`: the root label, or a pointer to the rest. */
export function nameOctets(name: Name, end: Buffer = Buffer.from([0])): Buffer {
  return Buffer.concat([...name.flatMap((label) => [Buffer.from([label.length]), label]), end]);
}

export function pointerTo(offset: number): Buffer {
  return uint16(0xc000 | offset);
}

export function question(name: Name, type: number, recordClass: number): Buffer {
  return Buffer.concat([nameOctets(name), uint16(type), uint16(recordClass)]);
}

export function record({ owner, type, class: recordClass = 1, ttl = 300, data }: RecordFields): Buffer {
  return Buffer.concat([owner, uint16(type), uint16(recordClass), uint32(ttl), uint16(data.length), data]);
}

export function opt({ size, version = 0, extendedRcode = 0, flags = 0, options = [] }: OptFields): Buffer {
  const ttl = ((extendedRcode << 24) | (version << 16) | flags) >>> 0;
  return record({ owner: Buffer.from([0]), type: 41, class: size, ttl, data: Buffer.concat(options) });
}

export function option(code: number, data: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([uint16(code), uint16(data.length), data]);
}

export function message(fields: MessageFields): Buffer {
  const { id, flags, questions, answers = [], authorities = [], additionals = [] } = fields;
  const sections = [questions, answers, authorities, additionals];
  const header = [id, flags, ...sections.map((section) => section.length)].map(uint16);
  return Buffer.concat([...header, ...sections.flat()]);
}

export function uint16(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16BE(value & 0xffff);
  return octets;
}

export function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value >>> 0);
  return octets;
}
