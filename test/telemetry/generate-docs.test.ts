/** The script that writes the generated pages, and finds stale ones. */

import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const SCRIPT = fileURLToPath(new URL("../../scripts/generate-docs.ts", import.meta.url));

function run(...words: string[]) {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, ...words], { encoding: "utf8" });
  return { status, stderr };
}

describe("generated docs", () => {
  it("are current", () => {
    expect(run("--check")).to.deep.equal({ status: 0, stderr: "" });
  });

  it("are written, are current then, and are named when they are stale", () => {
    const folder = mkdtempSync(join(tmpdir(), "docs-"));
    const settings = join(folder, "settings.md");
    const metrics = join(folder, "metrics.md");
    const rfc = join(folder, "rfc.md");
    const stale = (path: string) => `${path} is stale; run: node scripts/generate-docs.ts\n`;
    expect(run("--check", "--docs", folder)).to.deep.equal({
      status: 1,
      stderr: stale(settings) + stale(metrics) + stale(rfc),
    });
    expect(run("--docs", folder).status).to.equal(0);
    expect(readFileSync(metrics, "utf8")).to.match(
      /^# Metrics\n[\s\S]*\| `serviceentry_dns_build_info` \| gauge /,
    );
    expect(readFileSync(rfc, "utf8")).to.match(/^## RFC 1035: [\s\S]*\| 4\.2\.1 \| .* \| yes \|$/m);
    expect(run("--check", "--docs", folder).status).to.equal(0);
    appendFileSync(metrics, "edited\n");
    expect(run("--check", "--docs", folder)).to.deep.equal({ status: 1, stderr: stale(metrics) });
    rmSync(folder, { recursive: true });
  });
});
