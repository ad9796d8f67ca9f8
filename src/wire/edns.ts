/** The OPT record as a value (RFC 6891 6.1), made from and into an ordinary record; for tools and tests. */

import { readUint16, writeUint16 } from "./append.ts";
import { DNSSEC_OK, OPTION_FIXED_OCTETS, RecordType } from "./constants.ts";
import type { ResourceRecord } from "./record-data.ts";

export interface Edns {
  /** The sender's UDP payload size. */
  readonly size: number;
  readonly version: number;
  /** DO (RFC 3225). */
  readonly dnssecOk: boolean;
  /** The upper eight bits of the RCODE. */
  readonly extendedRcode: number;
  readonly options: readonly EdnsOptionValue[];
}

export interface EdnsOptionValue {
  readonly code: number;
  readonly data: Uint8Array;
}

/** The OPT record (RFC 6891 6.1.3): its class is the size, its TTL holds version and flags. */
export function ednsToRecord(edns: Edns): ResourceRecord {
  const { size, version, dnssecOk, extendedRcode, options } = edns;
  const ttlSeconds = extendedRcode * 2 ** 24 + version * 2 ** 16 + (dnssecOk ? DNSSEC_OK : 0);
  const data = { kind: "raw", octets: optionsToOctets(options) } as const;
  return { name: ".", type: RecordType.OPT, class: size, ttlSeconds, data };
}

/** The reverse; flags other than DO are not kept. Null if it is not owned by the root or an option is cut off. */
export function ednsFromRecord(record: ResourceRecord): Edns | null {
  const { name, ttlSeconds, data } = record;
  const options = data.kind === "raw" ? optionsFromOctets(data.octets) : null;
  if (name !== "." || options === null) return null;
  return {
    size: record.class,
    version: (ttlSeconds >>> 16) & 0xff,
    dnssecOk: (ttlSeconds & DNSSEC_OK) !== 0,
    extendedRcode: ttlSeconds >>> 24,
    options,
  };
}

function optionsToOctets(options: readonly EdnsOptionValue[]): Uint8Array {
  const total = options.reduce((octets, { data }) => octets + OPTION_FIXED_OCTETS + data.length, 0);
  const octets = new Uint8Array(total);
  let at = 0;
  for (const { code, data } of options) {
    at = writeUint16(octets, at, code);
    at = writeUint16(octets, at, data.length);
    octets.set(data, at);
    at += data.length;
  }
  return octets;
}

function optionsFromOctets(octets: Uint8Array): EdnsOptionValue[] | null {
  const options: EdnsOptionValue[] = [];
  for (let at = 0; at < octets.length; ) {
    if (at + OPTION_FIXED_OCTETS > octets.length) return null;
    const dataAt = at + OPTION_FIXED_OCTETS;
    const next = dataAt + readUint16(octets, at + 2);
    if (next > octets.length) return null;
    options.push({ code: readUint16(octets, at), data: new Uint8Array(octets.subarray(dataAt, next)) });
    at = next;
  }
  return options;
}
