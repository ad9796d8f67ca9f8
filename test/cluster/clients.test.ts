/**
 * The whole program and who asks it: addresses of the loopback network stand for pods, which the scripted API
 * server tells of, comes to tell of and ceases to tell of.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { addresses, ask } from "../support/ask.ts";
import { freePort, Program } from "../support/program.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until } from "../support/waiting.ts";

const NXDOMAIN = 3;
const RCODE = 0xf;

const namespaceObject = (name: string): ApiObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name },
});

function pod(namespace: string, name: string, ip: string, annotations: object = {}): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations, labels: { app: name } },
    status: { phase: "Running", startTime: new Date().toISOString(), podIPs: [{ ip }] },
  };
}

function entry(namespace: string, name: string, spec: object, status: object = {}): ApiObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace },
    spec: { hosts: [`${name}.example.org`], resolution: "STATIC", ...spec },
    status,
  };
}

describe("the program and its clients", function () {
  this.timeout(240_000);
  let folder: string;
  let config: string;
  let server: ScriptedApiServer;
  const programs: Program[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    config = join(folder, "settings.yaml");
    server = await ScriptedApiServer.start();
    for (const name of ["team", "other"]) server.apply(namespaceObject(name));
  });

  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.end()));
    await server.close();
    rmSync(folder, { recursive: true });
  });

  async function standIn(zone: string): Promise<number> {
    const port = await freePort();
    const file = join(folder, `zone-${port}`);
    writeFileSync(file, zone);
    const program = new Program(["stand-in", `--listen=127.0.0.1:${port}`, `--zone=${file}`]);
    programs.push(program);
    await program.says(new RegExp(`:${port}`));
    return port;
  }

  async function serve(upstream: number): Promise<{ program: Program; port: number; api: number }> {
    const [port, api] = [await freePort(), await freePort()];
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, server.kubeconfig());
    const own = [`--listen=127.0.0.1:${port}`, "--admin=127.0.0.1:0", `--api=127.0.0.1:${api}`];
    const flags = [...own, `--upstreams=127.0.0.1:${upstream}`, `--config=${config}`];
    const program = new Program(["serve", ...flags], { env: { KUBECONFIG: kubeconfig } });
    programs.push(program);
    await program.says(/"msg":"ready"/);
    return { program, port, api };
  }

  async function problemCodes(api: number): Promise<string[]> {
    const { problems } = (await (await fetch(`http://127.0.0.1:${api}/api/problems`)).json()) as {
      problems: { code: string; object: { kind: string; name: string } }[];
    };
    return problems.map(({ code, object }) => `${code} ${object.kind} ${object.name}`);
  }

  const CLUSTER_ZONE = "kubernetes.default.svc.cluster.local 30 A 10.96.0.1\n";

  it("tells them apart by the pods that it is told of, as they come, change and go", async () => {
    writeFileSync(config, "lameduck: 0\n");
    server.apply(pod("team", "a", "127.0.0.2"));
    server.apply(pod("other", "b", "127.0.0.3"));
    server.apply(pod("other", "mesh", "127.0.0.4", { "ambient.istio.io/redirection": "enabled" }));
    server.apply(entry("team", "private", { exportTo: ["."], endpoints: [{ address: "10.1.1.1" }] }));
    const allocated = { addresses: [{ value: "240.240.0.9", host: "virtual.example.org" }] };
    server.apply(entry("team", "virtual", { endpoints: [{ address: "10.1.1.2" }] }, allocated));
    const { program, port } = await serve(await standIn(CLUSTER_ZONE));

    for (const transport of ["udp", "tcp"] as const) {
      const from = (address: string, host: string) => addresses(port, host, { from: address, transport });
      expect(await from("127.0.0.2", "private.example.org"), transport).to.deep.equal(["10.1.1.1"]);
      expect(await from("127.0.0.3", "private.example.org")).to.deep.equal([]);
      const unknown = await ask(port, "private.example.org", { transport });
      expect(unknown.flags & RCODE, "what upstream says").to.equal(NXDOMAIN);
      expect(await from("127.0.0.4", "virtual.example.org")).to.deep.equal(["240.240.0.9"]);
      expect(await from("127.0.0.3", "virtual.example.org")).to.deep.equal(["10.1.1.2"]);
    }
    expect(program.out + program.error).to.include("an entry is not visible to all namespaces");

    // The address passes on to a pod of another namespace.
    server.remove("Pod", "other", "b");
    server.apply(pod("team", "next", "127.0.0.3"));
    const answersNext = async () =>
      (await addresses(port, "private.example.org", { from: "127.0.0.3" })).join() === "10.1.1.1";
    await until(answersNext, "the next pod of the address");

    // Without a reason pods are forgotten in the end; until then nothing changes.
    server.remove("ServiceEntry", "team", "private");
    server.remove("ServiceEntry", "team", "virtual");
    await program.says(/no answer depends on pods now/);
  });

  it("takes settings that decide who sees what while it runs", async () => {
    writeFileSync(config, "defaultVisibility: public\n");
    server.apply(pod("team", "a", "127.0.0.2"));
    server.apply(entry("team", "public", { endpoints: [{ address: "10.1.1.1" }] }));
    const { port } = await serve(await standIn(CLUSTER_ZONE));
    expect(await addresses(port, "public.example.org", { from: "127.0.0.9" })).to.deep.equal(["10.1.1.1"]);
    expect(server.requests.some(({ path }) => path.endsWith("/pods"))).to.equal(false);
    writeFileSync(config, "defaultVisibility: namespace\n");
    const isHidden = async () =>
      (await addresses(port, "public.example.org", { from: "127.0.0.9" })).length === 0;
    await until(isHidden, "hidden from others");
    const isSeen = async () =>
      (await addresses(port, "public.example.org", { from: "127.0.0.2" })).join() === "10.1.1.1";
    await until(isSeen, "seen at home");
  });

  it("says when the upstream for cluster names knows none, until another is named", async () => {
    writeFileSync(config, "");
    const wrong = await standIn("www.example.net 30 A 192.0.2.1\n");
    const right = await standIn(CLUSTER_ZONE);
    const { program, api } = await serve(wrong);
    await program.says(/"code":"UpstreamWithoutClusterNames"/);
    const expected = `UpstreamWithoutClusterNames Upstream 127.0.0.1:${wrong}`;
    expect(await problemCodes(api)).to.include(expected);
    writeFileSync(config, `clusterUpstreams: ["127.0.0.1:${right}"]\n`);
    await until(async () => !(await problemCodes(api)).includes(expected), "no problem any more");
  });
});
