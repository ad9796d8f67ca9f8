/**
 * What Istio's webhook refuses or warns of in a ServiceEntry, as far as the product's own reading does not say it
 * already. On the values as written: a part of another shape than its own is passed over, its reader reports it.
 */

import { parseIpAddress } from "../../wire/ip-address.ts";
import type { Fault } from "./finding.ts";
import { endpointFaults } from "./istio-endpoint.ts";
import { isFullName, isLabelName } from "./names.ts";
import { fieldsOf, listOf, type RawFields, textOf } from "./raw.ts";

/** `home`: the entry's namespace; `labels`: its own. */
export function istioEntryFaults(spec: RawFields, home: string, labels: RawFields): readonly Fault[] {
  const entry = readEntry(spec, labels);
  return [
    ...hostFaults(entry),
    ...addressFaults(entry),
    ...portFaults(entry),
    ...selectorFaults(spec),
    ...entry.endpoints.flatMap((endpoint, index) =>
      endpointFaults(endpoint, `spec.endpoints[${index}]`, {
        portNames: new Set(entry.ports.map((port) => textOf(port["name"]) ?? "")),
        portCount: entry.ports.length,
      }),
    ),
    ...roundRobinFaults(entry),
    ...exportToFaults(listOf(spec["exportTo"]), home),
  ];
}

interface Entry {
  readonly resolution: string;
  readonly hosts: readonly unknown[];
  readonly addresses: readonly unknown[];
  readonly ports: readonly RawFields[];
  readonly endpoints: readonly RawFields[];
  /** Whether Istio allocates an address to it (its setting that says so is on by default). */
  readonly takesAllocated: boolean;
}

const AUTOALLOCATE_LABEL = "networking.istio.io/enable-autoallocate-ip";

function readEntry(spec: RawFields, labels: RawFields): Entry {
  const resolution = textOf(spec["resolution"]) ?? "NONE";
  return {
    resolution,
    hosts: listOf(spec["hosts"]),
    addresses: listOf(spec["addresses"]),
    // The place in the list must stay the same: what is no object is one without fields.
    ports: listOf(spec["ports"]).map((port) => fieldsOf(port) ?? {}),
    endpoints: listOf(spec["endpoints"]).map((endpoint) => fieldsOf(endpoint) ?? {}),
    takesAllocated: resolution !== "NONE" && textOf(labels[AUTOALLOCATE_LABEL])?.toLowerCase() !== "false",
  };
}

function hostFaults({ hosts, resolution, ports }: Entry): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [index, host] of hosts.entries()) {
    const path = `spec.hosts[${index}]`;
    const text = textOf(host);
    if (text === undefined) continue;
    const isWildcard = text.startsWith("*.");
    if (
      /^[\w.*-]+$/.test(text) &&
      parseIpAddress(text) === null &&
      !isFullName(isWildcard ? text.slice(2) : text)
    )
      faults.push({ code: "HostNotFqdn", path, message: `${text} is no name that Istio takes for a host.` });
    if (resolution === "DYNAMIC_DNS" && !isWildcard)
      faults.push({
        code: "DynamicDnsHost",
        path,
        message: `${text} is no wildcard, and the resolution is DYNAMIC_DNS.`,
      });
  }
  // Of a protocol that is a slip another finding says so.
  const shared = ports.findIndex((port) => {
    const protocol = textOf(port["protocol"]) ?? "";
    return !TELLS_HOSTS_APART.test(protocol) && isKnownProtocol(protocol);
  });
  if (resolution !== "NONE" && hosts.length > 1 && shared !== -1) {
    const { number } = ports[shared]!;
    const message = `${hosts.length} hosts share the port ${String(number)}, whose protocol carries no host name.`;
    faults.push({ code: "HostsShareTcp", path: `spec.ports[${shared}]`, message });
  }
  return faults;
}

/** Protocols whose first octets name the host. */
const TELLS_HOSTS_APART = /^(http|http2|http_proxy|grpc|grpc-web|https|tls)$/i;
const PROTOCOLS: ReadonlySet<string> = new Set([
  "tcp",
  "udp",
  "http",
  "http_proxy",
  "http2",
  "https",
  "grpc",
  "grpc-web",
  "tls",
  "mongo",
  "redis",
  "mysql",
  "hbone",
  "doublehbone",
]);

/** Without one Istio looks at the first octets itself. */
function isKnownProtocol(protocol: string): boolean {
  return protocol === "" || PROTOCOLS.has(protocol.toLowerCase());
}

