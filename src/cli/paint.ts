/** Colours of a terminal, or none. */

import { styleText } from "node:util";

export type Style = "red" | "yellow" | "green" | "cyan" | "bold" | "dim";
export type Paint = (style: Style, text: string) => string;

export function paintFor(hasColor: boolean): Paint {
  if (!hasColor) return (_style, text) => text;
  return (style, text) => styleText(style, text, { validateStream: false });
}
