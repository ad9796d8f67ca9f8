/** One message to one server over one transport, exactly as written: no retry, no fallback, every part of the reply. */

import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { type SocketAddress, socketAddressText } from "../../config/socket-address.ts";
import { systemRandom, type Transport } from "../../runtime.ts";
import { EdnsOption, HeaderFlag, RecordClass, RecordType } from "../../wire/constants.ts";
import { familyOf } from "../../wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message } from "../../wire/message.ts";

export interface Asking {
  readonly name: string;
  readonly type: number;
  readonly class?: number;
  /** Absent: no EDNS. */
  readonly udpOctets?: number;
  readonly wantsNsid?: boolean;
}

export type Reply =
  | { readonly message: Message; readonly octets: number; readonly timeMs: number; readonly failure?: never }
  | {
      /** `timeout`, `refused` (nobody listens), or the system's word. */
      readonly failure: string;
      readonly timeMs: number;
      readonly message?: never;
    };

/** Never rejects. */
export async function askOnce(
  server: SocketAddress,
  asking: Asking,
  transport: Transport,
  timeoutMs: number,
): Promise<Reply> {
  const query = encode(asking);
  const startMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  const timer = setTimeout(() => resolve("timeout"), timeoutMs);
  const close = (transport === "udp" ? overUdp : overTcp)(server, query, resolve);
  const result = await promise;
  clearTimeout(timer);
  close();
  const timeMs = performance.now() - startMs;
  if (typeof result === "string") return { failure: result, timeMs };
  const message = decodeMessage(result);
  if ("fault" in message) return { failure: `an unreadable reply, which ${message.fault}`, timeMs };
  return { message, octets: result.length, timeMs };
}

/** What went wrong, as the end of a sentence about the server. */
export function failureText(failure: string, server: SocketAddress, timeoutMs: number): string {
  if (failure === "timeout")
    return `${socketAddressText(server)} does not answer within ${timeoutMs / 1000} s`;
  if (failure === "refused") return `nobody listens on ${socketAddressText(server)}`;
  return `${socketAddressText(server)}: ${failure}`;
}

function encode({ name, type, class: recordClass = RecordClass.IN, udpOctets, wantsNsid }: Asking): Buffer {
  const nsid = { code: EdnsOption.NSID, data: new Uint8Array(0) };
  const edns = {
    size: udpOctets ?? 0,
    version: 0,
    dnssecOk: false,
    extendedRcode: 0,
    options: wantsNsid ? [nsid] : [],
  };
  return Buffer.from(
    encodeMessage({
      id: systemRandom.uint16(),
      flags: HeaderFlag.RD,
      questions: [{ name, type, class: recordClass }],
      answers: [],
      authorities: [],
      additionals: [],
      ...(udpOctets === undefined ? {} : { edns }),
    }),
  );
}

type Resolve = (result: Buffer | string) => void;

function overUdp(server: SocketAddress, query: Buffer, resolve: Resolve): () => void {
  const socket = createSocket(familyOf(server.address) === "A" ? "udp4" : "udp6");
  socket.on("error", (error) => resolve(failureOf(error)));
  socket.on("message", (bytes) => {
    if (isReplyTo(bytes, query)) resolve(bytes);
  });
  // Connected: only the asked address can answer, and the system tells when nobody listens.
  socket.connect(server.port, server.address, () =>
    socket.send(query, (error) => error && resolve(failureOf(error))),
  );
  return () => socket.close();
}

function overTcp(server: SocketAddress, query: Buffer, resolve: Resolve): () => void {
  const connection = connect({ host: server.address, port: server.port });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  let received: Buffer = Buffer.alloc(0);
  connection.on("connect", () => connection.write(Buffer.concat([length, query])));
  connection.on("error", (error) => resolve(failureOf(error)));
  connection.on("close", () => resolve("it closes the connection without a reply"));
  connection.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
    const message = received.subarray(2, 2 + received.readUInt16BE(0));
    resolve(isReplyTo(message, query) ? message : "what came is no reply to the question");
  });
  return () => connection.destroy();
}

function isReplyTo(bytes: Buffer, query: Buffer): boolean {
  return bytes.length >= 12 && bytes.readUInt16BE(0) === query.readUInt16BE(0) && (bytes[2]! & 0x80) !== 0;
}

function failureOf(error: Error): string {
  const code = "code" in error ? String(error.code) : error.message;
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ENETUNREACH" || code === "EHOSTUNREACH") return "it cannot be reached from here";
  return code;
}

/** The addresses in the answer section, whatever their owner. */
export function addressesIn({ answers }: Message): readonly string[] {
  return answers.flatMap(({ data }) => (data.kind === "A" || data.kind === "AAAA" ? [data.address] : []));
}

export const FAMILY_TYPES = { A: RecordType.A, AAAA: RecordType.AAAA } as const;
