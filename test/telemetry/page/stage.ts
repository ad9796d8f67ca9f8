/** What the status page shows in tests: an API endpoint over scripted hosts, problems and counters. */

import { createApiServer } from "../../../src/telemetry/admin-server.ts";
import type { Explainer, ExplainParameters } from "../../../src/telemetry/api-explain.ts";
import type { HostReport, ProblemReport } from "../../../src/telemetry/api-reports.ts";
import type { StatusReport } from "../../../src/telemetry/api-status.ts";
import type { HttpEndpoint } from "../../../src/telemetry/http-endpoint.ts";
import { parseIpAddress } from "../../../src/wire/ip-address.ts";

const NAMESPACES = ["payments", "checkout", "search", "catalog", "identity", "ledger", "media", "risk"];
const SECOND = 1000;
export const BOUNDS = Array.from({ length: 15 }, (_, power) => 0.00025 * 2 ** power);

/** Changed by a test, seen by the page with its next question. */
export class Stage {
  hosts: HostReport[] = [];
  problems: ProblemReport[] = [];
  status: StatusReport = quietStatus();
  /** Undefined at the start: the server has no such path. */
  explain: Explainer | undefined = () => ({ fault: "nobody knows" });
  /** How often each path was asked for. */
  readonly asked: Record<string, number> = {};
  /** How much faster than real time the server's clock goes. */
  speed = 1;
  readonly #startedMs = Date.now();
  #endpoint: HttpEndpoint | undefined;
  #port = 0;

  async start(): Promise<void> {
    const noLog = () => {};
    const count = (path: string) => {
      this.asked[path] = (this.asked[path] ?? 0) + 1;
    };
    this.#endpoint = createApiServer({
      address: { address: parseIpAddress("127.0.0.1")!, port: this.#port },
      log: { debug: noLog, info: noLog, warn: noLog, error: noLog },
      hosts: () => {
        count("hosts");
        return { version: this.status.tableVersion, hosts: this.hosts };
      },
      problems: () => {
        count("problems");
        return this.problems;
      },
      ...(this.explain === undefined
        ? {}
        : {
            explain: (question: ExplainParameters) => this.explain?.(question) ?? { fault: "nobody knows" },
          }),
      status: async () => {
        count("status");
        const elapsedMs = (Date.now() - this.#startedMs) * this.speed;
        return { ...this.status, time: new Date(this.#startedMs + elapsedMs).toISOString() };
      },
    });
    await this.#endpoint.start();
    this.#port = this.#endpoint.port;
  }

  /** The program is gone; `start` brings it back at the same place. */
  async stop(): Promise<void> {
    await this.#endpoint?.close();
    this.#endpoint = undefined;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Every counter goes on by this much. */
  count(change: {
    readonly bySource?: Readonly<Record<string, number>>;
    readonly byResult?: Readonly<Record<string, number>>;
    readonly cache?: { readonly hits: number; readonly misses: number };
    readonly upstream?: { readonly times: number; readonly seconds: number; readonly timeouts?: number };
  }): void {
    const { queries, cache, refreshes, upstreams } = this.status;
    const answered = Object.values(change.bySource ?? {}).reduce((sum, each) => sum + each, 0);
    this.status = {
      ...this.status,
      queries: {
        ...queries,
        bySource: added(queries.bySource, change.bySource ?? {}),
        duration: observed(queries.duration, answered, 0.0004),
      },
      cache: {
        ...cache,
        hits: cache.hits + (change.cache?.hits ?? 0),
        misses: cache.misses + (change.cache?.misses ?? 0),
      },
      refreshes: { ...refreshes, byResult: added(refreshes.byResult, change.byResult ?? {}) },
      upstreams: upstreams.map((upstream) => ({
        ...upstream,
        failures: added(upstream.failures, { timeout: change.upstream?.timeouts ?? 0 }),
        duration: observed(upstream.duration, change.upstream?.times ?? 0, change.upstream?.seconds ?? 0),
      })),
    };
  }
}

export function quietStatus(): StatusReport {
  const zero = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, 0]));
  const duration = { boundsSeconds: BOUNDS, counts: [...BOUNDS, 0].map(() => 0), sumSeconds: 0 };
  const sources = ["virtual", "static", "workload", "resolved", "suffix", "cache", "stale", "forward"];
  return {
    time: new Date().toISOString(),
    version: "0.1.0",
    startedAt: new Date(Date.now() - 7500 * SECOND).toISOString(),
    ready: true,
    missing: [],
    tableVersion: 1,
    queries: {
      bySource: zero([...sources, "negative", "error"]),
      byRcode: zero(["NOERROR", "NXDOMAIN", "SERVFAIL"]),
      inFlight: 0,
      duration,
    },
    cache: { hits: 0, misses: 0, staleServed: 0, entries: 0, bytes: 0, maxBytes: 2 ** 26 },
    refreshes: {
      byResult: zero(["changed", "unchanged", "nxdomain", "nodata", "timeout", "servfail"]),
      inFlight: 0,
      waiting: 0,
    },
    upstreams: [
      { address: "10.96.0.10:53", up: true, looping: false, failures: { timeout: 0, servfail: 0 }, duration },
    ],
    kinds: [
      { kind: "ServiceEntry", objects: 3, connected: true, lastEvent: new Date().toISOString(), faults: 0 },
      { kind: "Pod", objects: 0, connected: null, lastEvent: null, faults: 0 },
    ],
    problems: {},
  };
}

