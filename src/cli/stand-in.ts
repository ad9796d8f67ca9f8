/**
 * `stand-in`: plays CoreDNS and the internet for the demo and for tests. Answers the names of a zone over UDP
 * and TCP on a loopback address, and denies all others. No part of the product's own answers.
 */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { parseWrittenAddress, type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import type { Closeable } from "../runtime.ts";
import { HEADER_OCTETS, HeaderFlag, Rcode, UDP_OCTETS_WITHOUT_EDNS } from "../wire/constants.ts";
import { familyOf, parseIpAddress } from "../wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message } from "../wire/message.ts";
import { DEMO_ZONE } from "./demo-zone.ts";
import { HELP_OPTION, helpText } from "./help-text.ts";
import {
  EXIT_USAGE,
  type Output,
  processOutput,
  readArguments,
  unknownOptionMessage,
  usageMessage,
} from "./usage.ts";
import { answerFromZone, parseZone, type Zone } from "./zone.ts";

export const STAND_IN_HELP = helpText({
  usage: "stand-in [options]",
  about: `Answers the names of a zone file over UDP and TCP, in the place of CoreDNS, on this machine alone. Every other name does not exist. Ctrl-C ends it.`,
  options: [
    ["--listen ADDR:PORT", "a loopback address (default 127.0.0.1:1054; port 0: any free one)"],
    [
      "--zone FILE",
      'lines of "name TTL TYPE value", types A, AAAA and CNAME; a change takes effect within a second (default: a built-in zone with the names of the examples)',
    ],
    ["--print-zone", "print the built-in zone, to be edited"],
    HELP_OPTION,
  ],
});

/** Runs until SIGINT or SIGTERM (or `signal`); returns the exit status: 0, 1 it cannot listen, 2 usage. */
export async function runStandIn(
  argv: readonly string[],
  output: Output = processOutput,
  signal?: AbortSignal,
): Promise<number> {
  const wanted = readStandInArguments(argv);
  if (typeof wanted === "string") {
    output.error(wanted);
    return EXIT_USAGE;
  }
  if (wanted.show !== undefined) {
    output.out(wanted.show);
    return 0;
  }
  let zone: Zone;
  // Before the file is read: what changes from here on is seen later.
  const stamp = stampOf(wanted.zoneFile);
  try {
    zone = readZone(wanted.zoneFile);
  } catch (error) {
    output.error(usageMessage("stand-in", `--zone ${wanted.zoneFile}: ${messageOf(error)}`));
    return EXIT_USAGE;
  }
  const standIn = new StandIn(() => zone);
  try {
    await standIn.listen(wanted.listen);
  } catch (error) {
    output.error(
      `stand-in: cannot listen on ${socketAddressText(wanted.listen)}: ${messageOf(error)}. Choose another with --listen.\n`,
    );
    return 1;
  }
  const from = wanted.zoneFile ?? "the built-in zone";
  output.out(
    `stand-in: answering ${zone.size} names of ${from} on ${socketAddressText(standIn.address)} (UDP and TCP)\n`,
  );
  const watch = watchZone(wanted.zoneFile, stamp, (zoneFile) => {
    try {
      zone = readZone(zoneFile);
      output.out(`stand-in: read ${zoneFile} again: ${zone.size} names\n`);
    } catch (error) {
      output.error(`stand-in: keeping the last good zone, because ${zoneFile}: ${messageOf(error)}\n`);
    }
  });
  await stopAsked(signal);
  clearInterval(watch);
  await standIn.close();
  return 0;
}

/** The server itself. `zone` is asked at each query, so that it may change. */
export class StandIn implements Closeable {
  readonly #zone: () => Zone;
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;
  readonly #connections = new Set<Socket>();
  #address: SocketAddress | undefined;

  constructor(zone: () => Zone) {
    this.#zone = zone;
  }

  /** Where it listens, with the port that it got; after `listen`. */
  get address(): SocketAddress {
    if (this.#address === undefined) throw new Error("the stand-in does not listen yet");
    return this.#address;
  }

  /** Opens one port for UDP and TCP; rejects with the system's error and leaves nothing open. */
  async listen({ address, port }: SocketAddress): Promise<void> {
    const tcp = createServer((connection) => this.#serve(connection));
    tcp.maxConnections = MOST_CONNECTIONS;
    const udp = createSocket(familyOf(address) === "A" ? "udp4" : "udp6");
    this.#tcp = tcp;
    this.#udp = udp;
    try {
      tcp.listen(port, address);
      await once(tcp, "listening");
      const bound = tcp.address();
      const actual = typeof bound === "object" && bound !== null ? bound.port : port;
      udp.bind(actual, address);
      await once(udp, "listening");
      this.#address = { address, port: actual };
    } catch (error) {
      await this.close();
      throw error;
    }
    udp.on("message", (bytes, sender) => {
      // Nothing can be sent to port 0: trying throws.
      if (sender.port === 0) return;
      const reply = this.#answer(bytes, "udp");
      if (reply !== undefined) udp.send(reply, sender.port, sender.address, () => {});
    });
    udp.on("error", () => {});
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    const { promise: udpClosed, resolve: onUdpClosed } = Promise.withResolvers<void>();
    const { promise: tcpClosed, resolve: onTcpClosed } = Promise.withResolvers<void>();
    if (this.#udp === undefined) onUdpClosed();
    else this.#udp.close(onUdpClosed);
    if (this.#tcp?.listening) this.#tcp.close(() => onTcpClosed());
    else onTcpClosed();
    this.#udp = undefined;
    this.#tcp = undefined;
    await Promise.all([udpClosed, tcpClosed]);
  }

  /** Messages behind their two octets of length (RFC 1035 4.2.2), answered in their order. */
  #serve(connection: Socket): void {
    this.#connections.add(connection);
    connection.setTimeout(IDLE_MS, () => connection.destroy());
    connection.on("close", () => this.#connections.delete(connection));
    connection.on("error", () => connection.destroy());
    let received: Buffer = Buffer.alloc(0);
    connection.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const reply = this.#answer(received.subarray(2, end), "tcp");
        received = received.subarray(end);
        if (reply === undefined) return connection.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        connection.write(Buffer.concat([length, reply]));
      }
    });
  }

  #answer(bytes: Buffer, transport: "udp" | "tcp"): Uint8Array | undefined {
    const query = decodeMessage(bytes);
    if ("fault" in query) return formatError(bytes);
    const reply = answerFromZone(this.#zone(), query);
    if (reply === undefined) return undefined;
    const limit = Math.min(Math.max(query.edns?.size ?? 0, UDP_OCTETS_WITHOUT_EDNS), OUR_UDP_OCTETS);
    return transport === "tcp" ? encodeMessage(reply) : encodeWithin(reply, limit);
  }
}

const DEFAULT_LISTEN: SocketAddress = { address: parseIpAddress("127.0.0.1")!, port: 1054 };
const ZONE_POLL_MS = 250;
/** A client that says nothing for so long is gone (RFC 7766 6.2.3: some seconds). */
const IDLE_MS = 10_000;
const MOST_CONNECTIONS = 256;
const OUR_UDP_OCTETS = 1232;

/** As many whole records as fit; TC says that there are more (RFC 2181 9). */
function encodeWithin(reply: Message, limit: number): Uint8Array {
  const whole = encodeMessage(reply);
  if (whole.length <= limit) return whole;
  const flags = reply.flags | HeaderFlag.TC;
  for (let count = reply.answers.length - 1; count > 0; count -= 1) {
    const part = encodeMessage({ ...reply, flags, answers: reply.answers.slice(0, count), authorities: [] });
    if (part.length <= limit) return part;
  }
  return encodeMessage({ ...reply, flags, answers: [], authorities: [] });
}

/** FORMERR for octets that have a header at least, and are no response. */
function formatError(bytes: Buffer): Uint8Array | undefined {
  if (bytes.length < HEADER_OCTETS || (bytes.readUInt16BE(2) & HeaderFlag.QR) !== 0) return undefined;
  const flags = HeaderFlag.QR | HeaderFlag.RA | (bytes.readUInt16BE(2) & (HeaderFlag.OPCODE | HeaderFlag.RD));
  const empty = { questions: [], answers: [], authorities: [], additionals: [] };
  return encodeMessage({ id: bytes.readUInt16BE(0), flags: flags | Rcode.FORMERR, ...empty });
}

interface StandInArguments {
  readonly listen: SocketAddress;
  readonly zoneFile: string | undefined;
  /** Only print this. */
  readonly show: string | undefined;
}

/** What was asked for, or what is wrong with it. */
function readStandInArguments(argv: readonly string[]): StandInArguments | string {
  const options = {
    listen: { type: "string" },
    zone: { type: "string" },
    "print-zone": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  const unknown = unknownOptionMessage("stand-in", argv, Object.keys(options));
  if (unknown !== undefined) return unknown;
  const parsed = readArguments("stand-in", () => parseArgs({ args: [...argv], options }));
  if ("fault" in parsed) return parsed.fault;
  const { values } = parsed;
  const show = values.help ? STAND_IN_HELP : values["print-zone"] ? DEMO_ZONE : undefined;
  const written = parseWrittenAddress(values.listen ?? socketAddressText(DEFAULT_LISTEN));
  if ("fault" in written)
    return usageMessage("stand-in", `--listen ${values.listen} ${written.fault}; write 127.0.0.1:1054`);
  const { address, port } = { ...written, address: written.address ?? DEFAULT_LISTEN.address };
  if (!address.startsWith("127.") && address !== "::1") {
    const fault = `--listen ${values.listen} is no loopback address, and its answers are made up for this machine`;
    return usageMessage("stand-in", `${fault}; write 127.0.0.1:1054 or [::1]:1054`);
  }
  return { listen: { address, port: port ?? DEFAULT_LISTEN.port }, zoneFile: values.zone, show };
}

/** Throws an Error whose message ends a sentence about the file. */
/** Calls back whenever the file is another than when it had the stamp. */
function watchZone(
  file: string | undefined,
  stamp: string,
  onChange: (file: string) => void,
): NodeJS.Timeout | undefined {
  if (file === undefined) return undefined;
  let seen = stamp;
  return setInterval(() => {
    const now = stampOf(file);
    if (now === seen) return;
    seen = now;
    onChange(file);
  }, ZONE_POLL_MS).unref();
}

/** Another after every change; "" where there is no file. */
function stampOf(file: string | undefined): string {
  const found = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
}

function readZone(path: string | undefined): Zone {
  const zone = parseZone(path === undefined ? DEMO_ZONE : readFileSync(path, "utf8"));
  if (!("faults" in zone)) return zone;
  throw new Error(zone.faults.map(({ line, reason }) => `line ${line}: ${reason}`).join("; "));
}

async function stopAsked(signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = () => resolve();
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  await promise;
  process.off("SIGINT", stop);
  process.off("SIGTERM", stop);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
