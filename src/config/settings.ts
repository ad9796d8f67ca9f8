/**
 * The one table of all settings: name, kind, default, unit, meaning. Flags, environment variables, the file,
 * the help text and docs/settings.md are all derived from it; a setting that does nothing does not stand here.
 */

import type { HostName } from "../wire/host-name.ts";
import type { IpAddress, IpPrefix } from "../wire/ip-address.ts";
import type { PolicyRuleValue, SelectorValue } from "./policy-value.ts";
import type { ListenAddress, SocketAddress } from "./socket-address.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** `hostmaster.serviceentry-dns.<domain>.` stands in each SOA and must fit the 255 octets of a name (RFC 1035 2.3.4). */
const MOST_DOMAIN_CHARACTERS = 225;

/** In the order in which help and docs show them. */
export const SETTINGS = {
  listen: {
    feature: "Listening",
    kind: "listenAddresses",
    default: "0.0.0.0:1053,[::]:1053",
    restartNeeded: true,
    meaning: "Addresses that answer DNS over UDP and TCP. :PORT stands for the default addresses.",
  },
  admin: {
    feature: "Listening",
    kind: "listenAddress",
    default: "0.0.0.0:9153",
    restartNeeded: true,
    meaning: "Address of the admin endpoint: /metrics, /healthz and /readyz, nothing else.",
  },
  api: {
    feature: "Listening",
    kind: "listenAddress",
    default: "127.0.0.1:9154",
    restartNeeded: true,
    meaning: "Address of the API endpoint, for localhost only: the status page, /api/* and orders by POST.",
  },
  source: {
    feature: "Source",
    kind: "source",
    default: "kubernetes",
    restartNeeded: true,
    meaning: "The cluster (as a pod, or by KUBECONFIG or ~/.kube/config), or manifests; either is watched.",
  },
  clusterDomain: {
    feature: "Source",
    kind: "hostName",
    maxCharacters: MOST_DOMAIN_CHARACTERS,
    default: "cluster.local",
    meaning:
      "The cluster's DNS domain. Names at or below it are asked upstream first, whatever a ServiceEntry says.",
  },
  network: {
    feature: "Source",
    kind: "word",
    default: null,
    defaultText: "none",
    meaning: "The network of the clients; endpoints of another network are left out. None: all are taken.",
  },
  defaultExportTo: {
    feature: "Source",
    kind: "namespaces",
    default: "*",
    meaning: "Who sees an entry without exportTo: * everybody, . its own namespace, ~ nobody, or namespaces.",
  },
  excludeSelectors: {
    feature: "Source",
    kind: "selectors",
    default: null,
    defaultText: "none",
    meaning: "ServiceEntries and WorkloadEntries whose labels match one of these do not exist for us.",
  },
  hostsPerNamespace: {
    feature: "Source",
    kind: "integer",
    min: 1,
    max: 1_000_000,
    default: "20000",
    unit: "hosts",
    meaning: "Hosts that one namespace may claim; the excess is reported and forwarded.",
  },
  namesPerNamespace: {
    feature: "Source",
    kind: "integer",
    min: 1,
    max: 1_000_000,
    default: "10000",
    unit: "names",
    meaning: "Endpoint names that one namespace may have resolved; the excess is reported and left out.",
  },
  answer: {
    feature: "Answers",
    kind: "choice",
    values: ["auto", "virtual", "resolved"],
    default: "auto",
    meaning: "Which addresses answer a host that has both kinds: by client, the virtual or the real ones.",
  },
  virtualRanges: {
    feature: "Answers",
    kind: "prefixes",
    default: null,
    defaultText: "none",
    meaning:
      "Where a mesh allocates addresses, besides 240.0.0.0/4, 2001:2::/48, 198.18.0.0/15; for its own pods only.",
  },
  serviceAddresses: {
    feature: "Answers",
    kind: "addresses",
    default: null,
    defaultText: "none",
    meaning: "Addresses of our own Service, which PTR answers with the server's name.",
  },
  ttl: {
    feature: "Answers",
    kind: "wholeSeconds",
    min: 1,
    max: 3600,
    default: "30",
    meaning: "TTL of virtual addresses and of endpoints given as addresses.",
  },
  workloadTtl: {
    feature: "Answers",
    kind: "wholeSeconds",
    min: 1,
    max: 3600,
    default: "5",
    meaning: "TTL of the addresses of selected workloads.",
  },
  resolvedMaxTtl: {
    feature: "Answers",
    kind: "wholeSeconds",
    min: 5,
    max: 3600,
    default: "30",
    meaning: "Largest TTL of addresses that were resolved upstream; they count down to 5.",
  },
  negativeTtl: {
    feature: "Answers",
    kind: "wholeSeconds",
    min: 1,
    max: 3600,
    default: "5",
    meaning: "TTL of the answer that a host has no address at all.",
  },
  pendingTimeout: {
    feature: "Answers",
    kind: "seconds",
    min: 0.1,
    max: 4.5,
    default: "2.5",
    meaning: "How long a query waits for the first addresses of a new host; resolvers give up after 5.",
  },
  maxStale: {
    feature: "Answers",
    kind: "seconds",
    min: 0,
    max: 604_800,
    default: "3600",
    meaning: "How long after their expiry the last good addresses are answered while upstream fails.",
  },
  relayHttps: {
    feature: "Answers",
    kind: "boolean",
    default: "false",
    meaning: "Ask upstream for HTTPS and SVCB records of own hosts, instead of saying there are none.",
  },
  explainTxt: {
    feature: "Answers",
    kind: "boolean",
    default: "false",
    meaning: "Answer TXT of _why.HOST with the reason for what the asking pod gets; for known pods only.",
  },
  serverId: {
    feature: "Answers",
    kind: "word",
    default: null,
    defaultText: "the host's name, in a pod the pod's",
    meaning: "What clients are told that ask which server answered: NSID, and TXT id.server of class CH.",
  },
  tellServerId: {
    feature: "Answers",
    kind: "boolean",
    default: "true",
    meaning: "Answer NSID, id.server and version.bind ourselves; if not, such questions are passed on.",
  },
  trustedNamespaces: {
    feature: "Policy",
    kind: "namespaceNames",
    default: "istio-system,serviceentry-dns",
    meaning: "Whose entries win a host after those of the client's own namespace.",
  },
  defaultVisibility: {
    feature: "Policy",
    kind: "choice",
    values: ["public", "namespace"],
    default: "public",
    meaning: "Who may see an entry at most where no rule of hostPolicy is for its namespace.",
  },
  hostPolicy: {
    feature: "Policy",
    kind: "policyRules",
    default: null,
    defaultText: "none",
    meaning:
      "Which hosts a namespace may claim, and who sees them; the first rule that selects the namespace decides.",
  },
  searchSuffixes: {
    feature: "Clients",
    kind: "hostNames",
    default: null,
    defaultText: "none",
    meaning: "Search domains of clients besides NAMESPACE.svc.DOMAIN, svc.DOMAIN and DOMAIN of the cluster.",
  },
  suffixAnswer: {
    feature: "Clients",
    kind: "choice",
    values: ["cname", "nxdomain", "forward"],
    default: "cname",
    meaning:
      "What a host with a search suffix gets: a CNAME to the host with its records, NXDOMAIN, or upstream's word.",
  },
  expandSuffixes: {
    feature: "Clients",
    kind: "hostNames",
    default: null,
    defaultText: "none",
    meaning:
      "Domains whose hosts take every search suffix as those of the Internet do: no Service can be meant.",
  },
  suffixView: {
    feature: "Clients",
    kind: "boolean",
    default: "true",
    meaning: "Take the namespace of a client that is no known pod from its search suffix.",
  },
  shortServiceNames: {
    feature: "Clients",
    kind: "boolean",
    default: "true",
    meaning: "Answer SERVICE.NAMESPACE and SERVICE.NAMESPACE.svc, which busybox asks for as they are.",
  },
  trustedForwarders: {
    feature: "Clients",
    kind: "prefixes",
    default: null,
    defaultText: "Nodes, and kube-dns and node-local-dns of kube-system, as far as pods are watched",
    meaning:
      "Clients that ask for many others, such as node caches: no limit of one client, public entries only.",
  },
  upstreams: {
    feature: "Forwarding",
    kind: "upstreamAddresses",
    default: null,
    defaultText: "nameservers of /etc/resolv.conf",
    meaning:
      "DNS servers for all names that are not ours, and for resolving endpoint names; port 53 unless given.",
  },
  clusterUpstreams: {
    feature: "Forwarding",
    kind: "upstreamAddresses",
    default: null,
    defaultText: "as upstreams",
    meaning: "DNS servers for names at or below the cluster domain.",
  },
  staleAfter: {
    feature: "Forwarding",
    kind: "seconds",
    min: 0.1,
    max: 4.5,
    default: "1",
    meaning: "How long upstream may be silent before an expired reply of the cache is served.",
  },
  refuse: {
    feature: "Forwarding",
    kind: "boolean",
    default: "false",
    meaning:
      "Refuse names that are not ours, for a DNS server that asks us first; upstreams must not lead to it.",
  },
  cacheBytes: {
    feature: "Forwarding",
    kind: "octets",
    min: MIB,
    max: 4 * GIB,
    default: "32 MiB",
    meaning: "Memory of the cache of forwarded replies.",
  },
  cacheMaxTtl: {
    feature: "Forwarding",
    kind: "wholeSeconds",
    min: 1,
    max: 86_400,
    default: "3600",
    meaning: "Longest time that a forwarded reply is kept as fresh.",
  },
  maxInFlight: {
    feature: "Limits",
    kind: "integer",
    min: 1,
    max: 65_535,
    default: "4096",
    unit: "queries",
    meaning: "Forwarded queries that may wait for upstream at once.",
  },
  maxInFlightPerClient: {
    feature: "Limits",
    kind: "integer",
    min: 1,
    max: 65_535,
    default: "256",
    unit: "queries",
    meaning: "Forwarded queries of one client address that may wait at once; more are told to use TCP.",
  },
  rateLimit: {
    feature: "Limits",
    kind: "integer",
    min: 0,
    max: 1_000_000,
    default: "0",
    unit: "queries/s",
    meaning: "Forwarded queries of one client address per second; more are told to use TCP. 0: any number.",
  },
  tcpConnections: {
    feature: "Limits",
    kind: "integer",
    min: 1,
    max: 65_535,
    default: "4096",
    unit: "connections",
    meaning: "Open TCP connections; at the limit the one that is idle the longest is closed.",
  },
  tcpPerAddress: {
    feature: "Limits",
    kind: "integer",
    min: 1,
    max: 65_535,
    default: "128",
    unit: "connections",
    meaning: "Open TCP connections of one client address.",
  },
  threads: {
    feature: "Process",
    kind: "integer",
    min: 1,
    max: 64,
    default: "1",
    unit: "threads",
    restartNeeded: true,
    meaning: "Threads that answer UDP; they share cache and limits in equal parts. TCP has one of its own.",
  },
  udp: {
    feature: "Process",
    kind: "choice",
    values: ["auto", "batch", "dgram"],
    default: "auto",
    restartNeeded: true,
    meaning:
      "Serve UDP in batches of system calls (Linux, package koffi) or by Node's dgram; auto: batch if it can.",
  },
  lameduck: {
    feature: "Process",
    kind: "seconds",
    min: 0,
    max: 300,
    default: "0",
    defaultInPod: "15",
    meaning: "How long answers go on after SIGTERM, not ready, before the listeners close.",
  },
  snapshot: {
    feature: "Process",
    kind: "folder",
    default: "off",
    defaultInPod: "/var/lib/serviceentry-dns",
    restartNeeded: true,
    meaning:
      "Folder that keeps the last good state of the cluster, for a start while the API server is away; or off.",
  },
  publish: {
    feature: "Publishing",
    kind: "choice",
    values: ["off", "annotated", "mapped"],
    default: "annotated",
    meaning:
      "Hosts to publish as Services: none, those of annotated entries, or also those with endpoints at another port.",
  },
  reporter: {
    feature: "Process",
    kind: "boolean",
    default: "false",
    defaultInPod: "true",
    restartNeeded: true,
    meaning: "Write Events on ServiceEntries: what became of their hosts. One replica writes.",
  },
  conditions: {
    feature: "Process",
    kind: "boolean",
    default: "false",
    restartNeeded: true,
    meaning: "Let the reporter write the status condition Resolved as well; needs the right to patch status.",
  },
  logLevel: {
    feature: "Process",
    kind: "choice",
    values: ["debug", "info", "warn", "error"],
    default: "info",
    meaning: "The least important log lines that are written.",
  },
} as const satisfies Readonly<Record<string, SettingSpec>>;

