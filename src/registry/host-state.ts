/** All that the registry holds of one host between two events. */

import type { AnswerMode, ObjectRef } from "../mesh/objects.ts";
import type { MonotonicMs } from "../runtime.ts";
import type { HostRecord } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Choice, Loser } from "./claims.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Linked } from "./link.ts";

export const HOST_CONDITIONS = ["ok", "pending", "stale", "unresolved", "shadowed", "rejected"] as const;
/** How a host, or one claim on it, is doing. */
export type HostCondition = (typeof HOST_CONDITIONS)[number];

export interface HostState {
  readonly host: HostName;
  /** The merged entries that answer, oldest first; empty: nobody does. */
  winners: readonly HostPlan[];
  losers: readonly Loser[];
  /** Claims beyond their namespace's limit. */
  excluded: readonly HostPlan[];
  /** Of the oldest winner. */
  mode: AnswerMode;
  choice: Choice;
  /** One per winner where the choice is real, else empty. */
  parts: readonly Linked[];
  /** What the data plane has been told. */
  record: HostRecord | undefined;
  /** Of `record`; undefined: the host is not answered. */
  condition: HostCondition | undefined;
  /** The entry that answers or last did. */
  answeredBy: ObjectRef | undefined;
  /** While some family has no address and a first attempt is under way. */
  pendingUntilMs: MonotonicMs | undefined;
  hasProblems: boolean;
}

export function newHostState(host: HostName): HostState {
  return {
    host,
    winners: [],
    losers: [],
    excluded: [],
    mode: "auto",
    choice: { kind: "forward" },
    parts: [],
    record: undefined,
    condition: undefined,
    answeredBy: undefined,
    pendingUntilMs: undefined,
    hasProblems: false,
  };
}
