/** The page's files as they are served: all of them, nothing else, with the headers that keep others out. */

import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { PAGE_MODULES, pageRoutes } from "../../../src/telemetry/page/page-routes.ts";
import { ROOT } from "../../support/program.ts";
import { Stage } from "./stage.ts";

const BROWSER = join(ROOT, "src/telemetry/page/browser");
const routes = pageRoutes();
const bodyOf = async (path: string) => String((await routes[path]!(new URLSearchParams())).body);

describe("status page: files", () => {
  it("are all served", () => {
    const modules = readdirSync(BROWSER).filter((file) => file.endsWith(".ts"));
    expect(modules.map((file) => file.slice(0, -3)).sort()).to.deep.equal([...PAGE_MODULES].sort());
  });

  it("refer to each other only, and to what the API serves", async () => {
    const html = await bodyOf("/");
    const links = [...html.matchAll(/(?:href|src)="([^"#][^"]*)"/g)].map(
      (match) => `/${match[1]}`.split("?")[0]!,
    );
    expect(links.length).to.be.greaterThan(5);
    for (const link of links) {
      expect(["/api/status", "/api/hosts", "/api/problems", ...Object.keys(routes)]).to.include(link);
    }
    expect(html).not.to.match(/<style|\sstyle=|\son[a-z]+=|<script(?! src=)/);
    for (const path of ["/page/page.css", "/page/parts.css", "/page/uplot.css"]) {
      expect(await bodyOf(path), path).not.to.match(/url\(|@import/);
    }
  });

  it("are JavaScript, and import what is served", async () => {
    for (const name of PAGE_MODULES) {
      const text = await bodyOf(`/page/${name}.js`);
      const imports = [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"/gm)].map(
        (match) => match[1]!,
      );
      for (const specifier of imports)
        expect(Object.keys(routes)).to.include(specifier.replace("./", "/page/"));
      expect(text, name).not.to.match(/import type|\binterface \w+ \{/);
    }
  });

  describe("over HTTP", () => {
    const stage = new Stage();
    before(() => stage.start());
    after(() => stage.stop());

    const ask = (path: string, headers: Record<string, string> = {}) =>
      new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
        const sent = request(new URL(path, stage.url), { headers, agent: false }, async (response) => {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk);
          const body = Buffer.concat(chunks);
          resolve({ status: response.statusCode!, headers: response.headers, body });
        });
        sent.on("error", reject).end();
      });

    it("the page lets nothing in from elsewhere, and nobody frame it", async () => {
      const { status, headers } = await ask("/?search=a");
      expect(status).to.equal(200);
      expect(headers["content-type"]).to.equal("text/html; charset=utf-8");
      const policy = String(headers["content-security-policy"]).split("; ");
      expect(policy).to.include.members([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ]);
      expect(policy.join()).not.to.match(/unsafe|https?:|\*|data:/);
      expect(headers).to.include({
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
      });
    });

    it("are kept by the browser until they are others", async () => {
      const first = await ask("/page/uplot.js");
      expect(first.headers["cache-control"]).to.equal("no-cache");
      const tag = String(first.headers["etag"]);
      const again = await ask("/page/uplot.js", { "If-None-Match": `"other", ${tag}` });
      expect([again.status, again.body.length, again.headers["etag"]]).to.deep.equal([304, 0, tag]);
      expect((await ask("/page/uplot.js", { "If-None-Match": '"other"' })).status).to.equal(200);
      const compressed = await ask("/page/uplot.js", { "Accept-Encoding": "br, gzip" });
      expect(compressed.headers["content-encoding"]).to.equal("gzip");
      expect(gunzipSync(compressed.body).equals(first.body)).to.equal(true);
    });

    it("are no way to other files", async () => {
      for (const path of [
        "/page/",
        "/page/../page.css",
        "/page/%2e%2e/page-routes.ts",
        "/page/main.ts",
        "/page",
      ]) {
        expect((await ask(path)).status, path).to.equal(404);
      }
    });
  });
});
