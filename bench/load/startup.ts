/**
 * `node bench/load/startup.ts [FOLDER]`: the built program (dist, or FOLDER of an image with it) alone and in front of
 * clusters of several sizes: until it is ready, memory then (all that is resident, and of it what no file backs),
 * octets of the lists. Prints a table, writes nothing.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ApiObject, ScriptedApiServer } from "../../test/support/scripted-api-server.ts";
import { median } from "../support/statistics.ts";
import { residentMiB, stop } from "./child.ts";
import { quiet } from "./workspace.ts";

const MANY = 10_000;
const RUNS = 3;
const READY_WITHIN_MS = 60_000;
const ROOT = resolve(import.meta.dirname, "../..");

const PROGRAM = join(resolve(process.argv[2] ?? ROOT), "dist/main.js");

interface Situation {
  readonly title: string;
  /** Undefined: an empty folder is the source. */
  readonly objects?: readonly ApiObject[];
}

const SITUATIONS: readonly Situation[] = [
  { title: "an empty folder" },
  { title: "an empty cluster", objects: [] },
  { title: `${MANY} ServiceEntries`, objects: repeat(serviceEntry) },
  { title: `${MANY} WorkloadEntries`, objects: repeat(workloadEntry) },
  { title: `${MANY} Namespaces`, objects: repeat(namespace) },
  { title: `${MANY} Pods, none selected`, objects: repeat(pod) },
  { title: `${MANY} Pods, one selector`, objects: [selectingEntry(), ...repeat(pod)] },
];

if (!existsSync(PROGRAM)) {
  process.stderr.write(`there is no ${PROGRAM}; run: npm run build\n`);
  process.exitCode = 2;
} else {
  process.stdout.write("| source | ready | resident | anonymous | lists |\n|---|---|---|---|---|\n");
  for (const situation of SITUATIONS) process.stdout.write(`${await measure(situation)}\n`);
}

/** A line of the table: medians. */
async function measure({ title, objects }: Situation): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-bench-"));
  mkdirSync(join(folder, "empty"));
  const readyMs: number[] = [];
  const residentMiBs: number[] = [];
  const anonymousMiBs: number[] = [];
  let listMiB = 0;
  const server = objects === undefined ? undefined : await ScriptedApiServer.start();
  try {
    for (const object of objects ?? []) server?.apply(object);
    const kubeconfig = join(folder, "kubeconfig");
    if (server !== undefined) writeFileSync(kubeconfig, server.kubeconfig());
    for (let run = 0; run < RUNS; run += 1) {
      const sentBefore = server?.sentOctets ?? 0;
      const startedMs = performance.now();
      const child = startProgram(server === undefined ? join(folder, "empty") : "kubernetes", kubeconfig);
      try {
        await ready(child);
        readyMs.push(performance.now() - startedMs);
        await quiet(child.pid!);
        residentMiBs.push(residentMiB(child.pid!).now);
        anonymousMiBs.push(anonymousMiB(child.pid!));
      } finally {
        await stop(child);
      }
      listMiB = ((server?.sentOctets ?? 0) - sentBefore) / 2 ** 20;
    }
  } finally {
    await server?.close();
    rmSync(folder, { recursive: true });
  }
  const memory = `${median(residentMiBs).toFixed(0)} MiB | ${median(anonymousMiBs).toFixed(0)} MiB`;
  const lists = server === undefined ? "" : `${listMiB.toFixed(1)} MiB`;
  return `| ${title} | ${(median(readyMs) / 1000).toFixed(2)} s | ${memory} | ${lists} |`;
}

/** What a container's limit is about: pages of files can be read again. */
function anonymousMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

function startProgram(source: string, kubeconfig: string): ChildProcess {
  const listen = ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--api=127.0.0.1:0"];
  const child = spawn(
    process.execPath,
    [
      "--single-threaded-gc",
      "--max-semi-space-size=4",
      PROGRAM,
      "serve",
      `--source=${source}`,
      "--upstreams=192.0.2.1",
      ...listen,
    ],
    { env: { PATH: process.env["PATH"], KUBECONFIG: kubeconfig }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  return child;
}

async function ready(child: ChildProcess): Promise<void> {
  const { promise, resolve: isReady, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error("it is not ready in time")), READY_WITHIN_MS);
  child.once("exit", (code) => reject(new Error(`it ended with status ${code}`)));
  let tail = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const log = tail + text;
    if (log.includes('"msg":"ready"')) isReady();
    tail = log.slice(log.lastIndexOf("\n") + 1);
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

function repeat(make: (index: number) => ApiObject): readonly ApiObject[] {
  return Array.from({ length: MANY }, (_, index) => make(index));
}

function metadata(name: string, index: number) {
  const labels = { app: name, "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm" };
  return {
    name: `${name}-${index}`,
    namespace: `team-${index % 50}`,
    labels,
    managedFields: managedFields(),
  };
}

/** What the API server notes for each writer of an object: often as much as the object itself. */
function managedFields() {
  const fields = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`f:field-${index}`, { "f:name": {}, "f:value": {}, ".": {} }]),
  );
  const entry = {
    apiVersion: "v1",
    fieldsType: "FieldsV1",
    operation: "Update",
    time: "2026-01-01T00:00:00Z",
  };
  return ["kubectl", "controller-manager"].map((manager) => ({
    ...entry,
    manager,
    fieldsV1: { "f:metadata": fields, "f:spec": fields, "f:status": fields },
  }));
}

function serviceEntry(index: number): ApiObject {
  const address = `10.${index >> 16}.${(index >> 8) % 256}.${index % 256}`;
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: metadata("entry", index),
    spec: {
      hosts: [`host-${index}.zone-${index % 100}.example.com`],
      ports: [{ number: 443, name: "https", protocol: "HTTPS" }],
      location: "MESH_EXTERNAL",
      resolution: "STATIC",
      endpoints: [{ address, locality: "region-1/zone-a" }, { address: "172.16.0.1" }],
    },
  };
}

function selectingEntry(): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: "selecting", namespace: "team-1" },
    spec: { hosts: ["a.example.com"], resolution: "STATIC", workloadSelector: { labels: { app: "none" } } },
  };
}

function workloadEntry(index: number): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: metadata("workload", index),
    spec: { address: "10.0.0.1", labels: { app: "workload" }, serviceAccount: "default" },
  };
}

function namespace(index: number): ApiObject {
  const { namespace: _, ...rest } = metadata("team", index);
  return { apiVersion: "v1", kind: "Namespace", metadata: rest, status: { phase: "Active" } };
}

function pod(index: number): ApiObject {
  const podIP = `10.${index >> 16}.${(index >> 8) % 256}.${index % 256}`;
  const probe = {
    httpGet: { path: "/healthz", port: 8080, scheme: "HTTP" },
    periodSeconds: 10,
    timeoutSeconds: 1,
  };
  const env = Array.from({ length: 15 }, (_, each) => ({ name: `VARIABLE_${each}`, value: "a value of it" }));
  const container = {
    name: "main",
    image: "registry.example.com/team/program:1.2.3",
    env,
    livenessProbe: probe,
  };
  const types = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
  const conditions = types.map((type) => ({
    type,
    status: "True",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata("pod", index),
    spec: { containers: [container, { ...container, name: "second" }], nodeName: `node-${index % 100}` },
    status: { phase: "Running", conditions, hostIP: "192.168.0.1", podIP, podIPs: [{ ip: podIP }] },
  };
}
