/**
 * What is wrong with an object, said so that its author can mend it. Every element that we skip, refuse or
 * cannot read becomes a `Problem` with a stable code; the log, `/api/problems` and `check` print the same.
 */

import type { Kind, Namespace, ObjectKey } from "./objects.ts";

/** Stable codes with severity and remedy: the one table that log, page and linter share. */
export const PROBLEMS = {
  SyntaxError: {
    severity: "error",
    remedy: "Correct the YAML or JSON; until then the last good objects of this document stay in force.",
  },
  FileUnreadable: {
    severity: "error",
    remedy: "Make the file or folder readable again; until then its last good objects stay in force.",
  },
  ResourceMissing: {
    severity: "warning",
    remedy:
      "Install Istio's CRDs if entries of this kind are meant to be answered; it is asked for every 30 s.",
  },
  AccessDenied: {
    severity: "error",
    remedy: "Allow the service account to get, list and watch this kind; until then the last state stays.",
  },
  ObjectUnreadable: {
    severity: "error",
    remedy: "Find the object that is larger than 2 MiB or no JSON; all others are in force.",
  },
  DuplicateObject: {
    severity: "warning",
    remedy: "Keep one of the two; the path that sorts first is in force.",
  },
  ShapeInvalid: { severity: "error", remedy: "Correct the field; until then the object counts as absent." },
  HostInvalid: { severity: "error", remedy: "Write a DNS name such as api.example.com or *.example.com." },
  HostReserved: {
    severity: "error",
    remedy: "Choose a host outside the cluster's own names; this one is forwarded.",
  },
  WildcardTooWide: { severity: "error", remedy: "Use a wildcard with at least two labels after '*.'." },
  HostRejected: {
    severity: "error",
    remedy: "Ask the operator to allow the host to the namespace (hostPolicy); until then it is forwarded.",
  },
  VisibilityNarrowed: {
    severity: "info",
    remedy:
      "The operator lets the namespace's entries be seen by itself alone (hostPolicy, defaultVisibility).",
  },
  PublicHostsUnrestricted: {
    severity: "info",
    remedy:
      "Write hostPolicy rules, or set defaultVisibility to namespace, where tenants do not trust each other.",
  },
  AddressInvalid: { severity: "warning", remedy: "Write a single IP address or a CIDR prefix." },
  AddressForbidden: {
    severity: "warning",
    remedy:
      "Loopback, link-local, multicast, broadcast and unspecified addresses are not answered; remove it, or have hostPolicy allow it.",
  },
  PortInvalid: { severity: "warning", remedy: "Write a port number from 1 to 65535; the port is left out." },
  EndpointSkipped: { severity: "warning", remedy: "Correct the endpoint; the others stay in force." },
  EndpointNameInStatic: {
    severity: "warning",
    remedy: "Use resolution DNS for host names, or write an IP address.",
  },
  EndpointUnixSocket: {
    severity: "warning",
    remedy: "A Unix socket has no address that DNS could answer; use an IP address or a name.",
  },
  EndpointOtherNetwork: {
    severity: "info",
    remedy: "The endpoint is in another network than this server's setting 'network'.",
  },
  EndpointWithoutAddress: {
    severity: "warning",
    remedy: "Give the workload an address; a network alone cannot be answered by DNS.",
  },
  EndpointsIgnored: {
    severity: "warning",
    remedy: "Resolution NONE and DYNAMIC_DNS take no endpoints; use STATIC or DNS, or remove them.",
  },
  EndpointSelf: {
    severity: "info",
    remedy: "The endpoint names its own host or a cycle of hosts, so upstream is asked for it.",
  },
  SelectorIgnored: {
    severity: "warning",
    remedy: "Endpoints and workloadSelector exclude each other; the endpoints are in force.",
  },
  SelectorWithNone: { severity: "warning", remedy: "Use resolution STATIC with a workloadSelector." },
  NoEndpoints: {
    severity: "warning",
    remedy:
      "Resolution STATIC needs endpoints or a workloadSelector; without them only a virtual address is answered.",
  },
  WildcardWithDns: {
    severity: "warning",
    remedy:
      "A wildcard has no name to resolve: add endpoints or use DYNAMIC_DNS; until then it is forwarded.",
  },
  HostConflict: {
    severity: "warning",
    remedy: "Another entry answers this host (see the message); keep one of them.",
  },
  LimitExceeded: {
    severity: "warning",
    remedy: "Split the entry or raise the limit; the excess is not answered.",
  },
  AnnotationInvalid: { severity: "warning", remedy: "Correct the annotation; the default is in force." },
  UpstreamWithoutClusterNames: {
    severity: "warning",
    remedy:
      "Let clusterUpstreams name the cluster's own DNS servers, and clusterDomain the cluster's domain; else no Service is found.",
  },
  UpstreamLoop: {
    severity: "error",
    remedy: "Let upstreams and clusterUpstreams name DNS servers that do not forward to this server.",
  },
  PublishRefused: {
    severity: "warning",
    remedy: "Remove what is in the way (see the message); until then the host's real addresses are answered.",
  },
  PublishSkipped: {
    severity: "warning",
    remedy: "Name an address that pods outside of a mesh reach; the other endpoints are published.",
  },
  PublishNotAllowed: {
    severity: "warning",
    remedy:
      "Let who owns the Namespace label it serviceentry-dns.io/publish=allowed, or remove the annotation; until then the host's real addresses are answered.",
  },
  PublishLabelInvalid: {
    severity: "warning",
    remedy:
      "Write serviceentry-dns.io/publish: allowed, or remove the label: any other value allows nothing.",
  },
  PublishMisplaced: {
    severity: "warning",
    remedy:
      "Annotate the ServiceEntry with serviceentry-dns.io/publish, and label the Namespace with it: the other way round it says nothing.",
  },
  PortMismatch: {
    severity: "info",
    remedy:
      "DNS cannot remap ports: publish the host as a Service (docs/publishing.md), use the endpoint's port, or a mesh.",
  },
  // From here on: found by `check` alone, before the API server, Istio or a pod meets them.
  HostNotFqdn: {
    severity: "error",
    remedy:
      "Use labels of letters, digits and '-', and a last label that is no number: Istio refuses others.",
  },
  HostsShareTcp: {
    severity: "error",
    remedy:
      "Write one entry per host, or ports with protocol HTTP or TLS: on plain TCP no proxy can tell them apart.",
  },
  CidrWithDns: {
    severity: "error",
    remedy: "Write single addresses without '/', or use resolution NONE or STATIC: Istio refuses the entry.",
  },
  SelectorInvalid: {
    severity: "error",
    remedy: "Name labels by their whole key and value; there are no wildcards in a workloadSelector.",
  },
  SelectorEmpty: {
    severity: "warning",
    remedy: "Give the workloadSelector labels; without them it selects every workload of the namespace.",
  },
  PortNameInvalid: {
    severity: "error",
    remedy:
      "Give the port a name of at most 63 letters, digits and '-', such as http: Istio refuses the entry.",
  },
  PortDuplicate: {
    severity: "error",
    remedy: "Keep one of the ports: within an entry numbers and names must differ.",
  },
  ProtocolUnknown: {
    severity: "error",
    remedy: "Write HTTP, HTTPS, HTTP2, GRPC, GRPC-Web, TLS, TCP, UDP, MONGO, REDIS or MYSQL.",
  },
  TcpWithoutAddress: {
    severity: "warning",
    remedy:
      "Give the entry an address, or let Istio allocate one: without it a TCP port matches any destination.",
  },
  EndpointPortUndefined: {
    severity: "error",
    remedy: "Use a name that stands in spec.ports: Istio refuses the entry.",
  },
  UnixEndpointInvalid: {
    severity: "error",
    remedy:
      "Write unix:///absolute/path or unix://@name, no ports at the endpoint, and one port in the entry.",
  },
  RoundRobinEndpoints: {
    severity: "error",
    remedy: "Keep one endpoint, or use resolution DNS: Istio refuses the entry.",
  },
  DynamicDnsHost: {
    severity: "warning",
    remedy: "DYNAMIC_DNS is for wildcard hosts: use resolution DNS for a host with a name.",
  },
  LabelInvalid: {
    severity: "error",
    remedy: "Write label keys and values as Kubernetes takes them: Istio refuses the object.",
  },
  ExportToInvalid: {
    severity: "error",
    remedy: "Write '*' alone, '~' alone, or '.' and namespaces, each once: Istio refuses the entry.",
  },
  ExportToUnknownNamespace: {
    severity: "warning",
    remedy: "Correct the name or add the Namespace: no client there will ever see the entry.",
  },
  FieldUnknown: {
    severity: "warning",
    remedy: "Correct the field's name: the API server drops what the schema does not have.",
  },
  ApiVersionUnknown: {
    severity: "error",
    remedy: "Use networking.istio.io/v1: objects of other versions are not answered.",
  },
  PublishPortRenamed: {
    severity: "info",
    remedy:
      "Nothing is to be done unless something reads the ports of the published Service by name; else use small letters, digits and '-', each name once.",
  },
  DnsPolicyAppends: {
    severity: "error",
    remedy: "Set dnsPolicy: None; otherwise the nameservers come after the cluster's own.",
  },
  DnsConfigInvalid: {
    severity: "error",
    remedy: "Correct dnsConfig: the API server refuses the pod.",
  },
  NameserverOrder: {
    severity: "error",
    remedy: "Put the address of serviceentry-dns first, and no other server beside it.",
  },
  NameserverBeside: {
    severity: "warning",
    remedy: "Remove the other nameserver: run two replicas behind one address instead.",
  },
  SearchMissing: {
    severity: "warning",
    remedy: "Write the searches out: with dnsPolicy None the pod has no others.",
  },
  DnsOptionUnwise: {
    severity: "warning",
    remedy: "Remove the option, or use ndots 5, timeout 2 and attempts 3.",
  },
} as const satisfies Record<string, { severity: Severity; remedy: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
export type Severity = "error" | "warning" | "info";

/** What a problem is about: an object, a server that we ask, or a setting of ours. */
export interface ProblemSubject {
  readonly kind: Kind | "Upstream" | "Setting";
  /** "" where there is none. */
  readonly namespace: Namespace;
  readonly name: string;
}

/** Names the subject; equal for equal ones. */
export function subjectKey({ kind, namespace, name }: ProblemSubject): string {
  return `${kind}/${namespace}/${name}`;
}

export interface Problem {
  readonly code: ProblemCode;
  readonly object: ProblemSubject;
  /** The field, for instance `spec.endpoints[1].address`; "" for the whole object; `file:line` for a document. */
  readonly path: string;
  /** What is wrong, with the value that is wrong; one sentence. */
  readonly message: string;
}

export function problem(code: ProblemCode, object: ProblemSubject, path: string, message: string): Problem {
  return { code, object, path, message };
}

/** A parsed object, or nothing where it counts as absent; in both cases with what was found wrong. */
export interface Parsed<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** Every present problem, by who found it; remembers since when. Found by two owners it is still one problem. */
export class ProblemBook {
  readonly #byOwner = new Map<string, ReadonlySet<string>>();
  readonly #present = new Map<string, { problem: Problem; sinceMs: number; owners: number }>();
  readonly #nowMs: () => number;
  readonly #onNew: (problem: Problem) => void;
  readonly #onSolved: (problem: Problem, sinceMs: number) => void;

  /**
   * `nowMs`: milliseconds since 1970; `onNew` is told of each problem once, when it appears, and `onSolved` when
   * nothing of its code stands at its place any more.
   */
  constructor(
    nowMs: () => number,
    onNew: (problem: Problem) => void = () => {},
    onSolved: (problem: Problem, sinceMs: number) => void = () => {},
  ) {
    this.#nowMs = nowMs;
    this.#onNew = onNew;
    this.#onSolved = onSolved;
  }

  /**
   * Puts these problems in the place of all that `owner` had reported before (none: clears them).
   * An owner is a part and what it looked at, such as `parse ServiceEntry/default/a`.
   */
  replace(owner: string, problems: readonly Problem[]): void {
    const before = this.#byOwner.get(owner);
    if (before === undefined && problems.length === 0) return;
    const now = new Set<string>();
    for (const each of problems) {
      const id = `${each.code} ${subjectKey(each.object)} ${each.path} ${each.message}`;
      if (now.has(id)) continue;
      now.add(id);
      if (before?.has(id)) continue;
      const known = this.#present.get(id);
      if (known !== undefined) {
        known.owners += 1;
        continue;
      }
      this.#present.set(id, { problem: each, sinceMs: this.#nowMs(), owners: 1 });
      this.#onNew(each);
    }
    for (const id of before ?? []) if (!now.has(id)) this.#drop(id, problems);
    if (now.size === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, now);
  }

  /** All present problems, in the order in which they appeared. */
  all(): IterableIterator<{ readonly problem: Problem; readonly sinceMs: number }> {
    return this.#present.values();
  }

  /** One that is only said in other words, among `instead`, is not solved. */
  #drop(id: string, instead: readonly Problem[]): void {
    const known = this.#present.get(id);
    if (known === undefined) return;
    known.owners -= 1;
    if (known.owners > 0) return;
    this.#present.delete(id);
    if (!instead.some((each) => isSamePlace(each, known.problem)))
      this.#onSolved(known.problem, known.sinceMs);
  }
}

function isSamePlace(one: Problem, other: Problem): boolean {
  return (
    one.code === other.code && one.path === other.path && subjectKey(one.object) === subjectKey(other.object)
  );
}

/** The owner under which problems of reading one object stand in the book. */
export function parseOwner(kind: Kind, key: ObjectKey): string {
  return `parse ${kind} ${key}`;
}
