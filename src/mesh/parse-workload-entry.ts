/** A WorkloadEntry at the door. */

import type { WorkloadEntry } from "./objects.ts";
import { readEndpoint } from "./parse-endpoint.ts";
import { type ParsedKind, parseWithMetadata, type Reading } from "./parse-metadata.ts";
import { hasCondition } from "./parse-pod.ts";
import { field, readFields, readTexts, ShapeFault } from "./read-fields.ts";

const HEALTH_ANNOTATION = "proxy.istio.io/health-checks-enabled";

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseWorkloadEntry(raw: unknown): ParsedKind<"WorkloadEntry"> {
  return parseWithMetadata("WorkloadEntry", raw, (reading): WorkloadEntry => {
    const spec = readFields(field(reading.raw, "spec"), "spec");
    if (spec === undefined) throw new ShapeFault("spec", "spec is missing");
    const { ref, uid, resourceVersion, createdAtMs, labels, annotations } = reading.object;
    const ofSpec = readTexts(field(spec, "labels"), "spec.labels");
    const workloadLabels =
      Object.keys(ofSpec).length === 0
        ? labels
        : Object.keys(labels).length === 0
          ? ofSpec
          : { ...ofSpec, ...labels };
    // Written out: an object that begins as a copy of another takes more room.
    return {
      ref,
      uid,
      resourceVersion,
      createdAtMs,
      labels,
      annotations,
      endpoint: readEndpoint(spec, "spec", workloadLabels),
      workloadLabels,
      isHealthy: !hasHealthChecks(reading) || hasCondition(field(reading.raw, "status"), "Healthy"),
    };
  });
}

function hasHealthChecks({ annotations }: Reading): boolean {
  return field(annotations, HEALTH_ANNOTATION) === "true";
}
