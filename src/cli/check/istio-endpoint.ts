/** What Istio's webhook refuses in an endpoint of a ServiceEntry and in a WorkloadEntry, which have one shape. */

import { parseIpAddress } from "../../wire/ip-address.ts";
import type { Fault } from "./finding.ts";
import { isFullName, isLabelKey, isLabelName, isLabelValue } from "./names.ts";
import { fieldsOf, type RawFields, textOf } from "./raw.ts";

/** The ports of the entry that the endpoint belongs to. */
export interface EntryPorts {
  readonly portNames: ReadonlySet<string>;
  readonly portCount: number;
}

/** `path`: `spec.endpoints[0]`, or `spec`; `entry`: undefined for a WorkloadEntry. */
export function endpointFaults(
  endpoint: RawFields,
  path: string,
  entry: EntryPorts | undefined,
): readonly Fault[] {
  const address = textOf(endpoint["address"]) ?? "";
  const ports = Object.entries(fieldsOf(endpoint["ports"]) ?? {});
  return [
    ...addressFaults(address, ports.length, path, entry),
    ...portFaults(ports, path, entry),
    ...labelFaults(fieldsOf(endpoint["labels"]) ?? {}, `${path}.labels`),
  ];
}

/** Keys and values as Kubernetes takes them; `path`: the mapping's. */
export function labelFaults(labels: RawFields, path: string): readonly Fault[] {
  return Object.entries(labels).flatMap(([key, value]): readonly Fault[] => {
    const text = textOf(value);
    if (isLabelKey(key) && (text === undefined || isLabelValue(text))) return [];
    const message = `${key}: ${String(value)} is no label.`;
    return [{ code: "LabelInvalid", path: `${path}[${JSON.stringify(key)}]`, message }];
  });
}

const UNIX = "unix://";

function addressFaults(
  address: string,
  ownPorts: number,
  path: string,
  entry: EntryPorts | undefined,
): readonly Fault[] {
  const at = `${path}.address`;
  if (!address.startsWith("unix:")) {
    // What is no name at all is reported by its reader.
    const isOddName =
      /^[\w.-]+$/.test(address) &&
      parseIpAddress(address) === null &&
      !isFullName(address) &&
      !/(^|\.)\d+$/.test(address);
    if (!isOddName) return [];
    return [{ code: "HostNotFqdn", path: at, message: `${address} is no name that Istio takes.` }];
  }
  const socket = address.startsWith(UNIX) ? address.slice(UNIX.length) : "";
  const faults: Fault[] = [];
  const report = (message: string) => faults.push({ code: "UnixEndpointInvalid", path: at, message });
  if (!socket.startsWith("/") && !socket.startsWith("@"))
    report(`${address} is neither an absolute path nor an abstract name.`);
  else if (socket.endsWith("/")) report(`${address} is a folder, not a socket.`);
  if (ownPorts > 0) report(`${address} has ports, which a Unix socket has not.`);
  if (entry !== undefined && entry.portCount !== 1)
    report(`${address} needs an entry with one port, and there are ${entry.portCount}.`);
  return faults;
}

function portFaults(
  ports: readonly (readonly [string, unknown])[],
  path: string,
  entry: EntryPorts | undefined,
): readonly Fault[] {
  return ports.flatMap(([name]): readonly Fault[] => {
    const at = `${path}.ports[${JSON.stringify(name)}]`;
    if (!isLabelName(name))
      return [
        { code: "PortNameInvalid", path: at, message: `${JSON.stringify(name)} is no name for a port.` },
      ];
    if (entry === undefined || entry.portNames.has(name)) return [];
    return [{ code: "EndpointPortUndefined", path: at, message: `The entry has no port named ${name}.` }];
  });
}
