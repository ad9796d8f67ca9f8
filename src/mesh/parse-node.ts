/** A Node at the door: its addresses and where it stands. */

import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import type { Labels, NodeObject } from "./objects.ts";
import { type ParsedKind, parseWithMetadata } from "./parse-metadata.ts";
import { field, isFields, readFields, readList } from "./read-fields.ts";

/** The older names are what some providers and old nodes still write alone. */
const REGION_LABELS = ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"];
const ZONE_LABELS = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
/** Istio's; Kubernetes has no word for it. */
const SUBZONE_LABELS = ["topology.istio.io/subzone"];
/** The list holds host names too, and what a provider calls a name may look like an address. */
const ADDRESS_TYPES: readonly unknown[] = ["InternalIP", "ExternalIP"];

/** A node has dozens of labels, of which nobody asks for more than these. */
const NO_LABELS: Labels = Object.freeze({});

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseNode(raw: unknown): ParsedKind<"Node"> {
  return parseWithMetadata("Node", raw, ({ raw: fields, object }): NodeObject => {
    const status = readFields(field(fields, "status"), "status") ?? {};
    return {
      ...object,
      labels: NO_LABELS,
      ips: readAddresses(readList(field(status, "addresses"), "status.addresses")),
      region: firstOf(object.labels, REGION_LABELS),
      zone: firstOf(object.labels, ZONE_LABELS),
      subzone: firstOf(object.labels, SUBZONE_LABELS),
    };
  });
}

function readAddresses(written: readonly unknown[]): readonly IpAddress[] {
  const ips = new Set<IpAddress>();
  for (const each of written) {
    if (!isFields(each) || !ADDRESS_TYPES.includes(field(each, "type"))) continue;
    const text = field(each, "address");
    const ip = typeof text === "string" ? parseIpAddress(text) : null;
    if (ip !== null) ips.add(ip);
  }
  return [...ips];
}

function firstOf(labels: Labels, names: readonly string[]): string {
  for (const name of names) if (labels[name]) return labels[name];
  return "";
}
