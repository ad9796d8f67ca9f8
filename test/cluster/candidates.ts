/** Several candidates for one Lease on a scripted API server, each with a clock and a network of its own. */

import type { ApiCall, ApiResponse, WritingApiClient } from "../../src/cluster/api-client.ts";
import { Lease } from "../../src/cluster/lease.ts";
import { pause } from "../../src/cluster/pause.ts";
import type { LogFields, Logger, Random } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";
import type { ScriptedApiServer } from "../support/scripted-api-server.ts";
import { FixedRandom, plainClient } from "./fixture.ts";

/** What becomes of a candidate's calls. */
export type Network =
  | "good"
  /** Nobody answers the connection. */
  | "refused"
  /** Calls vanish. */
  | "silent"
  /** Calls arrive, and answers do not. */
  | "deaf"
  /** Answers take 3 s. */
  | "slow";

/** Leads to the server, through a network that the test breaks. */
class BrokenClient implements WritingApiClient {
  network: Network = "good";
  /** Calls that wait for nothing but the server. */
  busy = 0;
  readonly #inner: WritingApiClient;
  readonly #clock: FakeClock;

  constructor(inner: WritingApiClient, clock: FakeClock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  get(path: string, signal: AbortSignal): Promise<ApiResponse> {
    return this.send({ method: "GET", path }, signal);
  }

  async send(call: ApiCall, signal: AbortSignal): Promise<ApiResponse> {
    const { network } = this;
    if (network === "refused") throw new Error("connect ECONNREFUSED");
    if (network === "silent") return await new Promise((_, reject) => onAbort(signal, reject));
    this.busy += 1;
    let response: ApiResponse;
    let body: Buffer;
    try {
      response = await this.#inner.send(call, signal);
      const chunks: Buffer[] = [];
      for await (const chunk of response.body) chunks.push(chunk);
      body = Buffer.concat(chunks);
    } finally {
      this.busy -= 1;
    }
    if (network === "deaf") throw new Error("socket hang up");
    if (network === "slow") await pause(this.#clock, 3000, signal);
    if (signal.aborted) throw new Error("aborted");
    return { ...response, body: piecesOf(body) };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

async function* piecesOf(body: Buffer): AsyncIterable<Buffer> {
  yield body;
}

function onAbort(signal: AbortSignal, reject: (error: Error) => void): void {
  if (signal.aborted) reject(new Error("aborted"));
  signal.addEventListener("abort", () => reject(new Error("aborted")));
}

/** A clock whose wall time is somebody's mistake, and whose timers may be late. */
class SkewedClock extends FakeClock {
  skewMs = 0;
  lateMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.lateMs;
  }

  override wallMs(): number {
    return super.wallMs() + this.skewMs;
  }
}

export class Candidate {
  readonly name: string;
  readonly clock = new SkewedClock();
  readonly client: BrokenClient;
  readonly lease: Lease;
  readonly story: string[] = [];
  /** What it logged: level, reason's code and message. */
  readonly lines: string[] = [];
  /** Its time stands: a crash, or a process that is stopped. */
  isFrozen = false;
  /** How long it stood. */
  missedMs = 0;

  constructor(name: string, server: ScriptedApiServer, random: Random) {
    this.name = name;
    this.client = new BrokenClient(plainClient(server), this.clock);
    const line = (level: string) => (fields: LogFields, message: string) =>
      void this.lines.push([level, fields["code"], message].filter((each) => each !== undefined).join(" "));
    const logger: Logger = { debug() {}, info: line("info"), warn: line("warn"), error: line("error") };
    const place = { namespace: "serviceentry-dns", name: "serviceentry-dns", identity: name };
    this.lease = new Lease({
      ...place,
      client: this.client,
      clock: this.clock,
      random,
      logger,
    });
    this.lease.onChange((isHeld) => this.story.push(isHeld ? "held" : "lost"));
  }

  /** Whether it would write now. */
  get writes(): boolean {
    return !this.isFrozen && this.lease.isHeld;
  }
}

export class Candidates {
  readonly all: Candidate[] = [];
  /** Moments at which more than one would have written. */
  doubles = 0;
  readonly #server: ScriptedApiServer;
  readonly #random: Random;

  constructor(server: ScriptedApiServer, random: Random = new FixedRandom()) {
    this.#server = server;
    this.#random = random;
  }

  async join(name: string): Promise<Candidate> {
    const candidate = new Candidate(name, this.#server, this.#random);
    this.all.push(candidate);
    candidate.lease.start();
    await this.#idle();
    return candidate;
  }

  get writers(): string {
    return this.all
      .filter(({ writes }) => writes)
      .map(({ name }) => name)
      .join(" ");
  }

  /** Lets time pass for all that are not frozen. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      for (const each of this.all) {
        if (each.isFrozen) each.missedMs += STEP_MS;
        else each.clock.advance(STEP_MS);
      }
      await this.#idle();
      if (this.writers.includes(" ")) this.doubles += 1;
    }
  }

  /** Milliseconds until `condition` holds; more than `mostMs`: it does not. */
  async until(condition: () => boolean, mostMs: number): Promise<number> {
    let passed = 0;
    for (; passed <= mostMs && !condition(); passed += STEP_MS) await this.pass(STEP_MS);
    return passed;
  }

  /** A stopped process goes on: all the time that it missed is there at once. */
  async thaw(candidate: Candidate): Promise<void> {
    candidate.isFrozen = false;
    candidate.clock.advance(candidate.missedMs);
    candidate.missedMs = 0;
    await this.#idle();
    if (this.writers.includes(" ")) this.doubles += 1;
  }

  async close(): Promise<void> {
    for (const each of this.all) {
      each.client.network = "refused";
      await each.lease.close();
      await each.client.close();
    }
  }

  /** Resolves when every call to the server is answered and what follows from it is done. */
  async #idle(): Promise<void> {
    do {
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    } while (this.all.some(({ client }) => client.busy > 0));
  }
}

const STEP_MS = 100;
