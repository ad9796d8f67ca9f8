/** A small HTTP server: fixed paths, GET and HEAD, POST where something is to be done, tight limits. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { SettingKey } from "../config/settings.ts";
import { type SocketAddress, socketAddressText } from "../config/socket-address.ts";
import type { Closeable, Logger } from "../runtime.ts";
import { transferOf } from "./http-transfer.ts";

export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Beside those of every reply; of the same name, these count. With an ETag, who has it gets 304. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What each path answers; a handler that throws gives 500 and a log line. */
export type HttpRoutes = Readonly<Record<string, (query: URLSearchParams) => HttpReply | Promise<HttpReply>>>;

export interface HttpEndpointOptions {
  /** The setting that holds the address. */
  readonly setting: SettingKey;
  readonly address: SocketAddress;
  readonly routes: HttpRoutes;
  /** Paths that take POST, and nothing else. */
  readonly actions?: HttpRoutes;
  readonly log: Logger;
  /** Says why a request is refused with 403; undefined: it is not. */
  readonly refuses?: (request: IncomingMessage) => string | undefined;
  readonly limits?: HttpLimits;
}

export interface HttpLimits {
  /** From the connection, or the end of the last reply, to the end of the headers. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** A connection without any traffic, such as that of a client which does not read its reply. */
  readonly idleTimeoutMs: number;
  readonly maxHeaderOctets: number;
  /** With one more, the one whose last request is the longest ago goes: a probe must get through those that only sit. */
  readonly maxConnections: number;
  /** How often the time-outs are looked at. */
  readonly checkIntervalMs: number;
}

/** Scrapes and probes are small, few and local: whoever needs more is none of them. */
export const HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  idleTimeoutMs: 30_000,
  maxHeaderOctets: 8192,
  maxConnections: 128,
  checkIntervalMs: 1000,
};

/** At `close`, replies that are being sent get this long. */
const CLOSE_GRACE_MS = 1000;

/** An address that cannot be listened on; the message names the setting and the remedy. */
export class ListenError extends Error {
  /** Of the operating system, such as EADDRINUSE. */
  readonly code: string;
  /** `127.0.0.1:9153`. */
  readonly address: string;
  readonly setting: SettingKey;

  constructor(setting: SettingKey, address: string, code: string) {
    const reason = LISTEN_FAULTS[code] ?? "the system refuses it";
    super(
      `cannot listen on ${address} (setting ${setting}): ${reason} (${code}). ` +
        `Choose another address with --${setting} ADDR:PORT.`,
    );
    this.name = "ListenError";
    this.code = code;
    this.address = address;
    this.setting = setting;
  }
}

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program uses this address",
  EADDRNOTAVAIL: "this machine does not have the address",
  EAFNOSUPPORT: "this machine does not have this kind of address",
  EACCES: "ports below 1024 need a privilege",
};

export class HttpEndpoint implements Closeable {
  readonly #options: HttpEndpointOptions;
  readonly #server: Server;
  /** In the order of their last requests; of those without one, of their coming. */
  readonly #connections = new Set<Socket>();

  constructor(options: HttpEndpointOptions) {
    this.#options = options;
    const limits = options.limits ?? HTTP_LIMITS;
    this.#server = createServer(
      {
        headersTimeout: limits.headersTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.keepAliveTimeoutMs,
        maxHeaderSize: limits.maxHeaderOctets,
        connectionsCheckingInterval: limits.checkIntervalMs,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on("connection", (connection) => this.#admit(connection, limits.maxConnections));
    this.#server.timeout = limits.idleTimeoutMs;
  }

  /** Resolves when it listens; rejects with `ListenError`. */
  start(): Promise<void> {
    const { address, setting, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new ListenError(setting, socketAddressText(address), error.code ?? error.message));
    });
    this.#server.listen({ host: address.address, port: address.port }, () => {
      this.#server.removeAllListeners("error");
      this.#server.on("error", (error) =>
        log.error(
          { component: COMPONENT, setting, error },
          `fault at the endpoint of the setting ${setting}, which goes on`,
        ),
      );
      resolve();
    });
    return promise;
  }

  /** The port listened on; 0 while it does not listen. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const force = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    // Idle connections go at once. Also called, with an error, when it never listened.
    this.#server.close(() => {
      clearTimeout(force);
      resolve();
    });
    return promise;
  }

  #admit(connection: Socket, maxConnections: number): void {
    const [oldest] = this.#connections;
    if (oldest !== undefined && this.#connections.size >= maxConnections) {
      this.#connections.delete(oldest);
      oldest.destroy();
    }
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#connections.delete(request.socket)) this.#connections.add(request.socket);
    const { status, headers, content } = await transferOf(await this.#reply(request), request.headers);
    response.writeHead(status, headers);
    // RFC 9110 9.3.2: the reply to HEAD has the headers of GET and no content.
    response.end(request.method === "HEAD" ? undefined : content);
  }

  async #reply(request: IncomingMessage): Promise<HttpReply> {
    const { routes, actions = {}, refuses, log, setting } = this.#options;
    const refusal = refuses?.(request);
    if (refusal !== undefined) return jsonReply({ error: refusal }, 403);
    const { method } = request;
    const [path, query] = splitOnce(request.url ?? "", "?");
    const action = Object.hasOwn(actions, path) ? actions[path] : undefined;
    // RFC 9110 15.5.6: 405 says which methods there are.
    if (action !== undefined && method !== "POST") {
      return { ...jsonReply({ error: "only POST" }, 405), headers: { Allow: "POST" } };
    }
    if (action === undefined && method !== "GET" && method !== "HEAD") {
      return { ...jsonReply({ error: "only GET and HEAD" }, 405), headers: { Allow: "GET, HEAD" } };
    }
    const handler = action ?? routes[path];
    if (handler === undefined) {
      const paths = [...Object.keys(routes), ...Object.keys(actions)];
      return jsonReply({ error: `no such path; there are ${paths.join(", ")}` }, 404);
    }
    try {
      return await handler(new URLSearchParams(query));
    } catch (error) {
      const remedy = "This is a fault of this program: report it with this line.";
      log.error({ component: COMPONENT, setting, path, error, remedy }, `a request for ${path} failed`);
      return jsonReply({ error: "internal error; the log says more" }, 500);
    }
  }
}

const COMPONENT = "dns.admin";

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export function jsonReply(value: unknown, status = 200): HttpReply {
  return { status, contentType: "application/json; charset=utf-8", body: `${JSON.stringify(value)}\n` };
}

export function textReply(body: string, contentType = "text/plain; charset=utf-8"): HttpReply {
  return { status: 200, contentType, body };
}
