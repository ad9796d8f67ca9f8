/** The help of a command in one form: usage, what it does, options in two columns, exit status; 80 columns wide. */

import { wrapped } from "../config/wrapped.ts";
import { API_VARIABLE, DEFAULT_API } from "./api.ts";
import { FORMATS } from "./formats.ts";

/** How the option is written, and what it does; a line break begins a new line. */
export type OptionHelp = readonly [option: string, meaning: string];

export interface HelpParts {
  /** Behind the program's name. */
  readonly usage: string;
  readonly about: string;
  readonly options: readonly OptionHelp[];
  /** Between the options and the exit status. */
  readonly notes?: string;
  /** Behind "Exit status: "; absent: it runs until it is stopped. */
  readonly status?: string;
}

/** Ends with a newline. Lines of `about` and `notes` that begin with a space are not wrapped. */
export function helpText({ usage, about, options, notes, status }: HelpParts): string {
  const sections = [
    usageLines(usage),
    wrapped(about),
    ["Options:", ...optionLines(options)],
    ...(notes === undefined ? [] : [wrapped(notes)]),
    ...(status === undefined ? [] : [statusLines(status)]),
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Of every command that asks the API endpoint; `API_NOTES` belongs below. */
export const API_OPTION: OptionHelp = [
  "--api URL",
  `the server's API endpoint (default: ${API_VARIABLE}, else ${DEFAULT_API})`,
];

export const API_NOTES = `In a cluster this brings the API endpoint to this machine:
  kubectl -n serviceentry-dns port-forward deploy/serviceentry-dns 9154`;

export const FORMAT_OPTION: OptionHelp = [
  "-o, --output FORMAT",
  `${FORMATS.slice(0, -1).join(", ")} or ${FORMATS.at(-1)} (default table)`,
];

export const HELP_OPTION: OptionHelp = ["--help", "this text"];

/** A number stays on the line of what it means. */
function statusLines(status: string): readonly string[] {
  const glued = status.replace(/(\d) /g, `$1${GLUE}`);
  return wrapped(`Exit status: ${glued}.`).map((row) => row.replaceAll(GLUE, " "));
}

/** Stands in no help. */
const GLUE = "\u00a0";

const USAGE = "Usage: ";

/** Further lines begin below the first word behind "Usage:". */
function usageLines(usage: string): readonly string[] {
  const [first = "", ...others] = wrapped(`serviceentry-dns ${usage}`, USAGE.length);
  return [USAGE + first.trimStart(), ...others];
}

/** Options wider than this have their meaning on the next line. */
const MOST_OPTION_COLUMNS = 24;
const GAP = 2;

function optionLines(options: readonly OptionHelp[]): readonly string[] {
  const widths = options.map(([option]) => option.length).filter((width) => width <= MOST_OPTION_COLUMNS);
  const column = GAP + Math.max(...widths) + GAP;
  return options.flatMap(([option, meaning]) => {
    const written = `${" ".repeat(GAP)}${option}`;
    const rows = wrapped(meaning, column);
    if (written.length + GAP > column) return [written, ...rows];
    const [first = "", ...others] = rows;
    return [written.padEnd(column) + first.trimStart(), ...others];
  });
}
