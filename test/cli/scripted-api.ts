/** An API endpoint that says what it is told to, and keeps what it was asked. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";

export class ScriptedApi {
  readonly asked: string[] = [];
  /** By path: status and body. */
  readonly replies = new Map<string, { readonly status: number; readonly body: string }>();
  readonly #server: Server = createServer((request, response) => {
    this.asked.push(`${request.method} ${request.url}`);
    const { status, body } = this.replies.get((request.url ?? "").split("?")[0]!) ?? {
      status: 404,
      body: "{}",
    };
    response.writeHead(status, { "Content-Type": "application/json" }).end(body);
  });

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  say(path: string, value: unknown, status = 200): void {
    this.replies.set(path, { status, body: typeof value === "string" ? value : JSON.stringify(value) });
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** A row of /api/hosts; what is not said is ordinary. */
export function hostRow(host: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    host,
    kind: "ServiceEntry",
    namespace: "shop",
    name: "web",
    resolution: "STATIC",
    answerMode: "auto",
    visibleTo: "all",
    state: "ok",
    addresses: [],
    nextRefresh: null,
    lastError: null,
    shadowedBy: null,
    ...more,
  };
}

export function addressRow(
  address: string,
  source = "static",
  target: string | null = null,
): Record<string, unknown> {
  return { address, source, target, state: "fresh", expiresAt: null };
}
