/** A Pod at the door: its addresses, whether it serves, where it runs. */

import type { IpAddress } from "../wire/ip-address.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { Pod } from "./objects.ts";
import { type ParsedKind, parseWithMetadata, type Reading } from "./parse-metadata.ts";
import { field, isFields, readFields, readList, readText, shown } from "./read-fields.ts";

const TERMINAL_PHASES: readonly unknown[] = ["Succeeded", "Failed"];

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parsePod(raw: unknown): ParsedKind<"Pod"> {
  return parseWithMetadata("Pod", raw, (reading): Pod => {
    const metadata = readFields(field(reading.raw, "metadata"), "metadata") ?? {};
    const spec = readFields(field(reading.raw, "spec"), "spec") ?? {};
    const status = readFields(field(reading.raw, "status"), "status") ?? {};
    const isTerminal = TERMINAL_PHASES.includes(field(status, "phase"));
    return {
      ...reading.object,
      ips: readPodIps(field(status, "podIPs"), field(status, "podIP"), reading),
      isReady:
        !isTerminal && field(metadata, "deletionTimestamp") === undefined && hasCondition(status, "Ready"),
      isTerminal,
      usesHostNetwork: field(spec, "hostNetwork") === true,
      nodeName: readText(field(spec, "nodeName"), "spec.nodeName") ?? "",
    };
  });
}

/** Whether the status has the condition with the value True. */
export function hasCondition(status: unknown, type: string): boolean {
  const conditions = isFields(status) ? field(status, "conditions") : undefined;
  return (
    Array.isArray(conditions) &&
    conditions.some(
      (each) => isFields(each) && field(each, "type") === type && field(each, "status") === "True",
    )
  );
}

function readPodIps(podIps: unknown, podIp: unknown, { report }: Reading): readonly IpAddress[] {
  const listed = readList(podIps, "status.podIPs").map((each) => (isFields(each) ? field(each, "ip") : each));
  const single = readText(podIp, "status.podIP");
  const written = listed.length > 0 ? listed : single ? [single] : [];
  const ips = new Set<IpAddress>();
  for (const each of written) {
    const ip = typeof each === "string" ? parseIpAddress(each) : null;
    if (ip !== null) ips.add(ip);
    else report("AddressInvalid", "status.podIPs", `${shown(each)} is no IP address`);
  }
  return [...ips];
}
