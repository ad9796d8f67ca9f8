/** What only questions tell: both transports, large answers, both families, own and forwarded names, latency, capture. */

import { type SocketAddress, socketAddressText } from "../../config/socket-address.ts";
import {
  HeaderFlag,
  Rcode,
  RecordType,
  UDP_OCTETS_WITH_EDNS,
  UDP_OCTETS_WITHOUT_EDNS,
} from "../../wire/constants.ts";
import type { Message } from "../../wire/message.ts";
import { addressesIn, askOnce, FAMILY_TYPES, failureText, type Reply } from "./ask.ts";
import { type Check, fault, good, skipped, warning } from "./check.ts";

export interface ProbeOptions {
  readonly server: SocketAddress;
  /** A host of an entry; undefined: none is known. */
  readonly ownHost: string | undefined;
  readonly forwardedName: string;
  /** Has many records of the type. */
  readonly large: { readonly name: string; readonly type: number };
  /** Where no DNS server can be: who answers there has taken our packets. */
  readonly nowhere: SocketAddress;
  readonly timeoutMs: number;
}

export async function probe(options: ProbeOptions): Promise<readonly Check[]> {
  const transports = await transportChecks(options);
  const isDead = transports.every(({ status }) => status === "fault");
  const capture = await captureCheck(options);
  if (isDead) return [...transports, capture];
  const [own, forwarded, large, latency] = await Promise.all([
    ownChecks(options),
    forwardedCheck(options),
    largeCheck(options),
    latencyCheck(options),
  ]);
  return [...transports, ...own, forwarded, large, latency, capture];
}

const NETWORK_POLICY =
  "allow UDP and TCP to port 53 of our pods in the NetworkPolicies for egress (manifests/components/client-egress)";

async function transportChecks({
  server,
  forwardedName,
  timeoutMs,
}: ProbeOptions): Promise<readonly Check[]> {
  const asking = { name: forwardedName, type: RecordType.A };
  const [udp, tcp] = await Promise.all([
    askOnce(server, asking, "udp", timeoutMs),
    askOnce(server, asking, "tcp", timeoutMs),
  ]);
  const check = (id: "udp" | "tcp", reply: Reply, other: Reply): Check => {
    if (reply.message !== undefined)
      return good(id, `${socketAddressText(server)} answers in ${shownMs(reply.timeMs)}`);
    const said = failureText(reply.failure, server, timeoutMs);
    if (other.message !== undefined)
      return fault(id, `${said}, over ${id === "udp" ? "TCP" : "UDP"} it does`, NETWORK_POLICY);
    const remedy =
      reply.failure === "refused"
        ? "see whether the Service has ready endpoints: kubectl -n serviceentry-dns get pods,endpointslices"
        : `see whether the Service has ready endpoints; else ${NETWORK_POLICY}`;
    return fault(id, said, remedy);
  };
  return [check("udp", udp, tcp), check("tcp", tcp, udp)];
}

async function ownChecks({ server, ownHost, timeoutMs }: ProbeOptions): Promise<readonly Check[]> {
  if (ownHost === undefined) return [skipped("own-name", "name a host of an entry with --own HOST")];
  const [a, aaaa] = await Promise.all(
    [FAMILY_TYPES.A, FAMILY_TYPES.AAAA].map((type) =>
      askOnce(server, { name: ownHost, type }, "udp", timeoutMs),
    ),
  );
  if (a?.message === undefined || aaaa?.message === undefined) {
    const failed = [a, aaaa].find((reply) => reply?.failure !== undefined)?.failure ?? "timeout";
    return [
      fault(
        "own-name",
        `${ownHost}: ${failureText(failed, server, timeoutMs)}`,
        "run lookup and problems for this host",
      ),
    ];
  }
  const addresses = [...addressesIn(a.message), ...addressesIn(aaaa.message)];
  const rcodes = [rcodeOf(a.message), rcodeOf(aaaa.message)] as const;
  const checks: Check[] = [];
  if (addresses.length > 0) checks.push(good("own-name", `${ownHost} has ${addresses.join(", ")}`));
  else if (rcodes.includes(Rcode.NXDOMAIN))
    checks.push(
      fault(
        "own-name",
        `${ownHost} does not exist for this client`,
        "see whether the entry is visible to this namespace (exportTo) and answered: hosts, problems",
      ),
    );
  else
    checks.push(
      fault(
        "own-name",
        `${ownHost} has no address: ${rcodes.map(rcodeName).join(" for A, ")} for AAAA`,
        "run lookup and problems for this host",
      ),
    );
  const isOneDenied = addresses.length > 0 && rcodes.some((rcode) => rcode !== Rcode.NOERROR);
  checks.push(
    isOneDenied
      ? fault(
          "families",
          `${ownHost} answers A with ${rcodeName(rcodes[0])} and AAAA with ${rcodeName(rcodes[1])}: musl fails the whole name`,
          "ask serviceentry-dns itself: it never denies one family of a host that has the other",
        )
      : good("families", `A: ${familyText(a.message)}, AAAA: ${familyText(aaaa.message)}`),
  );
  return checks;
}

