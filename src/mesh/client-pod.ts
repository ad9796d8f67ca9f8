/**
 * A Pod of which only that is kept by which clients are told apart. All pods of a cluster are kept where any of
 * them may ask, so each counts in octets: no field that is equal for all, no text that stands elsewhere too.
 */

import type { IpAddress } from "../wire/ip-address.ts";
import type { Labels, MeshMode, Namespace, ObjectRef, Pod } from "./objects.ts";

/** Labels that say what a pod is as a client, or where. */
export const CLIENT_LABELS = ["k8s-app", "istio-locality", "topology.istio.io/network"];

/** `share` makes equal texts one. */
export function toClientPod(pod: Pod, share: (text: string) => string): Pod {
  return new ClientPod(pod, share);
}

/** Whether too little of the pod was kept for a selector to know it. */
export function isClientPod(pod: object): boolean {
  return pod instanceof ClientPod;
}

/** Told from the whole pod, where both come after each other, by having no uid. */
class ClientPod implements Pod {
  readonly nodeName: string;
  readonly labels: Labels;
  readonly #namespace: Namespace;
  readonly #name: string;
  /** A number where it is one: it is no longer an object of its own then. */
  readonly #resourceVersion: string | number;
  /** Nearly always one. */
  readonly #ips: IpAddress | readonly IpAddress[];
  /** When it was started or, before that, made. Kubernetes tells whole seconds, which take no room of their own. */
  readonly #sinceSeconds: number | undefined;
  readonly #facts: number;

  constructor(pod: Pod, share: (text: string) => string) {
    const { ref, ips, resourceVersion } = pod;
    const sinceMs = pod.startedAtMs ?? pod.createdAtMs;
    this.nodeName = share(pod.nodeName);
    this.labels = clientLabels(pod.labels, share);
    this.#namespace = share(ref.namespace);
    this.#name = ref.name;
    this.#resourceVersion = WHOLE_NUMBER.test(resourceVersion) ? Number(resourceVersion) : resourceVersion;
    this.#ips = ips.length === 1 ? ips[0]! : ips;
    this.#sinceSeconds = sinceMs === undefined ? undefined : Math.floor(sinceMs / 1000);
    this.#facts =
      MESH_MODES.indexOf(pod.meshMode) |
      (pod.isTerminal ? Fact.TERMINAL : 0) |
      (pod.isDeleting ? Fact.DELETING : 0) |
      (pod.usesHostNetwork ? Fact.HOST_NETWORK : 0) |
      (pod.isReady ? Fact.READY : 0);
  }

  get ref(): ObjectRef {
    return { kind: "Pod", namespace: this.#namespace, name: this.#name };
  }

  get uid(): string {
    return "";
  }

  get resourceVersion(): string {
    return String(this.#resourceVersion);
  }

  get createdAtMs(): number | undefined {
    return this.startedAtMs;
  }

  get startedAtMs(): number | undefined {
    return this.#sinceSeconds === undefined ? undefined : this.#sinceSeconds * 1000;
  }

  get annotations(): Labels {
    return NOTHING;
  }

  get portNames(): Readonly<Record<string, number>> {
    return NO_PORTS;
  }

  get ips(): readonly IpAddress[] {
    return typeof this.#ips === "string" ? [this.#ips] : this.#ips;
  }

  get meshMode(): MeshMode {
    return MESH_MODES[this.#facts & Fact.MESH_MODE]!;
  }

  get isTerminal(): boolean {
    return (this.#facts & Fact.TERMINAL) !== 0;
  }

  get isDeleting(): boolean {
    return (this.#facts & Fact.DELETING) !== 0;
  }

  get usesHostNetwork(): boolean {
    return (this.#facts & Fact.HOST_NETWORK) !== 0;
  }

  get isReady(): boolean {
    return (this.#facts & Fact.READY) !== 0;
  }
}

/** One that comes back as the same text. */
const WHOLE_NUMBER = /^[1-9]\d{0,14}$/;
const MESH_MODES: readonly MeshMode[] = ["none", "sidecar", "redirected"];
const Fact = { MESH_MODE: 3, TERMINAL: 4, DELETING: 8, HOST_NETWORK: 16, READY: 32 } as const;
const NOTHING: Labels = Object.freeze({});
const NO_PORTS: Readonly<Record<string, number>> = Object.freeze({});

function clientLabels(labels: Labels, share: (text: string) => string): Labels {
  let kept: Record<string, string> | undefined;
  for (const key of CLIENT_LABELS) {
    const value = labels[key];
    if (value === undefined) continue;
    kept ??= {};
    kept[key] = share(value);
  }
  return kept ?? NOTHING;
}
