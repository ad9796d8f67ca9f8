/**
 * A cluster as DNS sees it: pods on a node, CoreDNS behind its Service address, httpbin in the cluster and on the
 * internet, and this server on port 53 of a Service address of its own. Objects come from a folder, or from a real
 * API server.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { DEMO_ZONE } from "../../src/cli/demo-zone.ts";
import {
  execute,
  type Finished,
  hasCommand,
  Network,
  type Pod,
  type RunOptions,
} from "../support/network-namespaces.ts";
import { Program, ROOT } from "../support/program.ts";
import { RealApiServer } from "../support/real-api-server.ts";
import { until } from "../support/waiting.ts";
import { say } from "./needs.ts";
import { type PodOptions, podObject } from "./pod-object.ts";
import { STATE_VARIABLE, type State } from "./state.ts";

/** Our Service's address, and CoreDNS's. */
export const OUR_ADDRESS = "10.96.0.53";
export const CORE_DNS_ADDRESS = "10.96.0.10";
/** Of the pods that stand behind them. */
export const OUR_POD_ADDRESS = "10.244.0.53";
export const CORE_DNS_POD_ADDRESS = "10.244.0.10";

const HERE = import.meta.dirname;
/** By the Service's where nothing on the node leads on from there, else by the pod's. */
const CORE_DNS_ADDRESSES = [CORE_DNS_ADDRESS, CORE_DNS_POD_ADDRESS];
/** Every machine outside of the cluster that the guides name. */
const OUTSIDE = [
  ...["192.0.2.10", "192.0.2.11", "192.0.2.80", "198.51.100.1", "198.51.100.2", "203.0.113.3"],
  ...["1.1.1.1", "2.2.2.2", "3.3.3.3", "8.8.8.8", "192.168.1.100", "192.168.1.101"],
];

export interface WorldOptions {
  /** Lines for the upstream's zone, besides those of the demo. */
  readonly zone?: string;
  /** Objects come from a real one, not from a folder. */
  readonly withApiServer?: boolean;
  /** More settings of the server. */
  readonly flags?: readonly string[];
}

export class World {
  readonly network: Network;
  readonly folder: string;
  #server!: Program;
  #dns!: Pod;
  #upstreams: Program[] = [];
  #counter!: { readonly program: Program; readonly lines: Interface };
  readonly #programs: Program[] = [];
  readonly #pods = new Map<string, Pod>();
  #apiServer: RealApiServer | undefined;
  #tunnel: Server | undefined;
  #proxy!: Pod;

