/** A good object in which the octets choose what is replaced by something that does not belong there. */

const ODD: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  -1,
  1e308,
  Number.NaN,
  "",
  "*",
  "~",
  "..",
  "a".repeat(70_000),
  "\u0000\ud800",
  "999.1.1.1",
  "::ffff:10.0.0.1",
  "127.0.0.1",
  [],
  [[]],
  [null, {}, 7, "x"],
  {},
  { toString: "x", length: 4 },
  Array.from({ length: 3000 }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}` })),
  Array.from({ length: 3000 }, (_, index) => `h${index}.example`),
];

const GOOD: readonly unknown[] = [
  {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: {
      name: "entry",
      namespace: "shop",
      creationTimestamp: "2024-01-01T00:00:00Z",
      labels: { "networking.istio.io/enable-autoallocate-ip": "true" },
      annotations: { "serviceentry-dns.io/ttl": "30", "serviceentry-dns.io/answer": "auto" },
    },
    spec: {
      hosts: ["a.example", "*.b.example"],
      addresses: ["240.240.0.1", "10.0.0.0/8"],
      exportTo: [".", "shop"],
      location: "MESH_EXTERNAL",
      resolution: "DNS",
      ports: [{ number: 443, name: "tls", protocol: "TLS", targetPort: 8443 }],
      endpoints: [
        {
          address: "c.example",
          ports: { tls: 8443 },
          labels: { app: "x" },
          weight: 3,
          network: "n",
          locality: "a/b/c",
        },
      ],
      workloadSelector: { labels: { app: "x" } },
    },
    status: { addresses: [{ value: "240.240.0.2", host: "a.example" }] },
  },
  {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "WorkloadEntry",
    metadata: { name: "machine", namespace: "shop", labels: { app: "x" } },
    spec: { address: "192.0.2.1", labels: { app: "x" }, network: "n", weight: 1, locality: "a/b" },
    status: { conditions: [{ type: "Healthy", status: "True" }] },
  },
  {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "pod", namespace: "shop", labels: { app: "x" } },
    spec: { nodeName: "node", hostNetwork: false },
    status: {
      phase: "Running",
      podIP: "10.0.0.9",
      podIPs: [{ ip: "10.0.0.9" }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  },
];

type Container = Record<string, unknown>;

export function twistObject(octets: Uint8Array): unknown {
  let at = 0;
  const next = () => octets[at++] ?? 0;
  const root = structuredClone(GOOD[next() % GOOD.length]);
  for (let edits = 1 + (next() % 4); edits > 0; edits -= 1) {
    let place = root as Container;
    // Down to where the octets say.
    for (let depth = 0; depth < 6; depth += 1) {
      const keys = Object.keys(place);
      if (keys.length === 0) break;
      const key = keys[next() % keys.length]!;
      const value = place[key];
      const isLeaf = typeof value !== "object" || value === null;
      if (!isLeaf && next() % 3 !== 0) {
        place = value as Container;
        continue;
      }
      place[key] = structuredClone(ODD[next() % ODD.length]);
      break;
    }
  }
  return root;
}
