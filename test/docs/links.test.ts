/** Every link of the documentation leads somewhere, and every page is reached from the index. */

import { existsSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect } from "chai";
import { ROOT } from "../support/program.ts";
import { anchorsOf, linksOf, PAGES } from "./page.ts";

const INDEX = "docs/README.md";

/** Of a link inside the project: file and anchor; undefined for one that leads outside. */
function targetOf(page: string, link: string): { file: string; anchor: string } | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path, anchor = ""] = link.split("#");
  return { file: path === "" ? page : normalize(join(dirname(page), path!)), anchor };
}

describe("docs: links", () => {
  for (const page of PAGES) {
    it(page, () => {
      const faults: string[] = [];
      for (const link of linksOf(page)) {
        const target = targetOf(page, link);
        if (target === undefined) continue;
        const { file, anchor } = target;
        if (!existsSync(join(ROOT, file))) faults.push(`${link}: there is no ${file}`);
        else if (anchor !== "" && file.endsWith(".md") && !anchorsOf(file).has(anchor))
          faults.push(`${link}: ${file} has no heading for #${anchor}`);
      }
      expect(faults).to.deep.equal([]);
    });
  }

  it("every page in docs/ is named in the index, decisions and runbooks at least by their folder", () => {
    const named = new Set(
      linksOf(INDEX).flatMap((link) => {
        const target = targetOf(INDEX, link);
        return target === undefined ? [] : [target.file.replace(/\/$/, "")];
      }),
    );
    const missing = PAGES.filter((page) => page.startsWith("docs/") && page !== INDEX).filter(
      (page) =>
        !named.has(page) && !(named.has(dirname(page)) && statSync(join(ROOT, dirname(page))).isDirectory()),
    );
    expect(missing).to.deep.equal([]);
  });
});
