/** Messages for the forwarder's tests, written octet by octet, and a reader that is as simple. */

export interface QuestionParts {
  readonly id?: number;
  /** The header's second word; RD=1 by default. */
  readonly flags?: number;
  readonly type?: number;
  readonly class?: number;
  readonly edns?: {
    readonly size?: number;
    readonly isDnssecOk?: boolean;
    readonly options?: readonly number[];
  };
}

export interface TestRecord {
  readonly type: number;
  readonly ttl: number;
  readonly data: readonly number[];
}

export interface ReplyParts {
  readonly flags?: number;
  readonly rcode?: number;
  readonly answers?: readonly TestRecord[];
  readonly authorities?: readonly TestRecord[];
  readonly additionals?: readonly TestRecord[];
  /** RDATA of an OPT record at the end. */
  readonly opt?: readonly number[];
}

export function question(name: string, parts: QuestionParts = {}): Uint8Array {
  const { id = 0x1234, flags = 0x0100, type = 1, class: recordClass = 1, edns } = parts;
  const octets = [...word(id), ...word(flags), 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1];
  octets.push(...nameOctets(name), ...word(type), ...word(recordClass));
  if (edns !== undefined) {
    const { size = 1232, isDnssecOk = false, options = [] } = edns;
    octets.push(0, 0, 41, ...word(size), 0, 0, isDnssecOk ? 0x80 : 0, 0, ...word(options.length), ...options);
  }
  return Uint8Array.from(octets);
}

/** A reply to the message with its ID and question; every record is owned by the question's name. */
export function replyTo(message: Uint8Array, parts: ReplyParts = {}): Uint8Array {
  const { flags = 0x8180, rcode = 0, answers = [], authorities = [], additionals = [], opt } = parts;
  const octets = [...message.subarray(0, 2), ...word(flags | rcode), 0, 1];
  octets.push(...word(answers.length), ...word(authorities.length));
  octets.push(...word(additionals.length + (opt === undefined ? 0 : 1)));
  octets.push(...message.subarray(12, questionEnd(message)));
  for (const { type, ttl, data } of [...answers, ...authorities, ...additionals]) {
    octets.push(0xc0, 12, ...word(type), 0, 1, ...word(ttl >>> 16), ...word(ttl & 0xffff));
    octets.push(...word(data.length), ...data);
  }
  if (opt !== undefined) octets.push(0, 0, 41, ...word(1232), 0, 0, 0, 0, ...word(opt.length), ...opt);
  return Uint8Array.from(octets);
}

export function a(lastOctet: number, ttl = 60): TestRecord {
  return { type: 1, ttl, data: [192, 0, 2, lastOctet] };
}

export function soa(ttl: number, minimum: number): TestRecord {
  const numbers = [1, 3600, 600, 86_400, minimum].flatMap((value) => [
    ...word(value >>> 16),
    ...word(value & 0xffff),
  ]);
  return { type: 6, ttl, data: [0xc0, 12, 0xc0, 12, ...numbers] };
}

export function nameOctets(name: string): number[] {
  const labels = name === "." || name === "" ? [] : name.split(".");
  return [...labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]), 0];
}

export function questionEnd(message: Uint8Array): number {
  let at = 12;
  while (message[at] !== 0) at += message[at]! + 1;
  return at + 5;
}

export interface ReadMessage {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly isTruncated: boolean;
  readonly name: string;
  readonly counts: readonly number[];
  readonly records: readonly ReadRecord[];
  /** RDATA of the OPT record, with its class and TTL; undefined without one. */
  readonly opt: { readonly size: number; readonly ttl: number; readonly data: Buffer } | undefined;
}

export interface ReadRecord {
  readonly type: number;
  readonly ttl: number;
  readonly data: Buffer;
}

/** Reads a message whose owner names are pointers or the root; throws on anything left over or cut off. */
export function read(octets: Uint8Array): ReadMessage {
  const message = Buffer.from(octets);
  let at = 12;
  const labels: string[] = [];
  for (; message[at] !== 0; at += message[at]! + 1) {
    labels.push(message.toString("latin1", at + 1, at + 1 + message[at]!));
  }
  at += 5;
  const counts = [4, 6, 8, 10].map((position) => message.readUInt16BE(position));
  const records: ReadRecord[] = [];
  let opt: ReadMessage["opt"];
  for (let left = counts[1]! + counts[2]! + counts[3]!; left > 0; left -= 1) {
    at += message[at] === 0 ? 1 : 2;
    const type = message.readUInt16BE(at);
    const size = message.readUInt16BE(at + 2);
    const ttl = message.readUInt32BE(at + 4);
    const dataLength = message.readUInt16BE(at + 8);
    const data = message.subarray(at + 10, at + 10 + dataLength);
    at += 10 + dataLength;
    if (type === 41) opt = { size, ttl, data };
    else records.push({ type, ttl, data });
  }
  if (at !== message.length) throw new Error(`message of ${message.length} octets ends at ${at}`);
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    flags,
    rcode: flags & 15,
    isTruncated: (flags & 0x0200) !== 0,
    name: labels.join("."),
    counts,
    records,
    opt,
  };
}

/** INFO-CODE of the first extended error in an OPT record's RDATA; undefined without one. */
export function extendedError(message: ReadMessage): number | undefined {
  const data = message.opt?.data;
  return data === undefined || data.length < 6 || data.readUInt16BE(0) !== 15
    ? undefined
    : data.readUInt16BE(4);
}

function word(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}
