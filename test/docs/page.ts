/** The pages of the documentation as tests see them: headings, links, and fenced blocks with their commands. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/program.ts";

export interface Block {
  /** Path from the root of the project. */
  readonly page: string;
  /** Line of the page's file that opens the fence, from 1. */
  readonly line: number;
  /** The first word behind the fence; empty where there is none. */
  readonly language: string;
  /** `name=value` words behind the language. */
  readonly info: ReadonlyMap<string, string>;
  readonly text: string;
}

export interface Command {
  readonly block: Block;
  /** The line of the page's file on which it begins, from 1. */
  readonly line: number;
  /** Without the prompt, a trailing comment, and line ends that a backslash hides. */
  readonly text: string;
}

export const PAGES: readonly string[] = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "manifests/README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name))
    .sort(),
];

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

const FENCE = /^ *```(\S*) *(.*)$/;

export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { line: number; language: string; info: string; body: string[] } | undefined;
  readPage(page)
    .split("\n")
    .forEach((row, index) => {
      const fence = FENCE.exec(row);
      if (fence === null) {
        open?.body.push(row);
      } else if (open === undefined) {
        open = { line: index + 1, language: fence[1]!, info: fence[2]!, body: [] };
      } else {
        const { line, language, info, body } = open;
        blocks.push({ page, line, language, info: infoOf(info), text: body.join("\n") });
        open = undefined;
      }
    });
  if (open !== undefined) throw new Error(`${page}:${open.line}: the fence is never closed`);
  return blocks;
}

function infoOf(words: string): ReadonlyMap<string, string> {
  const pairs = words.split(" ").filter((word) => word.includes("="));
  return new Map(pairs.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
}

export const ALL_BLOCKS: readonly Block[] = PAGES.flatMap(blocksOf);

/** Programs whose lines are commands; a block that begins with anything else is output, a file or a drawing. */
const PROGRAMS =
  /^(?:\$ )?(?:[A-Z_]+=\S* )*(?:npm|npx|node|serviceentry-dns|dig|nslookup|busybox|curl|kubectl|docker|sed|source|promtool|UNBOUND=|ADDR=)(?: |$)/;

/** The commands of a block; none for a block that is something else. */
export function commandsOf(block: Block): readonly Command[] {
  if (!["", "console", "sh", "bash"].includes(block.language)) return [];
  const rows = block.text.split("\n");
  const isTranscript = rows.some((row) => row.startsWith("$ "));
  const first = rows.find((row) => row.trim() !== "" && !row.trim().startsWith("#"))?.trim() ?? "";
  if (!isTranscript && !PROGRAMS.test(first) && !/^[A-Z]+=\$\(/.test(first)) return [];
  const commands: Command[] = [];
  let continued = false;
  rows.forEach((row, index) => {
    const text = row.trim();
    if (continued && commands.length > 0) {
      const before = commands.pop()!;
      commands.push({ ...before, text: `${before.text.slice(0, -1)}${withoutComment(text)}` });
    } else if (isTranscript ? text.startsWith("$ ") : text !== "" && !text.startsWith("#")) {
      const words = isTranscript ? text.slice(2) : text;
      commands.push({ block, line: block.line + 1 + index, text: withoutComment(words) });
    }
    continued = text.endsWith("\\");
  });
  return commands;
}

function withoutComment(text: string): string {
  return text.replace(/\s+#.*$/, "");
}

/** What a shell makes of a command, as far as the pages need it: quotes group words, `|`, `>` and `&` end it. */
export function wordsOf(text: string): readonly string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  const end = words.findIndex((word) => ["|", ">", "&", "&&"].includes(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/["']/g, ""));
}

/** Every anchor of a page, as GitHub makes it of a heading. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading] of withoutFences(readPage(page)).matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = heading!
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/** The targets of all links and pictures of a page, as they are written. */
export function linksOf(page: string): readonly string[] {
  const text = withoutFences(readPage(page)).replace(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
}

function withoutFences(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, "");
}
