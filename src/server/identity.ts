/** Who this server is, for clients that ask in class CH (RFC 4892) or by NSID (RFC 5001). */

import { RecordClass, RecordType } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";

export interface ServerIdentity {
  /** Which of several servers behind one address this is: the pod's name. */
  readonly id: string;
  readonly version: string;
}

const ID = "id";
const VERSION = "version";

/** By name on the wire; `*.bind` are the older spellings (RFC 4892, section 2). */
const ASKED: ReadonlyMap<string, keyof ServerIdentity> = new Map([
  ["\x02id\x06server\x00", ID],
  ["\x08hostname\x04bind\x00", ID],
  ["\x07version\x06server\x00", VERSION],
  ["\x07version\x04bind\x00", VERSION],
] as const);

/** What a question of class CH wants to know of us; null: nothing, so it is not ours. */
export function identityAsked(query: Query): keyof ServerIdentity | null {
  if (query.class !== RecordClass.CH) return null;
  if (query.type !== RecordType.TXT && query.type !== RecordType.ANY) return null;
  return ASKED.get(query.nameKey()) ?? null;
}
