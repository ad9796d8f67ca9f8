/** What one question of `lookup` came to, as a value and as lines to read. */

import { type EdeOption, type EdnsOption, Packet, type Resource } from "dns2";
import type { Transport } from "../runtime.ts";
import { RecordType } from "../wire/constants.ts";
import type { Exchange } from "./exchange.ts";

/** The form of `-o json`. */
export interface LookupReply {
  readonly type: string;
  /** The RCODE by name; "NODATA" for NOERROR without a record of the type; null without a reply. */
  readonly status: string | null;
  /** Why there is no reply; null with one. */
  readonly failure: string | null;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly answers: readonly LookupAnswer[];
  /** Extended DNS Errors (RFC 8914). */
  readonly ede: readonly { readonly code: number; readonly name: string; readonly text: string }[];
  readonly transport: Transport;
  readonly timeMs: number;
}

export interface LookupAnswer {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  /** The address, name or other RDATA in presentation form. */
  readonly data: string;
}

/** Types that can be asked for by name. */
export const TYPE_BY_NAME: ReadonlyMap<string, number> = new Map<string, number>([
  ...Object.entries(RecordType),
  ...Object.entries(Packet.TYPE).filter(([name]) => name !== "EDNS"),
]);

const NAME_BY_TYPE: ReadonlyMap<number, string> = new Map(
  [...TYPE_BY_NAME].map(([name, type]) => [type, name]),
);

/** `type`: what was asked for. */
export function readLookupReply(type: number, exchanged: Exchange): LookupReply {
  const { packet, failure, transport } = exchanged;
  const common = { type: typeName(type), transport, timeMs: Math.round(exchanged.timeMs * 10) / 10 };
  if (packet === undefined) {
    return { ...common, status: null, failure, authoritative: false, truncated: false, answers: [], ede: [] };
  }
  const { rcode, aa, tc } = packet.header;
  const hasType = packet.answers.some((each) => each.type === type || type === RecordType.ANY);
  const options = packet.additionals.find((each) => each.type === RecordType.OPT)?.rdata ?? [];
  return {
    ...common,
    status: rcode === Packet.RCODE.NOERROR && !hasType ? "NODATA" : rcodeName(rcode),
    failure: null,
    authoritative: aa === 1,
    truncated: tc === 1,
    answers: packet.answers.map((each) => ({
      name: printable(each.name),
      type: typeName(each.type),
      ttl: each.ttl,
      data: printable(dataText(each)),
    })),
    ede: options.filter(isEde).map(({ infoCode, extraText }) => ({
      code: infoCode,
      name: edeName(infoCode),
      text: printable(extraText),
    })),
  };
}

/** The records in columns, then one line per question that says how it went. */
export function lookupTable(host: string, server: string, replies: readonly LookupReply[]): string {
  const rows = replies.flatMap(({ answers }) =>
    answers.map(({ name, type, ttl, data }) => [name, type, `${ttl}`, data]),
  );
  const lines = rows.length === 0 ? [] : [...columns([["NAME", "TYPE", "TTL", "ADDRESS"], ...rows]), ""];
  for (const reply of replies) {
    lines.push(`${reply.type}: ${outcome(host, reply)} (${server}, ${reply.transport}, ${reply.timeMs} ms)`);
    for (const { code, name, text } of reply.ede) {
      lines.push(`  extended error ${code} (${name})${text === "" ? "" : `: ${text}`}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function outcome(
  host: string,
  { type, status, failure, answers, authoritative, truncated }: LookupReply,
): string {
  if (status === null) return `no reply: ${failure}`;
  const source = `${authoritative ? "authoritative" : "not authoritative"}${truncated ? ", cut off" : ""}`;
  switch (status) {
    case "NOERROR":
      return `answered with ${answers.length} record${answers.length === 1 ? "" : "s"}, ${source}`;
    case "NODATA":
      return `NODATA: ${host} exists and has no ${type} record, ${source}`;
    case "NXDOMAIN":
      return `NXDOMAIN: ${host} does not exist, ${source}`;
    case "SERVFAIL":
      return "SERVFAIL: the server cannot answer now";
    case "REFUSED":
      return "REFUSED: the server does not answer this question from here";
    default:
      return status;
  }
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

function dataText(record: Resource): string {
  switch (record.type) {
    case RecordType.CNAME:
    case RecordType.PTR:
      return record.domain ?? "";
    case RecordType.NS:
      return record.ns ?? "";
    case RecordType.MX:
      return `${record.priority} ${record.exchange}`;
    case RecordType.SRV:
      return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
    case RecordType.SOA: {
      const { primary, admin, serial, refresh, retry, expiration, minimum } = record;
      return [primary, admin, serial, refresh, retry, expiration, minimum].join(" ");
    }
  }
  if (record.address !== undefined) return record.address;
  const { data } = record;
  if (typeof data === "string") return JSON.stringify(data);
  // RFC 3597 5: data of a type that is not known here.
  if (Buffer.isBuffer(data)) return `\\# ${data.length} ${data.toString("hex")}`.trimEnd();
  return data === undefined ? "" : data.map((each) => JSON.stringify(each)).join(" ");
}

/** What comes from the network never moves the cursor of a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function typeName(type: number): string {
  return NAME_BY_TYPE.get(type) ?? `TYPE${type}`;
}

function rcodeName(rcode: number): string {
  return Object.entries(Packet.RCODE).find(([, value]) => value === rcode)?.[0] ?? `RCODE${rcode}`;
}

/** `No Reachable Authority` */
function edeName(code: number): string {
  const words = (Packet.EDE_NAME[code] ?? "unassigned").toLowerCase().split("_");
  return words.join(" ");
}

function isEde(option: EdnsOption): option is EdeOption {
  return option.ednsCode === Packet.EDNS_OPTION_CODE.EDE && "infoCode" in option && "extraText" in option;
}