export type SettingKey = keyof typeof SETTINGS;

/** Every setting with its value, checked. Durations are seconds, sizes octets. Survives a structured clone. */
export type Settings = { readonly [Key in SettingKey]: ValueOf<(typeof SETTINGS)[Key]> };

export type LogLevel = Settings["logLevel"];

/** One line of the table. */
export type SettingSpec = SettingForm & {
  /** What it belongs to and is in force with; help and docs are grouped by it. */
  readonly feature: string;
  /** What it does, as sentences. */
  readonly meaning: string;
  /** As a user would write it; null: none, or found at start (`defaultText` says how). */
  readonly default: string | null;
  /** Where it differs: the default in a Kubernetes pod. */
  readonly defaultInPod?: string;
  readonly defaultText?: string;
  /** What is counted; seconds and octets are understood. */
  readonly unit?: string;
  /** A change of it in the file is in force only after a restart. */
  readonly restartNeeded?: true;
};

type SettingForm =
  | {
      readonly kind: "integer" | "wholeSeconds" | "seconds" | "octets";
      readonly min: number;
      readonly max: number;
    }
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | { readonly kind: "listenAddress" | "listenAddresses"; readonly default: string }
  | { readonly kind: "upstreamAddresses" | "addresses" | "prefixes" }
  | { readonly kind: "namespaces" | "namespaceNames" | "hostNames" }
  /** Written as YAML in the file, as JSON in a flag or variable. */
  | { readonly kind: "selectors" | "policyRules" }
  | { readonly kind: "hostName"; readonly maxCharacters: number }
  | { readonly kind: "boolean" | "source" | "word" | "folder" };