async function forwardedCheck({ server, forwardedName, timeoutMs }: ProbeOptions): Promise<Check> {
  const id = "forwarded-name";
  const reply = await askOnce(server, { name: forwardedName, type: RecordType.A }, "udp", timeoutMs);
  const remedy = "see the settings upstreams and clusterUpstreams of the server, and its problems";
  if (reply.message === undefined)
    return fault(id, `${forwardedName}: ${failureText(reply.failure, server, timeoutMs)}`, remedy);
  const rcode = rcodeOf(reply.message);
  if (rcode === Rcode.NOERROR) return good(id, `${forwardedName}: ${familyText(reply.message)}`);
  return fault(id, `${forwardedName} is answered with ${rcodeName(rcode)}`, remedy);
}

/** Cut off over UDP, or small enough; whole over TCP: a path that drops large answers shows here. */
async function largeCheck({ server, large, timeoutMs }: ProbeOptions): Promise<Check> {
  const id = "large-answer";
  const [plain, withEdns, tcp] = await Promise.all([
    askOnce(server, large, "udp", timeoutMs),
    askOnce(server, { ...large, udpOctets: UDP_OCTETS_WITH_EDNS }, "udp", timeoutMs),
    askOnce(server, large, "tcp", timeoutMs),
  ]);
  if (tcp.message === undefined)
    return fault(
      id,
      `${large.name} over TCP: ${failureText(tcp.failure, server, timeoutMs)}`,
      NETWORK_POLICY,
    );
  const rcode = rcodeOf(tcp.message);
  if (rcode !== Rcode.NOERROR)
    return skipped(
      id,
      `${large.name} is answered with ${rcodeName(rcode)}; name another with --large NAME[/TYPE]`,
    );
  if (tcp.octets <= UDP_OCTETS_WITHOUT_EDNS)
    return skipped(id, `${large.name} fits ${tcp.octets} octets; name another with --large NAME[/TYPE]`);
  if (plain.message === undefined)
    return fault(
      id,
      `${large.name} without EDNS: ${failureText(plain.failure, server, timeoutMs)}`,
      "ask the network for lost UDP replies",
    );
  if ((plain.message.flags & HeaderFlag.TC) === 0)
    return fault(
      id,
      `${large.name} has ${tcp.octets} octets over TCP and ${plain.octets} over UDP without being marked as cut off`,
      "something between changes replies: ask for it with tcpdump",
    );
  if (withEdns.message === undefined)
    return fault(
      id,
      `a reply of up to ${UDP_OCTETS_WITH_EDNS} octets does not arrive: ${failureText(withEdns.failure, server, timeoutMs)}`,
      "see the MTU of the path and what drops large datagrams",
    );
  return good(id, `${large.name}: cut off at ${plain.octets} octets over UDP, ${tcp.octets} whole over TCP`);
}

const SAMPLES = 5;
/** In a cluster an answer from memory takes less than a millisecond, and one from upstream a few. */
const SLOW_MS = 100;
const TOO_SLOW_MS = 1000;

async function latencyCheck({ server, ownHost, forwardedName, timeoutMs }: ProbeOptions): Promise<Check> {
  const name = ownHost ?? forwardedName;
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const reply = await askOnce(server, { name, type: RecordType.A }, "udp", timeoutMs);
    if (reply.message !== undefined) times.push(reply.timeMs);
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1];
  const most = times.at(-1);
  const lost = SAMPLES - times.length;
  if (median === undefined || most === undefined)
    return fault("latency", `no answer to ${SAMPLES} questions for ${name}`, NETWORK_POLICY);
  const seen = `${name}: median ${shownMs(median)}, slowest ${shownMs(most)}, ${lost} of ${SAMPLES} lost`;
  const remedy = "see the server's metrics request_duration_seconds and udp_socket_drops_total";
  if (lost > 1 || median > TOO_SLOW_MS) return fault("latency", seen, remedy);
  return lost > 0 || median > SLOW_MS ? warning("latency", seen, remedy) : good("latency", seen);
}

/** ztunnel and sidecars take each packet to port 53, wherever it goes. */
async function captureCheck({ nowhere, forwardedName, timeoutMs }: ProbeOptions): Promise<Check> {
  const reply = await askOnce(nowhere, { name: forwardedName, type: RecordType.A }, "udp", timeoutMs);
  if (reply.message === undefined)
    return good("capture", `nobody answers in the place of ${socketAddressText(nowhere)}`);
  return fault(
    "capture",
    `an answer comes from ${socketAddressText(nowhere)}, where no server is: a mesh takes DNS on its way (Istio's DNS capture)`,
    'set the annotation ambient.istio.io/dns-capture: "false" on the pod, or ISTIO_META_DNS_CAPTURE "false" for sidecars; else serviceentry-dns is never asked',
  );
}

function rcodeOf({ flags }: Message): number {
  return flags & HeaderFlag.RCODE;
}

function rcodeName(rcode: number): string {
  return Object.entries(Rcode).find(([, value]) => value === rcode)?.[0] ?? `RCODE${rcode}`;
}

function familyText(message: Message): string {
  const addresses = addressesIn(message);
  if (addresses.length > 0) return addresses.join(", ");
  return rcodeOf(message) === Rcode.NOERROR ? "none" : rcodeName(rcodeOf(message));
}

function shownMs(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
