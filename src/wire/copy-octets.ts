/** Copies of a few octets, which is what messages are made of. */

/** `set` needs an object for the part of the source, which costs more than the octets of most messages. */
const COPIED_BY_HAND = 512;

/** Copies what stands in `from` from `start` to `end` to `to`, where it begins at `at`. */
export function copyOctets(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > COPIED_BY_HAND) {
    to.set(from.subarray(start, end), at);
    return;
  }
  for (let next = start; next < end; next += 1) to[at + next - start] = from[next]!;
}

/** The first `length` octets, which may be kept. */
export function copyOf(message: Uint8Array, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length);
  copyOctets(message, 0, length, copy, 0);
  return copy;
}