interface ValueByKind {
  readonly integer: number;
  readonly wholeSeconds: number;
  readonly seconds: number;
  readonly octets: number;
  readonly boolean: boolean;
  readonly hostName: HostName;
  /** "kubernetes", or the path of a file or folder. */
  readonly source: string;
  readonly word: string | undefined;
  /** Undefined: off. */
  readonly folder: string | undefined;
  readonly listenAddress: ListenAddress;
  readonly listenAddresses: readonly ListenAddress[];
  readonly upstreamAddresses: readonly SocketAddress[];
  /** Names of namespaces, `*`, `.` and `~`. */
  readonly namespaces: readonly string[];
  readonly namespaceNames: readonly string[];
  readonly hostNames: readonly HostName[] | undefined;
  readonly addresses: readonly IpAddress[] | undefined;
  readonly prefixes: readonly IpPrefix[] | undefined;
  readonly selectors: readonly SelectorValue[] | undefined;
  readonly policyRules: readonly PolicyRuleValue[] | undefined;
}

type ValueOf<Spec extends SettingSpec> = Spec extends { readonly values: readonly (infer Choice)[] }
  ? Choice
  : Spec extends { readonly kind: infer Kind extends keyof ValueByKind }
    ? ValueByKind[Kind]
    : never;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** Prefix of the environment variables that we read. */
