/**
 * `node bench/load/startup.ts [FOLDER]`: the built program (dist, or FOLDER of an image with it) alone and in front of
 * clusters of several sizes: until it is ready, memory then (all that is resident, and of it what no file backs),
 * octets of the lists. Prints a table, writes nothing.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ApiObject, ScriptedApiServer } from "../../test/support/scripted-api-server.ts";
import { residentMiB } from "../support/child.ts";
import { type Program, startProgram } from "../support/program.ts";
import { median } from "../support/statistics.ts";
import { namespace, pod, selectingEntry, serviceEntry, workloadEntry } from "./api-objects.ts";
import { quiet } from "./workspace.ts";

const MANY = 10_000;
const RUNS = 3;
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
      const source = server === undefined ? join(folder, "empty") : "kubernetes";
      const program = await start(source, kubeconfig);
      try {
        readyMs.push(program.readyAfterMs);
        await quiet(program.pid);
        residentMiBs.push(residentMiB(program.pid).now);
        anonymousMiBs.push(anonymousMiB(program.pid));
      } finally {
        await program.stop();
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

function start(source: string, kubeconfig: string): Promise<Program> {
  const listen = ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--api=127.0.0.1:0"];
  const flags = ["--single-threaded-gc", "--max-semi-space-size=4"];
  return startProgram(
    [process.execPath, ...flags, PROGRAM, "serve", `--source=${source}`, "--upstreams=192.0.2.1", ...listen],
    { PATH: process.env["PATH"], KUBECONFIG: kubeconfig },
  );
}

function repeat(make: (index: number) => ApiObject): readonly ApiObject[] {
  return Array.from({ length: MANY }, (_, index) => make(index));
}
