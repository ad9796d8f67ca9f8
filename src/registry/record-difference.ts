/** What must be sent so that the data plane answers from one record in the place of another. */

import type { FamilyAnswer, HostChange, HostRecord, HostView } from "../table/host-record.ts";
import { FAMILIES } from "../wire/ip-address.ts";

/** Nothing where they are equal, touches where only moments of expiry moved, else the whole record. */
export function differenceOf(before: HostRecord | undefined, after: HostRecord): readonly HostChange[] {
  const viewBefore = before?.views[0];
  const viewAfter = after.views[0];
  if (viewBefore === undefined || viewAfter === undefined || !isSameView(viewBefore, viewAfter))
    return [{ kind: "set", record: after }];
  const touches: HostChange[] = [];
  for (const family of FAMILIES) {
    const expiryBefore = expiryOf(viewBefore.answers[family]);
    const expiresAtMs = expiryOf(viewAfter.answers[family]);
    if (expiresAtMs !== undefined && expiresAtMs !== expiryBefore)
      touches.push({ kind: "touch", host: after.host, family, expiresAtMs });
  }
  return touches;
}

function isSameView(a: HostView, b: HostView): boolean {
  return (
    a.isPass === b.isPass &&
    a.isAuthoritative === b.isAuthoritative &&
    a.source === b.source &&
    a.forwardsDnssec === b.forwardsDnssec &&
    a.negativeTtlSeconds === b.negativeTtlSeconds &&
    FAMILIES.every((family) => isSameAnswer(a.answers[family], b.answers[family]))
  );
}

/** But for the moment of expiry. */
function isSameAnswer(a: FamilyAnswer, b: FamilyAnswer): boolean {
  if (a.kind === "addresses" && b.kind === "addresses")
    return (
      a.ttlSeconds === b.ttlSeconds &&
      a.isStale === b.isStale &&
      (a.expiresAtMs === undefined) === (b.expiresAtMs === undefined) &&
      areEqual(a.addresses, b.addresses) &&
      areEqual(a.weights ?? [], b.weights ?? [])
    );
  if (a.kind === "pending" && b.kind === "pending") return a.untilMs === b.untilMs;
  if (a.kind === "failed" && b.kind === "failed") return a.error === b.error && a.text === b.text;
  return a.kind === b.kind;
}

function expiryOf(answer: FamilyAnswer): number | undefined {
  return answer.kind === "addresses" ? answer.expiresAtMs : undefined;
}

function areEqual<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((each, at) => each === b[at]));
}
