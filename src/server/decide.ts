/**
 * What to do with a question: a pure function of the question, the table and the moment.
 *
 * | question                                            | the host                        | action           |
 * |-----------------------------------------------------|---------------------------------|------------------|
 * | class CH, a name of the server's own                | any                             | IDENTITY         |
 * | any other class but IN and ANY; below clusterDomain | any                             | FORWARD          |
 * | any other                                           | not found, table complete       | FORWARD          |
 * |                                                     | not found, table incomplete     | HOLD, then FAIL  |
 * |                                                     | denied by upstream (pass)       | FORWARD          |
 * | EDNS version above 0 / signed                       | own                             | BADVERS / NOTAUTH|
 * | no class, a cookie of no length                     | own                             | FORMERR          |
 * | DO=1                                                | own, upstream's signatures count| FORWARD          |
 * | A, AAAA                                             | has addresses of the family     | ANSWER           |
 * |                                                     | has none                        | EMPTY            |
 * |                                                     | first attempt under way         | HOLD             |
 * |                                                     | failed, the other has addresses | EMPTY            |
 * |                                                     | failed, the other under way     | HOLD             |
 * |                                                     | failed                          | FAIL             |
 * | HTTPS, SVCB                                         | own                             | EMPTY (RESCUE)   |
 * | ANY                                                 | has addresses / has none        | ANSWER / HINFO   |
 * | every other type                                    | own                             | RESCUE           |
 */

import type { MonotonicMs } from "../runtime.ts";
import { type HostTable, NOT_FOUND } from "../table/host-table.ts";
import {
  FamilyIndex,
  FamilyKind,
  familyKind,
  forwardsDnssec,
  isPass,
  untilMs,
} from "../table/packed-record.ts";
import { RecordClass, RecordType } from "../wire/constants.ts";
import { type HostName, hostNameOctets } from "../wire/host-name.ts";
import type { Query } from "../wire/query.ts";
import { identityAsked } from "./identity.ts";

