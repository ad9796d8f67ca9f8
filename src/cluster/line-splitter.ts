/** Cuts octets that come in pieces into lines, however the pieces cut lines and characters. */

import { OctetPieces } from "./octet-pieces.ts";

export class LineSplitter {
  readonly #line: OctetPieces;

  /** A line of more than `mostOctets` is not kept. */
  constructor(mostOctets: number) {
    this.#line = new OctetPieces(mostOctets);
  }

  /** Whether a line has begun and not ended. */
  get isInLine(): boolean {
    return !this.#line.isEmpty;
  }

  /** The lines that end in this piece, without empty ones; undefined stands for one that was too long. */
  push(chunk: Buffer): readonly (string | undefined)[] {
    const lines: (string | undefined)[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      this.#line.add(chunk, from, end);
      from = end + 1;
      const { isTooLong } = this.#line;
      const line = this.#line.take();
      if (isTooLong) lines.push(undefined);
      else if (line !== "") lines.push(line);
    }
    this.#line.add(chunk, from, chunk.length);
    return lines;
  }
}

const LINE_FEED = 0x0a;
