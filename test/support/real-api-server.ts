/**
 * A real kube-apiserver with its etcd on loopback ports and a folder of their own, from binaries that the variable
 * KUBEBUILDER_ASSETS leads to. No controllers, no nodes: objects stay as they are written.
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { accessSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Who may use the server, by bearer tokens of their names. */
export type User = "admin" | "reader";

/** Why there is none on this machine; undefined: there is one. */
export function whyNoApiServer(): string | undefined {
  const folder = process.env["KUBEBUILDER_ASSETS"];
  if (!folder) return "KUBEBUILDER_ASSETS does not name a folder with kube-apiserver, etcd and kubectl";
  for (const name of ["kube-apiserver", "etcd", "kubectl"]) {
    try {
      accessSync(join(folder, name));
    } catch {
      return `KUBEBUILDER_ASSETS: there is no ${name} in ${folder}`;
    }
  }
  return undefined;
}

export class RealApiServer {
  readonly folder: string;
  readonly port: number;
  readonly #etcdPort: number;
  readonly #flags: readonly string[];
  readonly #etcd: ChildProcess;
  #apiServer: ChildProcess | undefined;

  /** Resolves when the server is ready; give it a minute. `flags`: more of kube-apiserver's. */
  static async start(flags: readonly string[] = []): Promise<RealApiServer> {
    const [etcdPort, peerPort, port] = await freePorts(3);
    const server = new RealApiServer(etcdPort!, peerPort!, port!, flags);
    try {
      await server.startApiServer();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  private constructor(etcdPort: number, peerPort: number, port: number, flags: readonly string[]) {
    this.#flags = flags;
    this.folder = mkdtempSync(join(tmpdir(), "api-server-"));
    this.port = port;
    this.#etcdPort = etcdPort;
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    this.#write("accounts.pub", publicKey);
    this.#write("accounts.key", privateKey);
    this.#write("tokens.csv", "admin-token,admin,1,system:masters\nreader-token,reader,2\n");
    const peers = `http://127.0.0.1:${peerPort}`;
    this.#etcd = this.#spawn("etcd", [
      "--name=test",
      `--data-dir=${join(this.folder, "etcd")}`,
      `--listen-client-urls=${this.#etcdUrl}`,
      `--advertise-client-urls=${this.#etcdUrl}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=test=${peers}`,
      "--unsafe-no-fsync",
    ]);
  }

  /** A file with a kubeconfig for this user. */
  kubeconfig(user: User): string {
    const cluster = { server: `https://127.0.0.1:${this.port}`, "certificate-authority": this.certificate };
    return this.#write(
      `${user}.kubeconfig`,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "test",
        contexts: [{ name: "test", context: { cluster: "test", user } }],
        clusters: [{ name: "test", cluster }],
        users: [{ name: user, user: { token: `${user}-token` } }],
      }),
    );
  }

  /** The file with what the server's certificate is signed by. */
  get certificate(): string {
    return join(this.folder, "certificates", "apiserver.crt");
  }

  /** As admin; returns what it printed, rejects with what it complained of. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(
      binary("kubectl"),
      [`--kubeconfig=${this.kubeconfig("admin")}`, `--cache-dir=${join(this.folder, "cache")}`, ...args],
      { timeout: KUBECTL_PATIENCE_MS },
    );
    return stdout;
  }

  async startApiServer(): Promise<void> {
    this.#apiServer = this.#spawn("kube-apiserver", [
      `--etcd-servers=${this.#etcdUrl}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${this.port}`,
      `--cert-dir=${join(this.folder, "certificates")}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${join(this.folder, "accounts.pub")}`,
      `--service-account-signing-key-file=${join(this.folder, "accounts.key")}`,
      `--token-auth-file=${join(this.folder, "tokens.csv")}`,
      "--authorization-mode=RBAC",
      // Its controller, which makes the account that each pod has, does not run here.
      "--disable-admission-plugins=ServiceAccount",
      ...this.#flags,
    ]);
    for (const deadline = Date.now() + READY_PATIENCE_MS; !(await this.#isReady()); ) {
      if (this.#apiServer.exitCode !== null || Date.now() > deadline)
        throw new Error(`kube-apiserver is not ready:\n${this.#log("kube-apiserver").slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stopApiServer(): Promise<void> {
    await stop(this.#apiServer);
    this.#apiServer = undefined;
  }

  async close(): Promise<void> {
    await this.stopApiServer();
    await stop(this.#etcd);
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #etcdUrl(): string {
    return `http://127.0.0.1:${this.#etcdPort}`;
  }

  #isReady(): Promise<boolean> {
    return new Promise((resolve) => {
      const options = {
        port: this.port,
        path: "/readyz",
        headers: { authorization: "Bearer admin-token" },
        rejectUnauthorized: false,
        agent: false,
        timeout: 1000,
      } as const;
      request(options, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      })
        .on("timeout", () => resolve(false))
        .on("error", () => resolve(false))
        .end();
    });
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.folder, `${name}.log`), "a");
    return spawn(binary(name), args, { stdio: ["ignore", log, log] });
  }

  #log(name: string): string {
    return readFileSync(join(this.folder, `${name}.log`), "utf8");
  }

  #write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }
}

const READY_PATIENCE_MS = 150_000;
const KUBECTL_PATIENCE_MS = 60_000;
/** With open watches the API server takes its time; one that is killed is the harder case anyway. */
const STOP_PATIENCE_MS = 2000;

function binary(name: string): string {
  return join(process.env["KUBEBUILDER_ASSETS"] ?? "", name);
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  return await Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
}
