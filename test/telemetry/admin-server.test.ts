/** Both endpoints over real loopback HTTP. */

import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { expect } from "chai";
import type { LogFields, Logger } from "../../src/runtime.ts";
import { createAdminServer, createApiServer } from "../../src/telemetry/admin-server.ts";
import type { HostReport, HostsReport, ProblemReport } from "../../src/telemetry/api-reports.ts";
import { HTTP_LIMITS, type HttpEndpoint, ListenError } from "../../src/telemetry/http-endpoint.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { parseExposition } from "./exposition.ts";
import { quietStatus } from "./page/stage.ts";

const LOOPBACK = { address: parseIpAddress("127.0.0.1")!, port: 0 };

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(
  { port }: HttpEndpoint,
  path: string,
  { method = "GET", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
  sent.end();
  const [response] = await once(sent, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** Sends octets as they are and gives all that comes back until the server closes. */
async function raw({ port }: HttpEndpoint, octets: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(octets);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const lines: { fields: LogFields; message: string }[] = [];
const keep = (fields: LogFields, message: string) => void lines.push({ fields, message });
const log: Logger = { debug: keep, info: keep, warn: keep, error: keep };

const open: HttpEndpoint[] = [];
async function started(endpoint: HttpEndpoint): Promise<HttpEndpoint> {
  open.push(endpoint);
  await endpoint.start();
  return endpoint;
}

const noMetrics = { text: async () => "", contentType: "text/plain" };
const admin = (more: Partial<Parameters<typeof createAdminServer>[0]> = {}) =>
  started(createAdminServer({ address: LOOPBACK, log, ready: () => [], metrics: noMetrics, ...more }));
const api = (more: Partial<Parameters<typeof createApiServer>[0]> = {}) =>
  started(createApiServer({ ...NOTHING, address: LOOPBACK, log, ...more }));

const NO_HOSTS: HostsReport = { version: 0, hosts: [] };
const NOTHING = { hosts: () => NO_HOSTS, problems: () => [], status: async () => quietStatus() };

const HOST: HostReport = {
  host: "multi-backend.example.com",
  kind: "ServiceEntry",
  namespace: "default",
  name: "multi",
  resolution: "DNS",
  answerMode: "auto",
  visibleTo: "all",
  state: "ok",
  addresses: [
    { address: "192.0.2.1", source: "static", target: null, state: "fresh", expiresAtMs: null },
    {
      address: "192.0.2.2",
      source: "resolved",
      target: "backend.example.com",
      state: "stale",
      expiresAtMs: Date.UTC(2026, 0, 31, 12, 0, 0, 250),
    },
  ],
  nextRefreshMs: Date.UTC(2026, 1, 28),
  lastError: { code: "SERVFAIL", message: "from 192.0.2.53", sinceMs: Date.UTC(2026, 0, 1) },
  shadowedBy: null,
};

const PROBLEM: ProblemReport = {
  code: "HostInvalid",
  severity: "error",
  object: { kind: "ServiceEntry", namespace: "default", name: "a" },
  path: "spec.hosts[0]",
  message: 'host "x..y" has an empty label',
  remedy: "Write a DNS name.",
  sinceMs: Date.UTC(2026, 4, 1),
};

describe("telemetry: endpoints", () => {
  afterEach(async () => {
    await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
    lines.length = 0;
  });

  describe("admin", () => {
    it("serves a scrape that a Prometheus can read", async () => {
      const metrics = createMetrics({ version: "1.0.0", listenPorts: () => [] });
      const reply = await ask(await admin({ metrics }), "/metrics");
      metrics.close();
      expect(reply.status).to.equal(200);
      expect(reply.headers["content-type"]).to.equal("text/plain; version=0.0.4; charset=utf-8");
      expect(parseExposition(reply.body).has("serviceentry_dns_build_info")).to.equal(true);
    });

    it("is alive, and ready once nothing is missing", async () => {
      let missing = ["source manifests: not listed yet", "worker udp-0: table version 0 of 3"];
      const endpoint = await admin({ ready: () => missing });
      expect((await ask(endpoint, "/healthz")).status).to.equal(200);
      const waiting = await ask(endpoint, "/readyz");
      expect(waiting.status).to.equal(503);
      expect(waiting.headers["content-type"]).to.equal("application/json; charset=utf-8");
      expect(JSON.parse(waiting.body)).to.deep.equal({ missing });
      missing = [];
      const ready = await ask(endpoint, "/readyz?verbose=1");
      expect(ready.status).to.equal(200);
      expect(JSON.parse(ready.body)).to.deep.equal({ missing: [] });
    });

    it("serves nothing else, to whatever host name", async () => {
      const endpoint = await admin();
      expect((await ask(endpoint, "/healthz", { headers: { Host: "10.1.2.3:9153" } })).status).to.equal(200);
      for (const path of ["/", "/api/hosts", "/metrics/", "//metrics"]) {
        const reply = await ask(endpoint, path);
        expect(reply.status, path).to.equal(404);
        expect(JSON.parse(reply.body).error).to.equal("no such path; there are /metrics, /healthz, /readyz");
      }
    });

    it("answers HEAD like GET but without a body, and no other method", async () => {
      const endpoint = await admin();
      const head = await ask(endpoint, "/healthz", { method: "HEAD" });
      expect([head.status, head.headers["content-length"], head.body]).to.deep.equal([200, "3", ""]);
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
        const reply = await ask(endpoint, "/healthz", { method });
        expect(reply.status, method).to.equal(405);
        expect(reply.headers["allow"]).to.equal("GET, HEAD");
      }
    });

    it("turns a fault of a handler into 500 and a log line, and lives on", async () => {
      let broken = true;
      const text = async () => {
        if (broken) throw new Error("no numbers");
        return "x 1\n";
      };
      const endpoint = await admin({ metrics: { text, contentType: "text/plain" } });
      const reply = await ask(endpoint, "/metrics");
      expect(reply.status).to.equal(500);
      expect(reply.body).to.equal('{"error":"internal error; the log says more"}\n');
      expect(lines).to.have.length(1);
      expect(lines[0]!.fields).to.include({ component: "dns.admin", path: "/metrics", setting: "admin" });
      expect(lines[0]!.fields["error"]).to.be.instanceOf(Error).with.property("message", "no numbers");
      broken = false;
      expect((await ask(endpoint, "/metrics")).status).to.equal(200);
    });
  });

  describe("limits", () => {
    it("refuses large headers", async () => {
      const endpoint = await admin();
      const headers = { "X-Large": "x".repeat(HTTP_LIMITS.maxHeaderOctets) };
      expect((await ask(endpoint, "/healthz", { headers })).status).to.equal(431);
      expect((await ask(endpoint, "/healthz")).status).to.equal(200);
    });

    it("closes connections that say nothing, or never end their headers", async () => {
      const limits = { ...HTTP_LIMITS, headersTimeoutMs: 100, checkIntervalMs: 20 };
      const endpoint = await admin({ limits });
      expect(await raw(endpoint, "")).to.match(/^(HTTP\/1\.1 408 |$)/);
      expect(await raw(endpoint, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")).to.match(
        /^HTTP\/1\.1 408 /,
      );
    });

    it("takes no more connections than it says: the one that asked nothing for longest goes", async () => {
      const endpoint = await admin({ limits: { ...HTTP_LIMITS, maxConnections: 3 } });
      const open = async () => {
        const socket = connect(endpoint.port, "127.0.0.1");
        await once(socket, "connect");
        return socket;
      };
      const held = [await open(), await open(), await open()] as const;
      const ends = held.map((socket) => once(socket, "close"));
      const askOverFirst = async () => {
        held[0].write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        await once(held[0], "data");
      };
      await askOverFirst();
      // Another one, such as a probe, is served at once.
      expect(await raw(endpoint, "GET /healthz HTTP/1.0\r\n\r\n")).to.match(/^HTTP\/1\.1 200 /);
      await ends[1];
      expect([held[0].readyState, held[2].readyState]).to.deep.equal(["open", "open"]);
      await askOverFirst();
      const further = [await open(), await open()];
      await ends[2];
      await askOverFirst();
      for (const socket of [...held, ...further]) socket.destroy();
    });

    it("closes at once while a connection is kept alive", async () => {
      // The best of some: replies that are being sent would get a second each time.
      let tookMs = Number.POSITIVE_INFINITY;
      for (let tries = 0; tries < 5 && tookMs > 900; tries += 1) {
        const endpoint = await admin();
        const socket = connect(endpoint.port, "127.0.0.1");
        socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        await once(socket, "data");
        const startMs = performance.now();
        await endpoint.close();
        tookMs = performance.now() - startMs;
        expect(endpoint.port).to.equal(0);
      }
      expect(tookMs).to.be.below(900);
    });
  });

  describe("a port that is taken", () => {
    it("names address, setting and remedy", async () => {
      const first = await admin();
      const second = createApiServer({
        address: { ...LOOPBACK, port: first.port },
        log,
        ...NOTHING,
      });
      const error = await second.start().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(ListenError);
      expect(error).to.include({ code: "EADDRINUSE", address: `127.0.0.1:${first.port}`, setting: "api" });
      expect((error as Error).message).to.equal(
        `cannot listen on 127.0.0.1:${first.port} (setting api): another program uses this address (EADDRINUSE). ` +
          "Choose another address with --api ADDR:PORT.",
      );
      await second.close();
    });

    it("says so too for an address that is not ours", async () => {
      const endpoint = createAdminServer({
        address: { address: parseIpAddress("192.0.2.1")!, port: 0 },
        log,
        ready: () => [],
        metrics: noMetrics,
      });
      const error = await endpoint.start().catch((reason: unknown) => reason);
      expect(error).to.include({ code: "EADDRNOTAVAIL", setting: "admin", address: "192.0.2.1:0" });
    });
  });

  describe("API", () => {
    it("has a page, and its numbers", async () => {
      const endpoint = await api({ status: async () => ({ ...quietStatus(), tableVersion: 12 }) });
      expect((await ask(endpoint, "/")).body).to.match(/^<!doctype html>/);
      expect(JSON.parse((await ask(endpoint, "/api/status")).body)).to.include({
        tableVersion: 12,
        ready: true,
      });
    });

    it("gives the part of the hosts and problems that is asked for, or says why not", async () => {
      const hosts = ["b.example.com", "a.example.com"].map((host) => ({ ...HOST, host }));
      const endpoint = await api({
        hosts: () => ({ version: 3, hosts }),
        problems: () => [PROBLEM, PROBLEM],
      });
      const part = JSON.parse((await ask(endpoint, "/api/hosts?limit=1")).body);
      expect(part).to.include({ version: 3, total: 2, matched: 2 });
      expect(part.hosts).to.have.length(1);
      expect(part.hosts[0]).to.include({ host: "a.example.com", nextRefresh: "2026-02-28T00:00:00.000Z" });
      const problems = JSON.parse((await ask(endpoint, "/api/problems?limit=1")).body);
      expect([problems.total, problems.problems.length]).to.deep.equal([2, 1]);
      for (const path of ["/api/hosts", "/api/problems"]) {
        const refused = await ask(endpoint, `${path}?limit=many`);
        expect(refused.status).to.equal(400);
        expect(JSON.parse(refused.body)).to.deep.equal({ error: "limit must be a whole number up to 1000" });
      }
    });

    it("shows hosts with RFC 3339 times", async () => {
      const reply = await ask(await api({ hosts: () => ({ version: 17, hosts: [HOST] }) }), "/api/hosts");
      expect(reply.headers["x-content-type-options"]).to.equal("nosniff");
      expect(reply.headers["cache-control"]).to.equal("no-store");
      expect(JSON.parse(reply.body)).to.deep.equal({
        version: 17,
        hosts: [
          {
            host: "multi-backend.example.com",
            kind: "ServiceEntry",
            namespace: "default",
            name: "multi",
            resolution: "DNS",
            answerMode: "auto",
            visibleTo: "all",
            state: "ok",
            addresses: [
              { address: "192.0.2.1", source: "static", target: null, state: "fresh", expiresAt: null },
              {
                address: "192.0.2.2",
                source: "resolved",
                target: "backend.example.com",
                state: "stale",
                expiresAt: "2026-01-31T12:00:00.250Z",
              },
            ],
            nextRefresh: "2026-02-28T00:00:00.000Z",
            lastError: { code: "SERVFAIL", message: "from 192.0.2.53", since: "2026-01-01T00:00:00.000Z" },
            shadowedBy: null,
          },
        ],
      });
    });

    it("keeps null where there is no time or error, and for a time that no calendar has", async () => {
      const shadowedBy = { namespace: "team-a", name: "first", reason: "older" };
      const addresses = [{ ...HOST.addresses[0]!, expiresAtMs: Number.POSITIVE_INFINITY }];
      const host = {
        ...HOST,
        addresses,
        nextRefreshMs: null,
        lastError: null,
        shadowedBy,
        visibleTo: ["a", "b"],
      };
      const reply = await ask(await api({ hosts: () => ({ version: 1, hosts: [host] }) }), "/api/hosts");
      const [shown] = JSON.parse(reply.body).hosts;
      expect(shown).to.deep.include({
        nextRefresh: null,
        lastError: null,
        shadowedBy,
        visibleTo: ["a", "b"],
      });
      expect(shown.addresses[0].expiresAt).to.equal(null);
    });

    it("shows problems", async () => {
      const { sinceMs: _, ...rest } = PROBLEM;
      const reply = await ask(await api({ problems: () => [PROBLEM] }), "/api/problems");
      expect(JSON.parse(reply.body)).to.deep.equal({
        problems: [{ ...rest, since: "2026-05-01T00:00:00.000Z" }],
      });
    });

    it("sends 10,000 hosts whole", async () => {
      const hosts = Array.from({ length: 10_000 }, (_, n) => ({ ...HOST, host: `h${n}.example.com` }));
      const reply = await ask(await api({ hosts: () => ({ version: 2, hosts }) }), "/api/hosts");
      expect(Number(reply.headers["content-length"])).to.equal(Buffer.byteLength(reply.body));
      expect(JSON.parse(reply.body).hosts[9999].host).to.equal("h9999.example.com");
    });

    it("is for this machine's own names only (DNS rebinding)", async () => {
      const endpoint = await api();
      const statusFor = async (headers: Record<string, string>) =>
        (await ask(endpoint, "/api/hosts", { headers })).status;
      for (const Host of [
        "localhost",
        "LOCALHOST:9154",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:9154",
      ]) {
        expect(await statusFor({ Host }), Host).to.equal(200);
      }
      const foreign = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io:9154",
        "10.0.0.1",
        "x@localhost",
        "[::2]",
        "localhost:9154:1",
      ];
      for (const Host of foreign) expect(await statusFor({ Host }), Host).to.equal(403);
      expect(await raw(endpoint, "GET /api/hosts HTTP/1.0\r\n\r\n"), "no Host at all").to.match(
        /^HTTP\/1\.1 403 /,
      );
    });

    it("refuses requests that another web page sends", async () => {
      const endpoint = await api();
      const statusFor = async (Origin: string) =>
        (await ask(endpoint, "/api/hosts", { headers: { Host: "localhost:9154", Origin } })).status;
      expect(await statusFor("http://localhost:9154")).to.equal(200);
      for (const origin of [
        "http://evil.example",
        "null",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:9154",
        "",
      ]) {
        expect(await statusFor(origin), origin).to.equal(403);
      }
    });

    it("refuses other methods, also with a foreign host", async () => {
      const endpoint = await api();
      expect((await ask(endpoint, "/api/hosts", { method: "POST" })).status).to.equal(405);
      expect(
        (await ask(endpoint, "/", { method: "POST", headers: { Host: "evil.example" } })).status,
      ).to.equal(403);
    });
  });
});
