/** Objects as an API server holds them, as large as real ones: with the labels and managed fields that tools leave. */

import type { ApiObject } from "../../test/support/scripted-api-server.ts";

const FIRST_WRITTEN = "2026-01-01T00:00:00Z";
const FIRST_FIELDS = managedFields(FIRST_WRITTEN);

function metadata(name: string, index: number, written = FIRST_WRITTEN) {
  const labels = { app: name, "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm" };
  return {
    name: `${name}-${index}`,
    namespace: `team-${index % 50}`,
    labels,
    // One value for all that were never written again: a hundred thousand of them are held at once.
    managedFields: written === FIRST_WRITTEN ? FIRST_FIELDS : managedFields(written),
  };
}

/** What the API server notes for each writer of an object: often as much as the object itself. */
function managedFields(time: string) {
  const fields = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`f:field-${index}`, { "f:name": {}, "f:value": {}, ".": {} }]),
  );
  const entry = {
    apiVersion: "v1",
    fieldsType: "FieldsV1",
    operation: "Update",
    time,
  };
  return ["kubectl", "controller-manager"].map((manager) => ({
    ...entry,
    manager,
    fieldsV1: { "f:metadata": fields, "f:spec": fields, "f:status": fields },
  }));
}

/** Each edition has another address; those but the first are written now. As `kubectl apply` leaves it. */
export function serviceEntry(index: number, edition = 0): ApiObject {
  const { host, address } = apiEntryAt(index, edition);
  const time = edition === 0 ? FIRST_WRITTEN : new Date().toISOString().replace(/\.\d+/, "");
  const { labels, name, namespace: own } = metadata("entry", index);
  const kinds = { apiVersion: "networking.istio.io/v1", kind: "ServiceEntry" };
  const spec = {
    hosts: [host],
    ports: [{ number: 443, name: "https", protocol: "HTTPS" }],
    location: "MESH_EXTERNAL",
    resolution: "STATIC",
    endpoints: [{ address, locality: "region-1/zone-a" }, { address: "172.16.0.1" }],
  };
  const applied = JSON.stringify({
    ...kinds,
    metadata: { annotations: {}, labels, name, namespace: own },
    spec,
  });
  return {
    ...kinds,
    metadata: {
      name,
      namespace: own,
      labels,
      generation: edition + 1,
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": `${applied}\n` },
      managedFields: [{ ...APPLIED_FIELDS, time }],
    },
    spec,
  };
}

const APPLIED_FIELDS = {
  manager: "kubectl-client-side-apply",
  operation: "Update",
  apiVersion: "networking.istio.io/v1",
  fieldsType: "FieldsV1",
  fieldsV1: {
    "f:metadata": {
      "f:annotations": { ".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {} },
      "f:labels": {
        ".": {},
        "f:app": {},
        "f:app.kubernetes.io/managed-by": {},
        "f:app.kubernetes.io/name": {},
      },
    },
    "f:spec": {
      ".": {},
      "f:endpoints": {},
      "f:hosts": {},
      "f:location": {},
      "f:ports": {},
      "f:resolution": {},
    },
  },
};

/** What the entry answers. */
export function apiEntryAt(index: number, edition = 0): { readonly host: string; readonly address: string } {
  return {
    host: `host-${index}.zone-${index % 100}.example.com`,
    address: `10.${edition % 256}.${(index >> 8) % 256}.${index % 256}`,
  };
}

export function selectingEntry(): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: "selecting", namespace: "team-1" },
    spec: { hosts: ["a.example.com"], resolution: "STATIC", workloadSelector: { labels: { app: "none" } } },
  };
}

export function workloadEntry(index: number): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: metadata("workload", index),
    spec: { address: "10.0.0.1", labels: { app: "workload" }, serviceAccount: "default" },
  };
}

export function namespace(index: number): ApiObject {
  const { namespace: _, ...rest } = metadata("team", index);
  return { apiVersion: "v1", kind: "Namespace", metadata: rest, status: { phase: "Active" } };
}

const PROBE = {
  httpGet: { path: "/healthz", port: 8080, scheme: "HTTP" },
  periodSeconds: 10,
  timeoutSeconds: 1,
};
const CONTAINER = {
  name: "main",
  image: "registry.example.com/team/program:1.2.3",
  env: Array.from({ length: 15 }, (_, each) => ({ name: `VARIABLE_${each}`, value: "a value of it" })),
  livenessProbe: PROBE,
};
const CONTAINERS = [CONTAINER, { ...CONTAINER, name: "second" }];
const CONDITIONS = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
].map((type) => ({ type, status: "True", lastTransitionTime: FIRST_WRITTEN }));

export function pod(index: number): ApiObject {
  const podIP = `10.${index >> 16}.${(index >> 8) % 256}.${index % 256}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata("pod", index),
    spec: { containers: CONTAINERS, nodeName: `node-${index % 100}` },
    status: {
      phase: "Running",
      conditions: CONDITIONS,
      hostIP: "192.168.0.1",
      podIP,
      podIPs: [{ ip: podIP }],
    },
  };
}
