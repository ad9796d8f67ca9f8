/**
 * The whole program in front of the scripted API server, asked at a steady rate for a host that never changes,
 * while faults and changes come by chance. After each fault the hosts that it shows must be those of a LIST.
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordClass, RecordType } from "../../src/wire/constants.ts";
import { decodeMessage, encodeMessage } from "../../src/wire/message.ts";
import type { ApiExchange } from "../support/api-exchange.ts";
import { freePort, Program } from "../support/program.ts";
import { type ApiObject, ScriptedApiServer } from "../support/scripted-api-server.ts";
import { until, untilEqual } from "../support/waiting.ts";
import { serviceEntry } from "./fixture.ts";

/** How soon after the end of a fault all should be right again. */
export const HEAL_GOAL_MS = 5000;
/** The same on however busy a machine. */
const HEALED_WITHIN_MS = 5 * HEAL_GOAL_MS;
const STEADY_HOST = "steady.example.com";
const STEADY_ADDRESS = "192.0.2.77";
const ASK_EVERY_MS = 5;
/** What is not answered by then is lost. */
const LOST_MS = 15_000;
/** No more questions than the socket of a busy program has room for. */
const MOST_WAITING = 100;
const OBJECTS = 20;

/** A chance that can be told again: mulberry32. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Fire {
  readonly server: ScriptedApiServer;
  readonly asker: SteadyAsker;
  readonly #program: Program;
  readonly #folder: string;
  readonly #chance: () => number;
  readonly #apiPort: number;
  readonly #adminPort: number;
  longestHealMs = 0;
  #token = "secret";
  #edition = 0;

  static async start(seed: number, istioVersions?: readonly string[]): Promise<Fire> {
    const server = await ScriptedApiServer.start();
    if (istioVersions !== undefined) server.istioVersions = istioVersions;
    server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
    server.apply(steadyEntry());
    const [port, apiPort, adminPort] = [await freePort(), await freePort(), await freePort()];
    const fire = new Fire(server, seed, { port, apiPort, adminPort });
    await fire.#program.says(/"msg":"ready"/);
    await fire.asker.start();
    return fire;
  }

  private constructor(
    server: ScriptedApiServer,
    seed: number,
    ports: { readonly port: number; readonly apiPort: number; readonly adminPort: number },
  ) {
    const { port, apiPort, adminPort } = ports;
    this.server = server;
    this.#chance = chanceOf(seed);
    this.#folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    this.#apiPort = apiPort;
    this.#adminPort = adminPort;
    this.#writeKubeconfig();
    this.#program = new Program(
      [
        "serve",
        "--source=kubernetes",
        `--listen=127.0.0.1:${port}`,
        `--api=127.0.0.1:${apiPort}`,
        `--admin=127.0.0.1:${adminPort}`,
        "--upstreams=127.0.0.1:9",
        "--reporter=false",
      ],
      { env: { KUBECONFIG: this.#kubeconfig } },
    );
    this.asker = new SteadyAsker(port);
  }

  async close(): Promise<void> {
    this.asker.close();
    await this.#program.end();
    await this.server.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** One fault with changes before, in and after it; resolves when all is right again. */
  async suffer(name: FaultName): Promise<void> {
    this.change(this.#below(3));
    await FAULTS[name](this);
    this.change(1 + this.#below(3));
    const startMs = performance.now();
    await this.healed(name);
    this.longestHealMs = Math.max(this.longestHealMs, performance.now() - startMs);
  }

  /** Creates, edits and deletes some of the objects. */
  change(count: number): void {
    for (let left = count; left > 0; left -= 1) {
      const name = `object-${this.#below(OBJECTS)}`;
      const isThere = this.server.get("ServiceEntry", "default", name) !== undefined;
      if (isThere && this.#chance() < 0.4) this.server.remove("ServiceEntry", "default", name);
      else this.server.apply(this.entry(name));
    }
  }

  entry(name: string, note = ""): ApiObject {
    this.#edition += 1;
    const address = `10.0.${(this.#edition >> 8) & 255}.${this.#edition & 255}`;
    return fixedEntry(name, address, note);
  }

  /** Milliseconds from 0 up to `most`. */
  async pause(mostMs: number): Promise<void> {
    await new Promise((wake) => setTimeout(wake, this.#chance() * mostMs));
  }

  /** Each fault once in a row by chance, over and over. */
  *faults(count: number): Generator<FaultName> {
    let row: FaultName[] = [];
    for (let left = count; left > 0; left -= 1) {
      if (row.length === 0) row = [...FAULT_NAMES];
      yield row.splice(this.#below(row.length), 1)[0]!;
    }
  }

  below(limit: number): number {
    return this.#below(limit);
  }

  /** From now on only another token is let in, and it stands in the file. */
  rotateToken(): void {
    this.#token = `secret-${this.#below(1e9)}`;
    this.server.tokens = new Set([this.#token]);
    this.#writeKubeconfig();
  }

  /** Resolves when the program shows what a LIST has. */
  healed(what: string, withinMs = HEALED_WITHIN_MS): Promise<void> {
    return shows(this.#apiPort, hostsOf(this.server.all("ServiceEntry")), what, withinMs);
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`)).text();
  }

  get #kubeconfig(): string {
    return join(this.#folder, "kubeconfig");
  }

  #writeKubeconfig(): void {
    const fresh = join(this.#folder, "new");
    writeFileSync(fresh, this.server.kubeconfig(this.#token));
    renameSync(fresh, this.#kubeconfig);
  }

  #below(limit: number): number {
    return Math.floor(this.#chance() * limit);
  }
}

/** Whose host is asked for all the time. */
export function steadyEntry(): ApiObject {
  return fixedEntry("steady", STEADY_ADDRESS);
}

export function fixedEntry(name: string, address: string, note = ""): ApiObject {
  const time = new Date().toISOString().replace(/\.\d+/, "");
  return serviceEntry(name, {
    metadata: { annotations: { note }, managedFields: [{ manager: "kubectl", time }] },
    spec: { hosts: [`${name}.example.com`], resolution: "STATIC", endpoints: [{ address }] },
  });
}

/** Resolves when the program with its API at this port shows these hosts and no others. */
export async function shows(
  apiPort: number,
  expected: string,
  what: string,
  withinMs = HEALED_WITHIN_MS,
): Promise<void> {
  await untilEqual(() => shownHosts(apiPort), expected, `after ${what}`, { withinMs, everyMs: 20 });
}

/** What ServiceEntries with one host and fixed addresses each must be shown as. */
export function hostsOf(entries: readonly { readonly [field: string]: unknown }[]): string {
  const lines = entries.map((entry) => {
    const { hosts, endpoints } = entry["spec"] as { hosts: string[]; endpoints: { address: string }[] };
    return `${hosts[0]} ${endpoints.map(({ address }) => address)}`;
  });
  return lines.sort().join("\n");
}

async function shownHosts(apiPort: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${apiPort}/api/hosts`);
  const { hosts } = (await response.json()) as {
    hosts: { host: string; addresses: { address: string }[] }[];
  };
  const lines = hosts.map(({ host, addresses }) => `${host} ${addresses.map(({ address }) => address)}`);
  return lines.sort().join("\n");
}

const isEntries = ({ path }: { readonly path: string }) => path.endsWith("/serviceentries");
const isEntriesWatch = (request: { readonly path: string; readonly isWatch: boolean }) =>
  isEntries(request) && request.isWatch;

/** Each resolves when the server is well again. */
const FAULTS = {
  async restart(fire: Fire) {
    await fire.server.goAway();
    fire.change(2);
    await fire.pause(600);
    await fire.server.comeBack();
  },
  async "watches end"({ server }: Fire) {
    server.endWatches();
  },
  async "watches are cut"({ server }: Fire) {
    server.cutWatches();
  },
  async "410 as an event"(fire: Fire) {
    await expire(fire, "event");
  },
  async "410 as a status"(fire: Fire) {
    await expire(fire, "status");
  },
  async "status 500"(fire: Fire) {
    await refuse(fire, 500);
  },
  async "status 429 with Retry-After"(fire: Fire) {
    await refuse(fire, 429, { "retry-after": "1" });
  },
  async "status 401 until the token is read again"(fire: Fire) {
    fire.rotateToken();
    fire.server.cutWatches();
    await fire.server.nextRequest(isEntriesWatch);
  },
  async "a line that is no JSON"(fire: Fire) {
    await nextWatch(fire, async (exchange) => {
      exchange.open();
      await exchange.send('{"type":"MODIFIED","object":{"metadata":{"name":\n');
    });
  },
  async "octets cut anywhere, in the middle of characters"(fire: Fire) {
    await nextWatch(fire, async (exchange) => {
      let object!: ApiObject;
      fire.server.lose(() => {
        object = fire.server.apply(fire.entry("cut", "ä€𐍈".repeat(20)));
      });
      exchange.open();
      const line = Buffer.from(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
      for (let from = 0; from < line.length; ) {
        const length = 1 + fire.below(40);
        await exchange.send(line.subarray(from, from + length));
        from += length;
      }
      exchange.end();
    });
  },
  async "a line that is cut"(fire: Fire) {
    await nextWatch(fire, async (exchange) => {
      exchange.open();
      await exchange.send('{"type":"ADDED","object":{"apiVersion":');
      if (fire.below(2) === 0) exchange.reset();
      else exchange.cut();
    });
  },
  async "headers that come late"(fire: Fire) {
    await nextWatch(fire, async (exchange) => {
      await fire.pause(800);
      await fire.server.answer(exchange);
    });
  },
  async "objects of 1 MiB"(fire: Fire) {
    fire.server.apply(fire.entry("large-1", "n".repeat(2 ** 20)));
    fire.server.apply(fire.entry("large-2", "€".repeat(2 ** 19)));
  },
  async "status 404 for a moment"(fire: Fire) {
    await absent(fire, fire.server.missing);
  },
  async "status 403 for a moment"(fire: Fire) {
    await absent(fire, fire.server.denied);
  },
} as const satisfies Readonly<Record<string, (fire: Fire) => Promise<void>>>;

export type FaultName = keyof typeof FAULTS;
const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

async function expire({ server }: Fire, expiredAs: ScriptedApiServer["expiredAs"]): Promise<void> {
  server.expiredAs = expiredAs;
  server.endWatches();
  server.lose(() => server.passTime());
  server.compact();
}

/** Some requests for entries are refused one after the other. */
async function refuse(
  fire: Fire,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const times = 1 + fire.below(3);
  let left = times;
  const refused = new Promise<void>((resolve) => {
    for (let index = 0; index < times; index += 1) {
      fire.server.script(isEntries, (exchange) => {
        exchange.refuse(status, "not now", headers);
        left -= 1;
        if (left === 0) resolve();
      });
    }
  });
  fire.server.cutWatches();
  fire.change(1);
  await refused;
}

/** The watch that comes next is answered by `step`. */
async function nextWatch(fire: Fire, step: (exchange: ApiExchange) => Promise<void>): Promise<void> {
  const answered = new Promise<void>((resolve, reject) => {
    fire.server.script(isEntriesWatch, (exchange) => step(exchange).then(resolve, reject));
  });
  fire.server.endWatches();
  await answered;
}

async function absent(fire: Fire, set: Set<string>): Promise<void> {
  set.add("serviceentries");
  fire.server.cutWatches();
  await fire.server.nextRequest(isEntries);
  fire.change(1);
  await fire.pause(500);
  set.delete("serviceentries");
}

/** Asks for the steady host at a rate, and keeps what was not right. */
export class SteadyAsker {
  /** Answers that were not the one address, and queries without any. */
  readonly wrong: string[] = [];
  answered = 0;
  readonly #port: number;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #id = 0;
  readonly #askedMs = new Map<number, number>();

  constructor(port: number) {
    this.#port = port;
  }

  async start(): Promise<void> {
    const socket = createSocket("udp4");
    this.#socket = socket;
    socket.on("message", (reply) => this.#take(reply));
    socket.on("error", (error) => this.wrong.push(error.message));
    socket.connect(this.#port, "127.0.0.1");
    await once(socket, "connect");
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket?.close();
  }

  /**
   * Resolves when at least `count` answers have come, which on a busy machine takes longer than the story, and nothing
   * is waited for any more. Asks no more from then on.
   */
  async hasAnswered(count: number): Promise<void> {
    const shown = () => `${this.answered} of ${count} answers, ${this.#askedMs.size} questions are open`;
    await until(() => this.answered >= count, shown);
    clearInterval(this.#timer);
    await until(() => this.#askedMs.size === 0 || this.wrong.length > 0, shown);
  }

  #ask(): void {
    const nowMs = performance.now();
    for (const [id, atMs] of this.#askedMs) {
      if (nowMs - atMs < LOST_MS) break;
      this.#askedMs.delete(id);
      this.wrong.push("no answer");
    }
    if (this.#askedMs.size >= MOST_WAITING) return;
    this.#id = (this.#id + 1) & 0xffff;
    this.#askedMs.set(this.#id, nowMs);
    const questions = [{ name: STEADY_HOST, type: RecordType.A, class: RecordClass.IN }];
    const none = { answers: [], authorities: [], additionals: [] };
    this.#socket?.send(encodeMessage({ id: this.#id, flags: 0x0100, questions, ...none }));
  }

  #take(octets: Buffer): void {
    const reply = decodeMessage(new Uint8Array(octets));
    if ("fault" in reply) {
      this.wrong.push(`the reply ${reply.fault}`);
      return;
    }
    if (!this.#askedMs.delete(reply.id)) return;
    this.answered += 1;
    const data = reply.answers.map((each) => (each.data.kind === "A" ? String(each.data.address) : "other"));
    const said = `${reply.flags & 0xf} ${data}`;
    if (said !== `0 ${STEADY_ADDRESS}`) this.wrong.push(said);
  }
}
