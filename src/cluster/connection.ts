/**
 * The way into the cluster: a kubeconfig, or a pod's service account. The library reads them, refreshes tokens
 * (files, exec plugins, OIDC) and prepares TLS; the requests are ours. It is loaded only when it is called.
 */

import { accessSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import type { WritingApiClient } from "./api-client.ts";
import { type Authentication, type Credentials, HttpApiClient } from "./http-client.ts";
import { importKubeConfig } from "./kubeconfig-library.ts";

export type ClusterAccess =
  | { readonly kind: "kubeconfig"; readonly files: readonly string[] }
  /** `root`: where the file system of the pod begins; "" in a pod. */
  | { readonly kind: "service-account"; readonly root: string };

/**
 * The files of KUBECONFIG if that is set, else the pod that we run in, else ~/.kube/config. Undefined: there is
 * none of them. Reads no file.
 */
export function findClusterAccess(
  env: Readonly<Record<string, string | undefined>>,
  home = homedir(),
  root = "",
): ClusterAccess | undefined {
  const files = (env["KUBECONFIG"] ?? "").split(":").filter((file) => file !== "");
  if (files.length > 0) return { kind: "kubeconfig", files };
  if (env["KUBERNETES_SERVICE_HOST"] && isReadable(root + TOKEN_FILE)) {
    return { kind: "service-account", root };
  }
  const file = join(home, ".kube", "config");
  return isReadable(file) ? { kind: "kubeconfig", files: [file] } : undefined;
}

/**
 * Rejects with a ClusterAccessError where no way in is described; makes no connection yet. `env`: may name a proxy
 * (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) for a kubeconfig that names none. A pod's way to its own API server is direct:
 * NO_PROXY usually excepts it by a prefix, which Node.js does not read.
 */
export async function connectCluster(
  access: ClusterAccess,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<WritingApiClient> {
  const load = () => loadCredentials(access);
  return new HttpApiClient(await load(), load, access.kind === "kubeconfig" ? env : {});
}

/** What was given as the way into the cluster does not lead there. */
export class ClusterAccessError extends Error {
  readonly code = "CLUSTER_ACCESS";

  constructor(message: string) {
    super(message);
    this.name = "ClusterAccessError";
  }
}

const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";

async function loadCredentials(access: ClusterAccess): Promise<Credentials> {
  const library = await importKubeConfig();
  const config = new library.KubeConfig();
  try {
    if (access.kind === "service-account") config.loadFromCluster(access.root);
    for (const [position, file] of access.kind === "kubeconfig" ? access.files.entries() : []) {
      if (position === 0) {
        config.loadFromFile(file);
        continue;
      }
      const further = new library.KubeConfig();
      further.loadFromFile(file);
      // The first file that names a current context decides, as with kubectl.
      config.mergeConfig(further, config.getCurrentContext() !== undefined);
    }
  } catch (error) {
    // A parser's further lines show the place with an arrow below it, which one line cannot.
    const [reason] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new ClusterAccessError(accessFault(access, `cannot be read (${reason})`));
  }
  const server = serverOf(config, access);
  let asked: Promise<Authentication> | undefined;
  return {
    // Who asks at the same time shares the answer: a plugin is a process, and may talk to a person.
    authentication: () => {
      asked ??= authenticate(config, server).finally(() => {
        asked = undefined;
      });
      return asked;
    },
  };
}

async function authenticate(
  config: KubeConfig,
  { server, isProxied }: ServerOfConfig,
): Promise<Authentication> {
  const prepared: RequestOptions = {};
  await config.applyToHTTPSOptions(prepared);
  const { agent, headers, ...options } = prepared;
  // A file's last line break is no part of the token, and not allowed in a header.
  const trimmed = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]);
  const proxy = isProxied && agent !== undefined ? { agent } : {};
  return { server, options: { ...options, ...proxy, headers: Object.fromEntries(trimmed) } };
}

interface ServerOfConfig {
  readonly server: string;
  readonly isProxied: boolean;
}

function serverOf(config: KubeConfig, access: ClusterAccess): ServerOfConfig {
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new ClusterAccessError(accessFault(access, "has no current context with a cluster"));
  const { server, skipTLSVerify, proxyUrl } = cluster;
  const protocol = URL.canParse(server) ? new URL(server).protocol : "";
  if (protocol !== "https:" && protocol !== "http:")
    throw new ClusterAccessError(
      accessFault(access, `has ${JSON.stringify(server)} as server, which is no URL of http or https`),
    );
  if (protocol === "http:" && !skipTLSVerify)
    throw new ClusterAccessError(
      accessFault(access, `has the server ${server}, without TLS; that needs insecure-skip-tls-verify: true`),
    );
  return { server, isProxied: proxyUrl !== undefined && proxyUrl !== "" };
}

/** `fault`: what follows the name of the way in; ends without a full stop. */
function accessFault(access: ClusterAccess, fault: string): string {
  return access.kind === "kubeconfig"
    ? `kubeconfig ${access.files.join(":")} ${fault}. Mend it, name another with KUBECONFIG, or serve manifests with --source PATH.`
    : `the pod's service account ${fault}. Give the pod one with a token (automountServiceAccountToken).`;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
}
