/** What became known about an entry, as the Event that its owner reads: reason, type and one or two sentences. Pure. */

import type { ObjectRef, ServiceEntry } from "../mesh/objects.ts";
import { PROBLEMS, type Problem, type ProblemCode } from "../mesh/problem.ts";

export const EVENT_REASONS = [
  "Resolved",
  "ResolveFailed",
  "PortMismatch",
  "NoReadyEndpoints",
  "EndpointSkipped",
  "HostConflict",
  "HostRejected",
  "PublishRefused",
] as const;
export type EventReason = (typeof EVENT_REASONS)[number];

/** How a host that is answered is doing; "shadowed" and "rejected" are said by problems. */
export type HostCondition = "ok" | "pending" | "stale" | "unresolved" | "shadowed" | "rejected";

/** A host that an entry answers is in another condition than before. */
export interface ConditionChange {
  readonly host: string;
  readonly object: ObjectRef;
  /** Undefined: the entry did not answer it. */
  readonly before: HostCondition | undefined;
  /** Undefined: the entry answers it no more; another may. */
  readonly after: HostCondition | undefined;
  /** Why it has no addresses; "" if there is nothing to say. */
  readonly reason: string;
  /** Why the host's names have no new addresses: the error that lasts longest. Absent or null: none is known. */
  readonly error?: UpstreamError | null;
}

export interface UpstreamError {
  readonly code: string;
  /** Which upstream said what; one sentence without a full stop. */
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

export interface Happening {
  readonly object: ObjectRef;
  readonly reason: EventReason;
  readonly message: string;
}

/** Undefined: nothing that an Event tells. `entry`: the object of the change. */
export function happeningOfChange(
  { host, object, before, after, reason, error }: ConditionChange,
  entry: Pick<ServiceEntry, "resolution">,
): Happening | undefined {
  switch (after) {
    case "ok":
      return {
        object,
        reason: "Resolved",
        message:
          before === "stale" || before === "unresolved"
            ? `Host ${host} has up-to-date addresses again.`
            : `Host ${host} has addresses and is answered.`,
      };
    case "stale":
      return {
        object,
        reason: "ResolveFailed",
        message: `Host ${host}: ${because(error, reason)}; its last good addresses are answered.`,
      };
    case "unresolved": {
      if (isOfEndpoints(reason, error, entry))
        return { object, reason: "NoReadyEndpoints", message: `Host ${host} has no endpoint that is ready.` };
      return { object, reason: "ResolveFailed", message: `Host ${host}: ${because(error, reason)}.` };
    }
    default:
      return undefined;
  }
}

/** Undefined: the problem is about something else than a ServiceEntry, or too small for an Event. */
export function happeningOfProblem({ code, object, path, message }: Problem): Happening | undefined {
  const { kind, namespace, name } = object;
  if (kind !== "ServiceEntry") return undefined;
  const reason = code === "LimitExceeded" && path === "spec.hosts" ? "HostRejected" : REASON_OF_PROBLEM[code];
  if (reason === undefined) return undefined;
  const said = /[.!?]$/.test(message) ? message : `${message}.`;
  return { object: { kind, namespace, name }, reason, message: `${said} ${PROBLEMS[code].remedy}` };
}

const REASON_OF_PROBLEM: Readonly<Partial<Record<ProblemCode, EventReason>>> = {
  PortMismatch: "PortMismatch",
  NoEndpoints: "NoReadyEndpoints",
  EndpointSkipped: "EndpointSkipped",
  EndpointNameInStatic: "EndpointSkipped",
  EndpointUnixSocket: "EndpointSkipped",
  EndpointWithoutAddress: "EndpointSkipped",
  AddressForbidden: "EndpointSkipped",
  LimitExceeded: "EndpointSkipped",
  PublishRefused: "PublishRefused",
  PublishNotAllowed: "PublishRefused",
  PublishSkipped: "EndpointSkipped",
  HostConflict: "HostConflict",
  HostRejected: "HostRejected",
  HostInvalid: "HostRejected",
  HostReserved: "HostRejected",
  WildcardTooWide: "HostRejected",
  WildcardWithDns: "HostRejected",
};

/** Whether endpoints are missing, rather than names that could not be resolved. */
export function isOfEndpoints(
  reason: string,
  error: UpstreamError | null | undefined,
  { resolution }: Pick<ServiceEntry, "resolution">,
): boolean {
  if (reason !== "" || (error !== undefined && error !== null)) return false;
  return resolution === "STATIC" || resolution === "NONE";
}

/** Without a code: upstream said that the names have no addresses. */
function because(error: UpstreamError | null | undefined, reason: string): string {
  if (error === undefined || error === null) return reason === "" ? NO_ADDRESSES : reason;
  const since = new Date(error.sinceMs).toISOString().slice(0, 19);
  const said = reason === "" ? error.message : `${reason} (${error.message})`;
  return `${said}, since ${since}Z`;
}

export const NO_ADDRESSES = "upstream says that its names have no addresses";
