/** Text from files and from the network, made harmless for a terminal: nothing in it moves the cursor. */

/** Escapes control characters and what is not ASCII-printable but for letters of other scripts; `kept` stays. */
export function printable(text: string, kept = ""): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\u2028\u2029]/gu, (character) =>
    kept.includes(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
