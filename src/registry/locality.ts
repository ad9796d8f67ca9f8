/** Where an endpoint, a workload or a client is, and whether an entry wants the nearest ones only. Pure. */

import type { Endpoint, NamespaceObject, NodeObject, Pod, ServiceEntry } from "../mesh/objects.ts";
import { sharingByText } from "../mesh/shared-values.ts";
import type { Locality, TrafficDistribution } from "../table/host-record.ts";
import type { Workload } from "./selection.ts";
import { UNKNOWN_LOCALITY } from "./weighted.ts";

/** `network`: our clients' own, for what does not name one. */
export function endpointLocality(
  endpoint: Pick<Endpoint, "locality" | "network">,
  network: string | undefined,
): Locality {
  const own = endpoint.network ?? network ?? "";
  const { locality } = endpoint;
  if (own !== "") return { network: own, ...placeOf(locality), node: "" };
  if (locality === "") return UNKNOWN_LOCALITY;
  // Many endpoints stand at few places.
  return sharedPlace(locality);
}

/** The pod's label, else where its node stands; `node`: undefined while that is not known. */
export function podLocality(
  { labels, nodeName }: Pod,
  node: Pick<NodeObject, "region" | "zone" | "subzone"> | undefined,
  network: string | undefined,
): Locality {
  const written = labelOf(labels, LOCALITY_LABEL)?.replaceAll(".", "/");
  const { region, zone, subzone } = written ? placeOf(written) : (node ?? NOWHERE);
  return {
    network: labelOf(labels, NETWORK_LABEL) || (network ?? ""),
    region,
    zone,
    subzone,
    node: nodeName,
  };
}

export function workloadLocality(
  workload: Workload,
  nodeOf: (name: string) => NodeObject | undefined,
  network: string | undefined,
): Locality {
  return "endpoint" in workload
    ? endpointLocality(workload.endpoint, network)
    : podLocality(workload, nodeOf(workload.nodeName), network);
}

/** Undefined: all addresses to everybody. What the entry says, also `Any`, stands over its Namespace's word. */
export function distributionOf(
  entry: Pick<ServiceEntry, "trafficDistribution">,
  namespace: Pick<NamespaceObject, "trafficDistribution"> | undefined,
): TrafficDistribution | undefined {
  const said = entry.trafficDistribution ?? namespace?.trafficDistribution;
  return said === "Any" ? undefined : said;
}

const sharedPlace = sharingByText((locality): Locality => ({ network: "", ...placeOf(locality), node: "" }));
const LOCALITY_LABEL = "istio-locality";
const NETWORK_LABEL = "topology.istio.io/network";
const NOWHERE = { region: "", zone: "", subzone: "" } as const;

/** `region/zone/subzone`; what is left out at the end is not known. */
function placeOf(locality: string): Pick<Locality, "region" | "zone" | "subzone"> {
  const [region = "", zone = "", subzone = ""] = locality.split("/");
  return { region, zone, subzone };
}

function labelOf(labels: Pod["labels"], name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}
