/** A Pod at the door: its addresses, whether it serves, where it runs. */

import type { IpAddress } from "../wire/ip-address.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { MeshMode, Pod } from "./objects.ts";
import { type ParsedKind, parseWithMetadata, type Reading, readMoment } from "./parse-metadata.ts";
import { field, isFields, readFields, readList, readText, shown } from "./read-fields.ts";

/** Written by Istio's injector once the pod has its Envoy. */
const SIDECAR_ANNOTATION = "sidecar.istio.io/status";
/** Written by the node's data plane once it takes the pod's traffic: Istio's ambient mode, Kmesh. */
const REDIRECTION_ANNOTATIONS = ["ambient.istio.io/redirection", "kmesh.net/redirection"];

const TERMINAL_PHASES: readonly unknown[] = ["Succeeded", "Failed"];

/** Total on any value: what cannot be read is a problem, never a throw. */
export function parsePod(raw: unknown): ParsedKind<"Pod"> {
  return parseWithMetadata("Pod", raw, (reading): Pod => {
    const metadata = readFields(field(reading.raw, "metadata"), "metadata") ?? {};
    const spec = readFields(field(reading.raw, "spec"), "spec") ?? {};
    const status = readFields(field(reading.raw, "status"), "status") ?? {};
    const isTerminal = TERMINAL_PHASES.includes(field(status, "phase"));
    const isDeleting = field(metadata, "deletionTimestamp") !== undefined;
    const { ref, uid, resourceVersion, createdAtMs, labels, annotations } = reading.object;
    // Written out: an object that begins as a copy of another takes more room.
    return {
      ref,
      uid,
      resourceVersion,
      createdAtMs,
      labels,
      annotations,
      ips: readPodIps(field(status, "podIPs"), field(status, "podIP"), reading),
      isReady: !isTerminal && !isDeleting && hasCondition(status, "Ready"),
      isTerminal,
      usesHostNetwork: field(spec, "hostNetwork") === true,
      nodeName: readText(field(spec, "nodeName"), "spec.nodeName") ?? "",
      meshMode: readMeshMode(reading),
      isDeleting,
      startedAtMs: readMoment(field(status, "startTime")),
      portNames: readPortNames(field(spec, "containers")),
    };
  });
}

/** A pod with a sidecar inside an ambient namespace keeps its sidecar: its traffic goes there first. */
function readMeshMode({ annotations }: Reading): MeshMode {
  if (field(annotations, SIDECAR_ANNOTATION) !== undefined) return "sidecar";
  const isRedirected = REDIRECTION_ANNOTATIONS.some((name) => field(annotations, name) === "enabled");
  return isRedirected ? "redirected" : "none";
}

const NO_PORTS: Readonly<Record<string, number>> = Object.freeze({});
const MAX_PORT = 65535;

/** Of all containers, the first of each name. The API server has checked them; what is odd all the same is left out. */
function readPortNames(containers: unknown): Readonly<Record<string, number>> {
  let names: Map<string, number> | undefined;
  for (const container of listOf(containers))
    for (const port of listOf(isFields(container) ? field(container, "ports") : undefined)) {
      if (!isFields(port)) continue;
      const name = field(port, "name");
      const number = field(port, "containerPort");
      if (typeof name !== "string" || name === "" || names?.has(name)) continue;
      if (typeof number !== "number" || !Number.isInteger(number)) continue;
      if (number < 1 || number > MAX_PORT) continue;
      names ??= new Map();
      names.set(name, number);
    }
  return names === undefined ? NO_PORTS : Object.fromEntries(names);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Whether the status has the condition with the value True. */
export function hasCondition(status: unknown, type: string): boolean {
  const conditions = isFields(status) ? field(status, "conditions") : undefined;
  for (const each of listOf(conditions))
    if (isFields(each) && field(each, "type") === type && field(each, "status") === "True") return true;
  return false;
}

function readPodIps(podIps: unknown, podIp: unknown, { report }: Reading): readonly IpAddress[] {
  const listed = readList(podIps, "status.podIPs").map((each) => (isFields(each) ? field(each, "ip") : each));
  const single = readText(podIp, "status.podIP");
  const written = listed.length > 0 ? listed : single ? [single] : [];
  const ips: IpAddress[] = [];
  for (const each of written) {
    const ip = typeof each === "string" ? parseIpAddress(each) : null;
    if (ip !== null) ips.push(ip);
    else report("AddressInvalid", "status.podIPs", `${shown(each)} is no IP address`);
  }
  return ips.length < 2 ? ips : [...new Set(ips)];
}
