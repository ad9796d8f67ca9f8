/** What must be sent so that the data plane answers from one record in the place of another. */

import { isDeepStrictEqual } from "node:util";
import {
  CLIENT_CLASSES,
  type FamilyAnswer,
  type HostChange,
  type HostRecord,
  type HostVariant,
  type HostView,
} from "../table/host-record.ts";
import { FAMILIES, type Family } from "../wire/ip-address.ts";

/**
 * Nothing where they are equal, touches where only moments of expiry moved and all of one family moved to the same
 * one, else the whole record.
 */
export function differenceOf(before: HostRecord | undefined, after: HostRecord): readonly HostChange[] {
  const set: readonly HostChange[] = [{ kind: "set", record: after }];
  if (before === undefined || !isSameRecord(before, after)) return set;
  const touches: HostChange[] = [];
  for (const family of FAMILIES) {
    const old = expiriesOf(before, family);
    const moments = expiriesOf(after, family);
    if (areEqual(old, moments)) continue;
    const [expiresAtMs] = moments;
    if (expiresAtMs === undefined || moments.some((each) => each !== expiresAtMs)) return set;
    touches.push({ kind: "touch", host: after.host, family, expiresAtMs });
  }
  return touches;
}

/** But for moments of expiry, here and below. */
function isSameRecord(a: HostRecord, b: HostRecord): boolean {
  return (
    a.isDelegated === b.isDelegated &&
    a.isFallback === b.isFallback &&
    a.views.length === b.views.length &&
    a.views.every((view, at) => isSameView(view, b.views[at]!))
  );
}

function isSameView(a: HostView, b: HostView): boolean {
  return (
    isSameAudience(a.visibleTo, b.visibleTo) &&
    CLIENT_CLASSES.every((client) => a.choices[client] === b.choices[client]) &&
    a.pointer === b.pointer &&
    a.why === b.why &&
    a.variants.length === b.variants.length &&
    a.variants.every((variant, at) => isSameVariant(variant, b.variants[at]!)) &&
    isDeepStrictEqual(a.ports, b.ports)
  );
}

function isSameAudience(a: HostView["visibleTo"], b: HostView["visibleTo"]): boolean {
  if (a === b) return true;
  return a !== "all" && b !== "all" && a.size === b.size && [...a].every((namespace) => b.has(namespace));
}

function isSameVariant(a: HostVariant, b: HostVariant): boolean {
  return (
    a.isPass === b.isPass &&
    a.isAuthoritative === b.isAuthoritative &&
    a.source === b.source &&
    a.forwardsDnssec === b.forwardsDnssec &&
    a.negativeTtlSeconds === b.negativeTtlSeconds &&
    a.distribution === b.distribution &&
    FAMILIES.every((family) => isSameAnswer(a.answers[family], b.answers[family]))
  );
}

function isSameAnswer(a: FamilyAnswer, b: FamilyAnswer): boolean {
  if (a.kind === "addresses" && b.kind === "addresses")
    return (
      a.ttlSeconds === b.ttlSeconds &&
      a.isStale === b.isStale &&
      (a.expiresAtMs === undefined) === (b.expiresAtMs === undefined) &&
      areEqual(a.addresses, b.addresses) &&
      areEqual(a.weights ?? [], b.weights ?? []) &&
      isDeepStrictEqual(a.localities, b.localities)
    );
  if (a.kind === "pending" && b.kind === "pending") return a.untilMs === b.untilMs;
  if (a.kind === "failed" && b.kind === "failed") return a.error === b.error && a.text === b.text;
  return a.kind === b.kind;
}

/** Of everything whose TTL counts down, in the order of views and variants. */
function expiriesOf({ views }: HostRecord, family: Family): readonly number[] {
  return views.flatMap(({ variants }) =>
    variants.flatMap(({ answers }) => {
      const answer = answers[family];
      return answer.kind === "addresses" && answer.expiresAtMs !== undefined ? [answer.expiresAtMs] : [];
    }),
  );
}

function areEqual<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((each, at) => each === b[at]));
}