export function hostReport(host: string, change: Partial<HostReport> = {}): HostReport {
  return {
    host,
    kind: "ServiceEntry",
    namespace: "payments",
    name: host.split(".")[0]!,
    resolution: "STATIC",
    answerMode: "auto",
    visibleTo: "all",
    state: "ok",
    addresses: [{ address: "192.0.2.1", source: "static", target: null, state: "fresh", expiresAtMs: null }],
    nextRefreshMs: null,
    lastError: null,
    shadowedBy: null,
    ...change,
  };
}

/** As many as a large mesh has, in eight namespaces; one in fifty does not resolve. */
export function manyHosts(count: number): HostReport[] {
  return Array.from({ length: count }, (_, at) => {
    const namespace = NAMESPACES[at % NAMESPACES.length]!;
    const octets = `${(at >> 8) & 255}.${at & 255}`;
    const isBroken = at % 50 === 49;
    return hostReport(`svc-${String(at).padStart(5, "0")}.${namespace}.example.com`, {
      namespace,
      state: isBroken ? "unresolved" : "ok",
      addresses: isBroken
        ? []
        : [
            {
              address: `10.20.${octets}`,
              source: "virtual",
              target: null,
              state: "fresh",
              expiresAtMs: null,
            },
            { address: `10.30.${octets}`, source: "static", target: null, state: "fresh", expiresAtMs: null },
          ],
    });
  });
}

export function problemReport(code: string, change: Partial<ProblemReport> = {}): ProblemReport {
  return {
    code,
    severity: "warning",
    object: { kind: "ServiceEntry", namespace: "payments", name: "ledger-api" },
    path: "spec.hosts",
    message: `Something about ${code}.`,
    remedy: `Do something about ${code}.`,
    sinceMs: Date.now() - 60 * SECOND,
    ...change,
  };
}

function added(
  counts: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sums = Object.entries(more).map(([key, count]) => [key, (counts[key] ?? 0) + count]);
  return { ...counts, ...Object.fromEntries(sums) };
}

function observed(duration: StatusReport["queries"]["duration"], times: number, seconds: number) {
  const { boundsSeconds, counts, sumSeconds } = duration;
  return {
    boundsSeconds,
    counts: counts.map((count, at) => ((boundsSeconds[at] ?? Infinity) >= seconds ? count + times : count)),
    sumSeconds: sumSeconds + times * seconds,
  };
}
