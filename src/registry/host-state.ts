/** All that the registry holds of one host between two events. */

import type { Namespace, ObjectKey, ObjectRef } from "../mesh/objects.ts";
import type { PublicationKey } from "../mesh/publication.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Answer, AnsweredView } from "./answers.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Linked } from "./link.ts";
import type { Loser } from "./views.ts";

export const HOST_CONDITIONS = ["ok", "pending", "stale", "unresolved", "shadowed", "rejected"] as const;
/** How a host, or one claim on it, is doing. */
export type HostCondition = (typeof HOST_CONDITIONS)[number];

export interface HostState {
  readonly host: HostName;
  /** The claims that somebody could be answered from, oldest first. */
  candidates: readonly HostPlan[];
  /** Disjoint, the one for all clients last; empty: nobody is answered. */
  views: readonly AnsweredView[];
  /** All that the views choose from. */
  answers: readonly Answer[];
  losers: readonly Loser[];
  /** Claims beyond their namespace's limit. */
  excluded: readonly HostPlan[];
  /** Of all answers, each plan's once. */
  parts: readonly Linked[];
  /** How each entry that answers is doing. */
  conditions: readonly AnswerCondition[];
  /**
   * By the namespace that answers, while some family has no address and a first attempt is under way: until when
   * queries may be held.
   */
  pendingUntilMs: ReadonlyMap<Namespace, MonotonicMs>;
  hasProblems: boolean;
  /** What the publisher has been told. */
  publications: readonly PublicationKey[];
  /** Entries for which the host is answered with a ClusterIP. */
  publishedEntries: readonly ObjectKey[];
}

export interface AnswerCondition {
  readonly condition: HostCondition;
  readonly object: ObjectRef;
  /** Why it has no addresses, as the client is told; "" if there is nothing to say. */
  readonly reason: string;
}

export function newHostState(host: HostName): HostState {
  return {
    host,
    candidates: NONE,
    views: NONE,
    answers: NONE,
    losers: NONE,
    excluded: NONE,
    parts: NONE,
    conditions: NONE,
    pendingUntilMs: NEVER_PENDING,
    hasProblems: false,
    publications: NONE,
    publishedEntries: NONE,
  };
}

/**
 * Whether all of it can be found out again from the entry that alone claims the host: nothing waits, nothing was
 * said, and it depends on nothing else.
 */
export function isPlain(state: HostState): boolean {
  const { conditions, candidates, losers, excluded, parts, publications, publishedEntries } = state;
  const [first, second] = conditions;
  return (
    first?.condition === "ok" &&
    first.reason === "" &&
    second === undefined &&
    candidates.length === 1 &&
    losers.length === 0 &&
    excluded.length === 0 &&
    publications.length === 0 &&
    publishedEntries.length === 0 &&
    state.pendingUntilMs.size === 0 &&
    !state.hasProblems &&
    parts.every(({ names, selectors, reads }) => names.length + selectors.length + reads.length === 0)
  );
}

const NONE: readonly never[] = [];
const NEVER_PENDING: ReadonlyMap<Namespace, MonotonicMs> = new Map();
