/**
 * A host that is to be published as a Service with EndpointSlices, and what has become of it: the values between
 * the registry, which knows what a host resolves to, and the publisher, which writes it.
 */

import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { Labels, Namespace, ObjectRef, PodTarget, ServiceEntry, ServicePort } from "./objects.ts";
import type { FamilyResolutions } from "./resolution.ts";

/** Where published Services stand, and nothing else. While there is no such Namespace nothing is published. */
export const PUBLISHED_NAMESPACE = "serviceentry-dns-published";

export interface Publication {
  readonly key: PublicationKey;
  readonly host: HostName;
  /** The oldest of the entries that answer. */
  readonly entry: ObjectRef;
  readonly entryUid: string;
  /** Those of the oldest entry, each number once for each transport. */
  readonly ports: readonly ServicePort[];
  /** Whether clients are led to endpoints of their own zone first, where there are any. */
  readonly prefersZone: boolean;
  readonly sources: readonly PublishedSource[];
}

/** Equal for the same entry and host. */
export type PublicationKey = string;
export function publicationKey(entry: ObjectRef, host: HostName): PublicationKey {
  return `${entry.namespace}/${entry.name}/${host}`;
}

/** Where endpoints come from. `reached`: the port behind each of the publication's ports, in their order. */
export type PublishedSource =
  | {
      readonly kind: "address";
      readonly address: IpAddress;
      readonly reached: readonly number[];
      readonly zone: string;
      readonly node: string;
      /** Undefined: no Pod. */
      readonly pod: PodTarget | undefined;
    }
  | {
      readonly kind: "name";
      readonly name: HostName;
      /** What the name means below the cluster domain; its endpoints then stand in the place of its address. */
      readonly service: ServiceRef | undefined;
      readonly reached: readonly number[];
      readonly zone: string;
      /** Undefined: it is not resolved, because there are too many. */
      readonly resolutions: FamilyResolutions | undefined;
    };

export interface ServiceRef {
  readonly namespace: Namespace;
  readonly name: string;
}

/** What clients outside the mesh are answered in the place of the real addresses. */
export type PublishedState =
  /** There will be an address soon. */
  | { readonly kind: "pending" }
  | { readonly kind: "published"; readonly addresses: readonly IpAddress[] }
  /** The real addresses stay; `reason`: a sentence without a full stop. */
  | { readonly kind: "refused"; readonly reason: string };

/** What the registry asks of those who publish. */
export interface Publishing {
  readonly mode: PublishMode;
  /** Whether anything can be published; while not, every host has its real addresses. */
  readonly isAvailable: boolean;
  stateOf(entry: ObjectRef, entryUid: string, host: HostName): PublishedState;
  /** Undefined: the host is not to be published any more. Called whenever something of it may be another. */
  change(key: PublicationKey, publication: Publication | undefined): void;
}

/** The setting `publish`. */
export type PublishMode = "off" | "annotated" | "mapped";

/** "maybe": where some port of it leads to another one of its endpoints. "unallowed": it asks, and its Namespace forbids. */
export type PublishChoice = "not" | "maybe" | "yes" | "unallowed";

/** What the entry, its Namespace and the setting say together. `labels`: of the Namespace; undefined: it is not known. */
export function publishChoice(
  { annotations }: Pick<ServiceEntry, "annotations">,
  labels: Labels | undefined,
  mode: PublishMode,
): PublishChoice {
  if (mode === "off" || labels === undefined) return "not";
  const said = Object.hasOwn(annotations, PUBLISH_NAME) ? annotations[PUBLISH_NAME] : undefined;
  const isAllowed = Object.hasOwn(labels, PUBLISH_NAME) && labels[PUBLISH_NAME] === PUBLISH_ALLOWED;
  if (said === "true") return isAllowed ? "yes" : "unallowed";
  if (!isAllowed) return "not";
  return said !== "false" && mode === "mapped" ? "maybe" : "not";
}

/** The annotation of an entry, "true" or "false", and the label of a Namespace, "allowed". */
export const PUBLISH_NAME = "serviceentry-dns.io/publish";
export const PUBLISH_WORDS = ["true", "false"] as const;
export const PUBLISH_ALLOWED = "allowed";

/** `name.namespace.svc.<cluster domain>` as the Service that it means; undefined: it means none. */
export function serviceOfName(name: HostName, clusterDomain: HostName): ServiceRef | undefined {
  const rest = `.svc.${clusterDomain}`;
  if (!name.endsWith(rest)) return undefined;
  const [service, namespace, ...more] = name.slice(0, -rest.length).split(".");
  if (!service || !namespace || more.length > 0) return undefined;
  return { namespace, name: service };
}