export const Action = {
  /** The forwarder's: the reply is relayed whatever it says. */
  FORWARD: 0,
  /** The forwarder's, but NXDOMAIN, SERVFAIL, REFUSED or silence become NODATA: the host is ours. */
  RESCUE: 1,
  /** The addresses of `family`. */
  ANSWER: 2,
  /** NODATA: NOERROR and our SOA. */
  EMPTY: 3,
  /** Wait for a change of the host (of any host, where `record` is NOT_FOUND), at most until `untilMs`. */
  HOLD: 4,
  /** SERVFAIL; `family` is the one that failed. */
  FAIL: 5,
  /** RFC 8482, section 4.2. */
  HINFO: 6,
  BADVERS: 7,
  NOTAUTH: 8,
  FORMERR: 9,
  /** Who this server is. */
  IDENTITY: 10,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** One is filled again for every query. */
export class Decision {
  action: Action = Action.FORWARD;
  /** Where the host's record begins in the table's octets; NOT_FOUND where the name is not ours. */
  record: number = NOT_FOUND;
  family: FamilyIndex = FamilyIndex.A;
  /** Of HOLD; Infinity where only the end of the first sync ends it. */
  untilMs: MonotonicMs = 0;
}

export interface DecideSettings {
  readonly clusterDomain: HostName;
  /** The same on the wire. */
  readonly clusterDomainOctets: Uint8Array;
  readonly clusterDomainLabels: number;
  readonly relayHttps: boolean;
  /** Whether the table holds all hosts: what it lacks is not ours. */
  readonly isSynced: boolean;
  /** Whether we say who we are. */
  readonly tellsIdentity: boolean;
}

/** Fills `decision`. `nowMs`: Infinity when the query has waited as long as it may. */
export function decide(
  query: Query,
  table: HostTable,
  settings: DecideSettings,
  nowMs: MonotonicMs,
  decision: Decision,
): void {
  decision.record = NOT_FOUND;
  if (settings.tellsIdentity && identityAsked(query) !== null) {
    decision.action = faultOf(query) ?? Action.IDENTITY;
    return;
  }
  if (isOtherClass(query) || isInClusterDomain(query, settings)) {
    decision.action = Action.FORWARD;
    return;
  }
  const record = table.find(query);
  decision.record = record;
  if (record === NOT_FOUND) {
    decision.untilMs = Number.POSITIVE_INFINITY;
    decision.action = settings.isSynced
      ? Action.FORWARD
      : nowMs < decision.untilMs
        ? Action.HOLD
        : Action.FAIL;
    return;
  }
  decision.action = decideOwn(query, table.octets, record, settings, nowMs, decision);
}

function decideOwn(
  query: Query,
  octets: Uint8Array,
  record: number,
  settings: DecideSettings,
  nowMs: MonotonicMs,
  decision: Decision,
): Action {
  if (isPass(octets, record)) return Action.FORWARD;
  const fault = faultOf(query);
  if (fault !== null) return fault;
  if (query.dnssecOk && forwardsDnssec(octets, record)) return Action.FORWARD;
  switch (query.type) {
    case RecordType.A:
      return decideFamily(octets, record, FamilyIndex.A, nowMs, decision);
    case RecordType.AAAA:
      return decideFamily(octets, record, FamilyIndex.AAAA, nowMs, decision);
    case RecordType.HTTPS:
    case RecordType.SVCB:
      // Relaying the public record would lead clients past the addresses that we give.
      return settings.relayHttps ? Action.RESCUE : Action.EMPTY;
    case RecordType.ANY:
      // RFC 8482, section 4.1: one RRset is enough.
      decision.family = hasAddresses(octets, record, FamilyIndex.A) ? FamilyIndex.A : FamilyIndex.AAAA;
      return hasAddresses(octets, record, decision.family) ? Action.ANSWER : Action.HINFO;
    default:
      return Action.RESCUE;
  }
}

/** Why a query for a name of ours is not answered, whatever the name. */
function faultOf(query: Query): Action | null {
  // RFC 6891, section 6.1.3: a version that the responder does not implement.
  if (query.ednsVersion > 0) return Action.BADVERS;
  if (query.isFaultyIfOurs) return Action.FORMERR;
  // RFC 8945, section 5.2.1: we share a key with nobody.
  return query.hasSignature ? Action.NOTAUTH : null;
}

/** Whether the class is one in which we have no names; one that is no class at all is not another. */
function isOtherClass(query: Query): boolean {
  return query.class !== RecordClass.IN && query.class !== RecordClass.ANY && !isNoClass(query);
}

function isNoClass(query: Query): boolean {
  return query.class === 0 || query.class === RecordClass.NONE;
}

/** Never SERVFAIL for one family of a host that has the other: musl would then fail the whole lookup. */
function decideFamily(
  octets: Uint8Array,
  record: number,
  family: FamilyIndex,
  nowMs: MonotonicMs,
  decision: Decision,
): Action {
  decision.family = family;
  const kind = familyKind(octets, record, family);
  if (kind === FamilyKind.ADDRESSES) return Action.ANSWER;
  if (kind === FamilyKind.EMPTY) return Action.EMPTY;
  if (isUnderWay(octets, record, family, nowMs)) {
    decision.untilMs = untilMs(octets, record, family);
    return Action.HOLD;
  }
  const other = family === FamilyIndex.A ? FamilyIndex.AAAA : FamilyIndex.A;
  if (hasAddresses(octets, record, other)) return Action.EMPTY;
  if (isUnderWay(octets, record, other, nowMs)) {
    decision.untilMs = untilMs(octets, record, other);
    return Action.HOLD;
  }
  return Action.FAIL;
}

function hasAddresses(octets: Uint8Array, record: number, family: FamilyIndex): boolean {
  return familyKind(octets, record, family) === FamilyKind.ADDRESSES;
}

function isUnderWay(octets: Uint8Array, record: number, family: FamilyIndex, nowMs: MonotonicMs): boolean {
  return familyKind(octets, record, family) === FamilyKind.PENDING && untilMs(octets, record, family) > nowMs;
}

/** Whether the name is the cluster domain or lies below it, label by label. */
function isInClusterDomain(query: Query, settings: DecideSettings): boolean {
  const firstLabel = query.labelCount - settings.clusterDomainLabels;
  if (firstLabel < 0) return false;
  const start = firstLabel === query.labelCount ? query.nameLength - 1 : query.labelStarts[firstLabel]!;
  const domain = settings.clusterDomainOctets;
  if (query.nameLength - start !== domain.length) return false;
  for (let at = 0; at < domain.length; at += 1) {
    if (query.name[start + at] !== domain[at]) return false;
  }
  return true;
}

/** The settings of `decide` from their values as text. */
export function decideSettings(
  clusterDomain: HostName,
  relayHttps: boolean,
  isSynced: boolean,
  tellsIdentity = false,
): DecideSettings {
  return {
    clusterDomain,
    clusterDomainOctets: hostNameOctets(clusterDomain),
    clusterDomainLabels: clusterDomain.split(".").length,
    relayHttps,
    isSynced,
    tellsIdentity,
  };
}
