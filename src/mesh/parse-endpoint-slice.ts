/** An EndpointSlice at the door: which Service it belongs to, and what serves it. */

import type { EndpointSlice, PodTarget, SliceAddressType, SliceEndpoint } from "./objects.ts";
import { type ParsedKind, parseWithMetadata } from "./parse-metadata.ts";
import { readKubernetesPorts } from "./parse-service.ts";
import { type Fields, field, isFields, readList, readOneOf } from "./read-fields.ts";

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const ADDRESS_TYPES: readonly SliceAddressType[] = ["IPv4", "IPv6", "FQDN"];

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseEndpointSlice(raw: unknown): ParsedKind<"EndpointSlice"> {
  return parseWithMetadata("EndpointSlice", raw, ({ raw: fields, object }): EndpointSlice => {
    const { labels } = object;
    return {
      ...object,
      serviceName: (Object.hasOwn(labels, SERVICE_NAME_LABEL) && labels[SERVICE_NAME_LABEL]) || "",
      addressType: readOneOf(field(fields, "addressType"), "addressType", ADDRESS_TYPES) ?? "IPv4",
      ports: readKubernetesPorts(field(fields, "ports")),
      endpoints: readList(field(fields, "endpoints"), "endpoints").filter(isFields).flatMap(readEndpoint),
    };
  });
}

/** discovery.k8s.io/v1: a condition that is not said counts as ready, as serving where it is ready, as not terminating. */
function readEndpoint(written: Fields): readonly SliceEndpoint[] {
  const addresses = field(written, "addresses");
  const address: unknown = Array.isArray(addresses) ? addresses[0] : undefined;
  if (typeof address !== "string") return [];
  const said = field(written, "conditions");
  const conditions = isFields(said) ? said : {};
  const isReady = field(conditions, "ready") !== false;
  const serving = field(conditions, "serving");
  const zone = textOf(field(written, "zone"));
  return [
    {
      address,
      isReady,
      isServing: typeof serving === "boolean" ? serving : isReady,
      isTerminating: field(conditions, "terminating") === true,
      zone,
      nodeName: textOf(field(written, "nodeName")),
      isForZone: zone !== "" && isForOnly(zone, field(written, "hints")),
      pod: readPod(field(written, "targetRef")),
    },
  ];
}

function isForOnly(zone: string, hints: unknown): boolean {
  const zones = isFields(hints) ? field(hints, "forZones") : undefined;
  if (!Array.isArray(zones) || zones.length !== 1) return false;
  const [only]: readonly unknown[] = zones;
  return isFields(only) && field(only, "name") === zone;
}

function readPod(written: unknown): PodTarget | undefined {
  if (!isFields(written) || field(written, "kind") !== "Pod") return undefined;
  const name = textOf(field(written, "name"));
  if (name === "") return undefined;
  return { namespace: textOf(field(written, "namespace")), name, uid: textOf(field(written, "uid")) };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
