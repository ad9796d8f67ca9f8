/** The page of the running program: its own hosts, what it has answered, and why. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Browser } from "puppeteer-core";
import { addresses } from "../../support/ask.ts";
import { freePort, Program } from "../../support/program.ts";
import { PATIENCE_MS } from "../../support/waiting.ts";
import { CHROMIUM, MISSING, startBrowser, watchConsole } from "./browser.ts";

const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ledger, namespace: payments }
spec: { hosts: [ledger.internal.example], resolution: STATIC, endpoints: [{ address: 10.1.2.3 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: typo, namespace: payments }
spec: { hosts: [ledger..example], resolution: STATIC, endpoints: [{ address: 10.1.2.3 }] }
`;

describe("status page of the program", function () {
  this.timeout(300_000);
  let folder: string | undefined;
  let program: Program | undefined;
  let browser: Browser | undefined;

  before(function () {
    if (CHROMIUM !== undefined) return;
    process.stdout.write(`  status page of the program: ${MISSING}\n`);
    this.skip();
  });
  after(async () => {
    await browser?.close();
    await program?.end();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  it("shows a host, a problem, a query that was answered, and explains it", async () => {
    folder = mkdtempSync(join(tmpdir(), "page-"));
    writeFileSync(join(folder, "entries.yaml"), ENTRY);
    const [dns, admin, api, nowhere] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    program = new Program([
      ...["serve", "--source", folder, "--listen", `127.0.0.1:${dns}`, "--upstreams", `127.0.0.1:${nowhere}`],
      ...["--admin", `127.0.0.1:${admin}`, "--api", `127.0.0.1:${api}`],
    ]);
    await program.says(/"msg":"ready"/);

    browser = await startBrowser();
    const page = await browser.newPage();
    const said = watchConsole(page);
    await page.goto(`http://127.0.0.1:${api}/`);
    const shows = (selector: string, expected: string) =>
      page.waitForFunction(
        `document.querySelector(${JSON.stringify(selector)})?.textContent.includes(${JSON.stringify(expected)})`,
        { timeout: PATIENCE_MS },
      );
    await shows("#readiness", "Ready");
    await shows("#hosts-rows", "ledger.internal.example");
    await shows("#problems-list", "HostInvalid");
    await shows("#watches-list", "ServiceEntry");
    await shows("#upstreams-list", `127.0.0.1:${nowhere}`);

    expect(await addresses(dns, "ledger.internal.example")).to.deep.equal(["10.1.2.3"]);
    await shows(".card .legend", "static");
    await page.click("button.host");
    await page.waitForSelector("#host-detail .inner");
    await page.click("#host-detail > button");
    await page.waitForSelector("#explain-result .steps li:nth-child(3)");
    await shows("#explain-result .verdict", "answer ledger.internal.example");
    await shows("#explain-result .inner", "10.1.2.3");
    expect(said).to.deep.equal([]);
    expect(program.error).to.equal("");
  });
});
