/** Calls over HTTP/1.1 with kept-alive connections, under credentials that are read again when they are refused. */

import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from "node:http";
import { type RequestOptions, Agent as TlsAgent, request as tlsRequest } from "node:https";
import type { ApiCall, ApiResponse, WritingApiClient } from "./api-client.ts";
import { ApiFault } from "./api-fault.ts";

/** What one request needs to be let in. */
export interface Authentication {
  /** The server's URL; it may have a path. */
  readonly server: string;
  /** TLS and headers; an agent only where connections have to go through a proxy. */
  readonly options: RequestOptions;
}

/** Credentials as they were read at some moment. */
export interface Credentials {
  /** For a request that is sent now: tokens change with time. */
  authentication(): Promise<Authentication>;
}

export class HttpApiClient implements WritingApiClient {
  readonly #load: () => Promise<Credentials>;
  /** Connections are pooled by their TLS options, so that new certificates get new ones. */
  readonly #agents: { readonly plain: PlainAgent; readonly tls: TlsAgent };
  #credentials: Promise<Credentials>;

  /**
   * `load` reads the credentials from where they are kept: once for `credentials`, again after each 401. `proxyEnv`:
   * variables that may name a proxy; none: every way is direct.
   */
  constructor(
    credentials: Credentials,
    load: () => Promise<Credentials>,
    proxyEnv: Readonly<Record<string, string | undefined>> = {},
  ) {
    const options = { ...KEEP_ALIVE, proxyEnv };
    this.#agents = { plain: new PlainAgent(options), tls: new TlsAgent(options) };
    this.#credentials = Promise.resolve(credentials);
    this.#load = load;
  }

  get(path: string, signal: AbortSignal): Promise<ApiResponse> {
    return this.send({ method: "GET", path }, signal);
  }

  async send(call: ApiCall, signal: AbortSignal): Promise<ApiResponse> {
    const used = this.#credentials;
    const response = await this.#send(await used, call, signal);
    if (response.statusCode !== 401) return apiResponse(response);
    // A token was replaced before its file was read again. Who asks at the same time shares the new one.
    if (this.#credentials === used) this.#credentials = this.#load().catch(() => used);
    const renewed = await this.#credentials;
    response.resume();
    return apiResponse(await this.#send(renewed, call, signal));
  }

  async close(): Promise<void> {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #send(credentials: Credentials, call: ApiCall, signal: AbortSignal): Promise<IncomingMessage> {
    const authentication = await authenticate(credentials);
    try {
      return await this.#sendOnce(authentication, call, signal);
    } catch (error) {
      // The server closed an idle connection at the moment when it was taken: that says nothing about the server.
      if (!(error instanceof StaleConnection)) throw error;
      return await this.#sendOnce(authentication, call, signal);
    }
  }

  #sendOnce(
    { server, options }: Authentication,
    { method, path, body }: ApiCall,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const url = new URL(server.replace(/\/+$/, "") + path);
    const isTls = url.protocol === "https:";
    const agent = options.agent ?? (isTls ? this.#agents.tls : this.#agents.plain);
    const octets = body && Buffer.from(body.text);
    const headers = {
      ...options.headers,
      accept: "application/json",
      "user-agent": "serviceentry-dns",
      ...(body && { "content-type": body.mediaType, "content-length": octets?.length }),
    };
    return new Promise((resolve, reject) => {
      const request = (isTls ? tlsRequest : plainRequest)(url, {
        ...options,
        method,
        agent,
        headers,
        signal,
      });
      let response: IncomingMessage | undefined;
      request.once("response", (message) => {
        response = message;
        resolve(message);
      });
      request.on("error", (error) => {
        const isStale = request.reusedSocket && !signal.aborted && response === undefined;
        if (isStale) this.#dropIdleConnections();
        reject(isStale ? new StaleConnection() : error);
      });
      request.once("close", () => {
        // What ended this one (a dead path, a server that fell silent) is likely to have met the idle ones too.
        if (response?.complete !== true) this.#dropIdleConnections();
      });
      request.end(octets);
    });
  }

  #dropIdleConnections(): void {
    for (const { freeSockets } of Object.values(this.#agents)) {
      for (const sockets of Object.values(freeSockets)) {
        for (const socket of [...(sockets ?? [])]) socket.destroy();
      }
    }
  }
}

/**
 * TCP's own probes, for peers that vanished without a word: the first after this idle time, then the system's
 * ten in as many seconds. It finds within 20 s what the limit on silence finds in 35.
 */
const KEEP_ALIVE_PROBE_MS = 10_000;
const KEEP_ALIVE = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_PROBE_MS } as const;

/** A plugin or file that gives no token is no fault of the connection. */
async function authenticate(credentials: Credentials): Promise<Authentication> {
  try {
    return await credentials.authentication();
  } catch (error) {
    throw new ApiFault("unauthorized", error instanceof Error ? error.message : String(error));
  }
}

class StaleConnection extends Error {}

function apiResponse(message: IncomingMessage): ApiResponse {
  return { status: message.statusCode ?? 0, retryAfter: message.headers["retry-after"], body: message };
}
