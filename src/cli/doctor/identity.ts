/** Which server answers at an address, as far as it says so itself: NSID, `id.server`, the SOA of its negative answers. */

import type { SocketAddress } from "../../config/socket-address.ts";
import { EdnsOption, RecordClass, RecordType, UDP_OCTETS_WITH_EDNS } from "../../wire/constants.ts";
import type { Message } from "../../wire/message.ts";
import { askOnce } from "./ask.ts";

export interface ServerIdentity {
  /** Whether anything came back. */
  readonly answers: boolean;
  /** RFC 5001 or RFC 4892; undefined: it does not say. */
  readonly id: string | undefined;
  /** Who is responsible for the own host, if one was asked for. */
  readonly mname: string | undefined;
}

/** What our pods are called, and the first label of our SOA's MNAME. */
const OUR_NAME = "serviceentry-dns";

export function isOurIdentity({ id, mname }: ServerIdentity): boolean {
  return (id ?? "").startsWith(OUR_NAME) || (mname ?? "").startsWith(`${OUR_NAME}.`);
}

/** `ownHost`: a host of an entry, whose HTTPS record we deny in our own name. */
export async function identify(
  server: SocketAddress,
  ownHost: string | undefined,
  timeoutMs: number,
): Promise<ServerIdentity> {
  const chaos = { name: "id.server", type: RecordType.TXT, class: RecordClass.CH };
  const [byName, byOption, bySoa] = await Promise.all([
    askOnce(server, chaos, "udp", timeoutMs),
    askOnce(
      server,
      { name: ".", type: RecordType.SOA, udpOctets: UDP_OCTETS_WITH_EDNS, wantsNsid: true },
      "udp",
      timeoutMs,
    ),
    ownHost === undefined
      ? undefined
      : askOnce(server, { name: ownHost, type: RecordType.HTTPS }, "udp", timeoutMs),
  ]);
  const nsid = byOption.message === undefined ? undefined : nsidOf(byOption.message);
  return {
    answers: [byName, byOption, bySoa].some((reply) => reply?.message !== undefined),
    id: nsid ?? (byName.message === undefined ? undefined : textOf(byName.message)),
    mname: bySoa?.message === undefined ? undefined : mnameOf(bySoa.message),
  };
}

export function nsidOf({ edns }: Message): string | undefined {
  const data = edns?.options.find(({ code }) => code === EdnsOption.NSID)?.data;
  return data === undefined || data.length === 0 ? undefined : Buffer.from(data).toString("latin1");
}

function textOf({ answers }: Message): string | undefined {
  for (const { data } of answers) if (data.kind === "TXT") return data.strings.join("");
  return undefined;
}

function mnameOf({ authorities }: Message): string | undefined {
  for (const { data } of authorities) if (data.kind === "SOA") return data.mname.toLowerCase();
  return undefined;
}
