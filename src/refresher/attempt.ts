/**
 * One lookup over all upstreams of a name: the first is asked; one that fails hands over to the next at once,
 * one that stays silent is joined by the next after 0.7 s. The first good reply wins; at 4.5 s it is over.
 */

import type { Clock, Timer } from "../runtime.ts";
import type { HostName } from "../wire/host-name.ts";
import type { Family } from "../wire/ip-address.ts";
import { ACCEPT_REPLY_MS, type Lookup, type LookupResult, type UpstreamServer } from "./lookup.ts";

/** A lost packet costs this much; a healthy upstream's slowest first replies stay below it. */
export const REPEAT_AFTER_MS = 700;

/** Why a lookup's signal is aborted. */
const OVER = "over";

/** What came out of an attempt. */
export interface AttemptEnd {
  readonly result: LookupResult;
  /** Who said so, or stayed silent. */
  readonly server: UpstreamServer;
}

export interface AttemptOptions {
  readonly name: HostName;
  readonly family: Family;
  /** At least one, in the order in which to ask. */
  readonly servers: readonly UpstreamServer[];
  readonly lookup: Lookup;
  readonly clock: Clock;
  /** This server gave no reply for 0.7 s, or cannot be reached. */
  readonly onSilent: (server: UpstreamServer) => void;
  /** Called once, never within the constructor; not after `cancel`. */
  readonly onEnd: (end: AttemptEnd) => void;
}

/** Asks from its construction on, until it ended or is cancelled. */
export class Attempt {
  readonly #options: AttemptOptions;
  readonly #abort = new AbortController();
  readonly #deadline: Timer;
  #repeat: Timer;
  /** Questions sent; the next goes to the server at this index (modulo their number). */
  #asked = 0;
  readonly #unanswered = new Set<UpstreamServer>();
  #waiting = 0;
  #failed: AttemptEnd | undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#deadline = options.clock.setTimer(ACCEPT_REPLY_MS, () =>
      this.#end(this.#failed ?? this.#silence()),
    );
    this.#repeat = options.clock.setTimer(REPEAT_AFTER_MS, () => this.#repeatUnanswered());
    this.#askNext();
  }

  /** The server that was asked first. */
  get firstServer(): UpstreamServer {
    return this.#options.servers[0]!;
  }

  /** Ends it without a result; replies that still come are ignored. */
  cancel(): void {
    this.#deadline.cancel();
    this.#repeat.cancel();
    // With a reason given, no exception with a stack is made, for every lookup that ends.
    this.#abort.abort(OVER);
  }

  #askNext(): void {
    const { servers } = this.#options;
    const server = servers[this.#asked % servers.length]!;
    this.#asked += 1;
    this.#waiting += 1;
    this.#unanswered.add(server);
    void this.#ask(server);
  }

  async #ask(server: UpstreamServer): Promise<void> {
    const { name, family, servers, lookup, onSilent } = this.#options;
    let result: LookupResult;
    try {
      result = await lookup(name, family, server, this.#abort.signal);
    } catch {
      // Whatever goes wrong in a lookup, the name is asked for again.
      result = { kind: "failed", failure: "network" };
    }
    if (this.#abort.signal.aborted) return;
    this.#waiting -= 1;
    if (result.kind !== "failed") return this.#end({ result, server });
    if (result.failure === "network" || result.failure === "timeout") onSilent(server);
    else this.#unanswered.delete(server);
    // What a server said tells more than silence.
    if (this.#failed === undefined || isTimeout(this.#failed.result)) this.#failed = { result, server };
    if (this.#asked < servers.length) this.#askNext();
    else if (this.#waiting === 0) this.#end(this.#failed);
  }

  #repeatUnanswered(): void {
    const { servers, clock, onSilent } = this.#options;
    for (const server of this.#unanswered) onSilent(server);
    if (this.#asked >= Math.max(2, servers.length)) return;
    this.#askNext();
    this.#repeat = clock.setTimer(REPEAT_AFTER_MS, () => this.#repeatUnanswered());
  }

  #silence(): AttemptEnd {
    return { result: { kind: "failed", failure: "timeout" }, server: this.firstServer };
  }

  #end(end: AttemptEnd): void {
    this.cancel();
    this.#options.onEnd(end);
  }
}

function isTimeout(result: LookupResult): boolean {
  return result.kind === "failed" && result.failure === "timeout";
}
