/**
 * The two HTTP endpoints: admin for Prometheus and the kubelet, API for people. What they say comes from
 * functions; they know no other part of the program.
 */

import type { IncomingMessage } from "node:http";
import type { SocketAddress } from "../config/socket-address.ts";
import type { Logger } from "../runtime.ts";
import { type ApiActions, actionRoutes } from "./api-actions.ts";
import { type Explainer, explainJson } from "./api-explain.ts";
import { chooseHosts, chooseProblems, QueryError, readHostsQuery, readProblemsQuery } from "./api-query.ts";
import { type HostsReport, hostsJson, type ProblemReport, problemsJson } from "./api-reports.ts";
import type { StatusReport } from "./api-status.ts";
import { HttpEndpoint, type HttpLimits, type HttpReply, jsonReply, textReply } from "./http-endpoint.ts";
import { pageRoutes } from "./page/page-routes.ts";

export interface AdminServerOptions {
  readonly address: SocketAddress;
  readonly log: Logger;
  /** What is missing to be ready, in words; empty: ready. */
  readonly ready: () => readonly string[];
  readonly metrics: { text(): Promise<string>; readonly contentType: string };
  readonly limits?: HttpLimits;
}

/** `/metrics`, `/healthz` (200 while the event loop turns) and `/readyz` (200, or 503 with what is missing). */
export function createAdminServer({
  address,
  log,
  ready,
  metrics,
  limits,
}: AdminServerOptions): HttpEndpoint {
  return new HttpEndpoint({
    setting: "admin",
    address,
    log,
    ...(limits === undefined ? {} : { limits }),
    routes: {
      "/metrics": async () => textReply(await metrics.text(), metrics.contentType),
      "/healthz": () => textReply("ok\n"),
      "/readyz": () => {
        const missing = ready();
        return jsonReply({ missing }, missing.length === 0 ? 200 : 503);
      },
    },
  });
}

export interface ApiServerOptions {
  readonly address: SocketAddress;
  readonly log: Logger;
  readonly hosts: () => HostsReport;
  readonly problems: () => readonly ProblemReport[];
  readonly status: () => Promise<StatusReport>;
  /** Why a question is answered as it is; absent: nobody knows. */
  readonly explain?: Explainer;
  /** What can be done from here; absent: nothing. */
  readonly actions?: ApiActions;
  readonly limits?: HttpLimits;
}

/** The status page at `/` and what it shows under `/api/`, for requests to this machine by its own names only. */
export function createApiServer(options: ApiServerOptions): HttpEndpoint {
  const { address, log, hosts, problems, status, explain, actions, limits } = options;
  return new HttpEndpoint({
    setting: "api",
    address,
    log,
    refuses: foreignRequest,
    ...(actions === undefined ? {} : { actions: actionRoutes(actions) }),
    ...(limits === undefined ? {} : { limits }),
    routes: {
      ...pageRoutes(),
      "/api/status": async () => jsonReply(await status()),
      "/api/hosts": chosen((parameters) => {
        const query = readHostsQuery(parameters);
        return hostsJson(query === undefined ? hosts() : chooseHosts(hosts(), query));
      }),
      "/api/problems": chosen((parameters) => {
        const part = readProblemsQuery(parameters);
        return problemsJson(part === undefined ? { problems: problems() } : chooseProblems(problems(), part));
      }),
      ...(explain === undefined
        ? {}
        : { "/api/explain": chosen((parameters) => explainJson(explain, parameters)) }),
    },
  });
}

/** JSON by the request's parameters; 400 says which of them cannot be read. */
function chosen(
  report: (parameters: URLSearchParams) => unknown,
): (parameters: URLSearchParams) => HttpReply {
  return (parameters) => {
    try {
      return jsonReply(report(parameters));
    } catch (error) {
      if (error instanceof QueryError) return jsonReply({ error: error.message }, 400);
      throw error;
    }
  };
}

/**
 * A web page may point a name of its own at 127.0.0.1 (DNS rebinding) or send its visitor's browser here:
 * so the request must name this machine, and come from no page but our own.
 */
function foreignRequest({ headers }: IncomingMessage): string | undefined {
  const { host, origin } = headers;
  if (host === undefined || !OWN_HOST.test(host)) {
    return "the Host header must be localhost, 127.0.0.1 or [::1]; use kubectl port-forward";
  }
  const isOwnPage = origin === undefined || origin.toLowerCase() === `http://${host.toLowerCase()}`;
  return isOwnPage ? undefined : "requests from other web pages are refused";
}

const OWN_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
