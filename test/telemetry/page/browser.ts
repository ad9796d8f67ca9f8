/** A real browser for tests of the page, where there is one. */

import { existsSync } from "node:fs";
import { type Browser, launch, type Page } from "puppeteer-core";

/** Undefined: there is none, and `MISSING` says so. */
export const CHROMIUM = [process.env["CHROMIUM_PATH"], "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (path) => path !== undefined && existsSync(path),
);

export const MISSING =
  "skipped: there is no Chromium at /usr/bin/chromium; name one in the environment variable CHROMIUM_PATH";

/** For it to start on a busy machine. */
const START_MS = 100_000;

export function startBrowser(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error(MISSING);
  // Containers have no user namespaces for its sandbox and a small /dev/shm; the only pages are our own.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  return launch({
    executablePath: CHROMIUM,
    headless: true,
    args,
    timeout: START_MS,
    env: { ...process.env, TZ: "UTC" },
  });
}

/** What the browser's console says: errors, warnings, violations of the security policy. */
export function watchConsole(page: Page): string[] {
  const said: string[] = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(String(error)));
  return said;
}
