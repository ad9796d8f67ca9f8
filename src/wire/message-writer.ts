/** Octets of one message, written front to back, with name compression (RFC 1035 4.1.4); for tools and tests. */

import { writeUint16, writeUint32 } from "./append.ts";
import { COMPRESSION_POINTER, MAX_MESSAGE_OCTETS } from "./constants.ts";
import { nameFromText } from "./name.ts";

/** A pointer has 14 bits. */
const MAX_POINTER_TARGET = 0x3fff;

/** Every write throws a RangeError for a value that its field cannot hold. */
export class MessageWriter {
  #octets = new Uint8Array(512);
  #length = 0;
  /** Where each written name, and each end of one, begins; keys are wire octets as latin1, case as written. */
  readonly #nameOffsets = new Map<string, number>();

  uint8(value: number): void {
    const at = this.#take(1);
    this.#octets[at] = checkUint(value, 0xff);
  }

  uint16(value: number): void {
    const at = this.#take(2);
    writeUint16(this.#octets, at, checkUint(value, 0xffff));
  }

  uint32(value: number): void {
    const at = this.#take(4);
    writeUint32(this.#octets, at, checkUint(value, 0xffff_ffff));
  }

  octets(octets: Uint8Array): void {
    const at = this.#take(octets.length);
    this.#octets.set(octets, at);
  }

  /** One length octet and at most 255 characters, U+0000 to U+00FF (RFC 1035 3.3). */
  characterString(text: string): void {
    this.uint8(text.length);
    for (let index = 0; index < text.length; index += 1) this.uint8(text.charCodeAt(index));
  }

  /** The longest end of the name that stands in the message already becomes a pointer, unless forbidden. */
  name(text: string, isCompressible: boolean): void {
    const name = nameFromText(text);
    if (!(name instanceof Uint8Array)) throw new RangeError(`the name ${JSON.stringify(text)} ${name.fault}`);
    const key = Buffer.from(name).toString("latin1");
    for (let at = 0; name[at] !== 0; at += name[at]! + 1) {
      const rest = key.slice(at);
      const target = this.#nameOffsets.get(rest);
      if (target !== undefined && isCompressible) {
        this.uint16(COMPRESSION_POINTER | target);
        return;
      }
      if (target === undefined && this.#length <= MAX_POINTER_TARGET) {
        this.#nameOffsets.set(rest, this.#length);
      }
      this.octets(name.subarray(at, at + name[at]! + 1));
    }
    this.uint8(0);
  }

  /** Two octets of length, then what `write` writes. */
  lengthPrefixed(write: () => void): void {
    const at = this.#take(2);
    write();
    writeUint16(this.#octets, at, checkUint(this.#length - at - 2, 0xffff));
  }

  finish(): Uint8Array {
    return this.#octets.slice(0, this.#length);
  }

  /** Makes room and returns where it begins. */
  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > MAX_MESSAGE_OCTETS) {
      throw new RangeError(`a message has at most ${MAX_MESSAGE_OCTETS} octets`);
    }
    if (this.#length > this.#octets.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#octets.length));
      grown.set(this.#octets);
      this.#octets = grown;
    }
    return at;
  }
}

function checkUint(value: number, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new RangeError(`${value} is not a whole number from 0 to ${most}`);
  }
  return value;
}
