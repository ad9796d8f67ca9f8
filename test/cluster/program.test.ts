/**
 * The whole program in a cluster: its answers must be those that it gives from a folder with the same objects,
 * while objects change and while the API server is away. Once against the scripted API server, once against a
 * real one.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { loadAll } from "js-yaml";
import { addresses, ask } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { untilEqual } from "../support/waiting.ts";

const EXAMPLES = join(ROOT, "manifests/examples");
const FORMS = ["static", "dns", "pods", "workload-entries"];
const HOSTS = [
  "kmesh-fake.com",
  "httpbin.org",
  "static-service.example.com",
  "multi-backend.example.com",
  "se.example.com",
  "kubernetes.default.svc.cluster.local",
  "no-such-host.example",
];

/** What the test does to either API server. */
interface Cluster {
  /** Contents of a kubeconfig. */
  kubeconfig(): string;
  apply(folder: string): Promise<void>;
  /** Other endpoints for a ServiceEntry of the namespace default. */
  setEndpoint(name: string, address: string): Promise<void>;
  remove(namespace: string, name: string): Promise<void>;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** RCODE and sorted addresses of every host, in both families, over both transports. */
async function everyAnswer(port: number): Promise<string[]> {
  const answers: string[] = [];
  for (const host of HOSTS) {
    for (const type of ["A", "AAAA"] as const) {
      for (const transport of ["udp", "tcp"] as const) {
        const { flags } = await ask(port, host, { type, transport });
        answers.push(
          `${host} ${type} ${flags & 0xf} ${(await addresses(port, host, { type, transport })).join(" ")}`,
        );
      }
    }
  }
  return answers;
}

function suite(title: string, open: () => Promise<Cluster>, whyNot: () => string | undefined): void {
  describe(`the program with ${title}`, function () {
    this.timeout(240_000);
    let cluster: Cluster;
    let folder: string;
    const programs: Program[] = [];

    before(async function () {
      const reason = whyNot();
      if (reason !== undefined) {
        process.stdout.write(`\n  skipped: the program with ${title}: ${reason}\n`);
        this.skip();
      }
      folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
      cluster = await open();
    });

    afterEach(() => Promise.all(programs.splice(0).map((program) => program.end())));

    after(async () => {
      await cluster?.close();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    });

    async function serve(upstream: number, flags: readonly string[], env: NodeJS.ProcessEnv = {}) {
      const port = await freePort();
      const own = [`--listen=127.0.0.1:${port}`, "--admin=127.0.0.1:0", "--api=127.0.0.1:0"];
      const program = new Program(["serve", ...own, `--upstreams=127.0.0.1:${upstream}`, ...flags], { env });
      programs.push(program);
      await program.says(/"msg":"ready"/);
      return { program, port };
    }

    it("answers as from a folder, and follows the cluster", async () => {
      const upstream = await freePort();
      const standIn = new Program(["stand-in", `--listen=127.0.0.1:${upstream}`]);
      programs.push(standIn);
      await standIn.says(new RegExp(`:${upstream}`));
      const kubeconfig = join(folder, "kubeconfig");
      writeFileSync(kubeconfig, cluster.kubeconfig());

      await cluster.apply(join(EXAMPLES, "kmesh"));
      const { port } = await serve(upstream, [], { KUBECONFIG: kubeconfig });
      for (const form of FORMS) {
        await cluster.apply(join(EXAMPLES, "kgateway", form));
        const manifests = mkdtempSync(join(folder, "manifests-"));
        for (const from of ["kmesh", `kgateway/${form}`]) {
          for (const file of readdirSync(join(EXAMPLES, from))) {
            writeFileSync(join(manifests, file), readFileSync(join(EXAMPLES, from, file)));
          }
        }
        const fromFolder = await serve(upstream, [`--source=${manifests}`]);
        const expected = await everyAnswer(fromFolder.port);
        expect(expected.filter((answer) => answer.startsWith("se.example.com A 0 "))).to.have.length(2);
        await untilEqual(() => everyAnswer(port), expected);
        await fromFolder.program.end();
      }

      await cluster.setEndpoint("external-static-svc", "10.9.8.7");
      await untilEqual(() => addresses(port, "static-service.example.com"), ["10.9.8.7"]);

      await cluster.goAway();
      expect(await addresses(port, "static-service.example.com")).to.deep.equal(["10.9.8.7"]);
      expect(await addresses(port, "kmesh-fake.com")).to.have.length(1);
      await cluster.comeBack();
      await cluster.remove("default", "external-static-svc");
      // Ours no more: the stand-in knows no such name.
      await untilEqual(async () => (await ask(port, "static-service.example.com")).flags & 0xf, 3);
      expect(await addresses(port, "multi-backend.example.com")).to.have.length(3);
    });
  });
}

suite("the scripted API server", openScripted, () => undefined);
suite("a real API server", openReal, whyNoApiServer);

async function openScripted(): Promise<Cluster> {
  const server = await ScriptedApiServer.start();
  const byName = new Map<string, ApiObject>();
  const apply = (object: ApiObject) => {
    byName.set(object.metadata.name, object);
    server.apply(object);
  };
  for (const name of ["default", "gwtest"])
    apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return {
    kubeconfig: () => server.kubeconfig(),
    async apply(folder) {
      for (const file of readdirSync(folder)) {
        for (const object of loadAll(readFileSync(join(folder, file), "utf8"))) apply(object as ApiObject);
      }
    },
    async setEndpoint(name, address) {
      const object = byName.get(name)!;
      apply({ ...object, spec: { ...(object["spec"] as object), endpoints: [{ address }] } });
    },
    remove: async (namespace, name) => server.remove("ServiceEntry", namespace, name),
    goAway: () => server.goAway(),
    comeBack: () => server.comeBack(),
    close: () => server.close(),
  };
}

async function openReal(): Promise<Cluster> {
  const server = await RealApiServer.start();
  await server.kubectl("apply", "-f", join(ROOT, "test/fixtures/crds"));
  await server.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=60s");
  await server.kubectl("create", "namespace", "gwtest");
  return {
    kubeconfig: () => readFileSync(server.kubeconfig("admin"), "utf8"),
    async apply(folder) {
      await server.kubectl("apply", "-f", folder);
      for (const file of readdirSync(folder).filter((each) => each.startsWith("reviews-"))) {
        await server.kubectl("replace", "--subresource=status", "-f", join(folder, file));
      }
    },
    async setEndpoint(name, address) {
      const spec = JSON.stringify({ spec: { endpoints: [{ address }] } });
      await server.kubectl("patch", "serviceentry", name, "--type=merge", "-p", spec);
    },
    async remove(namespace, name) {
      await server.kubectl("delete", "serviceentry", name, "-n", namespace);
    },
    goAway: () => server.stopApiServer(),
    comeBack: () => server.startApiServer(),
    close: () => server.close(),
  };
}
