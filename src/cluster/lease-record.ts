/** The spec of a coordination.k8s.io/v1 Lease as a value, and back. */

import type { WrittenObject } from "./api-writes.ts";
import type { StoredObject } from "./exchange.ts";

export interface LeaseRecord {
  /** "": nobody. */
  readonly holder: string;
  readonly durationSeconds: number;
  readonly transitions: number;
  /** As written; a MicroTime. "": not said. */
  readonly acquireTime: string;
  readonly renewTime: string;
}

export const LEASE_RESOURCE = { group: "coordination.k8s.io", version: "v1", plural: "leases" } as const;

/** Total: what is odd in the spec counts as not said. */
export function readLease({ raw }: StoredObject): LeaseRecord {
  const spec = fieldsOf(raw["spec"]);
  return {
    holder: textOf(spec["holderIdentity"]),
    durationSeconds: countOf(spec["leaseDurationSeconds"]),
    transitions: countOf(spec["leaseTransitions"]),
    acquireTime: textOf(spec["acquireTime"]),
    renewTime: textOf(spec["renewTime"]),
  };
}

/** `stored`: in the place of which it is written, with its resource version as the guard; undefined: there is none. */
export function leaseObject(
  namespace: string,
  name: string,
  { holder, durationSeconds, transitions, acquireTime, renewTime }: LeaseRecord,
  stored: StoredObject | undefined,
): WrittenObject {
  const metadata = stored === undefined ? { namespace } : fieldsOf(stored.raw["metadata"]);
  const spec = {
    ...fieldsOf(stored?.raw["spec"]),
    holderIdentity: holder,
    leaseDurationSeconds: durationSeconds,
    leaseTransitions: transitions,
    acquireTime,
    renewTime,
  };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { ...metadata, name }, spec };
}

/** Kubernetes' MicroTime: always six digits of a second's parts. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/(\.\d{3})Z$/, "$1000Z");
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function countOf(value: unknown): number {
  return typeof value === "number" && value >= 0 ? value : 0;
}
