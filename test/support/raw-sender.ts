/** Sends IPv4 datagrams with any source port, 0 too, which no ordinary socket does; needs the privilege for raw sockets. */

import koffi from "koffi";

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_UDP = 17;
const ADDRESS_OCTETS = 16;
const HEADER_OCTETS = 8;

const libc = process.platform === "linux" ? koffi.load(null) : null;
const socket = libc?.func("int socket(int family, int type, int protocol)");
const bind = libc?.func("int bind(int fd, uint8_t *address, uint32_t length)");
const sendto = libc?.func(
  "int64_t sendto(int fd, uint8_t *octets, size_t length, int flags, uint8_t *address, uint32_t addressLength)",
);
const close = libc?.func("int close(int fd)");

/** Why there can be no raw socket here; null: there can. */
export function rawSenderProblem(): string | null {
  const fd: number = socket?.(AF_INET, SOCK_RAW, IPPROTO_UDP) ?? -1;
  if (fd < 0) return "raw sockets need Linux and a privilege";
  close?.(fd);
  return null;
}

export class RawSender {
  readonly #fd: number;

  constructor(sourceAddress: string) {
    this.#fd = socket?.(AF_INET, SOCK_RAW, IPPROTO_UDP) ?? -1;
    const bound = bind?.(this.#fd, socketAddress(sourceAddress), ADDRESS_OCTETS);
    if (bound !== 0) throw new Error(`a raw socket cannot be bound to ${sourceAddress}`);
  }

  send(sourcePort: number, port: number, address: string, payload: Uint8Array): void {
    const datagram = Buffer.alloc(HEADER_OCTETS + payload.length);
    datagram.writeUInt16BE(sourcePort, 0);
    datagram.writeUInt16BE(port, 2);
    datagram.writeUInt16BE(datagram.length, 4);
    // RFC 768: checksum 0 is none.
    datagram.set(payload, HEADER_OCTETS);
    const sent = sendto?.(this.#fd, datagram, datagram.length, 0, socketAddress(address), ADDRESS_OCTETS);
    if (sent !== datagram.length) throw new Error(`a raw datagram to ${address} was not sent`);
  }

  close(): void {
    close?.(this.#fd);
  }
}

/** A struct sockaddr_in; raw sockets have no port. */
function socketAddress(address: string): Buffer {
  const octets = Buffer.alloc(ADDRESS_OCTETS);
  octets.writeUInt16LE(AF_INET, 0);
  octets.set(address.split(".").map(Number), 4);
  return octets;
}
