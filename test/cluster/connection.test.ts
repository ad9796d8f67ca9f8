import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
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

  /** A kubeconfig with a plugin that counts its runs in the tokens it gives. */
  function withPlugin(expiresInMs?: number): string {
    const runs = write("runs", "");
    const status = {
      token: "token-$(wc -c < \"$1\" | tr -d ' ')",
      ...(expiresInMs !== undefined && {
        expirationTimestamp: new Date(Date.now() + expiresInMs).toISOString(),
      }),
    };
    const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status };
    const script = `sleep 0.05\nprintf x >> "$1"\ncat <<END\n${JSON.stringify(credential).replaceAll("\\", "")}\nEND\n`;
    const exec = { apiVersion: credential.apiVersion, command: "sh", args: [write("plugin", script), runs] };
    const config = JSON.parse(server.kubeconfig());
    config.users[0].user = { exec };
    return write("config", JSON.stringify(config));
  }

  it("asks a credential plugin once for all, and again when its token is refused", async () => {
    server.tokens = new Set(["token-1"]);
    await connect(withPlugin());
    const several = () =>
      Promise.all(["namespaces", "pods", "nodes"].map((each) => statusOf(`/api/v1/${each}`)));
    expect(await several()).to.deep.equal([200, 200, 200]);
    server.tokens = new Set(["token-2"]);
    expect(await several()).to.deep.equal([200, 200, 200]);
    expect(readFileSync(join(folder, "runs"), "utf8")).to.equal("xx");
  });

  it("asks a credential plugin anew once its token has expired", async () => {
    server.tokens = new Set(["token-1", "token-2"]);
    await connect(withPlugin(-1000));
    expect([await statusOf("/api/v1/pods"), await statusOf("/api/v1/pods")]).to.deep.equal([200, 200]);
    const tokens = server.requests.map(({ authorization }) => authorization);
    expect(tokens).to.deep.equal(["Bearer token-1", "Bearer token-2"]);
  });

  it("says what a credential plugin says that fails", async () => {
    const config = withPlugin();
    write("plugin", "echo log in first >&2; exit 1");
    await connect(config);
    const error = await client!.get("/api/v1/namespaces", signal).catch((reason: unknown) => reason);
    expect(error).to.include({ code: "unauthorized" }).and.property("message").to.include("log in first");
  });

  describe("through a proxy", () => {
    let proxy: Server;
    let asked: string[];

    beforeEach(async () => {
      asked = [];
      // A plain server is asked for through a proxy by its whole URL, or through a tunnel.
      proxy = createServer((message, response) => {
        asked.push(new URL(message.url!).host);
        message.pipe(
          request(message.url!, { method: message.method!, headers: message.headers }, (reply) => {
            response.writeHead(reply.statusCode!, reply.headers);
            reply.pipe(response);
          }),
        );
      });
      proxy.on("connect", ({ url = "" }, socket) => {
        asked.push(url);
        const { hostname, port } = new URL(`http://${url}`);
        const onward = connectTcp(Number(port), hostname, () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
        onward.pipe(socket).pipe(onward);
        socket.on("error", () => onward.destroy());
        onward.on("error", () => socket.destroy());
      });
      await once(proxy.listen(0, "127.0.0.1"), "listening");
    });

    afterEach(async () => {
      await client?.close();
      proxy.closeAllConnections();
      proxy.close();
    });

    const proxyUrl = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

    it("that the kubeconfig names", async () => {
      const config = JSON.parse(server.kubeconfig());
      config.clusters[0].cluster["proxy-url"] = proxyUrl();
      await connect(write("config", JSON.stringify(config)));
      expect([await statusOf("/api/v1/pods"), await statusOf("/api/v1/nodes")]).to.deep.equal([200, 200]);
      expect(new Set(asked)).to.deep.equal(new Set([new URL(server.url).host]));
    });

    it("that the environment names, but to the hosts that it excepts", async () => {
      const access = { kind: "kubeconfig", files: [write("config", server.kubeconfig())] } as const;
      client = await connectCluster(access, { HTTP_PROXY: proxyUrl(), NO_PROXY: "example.com" });
      expect(await statusOf("/api/v1/pods")).to.equal(200);
      expect(asked).to.deep.equal([new URL(server.url).host]);
      await client.close();
      client = await connectCluster(access, { HTTP_PROXY: proxyUrl(), NO_PROXY: "127.0.0.1" });
      expect(await statusOf("/api/v1/pods")).to.equal(200);
      expect(asked).to.have.length(1);
    });
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
      [
        "without a context",
        (config) => ({ ...config, "current-context": "no" }),
        "has no current context with a cluster",
      ],
      [
        "with a server that is none",
        (config) => ({ ...config, clusters: [{ name: "test", cluster: { server: "cluster:6443" } }] }),
        "which is no URL of http or https",
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
          .and.to.contain(`kubeconfig ${file} has`)
          .and.to.match(/\. Mend it, name another with KUBECONFIG, or serve manifests with --source PATH\.$/);
      });
    }

    it("that is not there", async () => {
      const error = await connect(join(folder, "nothing")).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(ClusterAccessError);
      expect((error as Error).message).to.match(/nothing cannot be read \(ENOENT[^)]*\)\. Mend it/);
    });

    it("that is no YAML, in one line", async () => {
      const error = await connect(write("config", "contexts: [")).catch((reason: unknown) => reason);
      expect((error as Error).message).to.match(/^kubeconfig \S+ cannot be read \(.*\)\. Mend it.*$/);
    });
  });
});
