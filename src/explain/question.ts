/** The question to explain, checked at the door and made the very message that a client would send. */

import type { Namespace } from "../mesh/objects.ts";
import { HeaderFlag, RecordClass, RecordType, UDP_OCTETS_WITH_EDNS } from "../wire/constants.ts";
import { type HostName, isHostName, parseHostName } from "../wire/host-name.ts";
import { type IpAddress, parseIpAddress } from "../wire/ip-address.ts";
import { encodeMessage } from "../wire/message.ts";
import { Query, Verdict } from "../wire/query.ts";
import { readQuery } from "../wire/read-query.ts";

/** As text, from whoever asks for the explanation. */
export interface ExplainQuestion {
  readonly name: string;
  /** A name such as AAAA, a number, or TYPE65; A if it is not said. */
  readonly type?: string | undefined;
  /** Of the client: of an unknown one, as its search suffix would say. */
  readonly namespace?: string | undefined;
  /** `namespace/name` of the client. */
  readonly pod?: string | undefined;
  /** The client's, instead of `pod`. */
  readonly address?: string | undefined;
  /** DO=1: the client wants signatures. */
  readonly dnssecOk?: boolean | undefined;
}

export interface ReadQuestion {
  readonly name: HostName;
  readonly type: string;
  readonly query: Query;
  readonly namespace: Namespace | undefined;
  readonly pod: { readonly namespace: Namespace; readonly name: string } | undefined;
  readonly address: IpAddress | undefined;
}

/** A fault is a whole sentence without a full stop. */
export interface Fault {
  readonly fault: string;
}

export function readQuestion(question: ExplainQuestion): ReadQuestion | Fault {
  const name = parseHostName(question.name);
  if (!isHostName(name)) return { fault: `name ${JSON.stringify(question.name)} ${name.fault}` };
  const type = readType(question.type ?? "A");
  if (type === undefined)
    return {
      fault: `type ${question.type} is no record type; write A, AAAA, SRV or a number from 1 to 65535`,
    };
  const pod = question.pod === undefined ? undefined : readPod(question.pod);
  if (pod === null) return { fault: `pod ${JSON.stringify(question.pod)} is not NAMESPACE/NAME` };
  const { namespace } = question;
  if (namespace !== undefined && !LABEL.test(namespace))
    return { fault: `namespace ${JSON.stringify(namespace)} is no name of a Namespace` };
  if (pod !== undefined && namespace !== undefined && namespace !== pod.namespace)
    return { fault: `pod ${question.pod} is not in the namespace ${namespace}` };
  const address = question.address === undefined ? undefined : parseIpAddress(question.address);
  if (address === null) return { fault: `address ${JSON.stringify(question.address)} is no IP address` };
  if (address !== undefined && pod !== undefined)
    return { fault: "pod and address both say who asks; give one" };
  const query = queryFor(name, type, question.dnssecOk ?? false);
  if (query === undefined)
    return { fault: `type ${typeName(type)} is for servers among each other; it is refused` };
  return { name, type: typeName(type), query, namespace, pod, address };
}

/** The question as it comes in at the door; undefined: it does not pass. */
export function queryFor(name: HostName, type: number, dnssecOk: boolean): Query | undefined {
  const message = encodeMessage({
    id: 0,
    flags: HeaderFlag.RD,
    questions: [{ name, type, class: RecordClass.IN }],
    answers: [],
    authorities: [],
    additionals: [],
    ...(dnssecOk && {
      edns: { size: UDP_OCTETS_WITH_EDNS, version: 0, dnssecOk, extendedRcode: 0, options: [] },
    }),
  });
  const query = new Query();
  return readQuery(message, message.length, query) === Verdict.OK ? query : undefined;
}

/** RFC 1123, as Kubernetes names Namespaces. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Pods may have dots in their names. */
const POD = /^([a-z0-9-]+)\/([a-z0-9][a-z0-9.-]*)$/;

function readPod(text: string): ReadQuestion["pod"] | null {
  const [, namespace, name] = POD.exec(text) ?? [];
  return namespace === undefined || name === undefined ? null : { namespace, name };
}

/** `TYPE65` is RFC 3597's way to write a type without a name. */
function readType(text: string): number | undefined {
  const upper = text.trim().toUpperCase();
  const named = Object.entries(RecordType).find(([name]) => name === upper)?.[1];
  const number = named ?? Number(/^(?:TYPE)?(\d{1,5})$/.exec(upper)?.[1]);
  return number >= 1 && number <= 65_535 ? number : undefined;
}

function typeName(type: number): string {
  return Object.entries(RecordType).find(([, number]) => number === type)?.[0] ?? `TYPE${type}`;
}
