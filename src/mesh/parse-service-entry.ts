/** A ServiceEntry at the door: bad elements are skipped and reported, a bad shape rejects the object. */

import { type HostName, isHostName, parseHostName } from "../wire/host-name.ts";
import { familyOf, type IpAddress, parseIpAddress, parseIpPrefix } from "../wire/ip-address.ts";
import type { Endpoint, EntryResolution, Labels, Location, ServiceEntry, ServicePort } from "./objects.ts";
import { readEndpoint } from "./parse-endpoint.ts";
import {
  annotationPath,
  type ParsedKind,
  parseWithMetadata,
  type Reading,
  readAnswerMode,
  readTrafficDistribution,
  reportPublishing,
} from "./parse-metadata.ts";
import type { ProblemCode } from "./problem.ts";
import {
  type Fields,
  field,
  integerField,
  isFields,
  readFields,
  readList,
  readOneOf,
  readText,
  readTexts,
  ShapeFault,
  shown,
  textField,
} from "./read-fields.ts";
import { NO_VALUES, sharedText, sharing } from "./shared-values.ts";

const RESOLUTIONS: readonly EntryResolution[] = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"];
const LOCATIONS: readonly Location[] = ["MESH_EXTERNAL", "MESH_INTERNAL"];
const TTL_ANNOTATION = "serviceentry-dns.io/ttl";
const MAX_TTL_SECONDS = 3600;
const MAX_PORT = 65535;
const USUAL_ELEMENTS = 50;

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parseServiceEntry(raw: unknown): ParsedKind<"ServiceEntry"> {
  return parseWithMetadata("ServiceEntry", raw, (reading): ServiceEntry | undefined => {
    const spec = readFields(field(reading.raw, "spec"), "spec");
    if (spec === undefined) throw new ShapeFault("spec", "spec is missing");
    const hosts = readHosts(field(spec, "hosts"), reading);
    if (hosts.length === 0) return undefined;
    reportPublishing(reading);
    const writtenAddresses = readList(field(spec, "addresses"), "spec.addresses");
    const writtenEndpoints = readList(field(spec, "endpoints"), "spec.endpoints");
    const { ref, uid, resourceVersion, createdAtMs, labels, annotations } = reading.object;
    // Written out: an object that begins as a copy of another takes more room.
    return {
      ref,
      uid,
      resourceVersion,
      createdAtMs,
      labels,
      annotations,
      hosts,
      addresses: readSingleAddresses(writtenAddresses, reading),
      hasAddresses: writtenAddresses.length > 0,
      ports: sharedPorts(
        skippingBad(readList(field(spec, "ports"), "spec.ports"), portPath, "PortInvalid", reading, readPort),
      ),
      resolution: readOneOf(field(spec, "resolution"), "spec.resolution", RESOLUTIONS) ?? "NONE",
      location: readOneOf(field(spec, "location"), "spec.location", LOCATIONS) ?? "MESH_EXTERNAL",
      endpoints: skippingBad(writtenEndpoints, endpointPath, "EndpointSkipped", reading, readInlineEndpoint),
      hasEndpoints: writtenEndpoints.length > 0,
      selector: readSelector(field(spec, "workloadSelector")),
      exportTo: readExportTo(field(spec, "exportTo")),
      allocated: readAllocated(field(reading.raw, "status"), reading),
      answer: readAnswerMode(reading),
      ttlSeconds: readTtl(reading),
      trafficDistribution: readTrafficDistribution(reading),
    };
  });
}

function readHosts(value: unknown, { report }: Reading): readonly HostName[] {
  const written = readList(value, "spec.hosts");
  if (written.length === 0) throw new ShapeFault("spec.hosts", "spec.hosts has no host");
  const hosts: HostName[] = [];
  for (const [index, each] of written.entries()) {
    const host = typeof each === "string" ? parseHostName(each) : { fault: "is not a text" };
    if (isHostName(host)) hosts.push(host);
    else report("HostInvalid", `spec.hosts[${index}]`, `host ${shown(each)} ${host.fault}`);
  }
  return hosts.length < 2 ? hosts : [...new Set(hosts)];
}

function readSingleAddresses(written: readonly unknown[], { report }: Reading): readonly IpAddress[] {
  if (written.length === 0) return NO_VALUES;
  const addresses = new Set<IpAddress>();
  for (const [index, each] of written.entries()) {
    const prefix = typeof each === "string" ? parseIpPrefix(each) : null;
    if (prefix === null)
      report("AddressInvalid", `spec.addresses[${index}]`, `${shown(each)} is no IP address or CIDR prefix`);
    else if (prefix.bits === (familyOf(prefix.address) === "A" ? 32 : 128)) addresses.add(prefix.address);
  }
  return addresses.size === 0 ? NO_VALUES : [...addresses];
}