function addressFaults({ addresses, resolution }: Entry): readonly Fault[] {
  if (resolution === "NONE" || resolution === "STATIC") return [];
  return addresses.flatMap((address, index): readonly Fault[] => {
    if (typeof address !== "string" || !address.includes("/")) return [];
    const message = `${address} is a CIDR prefix, which resolution ${resolution} does not take.`;
    return [{ code: "CidrWithDns", path: `spec.addresses[${index}]`, message }];
  });
}

function portFaults({ ports, addresses, takesAllocated }: Entry): readonly Fault[] {
  const faults: Fault[] = [];
  const numbers = new Map<number, number>();
  const names = new Map<string, number>();
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    const { number } = port;
    const name = textOf(port["name"]) ?? "";
    const protocol = textOf(port["protocol"]) ?? "";
    if (typeof number === "number") {
      const before = numbers.get(number);
      if (before === undefined) numbers.set(number, index);
      else
        faults.push({
          code: "PortDuplicate",
          path: `${path}.number`,
          message: `Port ${number} stands in spec.ports[${before}] already.`,
        });
    }
    if (!isLabelName(name)) {
      const message =
        name === "" ? "The port has no name." : `${JSON.stringify(name)} is no name for a port.`;
      faults.push({ code: "PortNameInvalid", path: name === "" ? path : `${path}.name`, message });
    } else {
      const before = names.get(name);
      if (before === undefined) names.set(name, index);
      else
        faults.push({
          code: "PortDuplicate",
          path: `${path}.name`,
          message: `The name ${name} stands in spec.ports[${before}] already.`,
        });
    }
    if (!isKnownProtocol(protocol))
      faults.push({
        code: "ProtocolUnknown",
        path: `${path}.protocol`,
        message: `${JSON.stringify(protocol)} is no protocol that Istio knows.`,
      });
    if (addresses.length === 0 && !takesAllocated && (protocol === "" || protocol === "TCP"))
      faults.push({
        code: "TcpWithoutAddress",
        path,
        message: `Port ${String(number)} is ${protocol === "" ? "of no protocol" : "plain TCP"}, and the entry has no address.`,
      });
  }
  return faults;
}

function selectorFaults(spec: RawFields): readonly Fault[] {
  const selector = fieldsOf(spec["workloadSelector"]);
  if (selector === undefined) return [];
  const labels = Object.entries(fieldsOf(selector["labels"]) ?? {});
  if (labels.length === 0) {
    const message = "The workloadSelector has no labels: every workload of the namespace is selected.";
    return [{ code: "SelectorEmpty", path: "spec.workloadSelector", message }];
  }
  return labels.flatMap(([key, value]): readonly Fault[] => {
    const isGood = key !== "" && !key.includes("*") && !String(value).includes("*");
    if (isGood) return [];
    const message =
      key === ""
        ? `The label with the value ${String(value)} has no key.`
        : `${key}: ${String(value)} is a wildcard, which is not understood here.`;
    return [
      { code: "SelectorInvalid", path: `spec.workloadSelector.labels[${JSON.stringify(key)}]`, message },
    ];
  });
}

function roundRobinFaults({ resolution, endpoints }: Entry): readonly Fault[] {
  if (resolution !== "DNS_ROUND_ROBIN" || endpoints.length < 2) return [];
  const message = `Resolution DNS_ROUND_ROBIN has ${endpoints.length} endpoints and takes one.`;
  return [{ code: "RoundRobinEndpoints", path: "spec.endpoints[1]", message }];
}

function exportToFaults(exportTo: readonly unknown[], home: string): readonly Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  for (const [index, each] of exportTo.entries()) {
    const text = textOf(each);
    if (text === undefined || text === "") continue;
    const report = (message: string) =>
      faults.push({ code: "ExportToInvalid", path: `spec.exportTo[${index}]`, message });
    const key = text === "." ? home : text;
    if (seen.has(key))
      report(text === key ? `${text} stands there twice.` : `. means ${home}, which stands there too.`);
    seen.add(key);
    if (text !== "*" && text !== "~" && text !== "." && !isLabelName(text))
      report(`${JSON.stringify(text)} is neither a namespace nor ".", "*" or "~".`);
    else if ((text === "*" || text === "~") && exportTo.length > 1)
      report(`${text} stands beside others, and means ${text === "*" ? "everybody" : "nobody"}.`);
  }
  return faults;
}
