/** Cuts the octets of a TCP stream into DNS messages, however the network split them (RFC 1035 4.2.2). */

/** Before each message: its length in two octets. */
const LENGTH_OCTETS = 2;

export class TcpFrames {
  readonly #onMessage: (message: Uint8Array) => void;
  /** The frame that has begun: its length octets, then its message. */
  #head = new Uint8Array(LENGTH_OCTETS);
  #headFilled = 0;
  #message: Uint8Array | null = null;
  #messageFilled = 0;

  /** `onMessage` owns the message that it is given. */
  constructor(onMessage: (message: Uint8Array) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#message === null) {
        this.#head[this.#headFilled++] = chunk[at++]!;
        if (this.#headFilled < LENGTH_OCTETS) continue;
        this.#message = new Uint8Array((this.#head[0]! << 8) | this.#head[1]!);
        this.#messageFilled = 0;
        this.#headFilled = 0;
      }
      const part = chunk.subarray(at, at + this.#message.length - this.#messageFilled);
      this.#message.set(part, this.#messageFilled);
      this.#messageFilled += part.length;
      at += part.length;
      if (this.#messageFilled < this.#message.length) continue;
      const message = this.#message;
      this.#message = null;
      this.#onMessage(message);
    }
  }
}
