/**
 * Figures that a page repeats from docs/performance.md, below a comment `figures: performance.md`, are still those
 * that the bench wrote. `DOCS_WRITE=1` copies them anew.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../support/program.ts";
import { PAGES, readPage } from "./page.ts";

const MARK = "<!-- figures: performance.md -->";

/** Rows of tables by their first cell; the value is the second one. */
function rowsOf(text: string): ReadonlyMap<string, string> {
  const rows = [...text.matchAll(/^\| ([^|]+?) +\| ([^|]+?) +\|/gm)];
  return new Map(rows.map(([, figure, measured]) => [figure!, measured!]));
}

/** The table behind each mark. */
function tablesOf(page: string): readonly string[] {
  return readPage(page)
    .split(MARK)
    .slice(1)
    .map((rest) => /^\n\n((?:\|.*\n)+)/.exec(rest)?.[1] ?? "");
}

const repeating = PAGES.filter((page) => readPage(page).includes(`${MARK}\n`));

describe("docs: figures that are repeated", () => {
  const measured = rowsOf(readPage("docs/performance.md"));

  for (const page of repeating) {
    it(page, () => {
      for (const table of tablesOf(page)) {
        const rows = [...rowsOf(table)].filter(([figure]) => figure !== "figure" && !figure.startsWith("--"));
        expect(rows).not.to.deep.equal([]);
        for (const [figure, value] of rows) {
          const current = measured.get(figure);
          expect(current, `docs/performance.md has no row "${figure}"`).not.to.equal(undefined);
          if (process.env["DOCS_WRITE"] === "1")
            writeFileSync(
              join(ROOT, page),
              readPage(page).replace(`| ${figure} | ${value} |`, `| ${figure} | ${current} |`),
            );
          else expect(value, `${page}: ${figure}; DOCS_WRITE=1 copies it`).to.equal(current);
        }
      }
    });
  }

  it("the comparison has no figure of its own", () => {
    const byHand = readPage("docs/comparison.md").match(/\d[\d.,]* ?(?:ms|us|µs|s|MB|MiB|%|x)\b/g);
    expect(byHand, "a duration, a size or a ratio").to.equal(null);
  });

  it("some page repeats figures", () => {
    expect(repeating).not.to.deep.equal([]);
  });
});
