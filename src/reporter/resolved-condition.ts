/**
 * The status condition `Resolved` of a ServiceEntry: what it should say, and the JSON patch that brings it there
 * without touching anything else of the status. Pure.
 */

import type { JsonPatchOperation } from "../cluster/api-writes.ts";
import type { StoredObject } from "../cluster/exchange.ts";
import { timestamp } from "./event-object.ts";
import type { HostCondition } from "./event-reasons.ts";

/** A condition in Istio's form, without its times. */
export interface ResolvedCondition {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: "Resolved" | "StaleAddresses" | "Pending" | "ResolveFailed" | "NoReadyEndpoints";
  readonly message: string;
}

export interface HostStanding {
  readonly condition: HostCondition;
  /** Why it has no addresses; a sentence's end without times. */
  readonly reason: string;
  readonly isOfEndpoints: boolean;
}

/** Of all hosts that the entry answers, the worst one counts; undefined: it answers none, so it has no condition. */
export function resolvedCondition(hosts: ReadonlyMap<string, HostStanding>): ResolvedCondition | undefined {
  if (hosts.size === 0) return undefined;
  const sorted = [...hosts].sort(([a], [b]) => (a < b ? -1 : 1));
  const inCondition = (condition: HostCondition) => sorted.filter(([, each]) => each.condition === condition);
  const unresolved = inCondition("unresolved");
  const [worst] = unresolved;
  if (worst !== undefined) {
    const [host, { reason, isOfEndpoints }] = worst;
    const others = unresolved.length > 1 ? `, and ${unresolved.length - 1} more` : "";
    const why = isOfEndpoints ? "no endpoint is ready" : reason;
    return {
      status: "False",
      reason: isOfEndpoints ? "NoReadyEndpoints" : "ResolveFailed",
      message: `Host ${host}: ${why}${others}.`,
    };
  }
  const [pending] = inCondition("pending");
  if (pending !== undefined)
    return { status: "Unknown", reason: "Pending", message: `Host ${pending[0]} is being resolved.` };
  const [stale] = inCondition("stale");
  if (stale !== undefined)
    return {
      status: "True",
      reason: "StaleAddresses",
      message: `Host ${stale[0]} cannot be refreshed; its last good addresses are answered.`,
    };
  const message = hosts.size === 1 ? "The host has addresses." : `All ${hosts.size} hosts have addresses.`;
  return { status: "True", reason: "Resolved", message };
}

/** Whether the object says it already. */
export function saysAlready(object: StoredObject, wanted: ResolvedCondition | undefined): boolean {
  const { present } = findCondition(object);
  if (wanted === undefined || present === undefined) return wanted === present;
  return FIELDS.every((field) => present[field] === wanted[field]);
}

/**
 * Operations on the status; empty: there is nothing to do. The test on the resource version makes the patch fail
 * where anybody wrote meanwhile, so places in lists are those that were read.
 */
export function conditionPatch(
  object: StoredObject,
  wanted: ResolvedCondition | undefined,
  wallMs: number,
): readonly JsonPatchOperation[] {
  if (saysAlready(object, wanted)) return [];
  const { status, conditions, at, present } = findCondition(object);
  const guard = { op: "test", path: "/metadata/resourceVersion", value: object.resourceVersion } as const;
  if (wanted === undefined) return [guard, { op: "remove", path: `/status/conditions/${at}` }];
  const now = timestamp(wallMs);
  const since = present?.["status"] === wanted.status ? present["lastTransitionTime"] : undefined;
  const value = { type: TYPE, ...wanted, lastProbeTime: now, lastTransitionTime: since ?? now };
  if (present !== undefined) return [guard, { op: "replace", path: `/status/conditions/${at}`, value }];
  if (conditions !== undefined) return [guard, { op: "add", path: "/status/conditions/-", value }];
  if (status !== undefined) return [guard, { op: "add", path: "/status/conditions", value: [value] }];
  return [guard, { op: "add", path: "/status", value: { conditions: [value] } }];
}

const TYPE = "Resolved";
const FIELDS = ["status", "reason", "message"] as const;

type Fields = Readonly<Record<string, unknown>>;

interface Found {
  readonly status: Fields | undefined;
  readonly conditions: readonly unknown[] | undefined;
  /** Of our condition in the list; -1: it is not there. */
  readonly at: number;
  readonly present: Fields | undefined;
}

function findCondition({ raw }: StoredObject): Found {
  const status = fieldsOf(raw["status"]);
  const list = status?.["conditions"];
  const conditions: readonly unknown[] | undefined = Array.isArray(list) ? list : undefined;
  const at = (conditions ?? []).findIndex((each) => fieldsOf(each)?.["type"] === TYPE);
  return { status, conditions, at, present: fieldsOf(conditions?.[at]) };
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
