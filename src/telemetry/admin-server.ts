/**
 * The two HTTP endpoints: admin for Prometheus and the kubelet, API for people. What they say comes from
 * functions; they know no other part of the program.
 */

import type { IncomingMessage } from "node:http";
import type { SocketAddress } from "../config/socket-address.ts";
import type { Logger } from "../runtime.ts";
import { type HostsReport, hostsJson, type ProblemReport, problemsJson } from "./api-reports.ts";
import { HttpEndpoint, type HttpLimits, jsonReply, textReply } from "./http-endpoint.ts";

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
  readonly limits?: HttpLimits;
}

/** `/`, `/api/hosts` and `/api/problems`, for requests to this machine by its own names only. */
export function createApiServer({ address, log, hosts, problems, limits }: ApiServerOptions): HttpEndpoint {
  return new HttpEndpoint({
    setting: "api",
    address,
    log,
    refuses: foreignRequest,
    ...(limits === undefined ? {} : { limits }),
    routes: {
      "/": () => jsonReply({ name: "serviceentry-dns", paths: ["/api/hosts", "/api/problems"] }),
      "/api/hosts": () => jsonReply(hostsJson(hosts())),
      "/api/problems": () => jsonReply(problemsJson(problems())),
    },
  });
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
