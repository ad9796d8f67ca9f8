/** What each code means, for who meets it the first time: `check --explain`, SARIF's rules and docs/check.md. */

import { PROBLEMS, type ProblemCode } from "../../mesh/problem.ts";

export const EXPLANATIONS: { readonly [C in ProblemCode]: string } = {
  SyntaxError: "The document is no YAML or JSON, so nothing in it can be read.",
  FileUnreadable: "The file or folder is there and cannot be read.",
  ResourceMissing: "The cluster has no such kind.",
  AccessDenied: "The server may not list or watch the kind.",
  ObjectUnreadable: "One object of a list is too large or is no JSON.",
  DuplicateObject:
    "Two documents describe the same object (kind, namespace and name). Applied to a cluster, the later one would replace the other.",
  ShapeInvalid: "A field has another shape than the schema says, so the whole object counts as absent.",
  HostInvalid: "The host is no DNS name. It is skipped; the entry's other hosts stay in force.",
  HostReserved:
    "The host lies where the cluster's own names do, or where DNS means something else. It is forwarded.",
  WildcardTooWide: "The wildcard would cover a whole top-level domain. It is forwarded.",
  HostRejected: "The operator's hostPolicy does not give the host to the entry's namespace.",
  VisibilityNarrowed: "The operator lets fewer namespaces see the entry than its exportTo says.",
  PublicHostsUnrestricted: "Without hostPolicy every namespace may claim any host for everybody.",
  AddressInvalid: "The text is neither an IP address nor a prefix. It is skipped.",
  AddressForbidden:
    "Loopback, link-local, multicast, broadcast and unspecified addresses are never answered: they would lead clients to themselves or to metadata services.",
  PortInvalid: "A port needs a number from 1 to 65535. The port is left out.",
  EndpointSkipped: "The endpoint cannot be read. The others stay in force.",
  EndpointNameInStatic: "Resolution STATIC takes addresses only: the host name is not resolved.",
  EndpointUnixSocket: "A Unix socket has no address that DNS could answer. Istio's proxies alone reach it.",
  EndpointOtherNetwork: "The endpoint's network is not the clients' (setting network), so it is left out.",
  EndpointWithoutAddress:
    "The workload has a network and no address: a gateway of that network is meant, which DNS cannot express.",
  EndpointsIgnored: "Resolution NONE and DYNAMIC_DNS take no endpoints. Istio refuses them with NONE.",
  EndpointSelf: "The endpoint's name leads back to the host, so upstream is asked for it.",
  SelectorIgnored: "An entry has endpoints or a workloadSelector. Istio refuses both together.",
  SelectorWithNone: "Resolution NONE uses no workloads. Istio warns of it.",
  NoEndpoints: "Resolution STATIC has nothing to answer but a virtual address.",
  WildcardWithDns:
    "Resolution DNS without endpoints resolves the host itself, and a wildcard has no name. Istio refuses it.",
  HostConflict: "Two entries claim the host, and their answers are not merged. This one loses.",
  LimitExceeded: "There is more of something than is answered.",
  AnnotationInvalid: "The annotation's value is not understood. The default is in force.",
  UpstreamWithoutClusterNames: "The upstream does not know the cluster's own names.",
  UpstreamLoop: "The upstream hands our queries back to us.",
  PublishRefused:
    "Something in the entry or in the cluster keeps the host from being published as a Service.",
  PublishSkipped:
    "The address leads nowhere from behind a Service, or the API server takes it in no EndpointSlice.",
  PublishNotAllowed:
    "The entry asks to be published as a Service, and only a label of its Namespace allows that; or the setting publish is off.",
  PublishLabelInvalid:
    "The Namespace has the label that allows publishing, with a value that allows nothing.",
  PublishMisplaced:
    "ServiceEntries ask to be published by an annotation, Namespaces allow it by a label of the same name.",
  PortMismatch:
    "Clients connect to the entry's port, and the endpoint listens on another. A published Service or a mesh maps ports; DNS cannot.",
  HostNotFqdn: "Istio takes letters, digits and '-' in a label, and no number as the last one.",
  HostsShareTcp:
    "On plain TCP nothing says which host is meant, so Istio refuses several hosts on such a port (unless resolution is NONE).",
  CidrWithDns: "Istio takes prefixes in spec.addresses with resolution NONE and STATIC only.",
  SelectorInvalid:
    "A workloadSelector compares whole keys and values. Istio refuses wildcards and empty keys.",
  SelectorEmpty: "A workloadSelector without labels selects all. Istio warns of it.",
  PortNameInvalid: "Istio wants a name for each port, made of letters, digits and '-'.",
  PortDuplicate: "Istio refuses an entry with a port number or a port name twice.",
  ProtocolUnknown: "Istio refuses protocols that it does not know.",
  TcpWithoutAddress:
    "Without a virtual address Istio's proxies take all TCP traffic of that port for this entry. Istio warns of it.",
  EndpointPortUndefined:
    "An endpoint's ports override ports of the entry by name, and there is no such name.",
  UnixEndpointInvalid: "Istio's rules for Unix sockets as endpoints.",
  RoundRobinEndpoints: "DNS_ROUND_ROBIN resolves one name.",
  DynamicDnsHost:
    "DYNAMIC_DNS resolves the name that a client asks a proxy for, which a wildcard leaves open.",
  LabelInvalid: "Keys and values of labels have at most 63 characters: letters, digits, '-', '_' and '.'.",
  ExportToInvalid: "An exportTo names each namespace once; '*' and '~' stand alone.",
  ExportToUnknownNamespace: "The files have Namespaces, and this one is not among them.",
  FieldUnknown: "The schema has no such field. Without strict validation nobody says so.",
  ApiVersionUnknown:
    "Istio's kinds are read from the group networking.istio.io, versions v1, v1beta1 and v1alpha3.",
  PublishPortRenamed: "Ports of Services and EndpointSlices take fewer names than Istio does.",
  DnsPolicyAppends:
    "Only dnsPolicy None puts dnsConfig in the place of the cluster's nameserver; all others append to it. glibc asks the second server when the first is silent, musl asks both and takes the first answer, which may be CoreDNS's denial.",
  DnsConfigInvalid: "Kubernetes' rules for dnsConfig.",
  NameserverOrder: "Resolvers ask the nameservers in their order, so the first one decides.",
  NameserverBeside:
    "musl asks all nameservers at once and takes the first reply. Another server's NXDOMAIN for one of our hosts is then as good as our answer.",
  SearchMissing: "With dnsPolicy None the kubelet adds no search domains.",
  DnsOptionUnwise: "The option changes which names are asked for, or when the pod gives up.",
};

/** `CODE (severity)`, meaning and remedy, for a terminal. */
export function explain(code: ProblemCode): string {
  const { severity, remedy } = PROBLEMS[code];
  return `${code} (${severity})\n  ${EXPLANATIONS[code]}\n  ${remedy}\n`;
}

/** The table of docs/check.md. */
export function codesTable(): string {
  const rows = (Object.keys(EXPLANATIONS) as ProblemCode[]).map((code) => {
    const { severity, remedy } = PROBLEMS[code];
    return `| \`${code}\` | ${severity} | ${escaped(EXPLANATIONS[code])} | ${escaped(remedy)} |`;
  });
  return ["| code | severity | what it means | what to do |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll(/[|*~<>]/g, (mark) => `\\${mark}`);
}
