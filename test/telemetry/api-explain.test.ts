/** `/api/explain` over real loopback HTTP: which question comes out of the parameters, and what comes back. */

import { expect } from "chai";
import { silentLogger } from "../../src/runtime.ts";
import { createApiServer } from "../../src/telemetry/admin-server.ts";
import type { Explainer, ExplainParameters } from "../../src/telemetry/api-explain.ts";
import type { HttpEndpoint } from "../../src/telemetry/http-endpoint.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

describe("/api/explain", () => {
  const asked: ExplainParameters[] = [];
  const endpoints: HttpEndpoint[] = [];

  const start = async (explain?: Explainer) => {
    const endpoint = createApiServer({
      address: { address: parseIpAddress("127.0.0.1")!, port: 0 },
      log: silentLogger,
      hosts: () => ({ version: 0, hosts: [] }),
      problems: () => [],
      status: () => Promise.reject(new Error("not asked")),
      ...(explain && { explain }),
    });
    endpoints.push(endpoint);
    await endpoint.start();
    return async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`);
      const body: { readonly error?: string } = JSON.parse(await response.text());
      return { status: response.status, body };
    };
  };

  beforeEach(() => {
    asked.length = 0;
  });
  afterEach(async () => {
    for (const endpoint of endpoints.splice(0)) await endpoint.close();
  });

  it("hands the question on and the explanation back", async () => {
    const get = await start((question) => {
      asked.push(question);
      return { name: question.name, steps: [] };
    });
    const reply = await get("/api/explain?name=api.example&type=AAAA&namespace=team-a&pod=&do=1");
    expect(reply).to.deep.equal({ status: 200, body: { name: "api.example", steps: [] } });
    await get("/api/explain?name=%20b.example%20&pod=a%2Fweb");
    await get("/api/explain?name=c.example&address=fd00::1");
    const nothing = {
      type: undefined,
      namespace: undefined,
      pod: undefined,
      address: undefined,
      dnssecOk: false,
    };
    expect(asked).to.deep.equal([
      { ...nothing, name: "api.example", type: "AAAA", namespace: "team-a", dnssecOk: true },
      { ...nothing, name: "b.example", pod: "a/web" },
      { ...nothing, name: "c.example", address: "fd00::1" },
    ]);
  });

  it("says what is wrong with a question", async () => {
    const get = await start(() => ({ fault: "pod a/gone is not there" }));
    const error = async (query: string) => {
      const { status, body } = await get(`/api/explain${query}`);
      expect(status).to.equal(400);
      return body.error;
    };
    expect(await error("")).to.match(/^name is missing/);
    expect(await error("?name=")).to.match(/^name is missing/);
    expect(await error("?name=a&client=b")).to.match(/^no such parameter "client"; there are name, type/);
    expect(await error("?name=a&do=yes")).to.equal("do must be 0 or 1");
    expect(await error("?name=a")).to.equal("pod a/gone is not there");
  });

  it("is not there where nobody knows why", async () => {
    const get = await start();
    expect((await get("/api/explain?name=a")).status).to.equal(404);
  });
});
