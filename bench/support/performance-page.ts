/** docs/performance.md: each bench writes its own part, between marks, with what it was measured on. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";

/** In the order of the page. */
const PARTS = ["start", "change", "latency", "api", "scale", "cpu", "visibility", "micro"] as const;
export type Part = (typeof PARTS)[number];

export interface Report {
  readonly title: string;
  /** Paragraphs and tables in Markdown. */
  readonly text: string;
}

export interface Figure {
  readonly name: string;
  readonly measured: string;
  readonly goal?: string;
  readonly isMet?: boolean;
}

const PAGE = fileURLToPath(new URL("../../docs/performance.md", import.meta.url));

const SKELETON = `# Performance

Each part below was written by the benchmark that measured it: \`npm run bench\` writes the last one,
\`npm run bench:load\` the others. All of it runs over loopback, with client, server and upstream on one machine, and
nothing is pinned to a processor. Figures of another machine differ; their ratios should not.

${PARTS.map((part) => `${beginMark(part)}\n${endMark(part)}\n`).join("\n")}`;

/** The load average before a bench, to be given to \`writeReport\` after it. */
export function loadNow(): string {
  return loadavg()
    .map((load) => load.toFixed(2))
    .join(" ");
}

export function writeReport(part: Part, report: Report, loadBefore: string): void {
  const page = withPlace(part, existsSync(PAGE) ? readFileSync(PAGE, "utf8") : SKELETON);
  const begin = page.indexOf(beginMark(part));
  const end = page.indexOf(endMark(part));
  if (begin === -1 || end < begin) throw new Error(`docs/performance.md has no place for ${part}`);
  const text = `${beginMark(part)}\n\n## ${report.title}\n\n${report.text.trim()}\n\n${facts(loadBefore)}\n\n`;
  writeFileSync(PAGE, page.slice(0, begin) + text + page.slice(end));
}

/** A part that is new has its place behind the last one before it that is there. */
function withPlace(part: Part, page: string): string {
  if (page.includes(beginMark(part))) return page;
  const before = PARTS.slice(0, PARTS.indexOf(part)).findLast((each) => page.includes(endMark(each)));
  const mark = before === undefined ? "" : endMark(before);
  return page.replace(mark, `${mark}\n\n${beginMark(part)}\n${endMark(part)}`);
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, measured, goal, isMet }) => {
    const verdict = isMet === undefined ? "" : isMet ? "met" : "**not met**";
    return `| ${name} | ${measured} | ${goal ?? ""} | ${verdict} |`;
  });
  return ["| figure | measured | goal | |", "|---|---|---|---|", ...rows].join("\n");
}

function beginMark(part: Part): string {
  return `<!-- ${part}: written by the bench -->`;
}

function endMark(part: Part): string {
  return `<!-- ${part}: end -->`;
}

function facts(loadBefore: string): string {
  const processors = cpus();
  const memoryGiB = (totalmem() / 2 ** 30).toFixed(0);
  return (
    `_${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${type()} ${release().split("-")[0]} ${arch()}, ` +
    `${processors.length} processors (${processors[0]?.model.trim() ?? "unknown"}), ${memoryGiB} GiB; ` +
    `load average ${loadBefore} before, ${loadNow()} after._`
  );
}
