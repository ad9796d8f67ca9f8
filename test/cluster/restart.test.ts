/** The whole program against an API server: what it writes there, and a restart while the server is away. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program } from "../support/program.ts";
import { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until } from "../support/waiting.ts";

const ENTRIES = 200;
/** A second on a machine that is idle, of which the built program takes about half. */
const MOST_MS_TO_ANSWERS = 6000;

describe("the program and its cluster", function () {
  this.timeout(240_000);
  let server: ScriptedApiServer;
  let standIn: Program;
  let upstream: number;
  let folder: string;
  let running: Program | undefined;

  before(async () => {
    server = await ScriptedApiServer.start();
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-restart-"));
    writeFileSync(join(folder, "kubeconfig"), server.kubeconfig());
    upstream = await freePort();
    standIn = new Program(["stand-in", `--listen=127.0.0.1:${upstream}`]);
    await standIn.says(new RegExp(`:${upstream}`));
    for (let at = 0; at < ENTRIES; at += 1) server.apply(staticEntry(at));
    server.apply(
      entry("mapped", {
        hosts: ["kmesh-fake.com"],
        resolution: "DNS",
        endpoints: [{ address: "httpbin.default.svc.cluster.local" }],
        ports: [{ number: 80, targetPort: 8000, name: "http", protocol: "HTTP" }],
      }),
    );
  });

  after(async () => {
    await running?.end();
    await standIn.end();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(reporter = false, upstreamPort = upstream, keepsSnapshot = true): Promise<number> {
    const port = await spawn(reporter, upstreamPort, keepsSnapshot);
    await running!.says(/"msg":"ready"/);
    return port;
  }

  async function spawn(reporter: boolean, upstreamPort: number, keepsSnapshot: boolean): Promise<number> {
    const port = await freePort();
    running = new Program(
      [
        "serve",
        `--listen=127.0.0.1:${port}`,
        "--admin=127.0.0.1:0",
        "--api=127.0.0.1:0",
        `--upstreams=127.0.0.1:${upstreamPort}`,
        `--snapshot=${keepsSnapshot ? join(folder, "snapshot") : "off"}`,
        `--reporter=${reporter}`,
      ],
      { env: { KUBECONFIG: join(folder, "kubeconfig") } },
    );
    return port;
  }

  const ask = (port: number, host: string) => addresses(port, host, { type: "A", transport: "udp" });

  it("writes Events while it holds the Lease, gives the Lease back, and writes no condition unasked", async () => {
    await serve(true);
    const mismatch = () => server.all("Event").find((each) => each["reason"] === "PortMismatch");
    await until(() => mismatch() !== undefined);
    expect(mismatch()).to.have.nested.property("involvedObject.name", "mapped");
    const holder = () => (server.all("Lease")[0]?.["spec"] as { holderIdentity?: string })?.holderIdentity;
    expect(holder()).to.match(/_/);
    await running!.end();
    expect(holder() ?? "").to.equal("");
    expect(server.get("ServiceEntry", "default", "mapped")).not.to.have.nested.property("status.conditions");
  });

  it("says in an Event what upstream answers, and since when", async () => {
    // Nothing is known of the names then.
    await serve(true, await freePort(), false);
    const failed = () => server.all("Event").find((each) => each["reason"] === "ResolveFailed");
    await until(() => failed() !== undefined);
    expect(failed()?.["message"]).to.match(
      /^Host kmesh-fake\.com: httpbin\.default\..* \(.+\), since 20\d\d-/,
    );
    await running!.end();
  });

  it("writes nothing where the reporter is off", async () => {
    const before = server.all("Event").length;
    await serve();
    await running!.end();
    expect(server.all("Event")).to.have.length(before);
  });

  it("answers after a restart though the API server is away, and follows it when it is back", async () => {
    const resolved = await ask(await serve(), "kmesh-fake.com");
    expect(resolved).to.have.length.greaterThan(0);
    await running!.end();
    await server.goAway();
    await standIn.end();

    const startedMs = performance.now();
    const port = await spawn(false, upstream, true);
    const first = () => addresses(port, "h7.example.com", { withinMs: 20 }).catch(() => []);
    await until(async () => (await first()).join() === "192.0.2.7", undefined, { everyMs: 5 });
    const tookMs = Math.round(performance.now() - startedMs);
    process.stdout.write(`    own names answered ${tookMs} ms after the start of the sources\n`);
    expect(tookMs).to.be.below(MOST_MS_TO_ANSWERS);
    await running!.says(/"msg":"ready"/);
    // Its name cannot be resolved any more: what was known of it was kept too.
    expect(await ask(port, "kmesh-fake.com")).to.deep.equal(resolved);

    server.remove("ServiceEntry", "default", "e7");
    await server.comeBack();
    await until(async () => (await ask(port, "h7.example.com").catch(() => [])).length === 0);
    expect(await ask(port, "h8.example.com")).to.deep.equal(["192.0.2.8"]);
  });
});

function staticEntry(at: number) {
  return entry(`e${at}`, {
    hosts: [`h${at}.example.com`],
    resolution: "STATIC",
    endpoints: [{ address: `192.0.2.${at}` }],
    ports: [{ number: 80, name: "http", protocol: "HTTP" }],
  });
}

function entry(name: string, spec: Readonly<Record<string, unknown>>) {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace: "default" },
    spec,
  };
}
