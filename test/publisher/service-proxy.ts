/**
 * What kube-proxy does on a node, for pods in network namespaces: kube-proxy itself where the variable KUBE_PROXY
 * names its program (KUBE_PROXY_MODE its mode, nftables unless given), else nftables rules that are made of the Services and EndpointSlices by the words of their API.
 */

import { join } from "node:path";
import {
  CORE_DNS_ADDRESS,
  CORE_DNS_POD_ADDRESS,
  OUR_ADDRESS,
  OUR_POD_ADDRESS,
  type World,
} from "../end-to-end/world.ts";
import { execute } from "../support/network-namespaces.ts";
import { Program } from "../support/program.ts";

export class ServiceProxy {
  readonly #world: World;
  readonly #programs: Program[] = [];

  static async start(world: World): Promise<ServiceProxy> {
    const proxy = new ServiceProxy(world);
    if (KUBE_PROXY !== undefined) await proxy.#startKubeProxy(KUBE_PROXY);
    return proxy;
  }

  private constructor(world: World) {
    this.#world = world;
  }

  /** Carries out what the API server has now; kube-proxy sees to that by itself. */
  async sync(): Promise<void> {
    if (KUBE_PROXY !== undefined) return;
    const { status, out, error } = await this.#world.shell("kubectl get services,endpointslices -A -o json");
    if (status !== 0) throw new Error(error);
    const { items } = JSON.parse(out) as { readonly items: readonly (Service | Slice)[] };
    const services = items.filter((item) => item.kind === "Service");
    const slices = items.filter((item) => item.kind === "EndpointSlice");
    const input = rulesOf(services, slices);
    const loaded = await execute(this.#world.network.nodeCommandLine("nft", "-f", "-"), { input });
    if (loaded.status !== 0) throw new Error(`${loaded.error}\n${input}`);
  }

  /** What kube-proxy wrote to its log. */
  get log(): string {
    return this.#programs.map(({ out, error }) => out + error).join("\n");
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((each) => each.end()));
  }

  async #startKubeProxy(file: string): Promise<void> {
    const { folder, network } = this.#world;
    const kubeconfig = (await this.#world.shell("kubectl config view --raw -o json")).out;
    const { clusters } = JSON.parse(kubeconfig) as { clusters: [{ cluster: { server: string } }] };
    const port = new URL(clusters[0].cluster.server).port;
    const relay = join(import.meta.dirname, "../end-to-end/relay.ts");
    const relayed = network.nodeCommandLine(process.execPath, relay, port, join(folder, "api-server.socket"));
    this.#programs.push(new Program([], { command: relayed }));
    await this.#programs[0]!.says(/listening/, START_MS);
    const input = "cat > $0/kube-proxy.json";
    await execute(["sh", "-c", input, folder], { input: kubeconfig });
    const flags = [
      `--kubeconfig=${join(folder, "kube-proxy.json")}`,
      `--proxy-mode=${process.env["KUBE_PROXY_MODE"] || "nftables"}`,
      `--hostname-override=${NODE_NAME}`,
      "--conntrack-max-per-core=0",
    ];
    await this.#world.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items: NODE_OBJECTS }));
    this.#programs.push(new Program([], { command: network.nodeCommandLine(file, ...flags) }));
  }
}

const KUBE_PROXY = process.env["KUBE_PROXY"] || undefined;
const START_MS = 30_000;
const NODE_NAME = "node";
/** Where every pod is. */
export const NODE_ZONE = "z1";
/**
 * What kube-proxy must find: the node, whose address it begins with, and the Services of the servers that pods ask,
 * for it drops what goes to an address of the Services' range that no Service has.
 */
const NODE_OBJECTS = [
  {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: NODE_NAME, labels: { "topology.kubernetes.io/zone": NODE_ZONE } },
    status: { addresses: [{ type: "InternalIP", address: "169.254.1.1" }] },
  },
  ...dnsService("kube-dns", CORE_DNS_ADDRESS, CORE_DNS_POD_ADDRESS),
  ...dnsService("serviceentry-dns", OUR_ADDRESS, OUR_POD_ADDRESS),
];

function dnsService(name: string, address: string, podAddress: string): readonly object[] {
  const namespace = "kube-system";
  const ports = ["UDP", "TCP"].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }));
  const labels = { "kubernetes.io/service-name": name };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace },
      spec: { clusterIP: address, ports },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace, labels },
      addressType: "IPv4",
      ports,
      endpoints: [{ addresses: [podAddress], conditions: { ready: true } }],
    },
  ];
}

interface Named {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

interface Port {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
}

interface Service extends Named {
  readonly kind: "Service";
  readonly spec: { readonly clusterIPs?: readonly string[]; readonly ports?: readonly Port[] };
}

interface Slice extends Named {
  readonly kind: "EndpointSlice";
  readonly addressType: string;
  readonly ports: readonly Port[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly hints?: { readonly forZones?: readonly { readonly name: string }[] };
  }[];
}

/** IPv4 alone, as the network of these pods. What no rule leads on is refused, as kube-proxy does. */
function rulesOf(services: readonly Service[], slices: readonly Slice[]): string {
  const chains: string[] = [];
  const rules: string[] = [];
  const addresses: string[] = [];
  for (const { metadata, spec } of services) {
    const address = spec.clusterIPs?.find((each) => /^\d+\./.test(each));
    if (address === undefined) continue;
    addresses.push(address);
    const own = slices.filter(
      (slice) =>
        slice.addressType === "IPv4" &&
        slice.metadata.namespace === metadata.namespace &&
        slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name,
    );
    for (const port of spec.ports ?? []) {
      const ready = own.flatMap(({ ports, endpoints }) => {
        const target = ports.find(
          (each) => (each.name ?? "") === (port.name ?? "") && each.protocol === port.protocol,
        );
        if (target === undefined) return [];
        const those = endpoints.filter(({ conditions }) => conditions?.ready !== false);
        return those.map(({ addresses: [to], hints }) => ({
          to: `${to}:${target.port}`,
          zones: hints?.forZones,
        }));
      });
      const near = ready.filter(({ zones }) => zones?.some(({ name }) => name === NODE_ZONE));
      const isNearFirst = near.length > 0 && ready.every(({ zones }) => zones !== undefined);
      const targets = (isNearFirst ? near : ready).map(({ to }) => to);
      if (targets.length === 0) continue;
      const first = chains.length;
      const protocol = port.protocol.toLowerCase();
      for (const to of targets)
        chains.push(`chain to${chains.length} {\n    meta l4proto ${protocol} dnat to ${to}\n  }`);
      const choices = targets.map((_, at) => `${at} : goto to${first + at}`).join(", ");
      rules.push(
        `ip daddr ${address} ${protocol} dport ${port.port} numgen random mod ${targets.length} vmap { ${choices} }`,
      );
    }
  }
  const refused = addresses.length === 0 ? "" : `ip daddr { ${addresses.join(", ")} } reject with tcp reset`;
  return `table ip services
delete table ip services
table ip services {
  ${chains.join("\n  ")}
  chain nat {
    type nat hook prerouting priority dstnat
    ${rules.join("\n    ")}
  }
  chain forward {
    type filter hook forward priority filter
    ${refused === "" ? "" : `meta l4proto tcp ${refused}`}
  }
}
`;
}
