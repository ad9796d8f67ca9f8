/** Why there is SERVFAIL, for a client that takes Extended DNS Errors (RFC 8914). */

import { NOT_FOUND } from "../table/host-table.ts";
import {
  errorCode,
  errorTextAt,
  errorTextLength,
  type FamilyIndex,
  FamilyKind,
  familyKind,
} from "../table/packed-record.ts";
import type { ExtendedErrorText } from "../wire/append.ts";
import { ExtendedError } from "../wire/constants.ts";

const NOT_SYNCED: ExtendedErrorText = {
  code: ExtendedError.NOT_READY,
  text: "the ServiceEntries are not read yet",
};
const NOT_RESOLVED: ExtendedErrorText = {
  code: ExtendedError.NOT_READY,
  text: "the first answer from upstream is still missing",
};

/** `variant`: of the host in the table's `octets`, or NOT_FOUND before the first sync. */
export function failureOf(octets: Uint8Array, variant: number, family: FamilyIndex): ExtendedErrorText {
  if (variant === NOT_FOUND) return NOT_SYNCED;
  if (familyKind(octets, variant, family) !== FamilyKind.FAILED) return NOT_RESOLVED;
  const from = errorTextAt(octets, variant, family);
  const text = Buffer.from(octets.buffer, octets.byteOffset + from, errorTextLength(octets, variant, family));
  return { code: errorCode(octets, variant, family), text: text.toString() };
}
