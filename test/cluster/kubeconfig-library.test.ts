import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";

const LIBRARY = new URL("../../src/cluster/kubeconfig-library.ts", import.meta.url).href;
const KUBECONFIG = JSON.stringify({
  "current-context": "here",
  contexts: [{ name: "here", context: { cluster: "here", user: "me" } }],
  clusters: [{ name: "here", cluster: { server: "https://192.0.2.1" } }],
  users: [{ name: "me", user: { token: "secret" } }],
});

/** What is loaded for it, and the header that comes of a kubeconfig. */
const SCRIPT = `
import { registerHooks } from "node:module";
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
const { importKubeConfig } = await import(${JSON.stringify(LIBRARY)});
const { KubeConfig } = await importKubeConfig();
const config = new KubeConfig();
config.loadFromString(${JSON.stringify(KUBECONFIG)});
const options = {};
await config.applyToHTTPSOptions(options);
// What stood in the place of other modules stands there for the library alone.
const { Agent } = await import("undici");
process.stdout.write(JSON.stringify({ loaded, headers: options.headers, agent: typeof Agent.prototype.dispatch }));
`;

describe("the kubeconfig library", () => {
  it("is loaded without the clients that nothing here calls, and nobody else goes without them", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", SCRIPT], {
      cwd: new URL("../..", import.meta.url).pathname,
    });
    const { loaded, headers, agent } = JSON.parse(stdout) as {
      loaded: readonly string[];
      headers: Readonly<Record<string, string>>;
      agent: string;
    };
    expect(headers["Authorization"]).to.equal("Bearer secret");
    expect(loaded.some((url) => url.endsWith("/@kubernetes/client-node/dist/config.js"))).to.equal(true);
    expect(loaded.filter((url) => url.includes("/client-node/dist/gen/"))).to.deep.equal([]);
    expect(agent).to.equal("function");
  });
});
