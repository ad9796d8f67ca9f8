import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import type { ApiClient } from "../../src/cluster/api-client.ts";
import { ClusterAccessError, connectCluster, findClusterAccess } from "../../src/cluster/connection.ts";
import { ScriptedApiServer } from "../support/scripted-api-server.ts";

const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";

describe("connection", () => {
  let folder: string;
  let server: ScriptedApiServer;
  let client: ApiClient | undefined;
  const { signal } = new AbortController();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "connection-"));
    server = await ScriptedApiServer.start();
    client = undefined;
  });

  afterEach(async () => {
    await client?.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  function write(name: string, text: string): string {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  async function connect(...files: readonly string[]): Promise<ApiClient> {
    client = await connectCluster({ kind: "kubeconfig", files });
    return client;
  }

  async function statusOf(path: string): Promise<number> {
    const response = await client!.get(path, signal);
    for await (const _ of response.body);
    return response.status;
  }

  /** A kubeconfig whose token lies in a file of its own. */
  function withTokenFile(tokenFile: string): string {
    const config = JSON.parse(server.kubeconfig());
    config.users[0].user = { "auth-provider": { name: "tokenFile", config: { tokenFile } } };
    return write("config", JSON.stringify(config));
  }

  describe("findClusterAccess", () => {
    it("takes KUBECONFIG before the pod, and the pod before ~/.kube/config", () => {
      const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
      expect(findClusterAccess(inPod, folder, folder)).to.equal(undefined);
      write(".kube/config", "");
      const home = { kind: "kubeconfig", files: [join(folder, ".kube/config")] };
      expect(findClusterAccess(inPod, folder, folder)).to.deep.equal(home);
      write(TOKEN_FILE, "secret");
      expect(findClusterAccess({}, folder, folder)).to.deep.equal(home);
      expect(findClusterAccess(inPod, folder, folder)).to.deep.equal({
        kind: "service-account",
        root: folder,
      });
      expect(findClusterAccess({ ...inPod, KUBECONFIG: "/a:/b" }, folder, folder)).to.deep.equal({
        kind: "kubeconfig",
        files: ["/a", "/b"],
      });
    });
  });

  it("sends the token of the kubeconfig", async () => {
    server.tokens = new Set(["secret"]);
    await connect(write("config", server.kubeconfig("secret")));
    expect(await statusOf("/api/v1/namespaces")).to.equal(200);
    expect(server.requests.at(-1)?.authorization).to.equal("Bearer secret");
  });

  it("takes the context of the first file, and what it names from any", async () => {
    const config = JSON.parse(server.kubeconfig("secret"));
    const first = write("first", JSON.stringify({ ...config, clusters: [], users: [] }));
    const others = { clusters: config.clusters, users: config.users, contexts: [], "current-context": "no" };
    await connect(first, write("second", JSON.stringify(others)));
    expect(await statusOf("/api/v1/namespaces")).to.equal(200);
    expect(server.requests.at(-1)?.authorization).to.equal("Bearer secret");
  });

  it("reads the token again when it is refused, once for all who ask", async () => {
    server.tokens = new Set(["first"]);
    const tokenFile = write("token", "first\n");
    await connect(withTokenFile(tokenFile));
    expect(await statusOf("/api/v1/namespaces")).to.equal(200);
    server.tokens = new Set(["second"]);
    write("token", "second\n");
    const statuses = await Promise.all(
      ["namespaces", "pods", "nodes"].map((each) => statusOf(`/api/v1/${each}`)),
    );
    expect(statuses).to.deep.equal([200, 200, 200]);
    const tokens = server.requests.slice(1).map(({ authorization }) => authorization);
    expect(tokens.filter((token) => token === "Bearer first")).to.have.length(3);
    expect(tokens.filter((token) => token === "Bearer second")).to.have.length(3);
    await statusOf("/api/v1/namespaces");
    expect(server.requests.at(-1)?.authorization).to.equal("Bearer second");
  });

  it("gives the 401 where the token is still the old one", async () => {
    server.tokens = new Set(["other"]);
    await connect(withTokenFile(write("token", "first")));
    expect(await statusOf("/api/v1/namespaces")).to.equal(401);
    expect(server.requests).to.have.length(2);
    rmSync(join(folder, "token"));
    const error = await client!.get("/api/v1/namespaces", signal).catch((reason: unknown) => reason);
    expect(error).to.include({ code: "unauthorized" });
  });

  it("rejects when it is aborted, before and after the headers", async () => {
    await connect(write("config", server.kubeconfig()));
    server.script("/api/v1/pods", () => {});
    const early = new AbortController();
    const pending = client!.get("/api/v1/pods", early.signal).catch((reason: unknown) => reason);
    await server.nextRequest("/api/v1/pods");
    early.abort();
    expect(await pending).to.be.instanceOf(Error);
    const late = new AbortController();
    const { body } = await client!.get("/api/v1/pods?watch=true&resourceVersion=9999", late.signal);
    late.abort();
    let error: unknown;
    try {
      for await (const _ of body);
    } catch (reason) {
      error = reason;
    }
    expect(error).to.be.instanceOf(Error);
  });

  describe("says what is wrong with the kubeconfig", () => {
    const cases: [string, (config: ReturnType<typeof JSON.parse>) => unknown, string][] = [
      ["without a context", (config) => ({ ...config, "current-context": "no" }), "names no cluster"],
      [
        "with a server that is none",
        (config) => ({ ...config, clusters: [{ name: "test", cluster: { server: "cluster:6443" } }] }),
        "is no server's URL",
      ],
      [
        "with a server without TLS that it does not allow",
        (config) => ({
          ...config,
          clusters: [{ name: "test", cluster: { server: "http://127.0.0.1:8080" } }],
        }),
        "insecure-skip-tls-verify",
      ],
    ];
    for (const [title, change, message] of cases) {
      it(title, async () => {
        const file = write("config", JSON.stringify(change(JSON.parse(server.kubeconfig()))));
        const error = await connect(file).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(ClusterAccessError);
        expect((error as Error).message)
          .to.contain(message)
          .and.to.contain(file);
      });
    }

    it("that is not there", async () => {
      const error = await connect(join(folder, "nothing")).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ClusterAccessError);
    });
  });
});
