/** An inline endpoint of a ServiceEntry, or the spec of a WorkloadEntry: Istio gives both one shape. */

import { isHostName, isWildcard, parseHostName } from "../wire/host-name.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { Endpoint, EndpointAddress, Labels } from "./objects.ts";
import {
  type Fields,
  field,
  integerField,
  readFields,
  readInteger,
  readTexts,
  ShapeFault,
  shown,
  textField,
} from "./read-fields.ts";
import { sharedText } from "./shared-values.ts";

const NETWORK_LABEL = "topology.istio.io/network";
const LOCALITY_LABEL = "istio-locality";
/** The protocol buffer's uint32. */
const MAX_WEIGHT = 2 ** 32 - 1;
const MAX_PORT = 65535;

/** `labels`: in the place of the endpoint's own, for a WorkloadEntry. Throws a ShapeFault. */
export function readEndpoint(fields: Fields, path: string, labels?: Labels): Endpoint {
  const ownLabels = labels ?? readLabels(field(fields, "labels"), path);
  return {
    path,
    address: readAddress(textField(fields, "address", path), path),
    ports: readPorts(field(fields, "ports"), path),
    labels: ownLabels,
    network:
      sharedText(textField(fields, "network", path) || ownText(ownLabels, NETWORK_LABEL) || "") || undefined,
    locality: sharedText(
      textField(fields, "locality", path) || localityOfLabel(ownText(ownLabels, LOCALITY_LABEL) ?? ""),
    ),
    weight: integerField(fields, "weight", path, 0, MAX_WEIGHT) ?? 0,
  };
}

function readLabels(value: unknown, endpointPath: string): Labels {
  return value === undefined ? NO_LABELS : readTexts(value, `${endpointPath}.labels`);
}

const NO_LABELS: Labels = Object.freeze({});

function readAddress(text: string | undefined, endpointPath: string): EndpointAddress {
  if (text === undefined || text === "") return { kind: "none" };
  if (text.startsWith("unix:")) return { kind: "unix", path: text.slice("unix:".length) };
  const ip = parseIpAddress(text);
  if (ip !== null) return { kind: "ip", ip };
  const path = `${endpointPath}.address`;
  const name = parseHostName(text);
  if (!isHostName(name)) throw new ShapeFault(path, `${path} is ${shown(text)}, which ${name.fault}`);
  if (isWildcard(name))
    throw new ShapeFault(path, `${path} is ${shown(text)}, a wildcard, which has no address`);
  // No top-level domain is all digits (RFC 3696 2), so this is an IPv4 address with a slip.
  if (/(^|\.)\d+$/.test(name))
    throw new ShapeFault(path, `${path} is ${shown(text)}, neither an IP address nor a name`);
  return { kind: "name", name };
}

const NO_PORTS: Readonly<Record<string, number>> = Object.freeze({});

function readPorts(value: unknown, endpointPath: string): Readonly<Record<string, number>> {
  if (value === undefined) return NO_PORTS;
  const path = `${endpointPath}.ports`;
  const fields = readFields(value, path) ?? {};
  const ports: [string, number][] = [];
  for (const name of Object.keys(fields)) {
    const number = readInteger(fields[name], `${path}[${JSON.stringify(name)}]`, 1, MAX_PORT);
    if (number !== undefined) ports.push([name, number]);
  }
  return Object.fromEntries(ports);
}

function ownText(labels: Labels, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** A label value cannot hold "/", so people write `region.zone.subzone`. */
function localityOfLabel(value: string): string {
  return value.includes("/") ? value : value.replaceAll(".", "/");
}
