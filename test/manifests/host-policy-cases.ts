/** ServiceEntries, and what the host policy says to them with the settings that it ships with. */

export interface EntryCase {
  readonly title: string;
  readonly hosts: string;
  readonly namespace?: string;
  readonly spec?: object;
  /** Undefined: taken. */
  readonly refused?: RegExp;
}

const KUBERNETES = /hosts that belong to Kubernetes or to DNS itself/;
const TOO_WIDE = /wildcards that take over too much/;
const NEVER = /addresses are never answered/;
const UNREADABLE = /addresses that cannot be read/;

export const ENTRY_CASES: readonly EntryCase[] = [
  { title: "a host", hosts: "api.example.com" },
  { title: "a wildcard below two labels", hosts: "*.example.com" },
  { title: "a name that only ends like a reserved one", hosts: "notlocalhost" },
  { title: "a Service's name of its own namespace", hosts: "Db.Plain.svc.Cluster.Local" },
  { title: "a bare wildcard", hosts: "*", refused: TOO_WIDE },
  { title: "a wildcard of a top-level domain", hosts: "*.com", refused: TOO_WIDE },
  { title: "a Service's name of another namespace", hosts: "db.shop.svc.cluster.local", refused: KUBERNETES },
  { title: "a pod's name below its own Service", hosts: "a.db.plain.svc.cluster.local", refused: KUBERNETES },
  { title: "all Services of its own namespace", hosts: "*.plain.svc.cluster.local", refused: KUBERNETES },
  { title: "the cluster's domain", hosts: "cluster.local", refused: KUBERNETES },
  { title: "what is below it, in capitals and with a dot", hosts: "X.CLUSTER.local.", refused: KUBERNETES },
  { title: "the clusters' domain", hosts: "db.shop.svc.clusterset.local", refused: KUBERNETES },
  { title: "what a search list makes a Service's name of", hosts: "db.shop.svc", refused: KUBERNETES },
  { title: "what a search list makes a pod's name of", hosts: "10-0-0-1.shop.pod", refused: KUBERNETES },
  { title: "localhost", hosts: "localhost", refused: KUBERNETES },
  { title: "a reverse name", hosts: "1.0.0.10.in-addr.arpa", refused: KUBERNETES },
  { title: "an invalid name", hosts: "x.invalid", refused: KUBERNETES },
  {
    title: "endpoints by address and by name, and wide ranges",
    hosts: "api.example.com",
    spec: {
      addresses: ["240.0.0.1", "10.0.0.0/8", "127.0.0.0/8", "2001:db8::1", "10.0.0.1/32"],
      endpoints: [{ address: "10.1.1.1" }, { address: "b.example.com" }, { address: "unix:///tmp/s" }, {}],
    },
  },
  ...[
    "127.0.0.1",
    "127.0.0.1/32",
    "169.254.169.254",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
  ].map((address) => ({
    title: `the address ${address}`,
    hosts: "a.example.com",
    spec: { addresses: [address] },
    refused: NEVER,
  })),
  ...["::", "::1", "fe80::1", "ff02::1"].map((address) => ({
    title: `an endpoint ${address}`,
    hosts: "a.example.com",
    spec: { endpoints: [{ address }] },
    refused: NEVER,
  })),
  ...["010.1.1.1", "10.1.1", "::ffff:127.0.0.1", "fe80::1%eth0"].map((address) => ({
    title: `an endpoint ${address}`,
    hosts: "a.example.com",
    spec: { endpoints: [{ address }] },
    refused: UNREADABLE,
  })),
  // Who operates the mesh is trusted.
  { title: "a reserved host in istio-system", hosts: "*", namespace: "istio-system" },
];

export function entryOf(
  host: string,
  { namespace = "plain", spec = {} }: Partial<Pick<EntryCase, "namespace" | "spec">> = {},
  index = 0,
) {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name: `entry-${index}`, namespace },
    spec: { hosts: [host], ...spec },
  };
}
