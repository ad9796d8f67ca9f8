/**
 * `service.ns` and `service.ns.svc`, asked without a search list (busybox nslookup does): if they are no names of
 * their own, the service's full name is meant. Finds such questions, writes the question for the full name, and of
 * its reply the answer to the short one.
 */

import type { Transport } from "../runtime.ts";
import type { ClientIndex } from "../table/client-index.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import {
  appendOpt,
  appendRecordHead,
  OPT_OCTETS,
  RECORD_HEAD_OCTETS,
  readUint16,
  readUint32,
  writeUint16,
} from "../wire/append.ts";
import {
  HEADER_OCTETS,
  HeaderFlag,
  MAX_NAME_OCTETS,
  QUESTION_FIXED_OCTETS,
  Rcode,
  RecordClass,
  RecordType,
} from "../wire/constants.ts";
import { QUESTION_NAME_AT, type Query } from "../wire/query.ts";
import { ReplySummary, readReply } from "../wire/read-reply.ts";
import type { ReplyFrame } from "./reply-frame.ts";
import { isLabel, labelOctets, type Suffix } from "./search-suffix.ts";

/** The longest question for a full name. */
export const MAX_FULL_QUESTION_OCTETS = HEADER_OCTETS + MAX_NAME_OCTETS + QUESTION_FIXED_OCTETS + OPT_OCTETS;

const SERVICES_LABEL = labelOctets("svc");
/** Namespaces that every cluster has, whether or not it was told of. */
const DEFAULT_LABEL = labelOctets("default");
const SYSTEM_LABEL = labelOctets("kube-system");
/** Of the CNAME where the full name has no address of the type. */
const EMPTY_TTL_SECONDS = 5;
/** Octets of an address by type. */
const ADDRESS_OCTETS: Readonly<Record<number, number>> = { [RecordType.A]: 4, [RecordType.AAAA]: 16 };
/** Where the fields of a record lie, from its TTL on and before it. */
const TYPE_BEFORE_TTL = -4;
const CLASS_BEFORE_TTL = -2;
const RDLENGTH_BEHIND_TTL = 4;
const RDATA_BEHIND_TTL = 6;

/** ANCOUNT (RFC 1035, section 4.1.1). */
const ANSWER_COUNT_AT = 6;

const summary = new ReplySummary();

/** Whether the question is such a short form: its second label is a Namespace, and no top-level domain. */
export function isShortForm(
  query: Query,
  domain: Suffix,
  clients: Pick<ClientIndex, "namespaceId" | "isDelegatedName">,
): boolean {
  const { type, labelCount } = query;
  if (type !== RecordType.A && type !== RecordType.AAAA) return false;
  if (labelCount !== 2 && !(labelCount === 3 && isLabel(query, 2, SERVICES_LABEL))) return false;
  if (query.class !== RecordClass.IN || query.dnssecOk || query.ednsVersion > 0) return false;
  if (query.hasSignature || query.hasUnderscoreLabel) return false;
  if (!isLabel(query, 1, DEFAULT_LABEL) && !isLabel(query, 1, SYSTEM_LABEL)) {
    const start = query.labelStarts[1]!;
    const namespace = clients.namespaceId(query.name, start + 1, query.name[start]!);
    if (namespace === NOT_FOUND || clients.isDelegatedName(namespace)) return false;
  }
  return fullNameLength(query, domain) <= MAX_NAME_OCTETS;
}

/** Writes the question for the full name of a short form into `out` and returns its octets. */
export function writeFullQuestion(query: Query, domain: Suffix, out: Uint8Array): number {
  writeUint16(out, 0, query.id);
  writeUint16(out, 2, query.flags & (HeaderFlag.RD | HeaderFlag.CD));
  writeUint16(out, 4, 1);
  writeUint16(out, 6, 0);
  writeUint16(out, 8, 0);
  writeUint16(out, 10, query.hasEdns ? 1 : 0);
  let at = writeFullName(query, domain, out, QUESTION_NAME_AT);
  at = writeUint16(out, at, query.type);
  at = writeUint16(out, at, query.class);
  return query.hasEdns ? appendOpt(out, at, false) : at;
}

/**
 * Writes the answer to the short form `query`, as it stands in `message`, into `frame`: a CNAME to the full name and
 * the addresses that the `reply` for it has. Returns its octets; 0 where there is no such name, or the reply cannot
 * be read.
 */
export function writeFromFull(
  message: Uint8Array,
  query: Query,
  transport: Transport,
  domain: Suffix,
  reply: Uint8Array,
  frame: ReplyFrame,
): number {
  if (!readReply(reply, reply.length, summary) || summary.rcode !== Rcode.NOERROR) return 0;
  const out = frame.octets;
  const cnameAt = frame.writeHead(message, query, Rcode.NOERROR, 0, 0, 0);
  const targetAt = cnameAt + RECORD_HEAD_OCTETS;
  const addressesAt = writeFullName(query, domain, out, targetAt);
  const end = frame.recordsEnd(query, transport);
  const octets = RECORD_HEAD_OCTETS + ADDRESS_OCTETS[query.type]!;
  let at = addressesAt;
  let answers = 1;
  let ttlSeconds = EMPTY_TTL_SECONDS;
  let isTruncated = summary.isTruncated;
  for (let index = 0; index < summary.answerCount && index < summary.ttlCount; index += 1) {
    const ttlAt = summary.ttlOffsets[index]!;
    if (!isAddress(reply, ttlAt, query.type)) continue;
    if (at + octets > end) {
      isTruncated = true;
      break;
    }
    const ttl = readUint32(reply, ttlAt);
    ttlSeconds = answers === 1 ? ttl : Math.min(ttlSeconds, ttl);
    const rdataAt = appendRecordHead(out, at, targetAt, query.type, ttl, ADDRESS_OCTETS[query.type]!);
    at += octets;
    for (let to = rdataAt; to < at; to += 1) out[to] = reply[ttlAt + RDATA_BEHIND_TTL + to - rdataAt]!;
    answers += 1;
  }
  appendRecordHead(out, cnameAt, QUESTION_NAME_AT, RecordType.CNAME, ttlSeconds, addressesAt - targetAt);
  writeUint16(out, ANSWER_COUNT_AT, answers);
  if (isTruncated) out[2]! |= HeaderFlag.TC >> 8;
  return frame.appendOpt(at, query, transport);
}

/** Whether the record whose TTL lies there is an address of the type. What aliases lead to is the full name's too. */
function isAddress(reply: Uint8Array, ttlAt: number, type: number): boolean {
  return (
    readUint16(reply, ttlAt + TYPE_BEFORE_TTL) === type &&
    readUint16(reply, ttlAt + CLASS_BEFORE_TTL) === RecordClass.IN &&
    readUint16(reply, ttlAt + RDLENGTH_BEHIND_TTL) === ADDRESS_OCTETS[type]
  );
}

function fullNameLength(query: Query, domain: Suffix): number {
  const withoutRoot = query.nameLength - 1;
  return withoutRoot + (query.labelCount === 2 ? SERVICES_LABEL.length : 0) + domain.octets.length;
}

function writeFullName(query: Query, domain: Suffix, out: Uint8Array, at: number): number {
  out.set(query.name.subarray(0, query.nameLength - 1), at);
  at += query.nameLength - 1;
  if (query.labelCount === 2) {
    out.set(SERVICES_LABEL, at);
    at += SERVICES_LABEL.length;
  }
  out.set(domain.octets, at);
  return at + domain.octets.length;
}
