/** The lines of an `upstream` step: what upstream knows of a name. */

import { RecordClass, RecordType } from "../../src/wire/constants.ts";
import { familyOf, parseIpAddress } from "../../src/wire/ip-address.ts";
import type { RecordData, ResourceRecord } from "../../src/wire/message.ts";
import { readDurationMs } from "./measures.ts";
import { readRecordType } from "./record-types.ts";
import { StoryError } from "./story-error.ts";

/** One line, read. */
export interface ZoneLine {
  /** Lower case; `*`: all names, whatever else is said of them. */
  readonly name: string;
  readonly delayMs: number;
  readonly says:
    | { readonly kind: "record"; readonly record: ResourceRecord }
    /** `type` undefined: for all types. */
    | { readonly kind: "fault"; readonly denial: Denial; readonly type: number | undefined }
    /** Of `*`: the names count again. */
    | { readonly kind: "up" };
}

const FAULTS = ["NXDOMAIN", "NODATA", "SERVFAIL", "REFUSED", "silent"] as const;

export interface Denial {
  readonly fault: (typeof FAULTS)[number];
  /** Of NXDOMAIN and NODATA; null: the reply has none. */
  readonly soa: { readonly ttlSeconds: number; readonly minimumSeconds: number } | null;
}

/** An upstream that is near. */
export const USUAL_DELAY_MS = 20;
export const USUAL_SOA = { ttlSeconds: 5, minimumSeconds: 5 };

/** `name TTL TYPE value`, `name [TYPE] NXDOMAIN [soa TTL MINIMUM]`, `* silent`, `* up`, each with `after 800 ms`. */
export function readZoneLine(value: unknown, where: string): ZoneLine {
  const text = String(value);
  const [, said = "", soaWords, after] = /^(.*?)(?: soa (none|\d+ \d+))?(?: after (.+))?$/.exec(text) ?? [];
  const delayMs = after === undefined ? USUAL_DELAY_MS : readDurationMs(after, where);
  const [spelled = "", ...words] = said.trim().split(/\s+/);
  const name = spelled.toLowerCase();
  const wrong = new StoryError(
    where,
    `cannot read "${text}"; lines are "NAME TTL TYPE VALUE", "NAME [TYPE] ${FAULTS.join("|")} [soa TTL MINIMUM|none]", "* FAULT", "* up"`,
  );
  if (name === "*" && words.length === 1 && words[0] === "up") return { name, delayMs, says: { kind: "up" } };
  const fault = FAULTS.find((each) => each === words.at(-1));
  const isDenial = fault === "NXDOMAIN" || fault === "NODATA";
  if (soaWords !== undefined && !isDenial) throw wrong;
  if (fault !== undefined) {
    if (words.length > 2 || (name === "*" && words.length > 1)) throw wrong;
    const type = words.length === 2 ? readRecordType(words[0], where) : undefined;
    return { name, delayMs, says: { kind: "fault", denial: { fault, soa: readSoa(soaWords) }, type } };
  }
  const [ttl = "", type, ...rest] = words;
  if (name === "*" || !/^\d+$/.test(ttl) || type === undefined || rest.length === 0) throw wrong;
  const typeNumber = readRecordType(type, where);
  const data = readData(typeNumber, rest.join(" "));
  if (data === undefined) throw wrong;
  const record = { name, type: typeNumber, class: RecordClass.IN, ttlSeconds: Number(ttl), data };
  return { name, delayMs, says: { kind: "record", record } };
}

function readSoa(words: string | undefined): Denial["soa"] {
  if (words === undefined) return USUAL_SOA;
  if (words === "none") return null;
  const [ttlSeconds = 0, minimumSeconds = 0] = words.split(" ").map(Number);
  return { ttlSeconds, minimumSeconds };
}

function readData(type: number, text: string): RecordData | undefined {
  // RFC 3597, section 5: octets of any type.
  const [, length, hex = ""] = /^\\# (\d+) ([0-9a-fA-F]+)$/.exec(text) ?? [];
  if (length !== undefined) {
    const octets = new Uint8Array(Buffer.from(hex, "hex"));
    return octets.length === Number(length) ? { kind: "raw", octets } : undefined;
  }
  switch (type) {
    case RecordType.A:
    case RecordType.AAAA: {
      const address = parseIpAddress(text);
      if (address === null || RecordType[familyOf(address)] !== type) return undefined;
      return { kind: familyOf(address), address };
    }
    case RecordType.CNAME:
    case RecordType.NS:
    case RecordType.PTR:
      return { kind: "name", name: text.toLowerCase() };
    case RecordType.TXT:
      return { kind: "TXT", strings: [text] };
    default:
      return undefined;
  }
}
