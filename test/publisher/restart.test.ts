/** The whole program that starts again while the API server is away: published hosts keep their address. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program } from "../support/program.ts";
import type { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until } from "../support/waiting.ts";
import { kmeshEntry, published, publishingCluster } from "./replica.ts";

describe("a published host over a restart", function () {
  this.timeout(60_000);
  let server: ScriptedApiServer;
  let folder: string;
  let running: Program | undefined;

  beforeEach(async () => {
    server = await publishingCluster();
    folder = mkdtempSync(join(tmpdir(), "published-"));
  });

  afterEach(async () => {
    await running?.end();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(): Promise<number> {
    const port = await freePort();
    writeFileSync(join(folder, "kubeconfig"), server.kubeconfig());
    running = new Program(
      [
        "serve",
        `--listen=127.0.0.1:${port}`,
        "--admin=127.0.0.1:0",
        "--api=127.0.0.1:0",
        // Nobody answers there: what is asked must be known.
        "--upstreams=127.0.0.1:9",
        `--snapshot=${join(folder, "snapshot")}`,
        "--reporter=false",
      ],
      { env: { KUBECONFIG: join(folder, "kubeconfig") } },
    );
    await running.says(/"msg":"ready"/);
    return port;
  }

  const ask = (port: number, host: string, type: "A" | "AAAA" = "A") =>
    addresses(port, host, { type, transport: "udp" });

  it("is answered with its ClusterIP while the API server is away, from the first query on", async () => {
    server.apply(kmeshEntry());
    server.apply(kmeshEntry({ hosts: ["plain.example.com"] }, { name: "plain", annotations: {} }));
    const first = await serve();
    await until(() => published(server, "EndpointSlice").length === 1, "a slice");
    let answer: readonly string[] = [];
    // 2 s after the slice; before that each query is refused at once.
    for (let tries = 0; tries < 200 && answer.length === 0; tries += 1) {
      answer = await ask(first, "kmesh-fake.com");
      await new Promise((next) => setTimeout(next, 50));
    }
    expect(answer).to.deep.equal(["10.96.0.1"]);
    await running!.end();
    await server.goAway();

    const second = await serve();
    // Neither the real address, whose port is another, nor a moment without any.
    for (let query = 0; query < 5; query += 1)
      expect(await ask(second, "kmesh-fake.com")).to.deep.equal(["10.96.0.1"]);
    expect(await ask(second, "kmesh-fake.com", "AAAA"), "no slice of that family").to.deep.equal([]);
    expect(await ask(second, "plain.example.com")).to.deep.equal(["10.1.0.1"]);
  });
});