  static async open(options: WorldOptions = {}): Promise<World> {
    const network = await Network.open();
    const world = new World(network, mkdtempSync(join(tmpdir(), "end-to-end-")));
    try {
      await world.#start(options);
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  private constructor(network: Network, folder: string) {
    this.network = network;
    this.folder = folder;
  }

  async #start({ zone = "", withApiServer = false, flags = [] }: WorldOptions) {
    for (const name of ["objects", "bin", "busybox"]) mkdirSync(join(this.folder, name));
    this.changeZone(zone);
    this.#linkCommands();
    this.#dns = await this.network.addPod([CORE_DNS_POD_ADDRESS, CORE_DNS_ADDRESS]);
    this.#proxy = await this.network.addPod([OUR_POD_ADDRESS, OUR_ADDRESS]);
    const outside = await this.network.addPod(["203.0.113.200", ...OUTSIDE]);
    const httpbin = await this.network.addPod(["10.244.1.7", "10.96.44.10"]);
    this.#pods.set("httpbin-6f4464f6c5-h9x2p", httpbin);
    if (withApiServer) await this.#startApiServer();
    await this.startUpstreams();
    await Promise.all([this.serveHttp(outside, 80, 8080), this.serveHttp(httpbin, 8000)]);
    this.#writeState();
    await this.apply(BASE_OBJECTS);
    const source = withApiServer ? "kubernetes" : join(this.folder, "objects");
    const kubeconfig = this.#apiServer?.kubeconfig("admin");
    const settings = ["--listen=0.0.0.0:53", "--admin=127.0.0.1:9153", `--upstreams=${CORE_DNS_ADDRESS}`];
    const main = ["--single-threaded-gc", join(ROOT, "src/main.ts"), "serve", ...settings];
    this.#server = new Program([], {
      command: this.#proxy.commandLine(process.execPath, ...main, `--source=${source}`, ...flags),
      env: { ...CACHED, ...(kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig }) },
    });
    this.#programs.push(this.#server);
    await this.#server.says(/"msg":"ready"/, START_MS);
    const counter = this.#proxy.commandLine(process.execPath, join(HERE, "count-queries.ts"));
    const program = new Program([], { command: counter, stdin: "pipe" });
    this.#programs.push(program);
    this.#counter = { program, lines: createInterface({ input: program.child.stdout! }) };
  }

  /** A pod that asks us, in a namespace of its own choice; the server knows it when this resolves or shortly after. */
  async addPod(name: string, address: string, options: PodOptions = {}): Promise<Pod> {
    const searched = options.searchNamespace ?? options.namespace ?? "default";
    const pod = await this.network.addPod(
      [address],
      `search ${searched}.svc.cluster.local svc.cluster.local cluster.local\n` +
        `nameserver ${OUR_ADDRESS}\noptions ndots:5 timeout:2 attempts:3\n`,
    );
    this.#pods.set(name, pod);
    this.#writeState();
    if (options.isKnown ?? true) await this.apply(JSON.stringify(podObject(name, address, options)));
    return pod;
  }

  async serveHttp(pod: Pod, ...ports: readonly number[]): Promise<void> {
    await this.#spawn(pod, "httpbin.ts", ports.map(String));
  }

  /** A shell script with `kubectl` in it, on the machine of the one who reads the guide. */
  async shell(script: string, options: RunOptions = {}): Promise<Finished> {
    writeFileSync(this.#file("log"), this.#server.out + this.#server.error);
    const env = {
      PATH: `${join(this.folder, "bin")}:${process.env["PATH"]}`,
      [STATE_VARIABLE]: this.#file("state"),
    };
    return await execute(["sh", "-c", script], { ...options, env });
  }

  async apply(objects: string): Promise<void> {
    const env = { ...CACHED, [STATE_VARIABLE]: this.#file("state") };
    const command = [process.execPath, join(HERE, "kubectl.ts"), "apply", "-f", "-"] as const;
    const { status, error } = await execute(command, { input: objects, env, withinMs: START_MS });
    if (status !== 0) throw new Error(`kubectl apply: ${error}`);
  }

  /** Waits until it holds, as long as a change may take to arrive. */
  async until(holds: () => Promise<boolean>, withinMs = ARRIVAL_MS): Promise<void> {
    const said = () => `${holds}; the server says:
${this.log}`;
    await until(holds, said, { withinMs, everyMs: 20 });
  }

  /** All queries that have reached our server so far, over UDP and TCP. */
  async queries(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#counter.lines.once("line", resolve);
    this.#counter.program.child.stdin?.write("\n");
    return Number(await promise);
  }

  /** What the server wrote to its log. */
  get log(): string {
    return this.#server.out + this.#server.error;
  }

  /** Real CoreDNS, where there is one, in front of what stands for the cluster's names and the internet. */
  async startUpstreams(): Promise<void> {
    const coreDns = process.env["COREDNS"];
    if (coreDns === undefined || coreDns === "") {
      say("COREDNS does not name CoreDNS's program: its stand-in answers in its place");
      this.#upstreams = [
        await this.#spawn(this.#dns, "upstream.ts", [CORE_DNS_ADDRESSES.join(), "53", this.#file("zone")]),
      ];
      return;
    }
    const zone = await this.#spawn(this.#dns, "upstream.ts", ["127.0.0.1", "5300", this.#file("zone")]);
    writeFileSync(
      this.#file("Corefile"),
      `.:53 {\n  bind ${CORE_DNS_ADDRESSES.join(" ")}\n  cache 30\n  forward . 127.0.0.1:5300\n}\n`,
    );
    const server = new Program([], {
      command: this.#dns.commandLine(coreDns, "-conf", this.#file("Corefile")),
    });
    this.#programs.push(server);
    await server.says(/CoreDNS-\d/, START_MS);
    this.#upstreams = [zone, server];
  }

  /** Puts these lines in the place of all that stood there besides those of the demo. */
  changeZone(lines: string): void {
    const path = this.#file("zone");
    // In one step: who reads it meanwhile finds a whole one.
    writeFileSync(`${path}.new`, DEMO_ZONE + lines);
    renameSync(`${path}.new`, path);
  }

  /** Every upstream is gone: its address refuses, or with `isSilent` nothing comes back at all. */
  async stopUpstreams(isSilent: boolean): Promise<void> {
    if (isSilent) await this.network.cut(CORE_DNS_ADDRESS);
    else await Promise.all(this.#upstreams.map((each) => each.end()));
  }

  async mendUpstreams(wasSilent: boolean): Promise<void> {
    if (wasSilent) await this.network.mend(this.#dns, CORE_DNS_ADDRESS);
    else await this.startUpstreams();
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((each) => each.end()));
    this.#tunnel?.close();
    await this.#apiServer?.close();
    await this.network.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #startApiServer(): Promise<void> {
    const server = await RealApiServer.start();
    this.#apiServer = server;
    const crds = join(ROOT, "test/fixtures/crds");
    await server.kubectl("apply", "--server-side", "-f", crds);
    await server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", crds);
    const path = this.#file("api-server.socket");
    this.#tunnel = createServer((inside) => {
      const outside = connect(server.port, "127.0.0.1");
      inside.pipe(outside).pipe(inside);
      inside.on("error", () => outside.destroy());
      outside.on("error", () => inside.destroy());
    }).listen(path);
    await this.#spawn(this.#proxy, "relay.ts", [String(server.port), path]);
  }

  /** One of our own programs in a pod; resolves when it listens. */
  async #spawn(pod: Pod, file: string, args: readonly string[]): Promise<Program> {
    const program = new Program([], {
      command: pod.commandLine(process.execPath, join(HERE, file), ...args),
      env: CACHED,
    });
    this.#programs.push(program);
    await program.says(/listening/, START_MS);
    return program;
  }

  #linkCommands(): void {
    const shim = `#!/bin/sh\nexec '${process.execPath}' '${join(HERE, "kubectl.ts")}' "$@"\n`;
    writeFileSync(join(this.folder, "bin/kubectl"), shim, { mode: 0o755 });
    for (const command of ["busybox", "curl"]) {
      if (!hasCommand(command)) continue;
      const file = execFileSync("sh", ["-c", `command -v ${command}`], { encoding: "utf8" }).trim();
      for (const name of command === "curl" ? ["curl"] : ["sh", "nslookup"]) {
        symlinkSync(file, join(this.folder, "busybox", name));
      }
    }
  }

  #writeState(): void {
    const kubeconfig = this.#apiServer?.kubeconfig("admin");
    const state: State = {
      objects: join(this.folder, "objects"),
      kubectl:
        kubeconfig === undefined
          ? undefined
          : [
              join(process.env["KUBEBUILDER_ASSETS"]!, "kubectl"),
              `--kubeconfig=${kubeconfig}`,
              `--cache-dir=${this.#file("cache")}`,
            ],
      log: this.#file("log"),
      busyboxFolder: join(this.folder, "busybox"),
      pods: Object.fromEntries([...this.#pods].map(([name, pod]) => [name, pod.commandLine()])),
    };
    writeFileSync(this.#file("state"), JSON.stringify(state));
  }

  #file(name: string): string {
    return join(this.folder, name);
  }
}

/** Node keeps here what it has compiled: each command of a guide starts it anew. */
const CACHED = { NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/compile") };
const ARRIVAL_MS = 60_000;
/** For a program to start on a busy machine. */
const START_MS = 60_000;

const BASE_OBJECTS = JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
