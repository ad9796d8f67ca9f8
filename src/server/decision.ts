/** What is decided about a question, and what that depends on besides the question. */

import type { MonotonicMs } from "../runtime.ts";
import type { ClientIndex } from "../table/client-index.ts";
import { type HostTable, NOT_FOUND } from "../table/host-table.ts";
import { FamilyIndex } from "../table/packed-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Query } from "../wire/query.ts";
import type { Asker } from "./asker.ts";
import { type SearchSuffixes, searchSuffixes } from "./search-suffix.ts";

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
  /** The forwarder's; where upstream says NXDOMAIN, it is decided again with that known. */
  UPSTREAM_FIRST: 11,
  /** The forwarder's, together with the full name that the short form of a service stands for. */
  SHORT_FORM: 12,
  /** The port at `port`, of the host that is the question's last `hostLabels` labels. */
  SERVICE: 13,
  /** The host that a reverse name points to. */
  POINTER: 14,
  /** The text that explains the host's answer. */
  WHY: 15,
  /** NXDOMAIN with our SOA: the host exists, but not with this search suffix. */
  NXDOMAIN: 16,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** One is filled again for every query. */
export class Decision {
  action: Action = Action.FORWARD;
  /** Where the host's record begins in the table's octets; NOT_FOUND where the name is not ours. */
  record: number = NOT_FOUND;
  /** The view that the client sees, and the variant that it gets; NOT_FOUND where the host is not for it. */
  view: number = NOT_FOUND;
  variant: number = NOT_FOUND;
  family: FamilyIndex = FamilyIndex.A;
  /** Of HOLD; Infinity where only the end of the first sync ends it. */
  untilMs: MonotonicMs = 0;
  /** How many of the question's first labels are the host, the others being a search suffix; 0: there is none. */
  bareLabels = 0;
  port: number = NOT_FOUND;
  hostLabels = 0;
  /** Which of the question's labels says in which namespace the client is; NOT_FOUND: none does. */
  namespaceLabel: number = NOT_FOUND;

  clear(): void {
    this.action = Action.FORWARD;
    this.untilMs = 0;
    this.namespaceLabel = NOT_FOUND;
    this.forgetHost();
  }

  /** No host was found under the name tried last. */
  forgetHost(): void {
    this.record = NOT_FOUND;
    this.view = NOT_FOUND;
    this.variant = NOT_FOUND;
    this.bareLabels = 0;
    this.port = NOT_FOUND;
    this.hostLabels = 0;
  }
}

/** What is known at the moment: the hosts and the Namespaces. */
export interface Knowledge {
  readonly table: HostTable;
  readonly clients: Pick<
    ClientIndex,
    "namespaceId" | "namespaceOctets" | "suffixAnswerOf" | "isDelegatedName"
  >;
}

/** Everything that a decision depends on; one is filled again for every query. */
export interface Situation {
  readonly query: Query;
  readonly asker: Asker;
  readonly knowledge: Knowledge;
  settings: DecideSettings;
  /** Infinity when the query has waited as long as it may. */
  nowMs: MonotonicMs;
  /** Upstream has said NXDOMAIN to this very question. */
  isDenied: boolean;
}

/** What a host with a search suffix is answered with. */
export const SuffixAnswer = { CNAME: 1, NXDOMAIN: 2, FORWARD: 3 } as const;
export type SuffixAnswer = (typeof SuffixAnswer)[keyof typeof SuffixAnswer];

/** The same as text. */
export const SUFFIX_ANSWER_BY_NAME = {
  cname: SuffixAnswer.CNAME,
  nxdomain: SuffixAnswer.NXDOMAIN,
  forward: SuffixAnswer.FORWARD,
} as const;

export interface DecideSettings {
  readonly suffixes: SearchSuffixes;
  /** Of namespaces that do not say it for themselves. */
  readonly suffixAnswer: SuffixAnswer;
  readonly shortServiceNames: boolean;
  /** Whether `_why.<host>` is answered. */
  readonly explainTxt: boolean;
  readonly relayHttps: boolean;
  /** Whether the table holds all hosts: what it lacks is not ours. */
  readonly isSynced: boolean;
  /** Whether we say who we are. */
  readonly tellsIdentity: boolean;
}

export interface DecideSettingsAsText {
  readonly clusterDomain: HostName;
  readonly searchSuffixes: readonly HostName[];
  readonly suffixAnswer: keyof typeof SUFFIX_ANSWER_BY_NAME;
  readonly shortServiceNames: boolean;
  readonly explainTxt: boolean;
  readonly relayHttps: boolean;
}

/** The settings of `decide` from their values as text. */
export function decideSettings(
  settings: DecideSettingsAsText,
  isSynced: boolean,
  tellsIdentity: boolean,
): DecideSettings {
  return {
    suffixes: searchSuffixes(settings.clusterDomain, settings.searchSuffixes),
    suffixAnswer: SUFFIX_ANSWER_BY_NAME[settings.suffixAnswer],
    shortServiceNames: settings.shortServiceNames,
    explainTxt: settings.explainTxt,
    relayHttps: settings.relayHttps,
    isSynced,
    tellsIdentity,
  };
}
