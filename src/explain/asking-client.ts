/** Who asks, found out by the server's own `Askers` over an index of this one client. */

import type { MeshState } from "../mesh/mesh-store.ts";
import type { Namespace, Pod } from "../mesh/objects.ts";
import { objectKey } from "../mesh/objects.ts";
import type { Clients } from "../registry/clients.ts";
import type { MonotonicMs } from "../runtime.ts";
import { Asker, type AskerSettings, Askers } from "../server/asker.ts";
import { ClientIndex, packClientDelta } from "../table/client-index.ts";
import { CLIENT_CLASSES, type ClientClass } from "../table/host-record.ts";
import { NOT_FOUND } from "../table/host-table.ts";
import { RecordType } from "../wire/constants.ts";
import { isHostName, parseHostName } from "../wire/host-name.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { ExplainedClient } from "./explanation.ts";
import { type Fault, queryFor, type ReadQuestion } from "./question.ts";

export interface AskingClient {
  /** Knows this client, and the Namespaces that the question or the client names. */
  readonly index: ClientIndex;
  readonly asker: Asker;
  readonly client: ExplainedClient;
  /** In sentences. */
  readonly text: string;
}

export interface AskingClientParts {
  readonly clients: Pick<Clients, "part" | "podsAt" | "isNode">;
  readonly store: MeshState;
  readonly settings: AskerSettings;
  readonly nowMs: MonotonicMs;
}

export function askingClient(question: ReadQuestion, parts: AskingClientParts): AskingClient | Fault {
  const { clients, store, settings, nowMs } = parts;
  const pod = question.pod && store.all("Pod").get(objectKey({ kind: "Pod", ...question.pod }));
  if (question.pod !== undefined && pod === undefined) {
    const { namespace, name } = question.pod;
    return { fault: `no pod ${namespace}/${name} is known; give its namespace alone, or its address` };
  }
  const address = question.address ?? addressOf(pod);
  const told = question.namespace ?? pod?.ref.namespace;
  const names = new Set<Namespace>([...question.name.split("."), ...(told === undefined ? [] : [told])]);
  const delta = clients.part(address, names);

  const index = new ClientIndex();
  index.apply(packClientDelta(delta), 0, Number.POSITIVE_INFINITY);
  const askers = new Askers(index, settings);
  const from = address ?? NOBODYS_ADDRESS;
  // As the search suffix of an earlier question would have said it.
  const suffix = parseHostName(told ?? "");
  const telling = isHostName(suffix) ? queryFor(suffix, RecordType.A, false) : undefined;
  if (telling !== undefined) askers.tell(from, telling, 0, nowMs);
  const asker = new Asker();
  askers.identify({ address: from }, nowMs, asker);

  const kind = kindOf(asker, settings, delta.clients[0]?.client ?? null);
  const known = address === undefined ? [] : clients.podsAt(address);
  const podRef = pod?.ref ?? (kind === "pod" ? known[0] : undefined);
  const namespace = asker.namespace === null ? null : Buffer.from(asker.namespace).toString();
  const client: ExplainedClient = {
    kind,
    address: address ?? null,
    pod: podRef === undefined ? null : `${podRef.namespace}/${podRef.name}`,
    namespace,
    namespaceFrom: namespace === null ? null : asker.isPod ? "pod" : "suffix",
    class: CLIENT_CLASSES[asker.clientClass]!,
  };
  const isNode = address !== undefined && clients.isNode(address);
  return { index, asker, client, text: clientText(client, told, asker, settings, isNode) };
}

/** Stands for an address that is no pod's: nobody sends from it (RFC 1122, section 3.2.1.3). */
const NOBODYS_ADDRESS = "0.0.0.0";

/** Of a pod that has ended the address may be another one's. */
function addressOf(pod: Pod | undefined): IpAddress | undefined {
  return pod === undefined || pod.isTerminal ? undefined : pod.ips[0];
}

function kindOf(asker: Asker, { suffixView }: AskerSettings, known: unknown): ExplainedClient["kind"] {
  if (asker.isPod) return "pod";
  if (known === "ambiguous" || known === "forwarder") return known;
  return suffixView && !asker.mayTellNamespace ? "forwarder" : "unknown";
}

const CLASS_TEXTS: Readonly<Record<ClientClass, string>> = {
  unknown: "",
  outside: "is outside the mesh",
  sidecar: "has a sidecar",
  redirectedIpv4: "is in the mesh by its node's data plane, with IPv4",
  redirectedIpv6: "is in the mesh by its node's data plane, with IPv6",
  redirectedDual: "is in the mesh by its node's data plane, with IPv4 and IPv6",
};

function clientText(
  client: ExplainedClient,
  told: Namespace | undefined,
  asker: Asker,
  { suffixView }: AskerSettings,
  isNode: boolean,
): string {
  const { kind, address, pod, namespace } = client;
  const at = address === null ? "" : ` at ${address}`;
  switch (kind) {
    case "pod":
      return `The pod ${pod ?? ""}${at} ${CLASS_TEXTS[client.class]}; it sees what the namespace ${namespace} sees.`;
    case "forwarder":
      return `${address ?? "The client"} is a trusted forwarder${isNode ? " (a Node)" : ""}: whoever asks through it sees what is for all.`;
    case "ambiguous":
      return `${address} is ${isNode ? "a Node's, and of its pods in the host network" : "that of several pods, or of the host network"}: whoever asks from it sees what is for all.`;
    case "unknown":
      break;
  }
  const who =
    pod === null ? `The client${at} is no known pod` : `The pod ${pod} has no address of its own (any more)`;
  if (namespace !== null) {
    const isThere = asker.namespaceId !== NOT_FOUND;
    return `${who}; its search suffix tells the namespace ${namespace}${isThere ? "" : ", of which no Namespace is known"}, so it sees what that sees.`;
  }
  if (told !== undefined && !suffixView)
    return `${who}, and its search suffix tells nothing (suffixView is off): it sees what is for all.`;
  return `${who}, and its namespace is not known: it sees what is for all.`;
}
