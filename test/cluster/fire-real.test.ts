/**
 * A real API server under fire: restarted while objects change, and with kinds that come, go and change their
 * versions while we run.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { ApiClient } from "../../src/cluster/api-client.ts";
import { connectCluster } from "../../src/cluster/connection.ts";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import { type Clock, silentLogger, systemClock, systemRandom } from "../../src/runtime.ts";
import { ClusterSource } from "../../src/watcher/cluster-source.ts";
import { NEED_SETTINGS } from "../support/need-settings.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import type { ApiObject } from "../support/scripted-api-server.ts";
import { untilEqual } from "../support/waiting.ts";
import { fixedEntry, hostsOf, SteadyAsker, shows, steadyEntry } from "./fire.ts";

const CRDS = join(ROOT, "test/fixtures/crds");
const RESTARTS = 3;
/** Half a minute of doubt or of patience takes three seconds. */
const HURRY = 10;

describe("a real API server under fire", function () {
  this.timeout(300_000);
  let server: RealApiServer;

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start();
  });

  after(() => server?.close());

  async function install(): Promise<void> {
    await server.kubectl("apply", "-f", CRDS);
    await server.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=60s");
  }

  async function apply(...objects: readonly ApiObject[]): Promise<void> {
    const file = join(server.folder, "objects.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects.map(withoutTimes) }));
    await server.kubectl("apply", "--server-side", "--force-conflicts", "-f", file);
  }

  describe("with a reflector in a hurry", () => {
    let client: ApiClient;
    let source: ClusterSource;
    const store = new MeshStore();
    const problems = new ProblemBook(Date.now);

    before(async () => {
      client = await connectCluster({ kind: "kubeconfig", files: [server.kubeconfig("admin")] });
      const common = {
        client,
        store,
        problems,
        clock: hurried(),
        random: systemRandom,
        logger: silentLogger,
      };
      source = new ClusterSource({ ...common, settings: NEED_SETTINGS, onSynced: () => {} });
      await source.start();
    });

    after(async () => {
      await source?.close();
      await client?.close();
    });

    const names = () =>
      Array.from(store.all("ServiceEntry").values(), ({ ref }) => ref.name)
        .sort()
        .join(" ");
    const codes = () => Array.from(problems.all(), ({ problem }) => problem.code).join(" ");

    const comes = (read: () => string, expected: string) =>
      untilEqual(read, expected, undefined, { withinMs: 60_000 });

    it("finds kinds that appear", async () => {
      expect(codes()).to.equal("ResourceMissing ResourceMissing");
      await install();
      await apply(fixedEntry("a", "10.0.0.1"), fixedEntry("b", "10.0.0.2"));
      await comes(names, "a b");
      await comes(codes, "");
    });

    it("follows them to the one version that is left, and back", async () => {
      const serve = (served: boolean) =>
        server.kubectl(
          "patch",
          "crd",
          "serviceentries.networking.istio.io",
          "--type=json",
          `-p=${JSON.stringify([0, 1].map((index) => ({ op: "replace", path: `/spec/versions/${index}/served`, value: served })))}`,
        );
      const versions = await server.kubectl(
        "get",
        "crd",
        "serviceentries.networking.istio.io",
        "-o=jsonpath={.spec.versions[*].name}",
      );
      expect(versions).to.equal("v1 v1beta1 v1alpha3");
      await serve(false);
      await server.kubectl("delete", "serviceentries.v1alpha3.networking.istio.io", "a");
      await comes(names, "b");
      await serve(true);
      await apply(fixedEntry("c", "10.0.0.3"));
      await comes(names, "b c");
    });

    it("lets go what a kind that vanishes had, and takes it again", async () => {
      await server.kubectl("delete", "-f", CRDS);
      await comes(names, "");
      await comes(codes, "ResourceMissing ResourceMissing");
      await install();
      await apply(fixedEntry("d", "10.0.0.4"));
      await comes(names, "d");
      await comes(codes, "");
    });
  });

  describe("with the whole program", () => {
    it("is followed through restarts in the middle of changes, and answers never stop", async () => {
      await install();
      await server.kubectl("delete", "serviceentries", "--all");
      await apply(steadyEntry());
      const [port, apiPort] = [await freePort(), await freePort()];
      const program = new Program(
        [
          "serve",
          "--source=kubernetes",
          `--listen=127.0.0.1:${port}`,
          `--api=127.0.0.1:${apiPort}`,
          "--admin=127.0.0.1:0",
          "--upstreams=127.0.0.1:9",
        ],
        { env: { KUBECONFIG: server.kubeconfig("admin") } },
      );
      const asker = new SteadyAsker(port);
      try {
        await program.says(/"msg":"ready"/);
        await asker.start();
        let present: ApiObject[] = [steadyEntry()];
        for (let restart = 0; restart < RESTARTS; restart += 1) {
          const objects = Array.from({ length: 10 }, (_, index) =>
            fixedEntry(`object-${index}`, `10.${restart}.0.${index}`),
          );
          await apply(...objects);
          await server.stopApiServer();
          await server.startApiServer();
          await server.kubectl("delete", "serviceentry", "object-0", "object-1");
          present = [steadyEntry(), ...objects.slice(2)];
          await shows(apiPort, hostsOf(present), `restart ${restart}`);
        }
        await asker.hasAnswered(100);
        expect(asker.wrong).to.deep.equal([]);
      } finally {
        asker.close();
        await program.end();
      }
    });
  });
});

/** The server writes them itself. */
function withoutTimes(object: ApiObject): ApiObject {
  const { managedFields: _, ...metadata } = object.metadata as ApiObject["metadata"] & {
    managedFields?: unknown;
  };
  return { ...object, metadata };
}

function hurried(): Clock {
  return {
    nowMs: () => systemClock.nowMs() * HURRY,
    wallMs: () => systemClock.wallMs(),
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / HURRY, callback),
  };
}
