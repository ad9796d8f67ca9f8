/**
 * A ServiceEntry in as little room as it takes: a cluster may have a hundred thousand, and each is read once when it
 * comes and then seldom. What most entries share (ports, resolution, the kinds of their endpoints) is kept once for
 * all of them, the rest as texts and numbers; the fields are made when they are asked for.
 */

import type { HostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { Endpoint, Labels, MeshObject, ObjectRef, ServiceEntry } from "./objects.ts";
import { NO_VALUES, sharedText, sharing } from "./shared-values.ts";

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
    const { ref, resourceVersion, createdAtMs, hosts, endpoints } = entry;
    this.#namespace = sharedText(ref.namespace);
    this.#name = ref.name;
    this.#uid = entry.uid;
    this.#resourceVersion = WHOLE_NUMBER.test(resourceVersion) ? Number(resourceVersion) : resourceVersion;
    this.#createdAtSeconds = createdAtMs === undefined ? undefined : createdAtMs / 1000;
    this.#labels = sharedLabels(entry.labels);
    this.#annotations = sharedAnnotations(entry.annotations);
    this.#shape = sharedShape(entry);
    this.#hosts = hosts.length === 1 ? hosts[0]! : hosts;
    this.#addresses = entry.addresses;
    this.#allocated = entry.allocated;
    this.#endpointShapes = sharedEndpointShapes(endpoints);
    this.#endpointAddresses = joinedIps(endpoints) ?? endpoints.map(({ address }) => address);
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

const sharedShape = sharing<ServiceEntry, Shape>(isSameShape, (entry) => ({
  hasAddresses: entry.hasAddresses,
  ports: entry.ports,
  resolution: entry.resolution,
  location: entry.location,
  hasEndpoints: entry.hasEndpoints,
  selector: entry.selector,
  exportTo: entry.exportTo,
  answer: entry.answer,
  ttlSeconds: entry.ttlSeconds,
  trafficDistribution: entry.trafficDistribution,
}));

/** Lists are compared by what they are, not what they hold: equal ones are usually shared. */
function isSameShape(last: Shape, entry: ServiceEntry): boolean {
  return (
    last.hasAddresses === entry.hasAddresses &&
    last.ports === entry.ports &&
    last.resolution === entry.resolution &&
    last.location === entry.location &&
    last.hasEndpoints === entry.hasEndpoints &&
    last.selector === entry.selector &&
    last.exportTo === entry.exportTo &&
    last.answer === entry.answer &&
    last.ttlSeconds === entry.ttlSeconds &&
    last.trafficDistribution === entry.trafficDistribution
  );
}

const sharedEndpointShapes = sharing<readonly Endpoint[], readonly EndpointShape[]>(
  (last, endpoints) =>
    last.length === endpoints.length && last.every((shape, at) => isSameEndpointShape(shape, endpoints[at]!)),
  (endpoints) => endpoints.map(({ address: _, ...rest }) => rest),
);

function isSameEndpointShape(last: EndpointShape, endpoint: Endpoint): boolean {
  return (
    last.path === endpoint.path &&
    last.ports === endpoint.ports &&
    last.labels === endpoint.labels &&
    last.network === endpoint.network &&
    last.locality === endpoint.locality &&
    last.weight === endpoint.weight
  );
}

const sharedLabels = sharing<Labels, Labels>(hasSameTexts, (labels) => labels);
const sharedAnnotations = sharing<Labels, Labels>(hasSameTexts, (annotations) => annotations);

function hasSameTexts(last: Labels, given: Labels): boolean {
  if (last === given) return true;
  const lastNames = Object.keys(last);
  const names = Object.keys(given);
  return (
    lastNames.length === names.length &&
    names.every((name, at) => name === lastNames[at] && given[name] === last[name])
  );
}

/** Undefined: not each is one. */
function joinedIps(endpoints: readonly Endpoint[]): string | undefined {
  const ips: IpAddress[] = [];
  for (const { address } of endpoints) {
    if (address.kind !== "ip") return undefined;
    ips.push(address.ip);
  }
  return ips.join(" ");
}
