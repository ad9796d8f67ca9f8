/**
 * A ServiceEntry in as little room as it takes: a cluster may have a hundred thousand, and each is read once when it
 * comes and then seldom. What most entries share (ports, resolution, the kinds of their endpoints) is kept once for
 * all of them, the rest as texts and numbers; the fields are made when they are asked for.
 */

import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { Endpoint, Labels, MeshObject, ObjectRef, ServiceEntry } from "./objects.ts";
import { NO_VALUES, sharedText, sharedValue } from "./shared-values.ts";

/** Equal to the entry, field by field. */
export function toKeptEntry(entry: ServiceEntry): ServiceEntry {
  return new KeptEntry(entry);
}

/** What is often equal for many. */
type Shape = Omit<ServiceEntry, keyof MeshObject | "hosts" | "addresses" | "endpoints" | "allocated">;
/** All of an endpoint but its address. */
type EndpointShape = Omit<Endpoint, "address">;

class KeptEntry implements ServiceEntry {
  readonly #namespace: string;
  readonly #name: string;
  readonly #uid: string;
  /** A number where it is one: it is no longer an object of its own then. */
  readonly #resourceVersion: string | number;
  /** Kubernetes tells whole seconds, which take no room of their own. */
  readonly #createdAtSeconds: number | undefined;
  readonly #labels: Labels;
  readonly #annotations: Labels;
  readonly #shape: Shape;
  /** Nearly always one. */
  readonly #hosts: HostName | readonly HostName[];
  readonly #addresses: readonly IpAddress[];
  readonly #allocated: ServiceEntry["allocated"];
  readonly #endpointShapes: readonly EndpointShape[];
  /** Of all of them, one behind the other, where each is an address; else the values. */
  readonly #endpointAddresses: string | readonly Endpoint["address"][];

  constructor(entry: ServiceEntry) {
    const { ref, resourceVersion, createdAtMs, hosts, endpoints, ttlSeconds, labels, annotations } = entry;
    this.#namespace = sharedText(ref.namespace);
    this.#name = ref.name;
    this.#uid = entry.uid;
    this.#resourceVersion = WHOLE_NUMBER.test(resourceVersion) ? Number(resourceVersion) : resourceVersion;
    this.#createdAtSeconds = createdAtMs === undefined ? undefined : createdAtMs / 1000;
    this.#labels = shared(LABELS, labels);
    this.#annotations = shared(LABELS, annotations);
    this.#shape = shared(SHAPES, {
      hasAddresses: entry.hasAddresses,
      ports: entry.ports,
      resolution: entry.resolution,
      location: entry.location,
      hasEndpoints: entry.hasEndpoints,
      selector: entry.selector,
      exportTo: entry.exportTo,
      answer: entry.answer,
      ttlSeconds,
      trafficDistribution: entry.trafficDistribution,
    });
    this.#hosts = hosts.length === 1 ? hosts[0]! : hosts;
    this.#addresses = entry.addresses;
    this.#allocated = entry.allocated;
    this.#endpointShapes = shared(
      ENDPOINTS,
      endpoints.map(({ address: _, ...rest }) => rest),
    );
    const ips = endpoints.flatMap(({ address }) => (address.kind === "ip" ? [address.ip] : []));
    this.#endpointAddresses =
      ips.length === endpoints.length ? ips.join(" ") : endpoints.map(({ address }) => address);
  }

  get ref(): ObjectRef {
    return { kind: "ServiceEntry", namespace: this.#namespace, name: this.#name };
  }

  get uid(): string {
    return this.#uid;
  }

  get resourceVersion(): string {
    return String(this.#resourceVersion);
  }

  get createdAtMs(): number | undefined {
    return this.#createdAtSeconds === undefined ? undefined : Math.round(this.#createdAtSeconds * 1000);
  }

  get labels(): Labels {
    return this.#labels;
  }

  get annotations(): Labels {
    return this.#annotations;
  }

  get hosts(): readonly HostName[] {
    return typeof this.#hosts === "string" ? [this.#hosts] : this.#hosts;
  }

  get addresses(): readonly IpAddress[] {
    return this.#addresses;
  }

  get allocated(): ServiceEntry["allocated"] {
    return this.#allocated;
  }

  get endpoints(): readonly Endpoint[] {
    const shapes = this.#endpointShapes;
    if (shapes.length === 0) return NO_VALUES;
    const addresses = this.#endpointAddresses;
    if (typeof addresses !== "string")
      return shapes.map((shape, at) => ({ ...shape, address: addresses[at]! }));
    const ips = addresses.split(" ") as IpAddress[];
    return shapes.map((shape, at) => ({ ...shape, address: { kind: "ip", ip: ips[at]! } }));
  }

  get hasAddresses(): boolean {
    return this.#shape.hasAddresses;
  }

  get ports(): ServiceEntry["ports"] {
    return this.#shape.ports;
  }

  get resolution(): ServiceEntry["resolution"] {
    return this.#shape.resolution;
  }

  get location(): ServiceEntry["location"] {
    return this.#shape.location;
  }

  get hasEndpoints(): boolean {
    return this.#shape.hasEndpoints;
  }

  get selector(): Labels | undefined {
    return this.#shape.selector;
  }

  get exportTo(): readonly string[] {
    return this.#shape.exportTo;
  }

  get answer(): ServiceEntry["answer"] {
    return this.#shape.answer;
  }

  get ttlSeconds(): number | undefined {
    return this.#shape.ttlSeconds;
  }

  get trafficDistribution(): ServiceEntry["trafficDistribution"] {
    return this.#shape.trafficDistribution;
  }
}

/** One that comes back as the same text. */
const WHOLE_NUMBER = /^[1-9]\d{0,14}$/;
const SHAPES = new Map<string, Shape>();
const ENDPOINTS = new Map<string, readonly EndpointShape[]>();
const LABELS = new Map<string, Labels>();

/** What is longer is hardly ever equal to another. */
const MOST_KEY_CHARACTERS = 1000;

function shared<T extends object>(pool: Map<string, T>, value: T): T {
  const key = JSON.stringify(value);
  return key.length > MOST_KEY_CHARACTERS ? value : sharedValue(pool, key, () => value);
}
