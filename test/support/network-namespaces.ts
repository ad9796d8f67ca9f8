/**
 * Pods without a cluster: processes with a network, files and process numbers of their own. Each has a /32 address and
 * a default route to a node that routes between them, as pods have. Nothing reaches the machine's own network.
 * None of it has a name outside: a pod lives as long as a process of ours, and the kernel removes it with that
 * process, however this one ends.
 */

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Network {
  /** With the files of the pods; all that a killed process leaves behind. */
  readonly folder: string;
  readonly #node: Space;
  /** Each with the device of the node that leads to it. */
  readonly #pods = new Map<Pod, string>();
  #count = 0;

  /** Rejects where `whyNoNetwork` says why. */
  static async open(): Promise<Network> {
    const folder = mkdtempSync(join(tmpdir(), "pods-"));
    try {
      const node = await Space.open();
      await finish(node.enter("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"));
      return new Network(folder, node);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(folder: string, node: Space) {
    this.folder = folder;
    this.#node = node;
  }

  /** A pod with IPv4 addresses: the first is its own, the others are Services or machines that it stands for. */
  async addPod(addresses: readonly string[], resolverFile = ""): Promise<Pod> {
    this.#count += 1;
    const device = `pod${this.#count}`;
    const files = {
      "resolv.conf": resolverFile,
      hosts: "127.0.0.1 localhost\n",
      "nsswitch.conf": "hosts: files dns\n",
    };
    const mounts = Object.entries(files).flatMap(([name, text]) => {
      const path = join(this.folder, `${device}-${name}`);
      writeFileSync(path, text);
      return name === "resolv.conf" || existsSync(`/etc/${name}`)
        ? [`mount --bind '${path}' /etc/${name}`]
        : [];
    });
    const space = await Space.open(mounts);
    const pod = new Pod(space, addresses[0]!);
    this.#pods.set(pod, device);
    await this.#batch(this.#node, [
      `link add ${device} type veth peer name eth0 netns ${space.pid}`,
      `address add ${GATEWAY}/32 dev ${device}`,
      `link set ${device} up`,
      ...addresses.map((address) => `route add ${address}/32 dev ${device}`),
    ]);
    await this.#batch(space, [
      ...addresses.map((address, index) => `address add ${address}/32 dev ${index === 0 ? "eth0" : "lo"}`),
      "link set eth0 up",
      `route add ${GATEWAY}/32 dev eth0`,
      `route add default via ${GATEWAY} src ${addresses[0]}`,
    ]);
    return pod;
  }

  /** The command line that runs this one on the node, through which all packets between pods go. */
  nodeCommandLine(...command: readonly string[]): readonly [string, ...string[]] {
    return this.#node.enter(...command);
  }

  /** From now on packets to this address vanish without a word. */
  async cut(address: string): Promise<void> {
    await this.#batch(this.#node, [
      `route add blackhole ${address}/32 metric 1`,
      `route del ${address}/32 metric 0`,
    ]);
  }

  /** Undoes `cut`. */
  async mend(pod: Pod, address: string): Promise<void> {
    const device = this.#pods.get(pod);
    await this.#batch(this.#node, [
      `route add ${address}/32 dev ${device}`,
      `route del blackhole ${address}/32 metric 1`,
    ]);
  }

  /** Ends every process in every pod, and all of the network. */
  async close(): Promise<void> {
    await Promise.all([...Array.from(this.#pods.keys(), ({ space }) => space.close()), this.#node.close()]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #batch(space: Space, lines: readonly string[]): Promise<void> {
    await finish([...space.network, "ip", "-batch", "-"], `${lines.join("\n")}\n`);
  }
}

/** The node's address towards every pod. */
const GATEWAY = "169.254.1.1";

export interface Finished {
  /** The exit status; null: ended by a signal, or by us because it took too long. */
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
  readonly durationMs: number;
}

export class Pod {
  readonly space: Space;
  readonly address: string;

  constructor(space: Space, address: string) {
    this.space = space;
    this.address = address;
  }

  /** The command line that runs this one in the pod; what it starts ends with the process that was started so. */
  commandLine(...command: readonly string[]): readonly [string, ...string[]] {
    return this.space.enter(...command);
  }

  /** Runs a program to its end, or to ours. */
  async run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return await execute(this.commandLine(...command), options);
  }
}

export interface RunOptions {
  readonly input?: string;
  readonly withinMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** One set of namespaces, held by a process that lives until its standard input is closed. */
class Space {
  /** Of the process inside, as seen from here. */
  readonly pid: number;
  readonly #holder: ChildProcess;

  static async open(preparations: readonly string[] = []): Promise<Space> {
    const script = [
      // Still the old /proc: the number by which the others know this process.
      "read -r pid rest < /proc/self/stat",
      "mount -t proc proc /proc",
      ...preparations,
      // Without this a new link-local address does not count for a second or two (RFC 4862 5.4).
      "{ echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad || true; } 2>/dev/null",
      "ip link set lo up",
      'echo "pid $pid"',
    ].join(" && ");
    const holder = spawn("unshare", [...UNSHARED, "sh", "-c", `${script} && exec cat`], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    holder.stdin.on("error", () => {});
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let [out, error] = ["", ""];
    holder.stdout.on("data", (text) => {
      out += text;
      const pid = /^pid (\d+)$/m.exec(out)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    holder.stderr.on("data", (text) => {
      error += text;
    });
    holder.once("error", reject);
    holder.once("close", () => reject(new Error(error.trim() || "no namespace could be made")));
    const timer = setTimeout(() => {
      holder.kill("SIGKILL");
      reject(new Error("a namespace took too long"));
    }, COMMAND_PATIENCE_MS);
    try {
      return new Space(holder, await promise);
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.pid = pid;
  }

  /** Before a command: in its network, but with the process numbers of the machine, as a link's other end needs them. */
  get network(): readonly [string, ...string[]] {
    return ["nsenter", `--target=${this.pid}`, "--net"];
  }

  enter(...command: readonly string[]): readonly [string, ...string[]] {
    return ["nsenter", `--target=${this.pid}`, "--net", "--mount", "--pid", ...DIES_WITH_US, ...command];
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, "close");
    this.#holder.stdin?.end();
    const timer = setTimeout(() => this.#holder.kill("SIGKILL"), COMMAND_PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  }
}

/** The first process inside is number one there: with it the kernel ends all others. */
const UNSHARED = ["--net", "--mount", "--pid", "--fork", "--kill-child"];
/** nsenter passes no signal on; its end is the signal. */
const DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"];

/** Some start Node, on a machine that is busy. */
const COMMAND_PATIENCE_MS = 60_000;

/** Why pods cannot be made on this machine; undefined: they can. */
export function whyNoNetwork(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "only root may make network namespaces";
  const missing = ["ip", "unshare", "nsenter", "setpriv"].filter((command) => !hasCommand(command));
  if (missing.length > 0) return `there is no ${missing.join(", ")} in PATH`;
  // Each pod's own file is laid over it.
  if (!existsSync("/etc/resolv.conf")) return "there is no /etc/resolv.conf";
  try {
    const script = "mount -t proc proc /proc && ip link add pod1 type veth peer name eth0";
    execFileSync("unshare", [...UNSHARED, "setpriv", "--pdeathsig", "TERM", "sh", "-c", script], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: COMMAND_PATIENCE_MS,
    });
    return undefined;
  } catch (error) {
    return `this machine does not let root make network namespaces: ${String(error).trim()}`;
  }
}

export function hasCommand(command: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Never rejects because of what the program did; see its status. */
export async function execute(
  [file, ...args]: readonly [string, ...string[]],
  { input = "", withinMs = COMMAND_PATIENCE_MS, env }: RunOptions = {},
): Promise<Finished> {
  const startedAtMs = performance.now();
  const options = {
    timeout: withinMs,
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
  } as const;
  return await new Promise((resolve) => {
    const child = execFile(file, args, options, (error, out, errorText) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      resolve({ status, out, error: errorText, durationMs: performance.now() - startedAtMs });
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

async function finish(command: readonly [string, ...string[]], input = ""): Promise<void> {
  const { status, error } = await execute(command, { input });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${error.trim()}\n${input}`);
}
