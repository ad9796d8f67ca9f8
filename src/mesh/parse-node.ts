/** A Node at the door: its addresses and where it stands. */

import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import type { NodeObject } from "./objects.ts";
import { type ParsedKind, parseWithMetadata } from "./parse-metadata.ts";
import { field, isFields, readFields, readList } from "./read-fields.ts";

const REGION_LABEL = "topology.kubernetes.io/region";
const ZONE_LABEL = "topology.kubernetes.io/zone";

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseNode(raw: unknown): ParsedKind<"Node"> {
  return parseWithMetadata("Node", raw, ({ raw: fields, object }): NodeObject => {
    const status = readFields(field(fields, "status"), "status") ?? {};
    const ips = new Set<IpAddress>();
    for (const each of readList(field(status, "addresses"), "status.addresses")) {
      const text = isFields(each) ? field(each, "address") : undefined;
      // Host names stand in the same list (type Hostname, InternalDNS).
      const ip = typeof text === "string" ? parseIpAddress(text) : null;
      if (ip !== null) ips.add(ip);
    }
    return {
      ...object,
      ips: [...ips],
      region: object.labels[REGION_LABEL] ?? "",
      zone: object.labels[ZONE_LABEL] ?? "",
    };
  });
}
