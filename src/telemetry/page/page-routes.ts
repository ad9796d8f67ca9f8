/**
 * The status page's files as routes: its own from `browser/`, the plots' from their package. Nothing comes from
 * anywhere else, and the page's security policy says so.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import type { HttpReply, HttpRoutes } from "../http-endpoint.ts";

/** Each file is read when it is first asked for, and kept. */
export function pageRoutes(): HttpRoutes {
  const routes: Record<string, () => HttpReply> = {};
  for (const [path, { contentType, read, headers = {} }] of Object.entries(FILES)) {
    let reply: HttpReply | undefined;
    routes[path] = () => {
      reply ??= fileReply(read(), contentType, headers);
      return reply;
    };
  }
  return routes;
}

/** Of `browser/`; their endings are those of the sources, or of what the build made of them. */
export const PAGE_MODULES = [
  "dom",
  "explain",
  "feed",
  "format",
  "history",
  "host-detail",
  "host-row",
  "host-state",
  "hosts",
  "hosts-choice",
  "main",
  "plots",
  "problems",
  "server",
  "sources",
  "time",
  "traffic",
] as const;

interface PageFile {
  readonly contentType: string;
  readonly read: () => string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Scripts, styles and data from this origin alone, none of them inline; nobody may frame the page, and no script
 * may turn text into HTML.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const DOCUMENT_HEADERS = {
  "Content-Security-Policy": POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY",
};

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

const FILES: Readonly<Record<string, PageFile>> = {
  "/": {
    contentType: "text/html; charset=utf-8",
    read: () => ownFile("index.html"),
    headers: DOCUMENT_HEADERS,
  },
  "/page/page.css": { contentType: STYLE, read: () => ownFile("page.css") },
  "/page/parts.css": { contentType: STYLE, read: () => ownFile("parts.css") },
  "/page/icon.svg": { contentType: "image/svg+xml", read: () => ownFile("icon.svg") },
  "/page/uplot.js": { contentType: SCRIPT, read: () => packageFile("uplot/dist/uPlot.iife.min.js") },
  "/page/uplot.css": { contentType: STYLE, read: () => packageFile("uplot/dist/uPlot.min.css") },
  ...Object.fromEntries(
    PAGE_MODULES.map((name) => [`/page/${name}.js`, { contentType: SCRIPT, read: () => moduleText(name) }]),
  ),
};

/** The ending of this file: the program runs from its sources, or from what the build made of them. */
const IS_BUILT = import.meta.url.endsWith(".js");

function ownFile(name: string): string {
  return readFileSync(fileURLToPath(new URL(`browser/${name}`, import.meta.url)), "utf8");
}

function packageFile(path: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(path), "utf8");
}

function moduleText(name: string): string {
  return IS_BUILT ? ownFile(`${name}.js`) : javaScriptOf(ownFile(`${name}.ts`));
}

/** What the build does to a module: without types, and importing the others as they are served. */
function javaScriptOf(source: string): string {
  const { emitWarning } = process;
  // Node 24 says on standard error that this function is new, to whoever opens the page of `npm start`.
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source).replaceAll(/(\bfrom\s+"\.\/[^"]+)\.ts"/g, '$1.js"');
  } finally {
    process.emitWarning = emitWarning;
  }
}

function fileReply(body: string, contentType: string, headers: PageFile["headers"]): HttpReply {
  const tag = createHash("sha256").update(body).digest("base64url").slice(0, 16);
  // The client keeps the file and asks each time whether it is still this one. Weak: it may come compressed.
  const caching = { "Cache-Control": "no-cache", ETag: `W/"${tag}"` };
  return { status: 200, contentType, body, headers: { ...headers, ...caching } };
}
