/** What can be done at the API endpoint, over real loopback HTTP. */

import { once } from "node:events";
import { request } from "node:http";
import { expect } from "chai";
import type { Logger } from "../../src/runtime.ts";
import { type ApiActions, actionRoutes } from "../../src/telemetry/api-actions.ts";
import { HttpEndpoint, jsonReply } from "../../src/telemetry/http-endpoint.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

const quiet = () => {};
const log: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };

describe("telemetry: actions", () => {
  let endpoint: HttpEndpoint;
  let done: string[];

  const actions: ApiActions = {
    refresh: (host) => {
      done.push(`refresh ${host}`);
      return host === "a.example" ? ["b.example"] : undefined;
    },
    flushCache: (name) => {
      done.push(`flush ${name}`);
      return name !== "bad name";
    },
    setLogLevel: (level) => {
      done.push(`level ${level}`);
      return level === "debug" ? "info" : undefined;
    },
  };

  beforeEach(async () => {
    done = [];
    endpoint = new HttpEndpoint({
      setting: "api",
      address: { address: parseIpAddress("127.0.0.1")!, port: 0 },
      log,
      routes: { "/shown": () => jsonReply({}) },
      actions: actionRoutes(actions),
    });
    await endpoint.start();
  });

  afterEach(() => endpoint.close());

  async function ask(path: string, method = "POST", body = "") {
    const sent = request({ host: "127.0.0.1", port: endpoint.port, path, method, agent: false });
    sent.end(body);
    const [response] = await once(sent, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return {
      status: response.statusCode,
      allow: response.headers.allow,
      value: text === "" ? null : JSON.parse(text),
    };
  }

  it("are done by POST with their parameter", async () => {
    expect(await ask("/api/refresh?host=a.example")).to.deep.include({
      status: 200,
      value: { host: "a.example", names: ["b.example"] },
    });
    expect((await ask("/api/cache/flush?name=*.a.example")).value).to.deep.equal({ name: "*.a.example" });
    expect((await ask("/api/log-level?level=debug", "POST", "a body that nobody reads")).value).to.deep.equal(
      {
        level: "debug",
        before: "info",
      },
    );
    expect(done).to.deep.equal(["refresh a.example", "flush *.a.example", "level debug"]);
  });

  it("are refused where the server knows nothing of it", async () => {
    expect((await ask("/api/refresh?host=c.example")).status).to.equal(404);
    expect((await ask("/api/cache/flush?name=bad%20name")).status).to.equal(400);
    expect((await ask("/api/log-level?level=loud")).status).to.equal(400);
  });

  it("are not done by reading, nor without their parameter or with two", async () => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const reply = await ask("/api/refresh?host=a.example", method);
      expect([reply.status, reply.allow]).to.deep.equal([405, "POST"]);
    }
    for (const query of ["", "?host=", "?host=a.example&host=b.example", `?host=${"a".repeat(300)}`])
      expect((await ask(`/api/refresh${query}`)).status, query).to.equal(400);
    expect(done).to.deep.equal([]);
    const shown = await ask("/shown", "POST");
    expect([shown.status, shown.allow]).to.deep.equal([405, "GET, HEAD"]);
    expect((await ask("/nowhere", "GET")).value.error).to.include("/api/refresh");
    expect((await ask("/constructor")).status).to.equal(405);
  });
});
