/** A running pod as the API server shows it. */

export interface PodOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Besides its IPv4 address, as its status says; the network itself has no IPv6. */
  readonly ipv6?: string;
  /** False: the API server has no object of it. */
  readonly isKnown?: boolean;
  /** The namespace in its search domains, where it is not its own. */
  readonly searchNamespace?: string;
}

export function podObject(name: string, address: string, options: PodOptions): object {
  const { namespace = "default", labels = {}, annotations = {}, ipv6 } = options;
  const addresses = [address, ...(ipv6 === undefined ? [] : [ipv6])];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels, annotations },
    spec: { containers: [{ name: "main", image: "example" }] },
    status: {
      phase: "Running",
      podIP: address,
      podIPs: addresses.map((ip) => ({ ip })),
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [
        {
          ...{ name: "main", image: "example", imageID: "example", ready: true, restartCount: 0 },
          state: { running: { startedAt: "2025-01-01T00:00:00Z" } },
        },
      ],
    },
  };
}
