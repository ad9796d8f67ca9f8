/** Text for a terminal of 80 columns. */

/** What is as wide everywhere. */
export const TERMINAL_COLUMNS = 80;

/**
 * Breaks lines between words so that each fits behind `indent` spaces, which stand in front of each. A line that begins
 * with a space, such as a command to copy, stays whole.
 */
export function wrapped(text: string, indent = 0): readonly string[] {
  const margin = " ".repeat(indent);
  return text.split("\n").flatMap((line) => {
    if (line === "" || line.startsWith(" ")) return [line === "" ? "" : margin + line];
    const rows: string[] = [];
    for (const word of line.split(" ")) {
      const last = rows.at(-1);
      const fits = last !== undefined && indent + last.length + 1 + word.length <= TERMINAL_COLUMNS;
      if (fits) rows[rows.length - 1] = `${last} ${word}`;
      else rows.push(word);
    }
    return rows.map((row) => margin + row);
  });
}
