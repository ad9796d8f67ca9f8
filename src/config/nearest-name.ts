/** The known name that a mistyped one was probably meant to be. */

/**
 * The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from `name`; case, `-` and
 * `_` do not count. Undefined when even the nearest differs in more than half of the letters.
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = folded(name);
  let nearest: string | undefined;
  let least = Math.ceil(wanted.length / 2);
  for (const candidate of candidates) {
    const edits = editDistance(wanted, folded(candidate));
    if (edits < least) {
      least = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Longer input is cut before it is compared: no name of ours is near that. */
const MAX_COMPARED_LETTERS = 64;

function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, "").slice(0, MAX_COMPARED_LETTERS);
}

/** Edits by optimal string alignment. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (isSame ? 0 : 1));
      const isSwap =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (isSwap) edits = Math.min(edits, beforeLast[column - 2]! + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
}
