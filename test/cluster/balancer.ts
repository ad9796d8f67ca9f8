/**
 * What a Service address is to its clients: UDP and TCP to those replicas that say they are ready, as probes find
 * them. A replica that is not ready gets nothing new; what it still answers comes back.
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { freePort } from "../support/program.ts";
import { until } from "../support/waiting.ts";

export interface Replica {
  readonly port: number;
  readonly adminPort: number;
}

export class Balancer {
  readonly #replicas = new Map<Replica, { isReady: boolean; isProbed: boolean }>();
  readonly #udp = createSocket("udp4");
  readonly #tcp: Server;
  /** By the client's address and port: the socket that speaks for it, to one replica. */
  readonly #flows = new Map<string, { readonly replica: Replica; readonly socket: Socket }>();
  readonly #probes: NodeJS.Timeout;
  #next = 0;

  static async start(): Promise<Balancer> {
    const balancer = new Balancer();
    balancer.#tcp.listen(await freePort(), "127.0.0.1");
    await once(balancer.#tcp, "listening");
    balancer.#udp.bind(balancer.port, "127.0.0.1");
    await once(balancer.#udp, "listening");
    return balancer;
  }

  private constructor() {
    this.#tcp = createServer({ noDelay: true }, (client) => {
      const replica = this.#choose();
      if (replica === undefined) return client.destroy();
      const server = connect({ port: replica.port, host: "127.0.0.1", noDelay: true });
      client.pipe(server).pipe(client);
      client.on("error", () => server.destroy()).on("close", () => server.destroy());
      server.on("error", () => client.destroy()).on("close", () => client.destroy());
      return undefined;
    });
    this.#udp.on("message", (message, { address, port }) => this.#forward(message, address, port));
    this.#probes = setInterval(() => void this.#probe(), PROBE_EVERY_MS);
  }

  get port(): number {
    const address = this.#tcp.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Resolves when it is found ready. */
  async add(replica: Replica): Promise<void> {
    this.#replicas.set(replica, { isReady: false, isProbed: false });
    await until(() => this.isReady(replica), `the replica at port ${replica.port} is ready`);
  }

  remove(replica: Replica): void {
    this.#replicas.delete(replica);
  }

  isReady(replica: Replica): boolean {
    return this.#replicas.get(replica)?.isReady === true;
  }

  close(): void {
    clearInterval(this.#probes);
    this.#udp.close();
    this.#tcp.close();
    for (const { socket } of this.#flows.values()) socket.close();
  }

  /** One at a time for each replica: a late answer to an earlier one would be taken for news. */
  async #probe(): Promise<void> {
    await Promise.all(
      Array.from(this.#replicas, async ([{ adminPort }, state]) => {
        if (state.isProbed) return;
        state.isProbed = true;
        const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined);
        await response?.arrayBuffer().catch(() => {});
        state.isReady = response?.status === 200;
        state.isProbed = false;
      }),
    );
  }

  #choose(): Replica | undefined {
    const ready = Array.from(this.#replicas).flatMap(([replica, { isReady }]) => (isReady ? [replica] : []));
    this.#next += 1;
    return ready[this.#next % ready.length];
  }

  #forward(message: Buffer, address: string, port: number): void {
    const client = `${address} ${port}`;
    const known = this.#flows.get(client);
    if (known !== undefined && this.isReady(known.replica)) {
      known.socket.send(message);
      return;
    }
    const replica = this.#choose();
    if (replica === undefined) return;
    const socket = createSocket("udp4");
    this.#flows.set(client, { replica, socket });
    // Nobody listens at the replica any more: the client asks again.
    socket.on("error", () => {});
    socket.on("message", (reply) => this.#udp.send(reply, port, address));
    socket.connect(replica.port, "127.0.0.1", () => socket.send(message));
    if (known !== undefined) setTimeout(() => known.socket.close(), OLD_FLOW_MS);
  }
}

const PROBE_EVERY_MS = 100;
/** For answers of a replica that gets nothing new. */
const OLD_FLOW_MS = 5000;
