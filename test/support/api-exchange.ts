/** One request to the scripted API server, and every way to answer it, down to octets and resets. */

import type { IncomingMessage, ServerResponse } from "node:http";

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  readonly isWatch: boolean;
  /** Of the body; undefined: there is none. */
  readonly mediaType: string | undefined;
}

export class ApiExchange {
  readonly request: ApiRequest;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #count: (octets: number) => void;

  constructor(message: IncomingMessage, response: ServerResponse, count: (octets: number) => void) {
    const url = new URL(message.url ?? "/", "http://api");
    this.request = {
      method: message.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      authorization: message.headers.authorization,
      isWatch: url.searchParams.get("watch") === "true",
      mediaType: message.headers["content-type"],
    };
    this.#message = message;
    this.#response = response;
    this.#count = count;
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** The request's body as JSON; undefined: it has none. */
  async body(): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#message) chunks.push(chunk);
    return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString("utf8"));
  }

  /** Answers with a JSON body, whole. */
  respond(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.open(status, headers);
    this.end(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
  }

  /** Answers with a Status object, as the API server refuses. */
  refuse(status: number, message: string, headers: Readonly<Record<string, string>> = {}, reason = ""): void {
    this.respond(status, statusObject(status, message, reason), headers);
  }

  /** Sends the headers; the body follows. */
  open(status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, { "content-type": "application/json", ...headers });
    this.#response.flushHeaders();
  }

  /** Sends octets as they are; resolves when they have left, so that two sends are two pieces. */
  send(octets: Buffer | string): Promise<void> {
    this.#count(Buffer.byteLength(octets));
    return new Promise((resolve) => this.#response.write(octets, () => setImmediate(resolve)));
  }

  event(type: string, object: unknown): Promise<void> {
    return this.send(`${JSON.stringify({ type, object })}\n`);
  }

  /** Ends the body as HTTP wants it. */
  end(octets: Buffer | string = ""): void {
    this.#count(Buffer.byteLength(octets));
    this.#response.end(octets);
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    this.#response.socket?.resetAndDestroy();
  }

  /** Ends the connection in the middle of the body. */
  cut(): void {
    this.#response.socket?.destroy();
  }

  /** Calls back when the connection or the exchange is over. */
  onClose(callback: () => void): void {
    this.#response.once("close", callback);
  }
}

export function statusObject(code: number, message: string, reason = ""): unknown {
  const said = reason === "" ? {} : { reason };
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, message, ...said };
}
