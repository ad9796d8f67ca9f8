/** Why a question is answered as it is, as `/api/explain` says it. Times are RFC 3339. */

import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import type { ClientClass } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";

export interface Explanation {
  readonly name: HostName;
  readonly type: string;
  /** Whose views counted; null: the client's namespace is not known. */
  readonly namespace: Namespace | null;
  readonly client: ExplainedClient;
  readonly match: Match;
  /** The host that was found, `*.rest` for a wildcard; null: the name is not ours. */
  readonly host: HostName | null;
  readonly decision: DecisionWord;
  readonly mode: AnswerMode | null;
  /** Who chose the mode, and what it gives this client. */
  readonly modeReason: string | null;
  /** The entry that answers, the oldest of merged ones; null: none does. */
  readonly object: ExplainedObject | null;
  /** Every other claim on the name that was looked at, and why the client is not answered from it. */
  readonly losers: readonly ExplainedLoser[];
  /** What the answer holds; of SRV beside it. */
  readonly addresses: readonly ExplainedAddress[];
  /** From the question to the answer. */
  readonly steps: readonly Step[];
  /** Reported of the entries that claim the name. */
  readonly problems: readonly ExplainedProblem[];
}

export type Match = "exact" | "wildcard" | "suffix" | "short" | "none";

/** What happens to the question. */
export type DecisionWord =
  | "answer"
  /** NOERROR without a record, with our SOA. */
  | "nodata"
  | "nxdomain"
  | "servfail"
  /** Waits for the first addresses. */
  | "hold"
  /** The client's own message goes upstream, and upstream's reply back. */
  | "forward"
  /** The same, but a denial becomes NODATA: the host exists. */
  | "forward-else-nodata"
  /** The same, but the host answers where upstream says NXDOMAIN. */
  | "upstream-first"
  /** Upstream is asked for the short name and for the Service's full name. */
  | "short-form"
  | "refuse"
  | "formerr"
  | "badvers"
  | "notauth";

export interface ExplainedClient {
  /** `ambiguous` and `forwarder`: nothing can be known of those who ask from the address. */
  readonly kind: "pod" | "ambiguous" | "forwarder" | "unknown";
  readonly address: string | null;
  /** `namespace/name`. */
  readonly pod: string | null;
  readonly namespace: Namespace | null;
  /** How its namespace is known. */
  readonly namespaceFrom: "pod" | "suffix" | null;
  readonly class: ClientClass;
}

export interface ExplainedObject {
  readonly kind: string;
  readonly namespace: Namespace;
  readonly name: string;
}

export interface ExplainedLoser extends ExplainedObject {
  readonly reason: string;
}

export interface ExplainedAddress {
  readonly address: string;
  readonly source: string;
  /** The name that was resolved, or the workload; null: the entry says the address itself. */
  readonly target: string | null;
  readonly state: string;
  /** Whole seconds since upstream said so; absent: it is not from upstream. */
  readonly age?: number;
  readonly expiresAt: string | null;
  readonly nextRefresh: string | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly since: string | null;
  } | null;
}

export interface Step {
  /** What was looked at. */
  readonly title: string;
  /** What was found, in sentences. */
  readonly text: string;
  /** Of the steps that look for a host: whether the next one was needed. */
  readonly result?: "next" | "settled";
}

export interface ExplainedProblem {
  readonly code: string;
  readonly severity: string;
  readonly object: ExplainedObject;
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
  readonly since: string | null;
}

/** A time that no calendar has is null. */
export function rfc3339(wallMs: number | null): string | null {
  if (wallMs === null) return null;
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
