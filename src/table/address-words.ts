/** An address as text to numbers, without an object: for the address that each query came from. */

const DOT = 0x2e;
const COLON = 0x3a;
const PERCENT = 0x25;
const GROUPS = 8;

const groups = new Uint16Array(GROUPS);

/**
 * Fills `words` (4 at least) with the address that a socket tells: one word for IPv4 and for IPv4 in IPv6
 * (`::ffff:192.0.2.1`), four for IPv6; a zone (`%eth0`) does not count. Returns how many, 0 for what is no address.
 */
export function addressWords(text: string, words: Uint32Array): 0 | 1 | 4 {
  if (text.indexOf(":") === -1) return readIpv4(text, 0, words, 0) ? 1 : 0;
  if (!readGroups(text, words)) return 0;
  for (let word = 0; word < 4; word += 1) words[word] = (groups[word * 2]! << 16) | groups[word * 2 + 1]!;
  if (words[0] !== 0 || words[1] !== 0 || words[2] !== 0xffff) return 4;
  words[0] = words[3]!;
  return 1;
}

/** Four numbers between dots, from `at` to the end of the text or a zone. */
function readIpv4(text: string, at: number, words: Uint32Array, word: number): boolean {
  let address = 0;
  let part = 0;
  let dots = 0;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === PERCENT) break;
    if (code === DOT) {
      address = (address << 8) | part;
      part = 0;
      dots += 1;
    } else {
      part = part * 10 + code - 0x30;
    }
    if (part < 0 || part > 255) return false;
  }
  words[word] = (address << 8) | part;
  return dots === 3;
}

function readGroups(text: string, words: Uint32Array): boolean {
  let count = 0;
  /** How many groups stand before `::`; -1: there is none. */
  let before = -1;
  let at = 0;
  while (at < text.length && text.charCodeAt(at) !== PERCENT) {
    if (text.charCodeAt(at) === COLON) {
      if (text.charCodeAt(at + 1) === COLON) {
        before = count;
        at += 1;
      }
      at += 1;
      continue;
    }
    if (count === GROUPS) return false;
    const start = at;
    let group = 0;
    for (; at < text.length; at += 1) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit === -1) break;
      group = (group << 4) | digit;
    }
    if (text.charCodeAt(at) === DOT) {
      if (count > GROUPS - 2 || !readIpv4(text, start, words, 0)) return false;
      groups[count] = words[0]! >>> 16;
      groups[count + 1] = words[0]!;
      count += 2;
      break;
    }
    if (at === start) return false;
    groups[count] = group;
    count += 1;
  }
  if (before === -1) return count === GROUPS;
  const shift = GROUPS - count;
  for (let group = count - 1; group >= before; group -= 1) groups[group + shift] = groups[group]!;
  for (let group = before; group < before + shift; group += 1) groups[group] = 0;
  return true;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
