/** Messages written by hand, octet by octet, so that the tests of the codec do not lean on the codec. */

export type Part = number | string | readonly number[] | Uint8Array;

/** Numbers are octets, strings their latin1 octets. */
export function octets(...parts: readonly Part[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map(toBuffer)));
}

function toBuffer(part: Part): Buffer {
  if (typeof part === "string") return Buffer.from(part, "latin1");
  return Buffer.from(typeof part === "number" ? [part] : part);
}

export function uint16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

export function uint32(value: number): number[] {
  return [...uint16(Math.floor(value / 65536)), ...uint16(value % 65536)];
}

/** Labels separated by dots, no escapes; "" is the root. */
export function name(text: string): Uint8Array {
  const labels = text === "" ? [] : text.split(".");
  return octets(...labels.flatMap((label) => [label.length, label]), 0);
}

export function pointer(target: number): number[] {
  return uint16(0xc000 | target);
}

/** `counts`: QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT. */
export function header(flags: number, counts: readonly number[], id = 0x1234): Uint8Array {
  return octets(uint16(id), uint16(flags), ...counts.map(uint16));
}

export function question(text: string, type = 1, recordClass = 1): Uint8Array {
  return octets(name(text), uint16(type), uint16(recordClass));
}

/** A record of class IN. */
export function record(owner: Part, type: number, ttlSeconds: number, rdata: Uint8Array): Uint8Array {
  return octets(owner, uint16(type), uint16(1), uint32(ttlSeconds), uint16(rdata.length), rdata);
}

interface OptFields {
  readonly owner?: Part;
  readonly size?: number;
  readonly extendedRcode?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly rdata?: Uint8Array;
  readonly rdataLength?: number;
}

export function opt(fields: OptFields = {}): Uint8Array {
  const { owner = 0, size = 1232, extendedRcode = 0, version = 0, flags = 0, rdata = octets() } = fields;
  const rdataLength = fields.rdataLength ?? rdata.length;
  return octets(
    owner,
    uint16(41),
    uint16(size),
    extendedRcode,
    version,
    uint16(flags),
    uint16(rdataLength),
    rdata,
  );
}

export function option(code: number, data: Uint8Array, length = data.length): Uint8Array {
  return octets(uint16(code), uint16(length), data);
}

/** The largest message, mostly records of `pointers` that each lead to the one before; owner names walk them all. */
export function pointerChainMessage(flags: number): Uint8Array {
  const message = Buffer.alloc(65535);
  const questionEnd = 12 + 5;
  message.set(header(flags, [1, 0, 0, 0]));
  message.set(question(""), 12);
  // One unknown record whose RDATA is a chain of pointers: 2 octets back each, up to where pointers reach.
  const rdata = questionEnd + 11;
  const chainEnd = 0x3ffe;
  message.set(record(0, 65280, 60, octets()), questionEnd);
  message.writeUInt16BE(chainEnd - rdata, rdata - 2);
  message.set(pointer(12), rdata);
  for (let at = rdata + 2; at + 1 < chainEnd; at += 2) message.set(pointer(at - 2), at);
  // Then as many records as fit; each owner points 100 links deep into the chain.
  let count = 1;
  let at = chainEnd;
  const one = record(pointer(rdata + 200), 16, 60, octets());
  for (; at + one.length <= message.length; at += one.length) {
    message.set(one, at);
    count += 1;
  }
  message.writeUInt16BE(count, 10);
  return new Uint8Array(message.subarray(0, at));
}
