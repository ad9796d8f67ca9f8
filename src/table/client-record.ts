/** Who asks, as values: what the control plane knows of the addresses of pods, nodes and forwarders, and of namespaces. */

import type { Namespace, SuffixAnswer } from "../mesh/objects.ts";
import type { IpAddress } from "../wire/ip-address.ts";
import type { ClientClass, Locality } from "./host-record.ts";

export type { SuffixAnswer };

/** A known pod. */
export interface ClientRecord {
  readonly namespace: Namespace;
  readonly clientClass: ClientClass;
  readonly locality: Locality;
}

/** `ambiguous` (a node's own address, two pods at once) and `forwarder`: unknown for good, whatever the query says. */
export type KnownClient = ClientRecord | "ambiguous" | "forwarder";

export interface ClientChange {
  readonly address: IpAddress;
  /** null: no such client any more. */
  readonly client: KnownClient | null;
}

export interface NamespaceFacts {
  readonly name: Namespace;
  /** Annotation `serviceentry-dns.io/suffix-answer`; undefined: not said. */
  readonly suffixAnswer: SuffixAnswer | undefined;
  /** Its name is a delegated top-level domain: `web.<name>` may be a host of the Internet. */
  readonly isDelegated: boolean;
}

export interface ClientDelta {
  readonly clients: readonly ClientChange[];
  /** `facts` null: there is no such Namespace any more. */
  readonly namespaces: readonly { readonly name: Namespace; readonly facts: NamespaceFacts | null }[];
}
