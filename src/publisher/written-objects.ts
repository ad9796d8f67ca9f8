/** The objects of a published host as the API takes them, and whether the ones that are there say the same. Pure. */

import { isDeepStrictEqual } from "node:util";
import type { WrittenObject } from "../cluster/api-writes.ts";
import type { KubernetesPort, Service, SliceEndpoint } from "../mesh/objects.ts";
import { SERVICE_NAME_LABEL } from "../mesh/parse-endpoint-slice.ts";
import { PUBLISHED_NAMESPACE, type Publication } from "../mesh/publication.ts";
import type { SliceContent } from "./slice-plan.ts";

export const SERVICES = { group: "", version: "v1", plural: "services" } as const;
export const SLICES = { group: "discovery.k8s.io", version: "v1", plural: "endpointslices" } as const;

/** Of every object of ours, and of nothing else. */
export const MANAGED_LABEL = "app.kubernetes.io/managed-by";
export const MANAGED_BY = "serviceentry-dns";
export const ENTRY_UID_LABEL = "serviceentry-dns.io/entry-uid";
export const ENTRY_ANNOTATION = "serviceentry-dns.io/entry";
export const HOST_ANNOTATION = "serviceentry-dns.io/host";

export function serviceObject(
  name: string,
  { entry, entryUid, host }: Publication,
  ports: readonly KubernetesPort[],
): WrittenObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace: PUBLISHED_NAMESPACE,
      labels: { [MANAGED_LABEL]: MANAGED_BY, [ENTRY_UID_LABEL]: entryUid },
      annotations: {
        [ENTRY_ANNOTATION]: `${entry.namespace}/${entry.name}`,
        [HOST_ANNOTATION]: host,
        // Istio would make it a host of the mesh, beside the entry itself.
        "networking.istio.io/exportTo": "~",
      },
    },
    spec: {
      type: "ClusterIP",
      // A family without endpoints is not answered, so an address of it does no harm.
      ipFamilyPolicy: "PreferDualStack",
      ports: ports.map(({ name: portName, number, protocol, appProtocol }) => ({
        name: portName,
        port: number,
        protocol,
        ...(appProtocol === "" ? {} : { appProtocol }),
      })),
    },
  };
}

export function sliceObject(
  { name, addressType, ports, endpoints }: SliceContent,
  service: string,
  entryUid: string,
): WrittenObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: PUBLISHED_NAMESPACE,
      labels: {
        [SERVICE_NAME_LABEL]: service,
        "endpointslice.kubernetes.io/managed-by": "serviceentry-dns.io",
        [MANAGED_LABEL]: MANAGED_BY,
        [ENTRY_UID_LABEL]: entryUid,
      },
    },
    addressType,
    ports: ports.map(({ name: portName, number, protocol, appProtocol }) => ({
      name: portName,
      port: number,
      protocol,
      ...(appProtocol === "" ? {} : { appProtocol }),
    })),
    endpoints: endpoints.map(endpointObject),
  };
}

function endpointObject({ address, zone, nodeName, isForZone, pod, ...conditions }: SliceEndpoint) {
  const { isReady, isServing, isTerminating } = conditions;
  return {
    addresses: [address],
    conditions: { ready: isReady, serving: isServing, terminating: isTerminating },
    ...(zone === "" ? {} : { zone }),
    ...(nodeName === "" ? {} : { nodeName }),
    ...(isForZone ? { hints: { forZones: [{ name: zone }] } } : {}),
    ...(pod === undefined
      ? {}
      : {
          targetRef: {
            kind: "Pod",
            namespace: pod.namespace,
            name: pod.name,
            ...(pod.uid === "" ? {} : { uid: pod.uid }),
          },
        }),
  };
}

/** Whether it is one that we wrote, for whatever entry. */
export function isOurs({ labels }: { readonly labels: Readonly<Record<string, string>> }): boolean {
  return Object.hasOwn(labels, MANAGED_LABEL) && labels[MANAGED_LABEL] === MANAGED_BY;
}

/** The entry's uid that the object was written for; "": none. */
export function entryUidOf({ labels }: { readonly labels: Readonly<Record<string, string>> }): string {
  return (Object.hasOwn(labels, ENTRY_UID_LABEL) && labels[ENTRY_UID_LABEL]) || "";
}

export function isServiceCurrent(
  present: Service,
  { entryUid }: Publication,
  ports: readonly KubernetesPort[],
): boolean {
  return entryUidOf(present) === entryUid && hasServicePorts(present, ports);
}

/** Their order says nothing. */
export function hasServicePorts(present: Service, ports: readonly KubernetesPort[]): boolean {
  const sorted = (each: readonly KubernetesPort[]) =>
    [...each].sort((a, b) => a.number - b.number || (a.protocol < b.protocol ? -1 : 1));
  return isDeepStrictEqual(sorted(present.ports), sorted(ports));
}
