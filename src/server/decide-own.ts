/** What a host of ours answers, by the type asked for: the lower half of the table of cases in `decide.ts`. */

import type { MonotonicMs } from "../runtime.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import {
  FamilyIndex,
  FamilyKind,
  familyKind,
  forwardsDnssec,
  hasPointer,
  isPass,
  untilMs,
} from "../table/packed-record.ts";
import { RecordType } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { Action, type DecideSettings, type Decision } from "./decision.ts";

/** Of a host whose record, view and variant `decision` holds. Fills in `family` and `untilMs`. */
export function decideOwn(
  query: Query,
  octets: Uint8Array,
  settings: DecideSettings,
  nowMs: MonotonicMs,
  decision: Decision,
): Action {
  const { view, variant, bareLabels } = decision;
  if (!isAnswered(query, octets, variant)) return Action.FORWARD;
  const fault = faultOf(query);
  if (fault !== null) return fault;
  switch (query.type) {
    case RecordType.A:
      return decideFamily(octets, FamilyIndex.A, nowMs, decision);
    case RecordType.AAAA:
      return decideFamily(octets, FamilyIndex.AAAA, nowMs, decision);
    case RecordType.HTTPS:
    case RecordType.SVCB:
      // Relaying the public record would lead clients past the addresses that we give.
      return settings.relayHttps ? Action.RESCUE : Action.EMPTY;
    case RecordType.PTR:
      return hasPointer(octets, view) ? Action.POINTER : Action.RESCUE;
    case RecordType.ANY:
      if (hasPointer(octets, view)) return Action.POINTER;
      // RFC 8482, section 4.1: one RRset is enough.
      decision.family = hasAddresses(octets, variant, FamilyIndex.A) ? FamilyIndex.A : FamilyIndex.AAAA;
      if (hasAddresses(octets, variant, decision.family)) return Action.ANSWER;
      return bareLabels > 0 ? Action.EMPTY : Action.HINFO;
    case RecordType.CNAME:
      // With a search suffix the CNAME of every answer is what was asked for.
      return bareLabels > 0 ? Action.EMPTY : Action.RESCUE;
    default:
      return Action.RESCUE;
  }
}

/** Whether the client gets an answer of ours; else its query is forwarded as if there were no host. */
export function isAnswered(query: Query, octets: Uint8Array, variant: number): boolean {
  if (variant === NOT_FOUND || isPass(octets, variant)) return false;
  return !(query.dnssecOk && forwardsDnssec(octets, variant));
}

/** Why a query for a name of ours is not answered, whatever the name. */
export function faultOf(query: Query): Action | null {
  // RFC 6891, section 6.1.3: a version that the responder does not implement.
  if (query.ednsVersion > 0) return Action.BADVERS;
  if (query.isFaultyIfOurs) return Action.FORMERR;
  // RFC 8945, section 5.2.1: we share a key with nobody.
  return query.hasSignature ? Action.NOTAUTH : null;
}

/** Never SERVFAIL for one family of a host that has the other: musl would then fail the whole lookup. */
function decideFamily(
  octets: Uint8Array,
  family: FamilyIndex,
  nowMs: MonotonicMs,
  decision: Decision,
): Action {
  const { variant } = decision;
  decision.family = family;
  const kind = familyKind(octets, variant, family);
  if (kind === FamilyKind.ADDRESSES) return Action.ANSWER;
  if (kind === FamilyKind.EMPTY) return Action.EMPTY;
  if (isUnderWay(octets, variant, family, nowMs)) {
    decision.untilMs = untilMs(octets, variant, family);
    return Action.HOLD;
  }
  const other = family === FamilyIndex.A ? FamilyIndex.AAAA : FamilyIndex.A;
  if (hasAddresses(octets, variant, other)) return Action.EMPTY;
  if (isUnderWay(octets, variant, other, nowMs)) {
    decision.untilMs = untilMs(octets, variant, other);
    return Action.HOLD;
  }
  return Action.FAIL;
}

function hasAddresses(octets: Uint8Array, variant: number, family: FamilyIndex): boolean {
  return familyKind(octets, variant, family) === FamilyKind.ADDRESSES;
}

function isUnderWay(octets: Uint8Array, variant: number, family: FamilyIndex, nowMs: MonotonicMs): boolean {
  return (
    familyKind(octets, variant, family) === FamilyKind.PENDING && untilMs(octets, variant, family) > nowMs
  );
}
