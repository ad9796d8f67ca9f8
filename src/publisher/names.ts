/** What the objects of a published host are called, and their ports. Pure: the same in every replica. */

import { createHash } from "node:crypto";
import type { KubernetesPort, Namespace, ServicePort, SliceAddressType } from "../mesh/objects.ts";
import type { HostName } from "../wire/host-name.ts";

/** Different for different entries and hosts, also where they look alike; at most 54 characters. */
export function serviceName(namespace: Namespace, entry: string, host: HostName): string {
  const slug = host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_SLUG_CHARACTERS)
    .replace(/^-+|-+$/g, "");
  const hash = createHash("sha256").update(`${namespace}/${entry}/${host}`).digest("hex");
  return ["se", slug, hash.slice(0, HASH_CHARACTERS)].filter((part) => part !== "").join("-");
}

/** The first name of this kind that is free. */
export function sliceName(
  service: string,
  type: SliceAddressType,
  isTaken: (name: string) => boolean,
): string {
  for (let number = 0; ; number++) {
    const name = `${service}-${type === "IPv6" ? "v6" : "v4"}-${number}`;
    if (!isTaken(name)) return name;
  }
}

/** The entry's ports as Kubernetes takes them, in the same order. */
export function publishedPorts(ports: readonly ServicePort[]): readonly KubernetesPort[] {
  const taken = new Set<string>();
  return ports.map(({ number, name: written, protocol }) => {
    const wanted = written.toLowerCase().replace(/[^a-z0-9-]/g, "-");
    let name = PORT_NAME.test(wanted) && !taken.has(wanted) ? wanted : `p${number}`;
    for (let count = 2; taken.has(name); count++) name = `p${number}-${count}`;
    taken.add(name);
    return {
      name,
      number,
      protocol: transportOf(protocol),
      appProtocol: APP_PROTOCOLS[protocol.toUpperCase()] ?? "",
    };
  });
}

export function transportOf(protocol: string): "TCP" | "UDP" {
  return protocol.toUpperCase() === "UDP" ? "UDP" : "TCP";
}

const MAX_SLUG_CHARACTERS = 40;
const HASH_CHARACTERS = 10;
/** RFC 1123 label: what Services and EndpointSlices take as a port's name. */
const PORT_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Istio's protocol -> Kubernetes' word (KEP-3726) or the IANA service name; others are not said. */
const APP_PROTOCOLS: Readonly<Record<string, string>> = {
  HTTP: "http",
  HTTP2: "kubernetes.io/h2c",
  GRPC: "grpc",
  HTTPS: "https",
};
