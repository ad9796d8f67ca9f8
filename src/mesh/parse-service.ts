/** A Service at the door: its cluster addresses and ports. */

import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import type { KubernetesPort, Service } from "./objects.ts";
import { type ParsedKind, parseWithMetadata } from "./parse-metadata.ts";
import { field, isFields, readFields } from "./read-fields.ts";

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseService(raw: unknown): ParsedKind<"Service"> {
  return parseWithMetadata("Service", raw, ({ raw: fields, object }): Service => {
    const metadata = readFields(field(fields, "metadata"), "metadata") ?? {};
    const spec = readFields(field(fields, "spec"), "spec") ?? {};
    return {
      ...object,
      clusterIps: readClusterIps(field(spec, "clusterIPs"), field(spec, "clusterIP")),
      isHeadless: field(spec, "clusterIP") === "None",
      isExternalName: field(spec, "type") === "ExternalName",
      ports: readKubernetesPorts(field(spec, "ports")),
      isDeleting: field(metadata, "deletionTimestamp") !== undefined,
    };
  });
}

/** The API server has checked them; what is odd all the same is left out. Of Services and of slices. */
export function readKubernetesPorts(written: unknown): readonly KubernetesPort[] {
  if (!Array.isArray(written)) return [];
  return written.filter(isFields).flatMap((port): readonly KubernetesPort[] => {
    const number = field(port, "port") ?? 0;
    if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > MAX_PORT) return [];
    return [
      {
        name: textOf(field(port, "name")),
        number,
        protocol: textOf(field(port, "protocol")) || "TCP",
        appProtocol: textOf(field(port, "appProtocol")),
      },
    ];
  });
}

const MAX_PORT = 65535;

function readClusterIps(list: unknown, single: unknown): readonly IpAddress[] {
  const written: readonly unknown[] = Array.isArray(list) && list.length > 0 ? list : [single];
  const ips = new Set<IpAddress>();
  for (const each of written) {
    // "None" is the word for a headless Service.
    const ip = typeof each === "string" ? parseIpAddress(each) : null;
    if (ip !== null) ips.add(ip);
  }
  return [...ips];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
