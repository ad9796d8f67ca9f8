/** What commands print: a table for people, JSON or YAML for programs. */

import { stringify } from "yaml";
import { printable } from "./printable.ts";

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export function readFormat(text: string): Format | { readonly fault: string } {
  const format = FORMATS.find((each) => each === text);
  return format ?? { fault: `--output ${text} is not one of ${FORMATS.join(", ")}` };
}

/** `table`: made only where it is wanted; ends with a newline. */
export function formatted(format: Format, value: unknown, table: () => string): string {
  switch (format) {
    case "table":
      return table();
    case "json":
      return `${JSON.stringify(value, null, 2)}\n`;
    case "yaml":
      return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
  }
}

/** Rows in columns under their heads; `empty`: instead of a table without rows. Ends with a newline. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return `${empty}\n`;
  const cells = [heads, ...rows.map((row) => row.map((cell) => printable(cell)))];
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return `${cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")}\n`;
}

/** `2m`, `3h12m`: how long, as one reads it. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h${minutes % 60 === 0 ? "" : `${minutes % 60}m`}`;
  return `${Math.floor(hours / 24)}d`;
}