export const ENVIRONMENT_PREFIX = "SERVICEENTRY_DNS_";

/** The table's line with all its optional fields visible. */
export function settingSpec(key: SettingKey): SettingSpec {
  return SETTINGS[key];
}

export function isSettingKey(text: string): text is SettingKey {
  return Object.hasOwn(SETTINGS, text);
}

/** `clusterUpstreams` → `--cluster-upstreams`. */
export function flagOf(key: string): string {
  return `--${separated(key, "-")}`;
}

/** `clusterUpstreams` → `SERVICEENTRY_DNS_CLUSTER_UPSTREAMS`. */
export function environmentVariableOf(key: string): string {
  return ENVIRONMENT_PREFIX + separated(key, "_").toUpperCase();
}

/** Whether the setting takes several values: a repeated flag, a list in the file, or separated by comma. */
export function isList(spec: SettingSpec): boolean {
  switch (spec.kind) {
    case "listenAddresses":
    case "upstreamAddresses":
    case "addresses":
    case "prefixes":
    case "namespaces":
    case "namespaceNames":
    case "hostNames":
      return true;
    default:
      return false;
  }
}

/** Whether it is written as YAML in the file, and as JSON elsewhere. */
export function isStructured(spec: SettingSpec): boolean {
  return spec.kind === "selectors" || spec.kind === "policyRules";
}

/** The default in words, as help and docs show it. */
export function defaultTextOf(spec: SettingSpec): string {
  const text = spec.defaultText ?? spec.default ?? "none";
  return spec.defaultInPod === undefined ? text : `${spec.defaultInPod} in a pod, else ${text}`;
}

/** The unit in a word; "" where there is none. */
export function unitOf(spec: SettingSpec): string {
  if (spec.kind === "seconds" || spec.kind === "wholeSeconds") return "seconds";
  return spec.kind === "octets" ? "octets" : (spec.unit ?? "");
}

function separated(key: string, separator: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => separator + letter.toLowerCase());
}