/** Few sets of ports are the ports of most entries. */
const sharedPorts = sharing<readonly ServicePort[], readonly ServicePort[]>(
  (last, ports) => last.length === ports.length && last.every((port, at) => isSamePort(port, ports[at]!)),
  (ports) => ports,
  Number.POSITIVE_INFINITY,
);

function isSamePort(one: ServicePort, other: ServicePort): boolean {
  return (
    one.number === other.number &&
    one.name === other.name &&
    one.protocol === other.protocol &&
    one.targetPort === other.targetPort
  );
}

function readPort(fields: Fields, path: string): ServicePort {
  const number = integerField(fields, "number", path, 1, MAX_PORT);
  if (number === undefined) throw new ShapeFault(`${path}.number`, `${path}.number is missing`);
  return {
    number,
    name: textField(fields, "name", path) ?? "",
    protocol: textField(fields, "protocol", path) ?? "",
    // 0 is the protocol buffer's "not said".
    targetPort: integerField(fields, "targetPort", path, 0, MAX_PORT) || undefined,
  };
}

function readInlineEndpoint(fields: Fields, path: string): Endpoint {
  return readEndpoint(fields, path);
}

/** Reads each element; one with a bad shape is reported and left out. */
function skippingBad<T>(
  written: readonly unknown[],
  pathOf: (index: number) => string,
  code: ProblemCode,
  { report }: Reading,
  read: (fields: Fields, path: string) => T,
): readonly T[] {
  const good: T[] = [];
  for (let index = 0; index < written.length; index += 1) {
    const each = written[index];
    const elementPath = pathOf(index);
    try {
      if (!isFields(each))
        throw new ShapeFault(elementPath, `${elementPath} is ${shown(each)}, not an object`);
      good.push(read(each, elementPath));
    } catch (fault) {
      if (!(fault instanceof ShapeFault)) throw fault;
      report(code, fault.path, fault.message);
    }
  }
  // A copy takes no more room than it needs.
  return good.length === 0 ? NO_VALUES : good.slice();
}

const portPath = elementPaths("spec.ports");
const endpointPath = elementPaths("spec.endpoints");

/** The same text each time, as far as there are usually elements. */
function elementPaths(path: string): (index: number) => string {
  const paths = Array.from({ length: USUAL_ELEMENTS }, (_, index) => sharedText(`${path}[${index}]`));
  return (index) => paths[index] ?? sharedText(`${path}[${index}]`);
}

function readSelector(value: unknown): Labels | undefined {
  const selector = readFields(value, "spec.workloadSelector");
  return selector && readTexts(field(selector, "labels"), "spec.workloadSelector.labels");
}

/** An element that cannot be read rejects the object: to skip it could show the hosts to more clients than meant. */
function readExportTo(value: unknown): readonly string[] {
  const exportTo = readList(value, "spec.exportTo").map((each, index) => {
    const path = `spec.exportTo[${index}]`;
    const text = readText(each, path);
    if (text === undefined || text === "") throw new ShapeFault(path, `${path} is empty`);
    return sharedText(text);
  });
  return exportTo.length === 0 ? NO_VALUES : sharedExports(exportTo);
}

const sharedExports = sharing<readonly string[], readonly string[]>(
  (last, exportTo) => last.length === exportTo.length && last.every((each, at) => each === exportTo[at]),
  (exportTo) => exportTo,
);

/** Controllers write the status, so what is odd in it costs the element and never the object. */
function readAllocated(status: unknown, { report }: Reading): ServiceEntry["allocated"] {
  const written = isFields(status) ? field(status, "addresses") : undefined;
  if (!Array.isArray(written)) return NO_VALUES;
  const allocated: { host: HostName | undefined; address: IpAddress }[] = [];
  for (const [index, each] of written.entries()) {
    const value = isFields(each) ? field(each, "value") : undefined;
    const address = typeof value === "string" ? parseIpAddress(value) : null;
    if (address === null) {
      report("AddressInvalid", `status.addresses[${index}].value`, `${shown(value)} is no IP address`);
      continue;
    }
    const text = isFields(each) ? field(each, "host") : undefined;
    const host = typeof text === "string" ? parseHostName(text) : undefined;
    allocated.push({ host: host !== undefined && isHostName(host) ? host : undefined, address });
  }
  return allocated.slice();
}

function readTtl({ object, report }: Reading): number | undefined {
  const text = object.annotations[TTL_ANNOTATION];
  if (text === undefined) return undefined;
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= MAX_TTL_SECONDS) return seconds;
  report(
    "AnnotationInvalid",
    annotationPath(TTL_ANNOTATION),
    `${TTL_ANNOTATION} is ${shown(text)}, not a whole number of seconds from 1 to ${MAX_TTL_SECONDS}`,
  );
  return undefined;
}
