/** What the control plane says of upstreams that do not answer: a line when it has lasted, and one at its end. */

import type { Clock, Closeable, Logger, Timer } from "../runtime.ts";

/** How an upstream does, as one thread sees it; `gone`: it is not asked any more, by nobody or by this thread. */
export type UpstreamCondition = "answers" | "silent" | "refuses" | "gone";

export interface UpstreamLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every upstream of the settings in force, as text. */
  readonly upstreams: () => readonly string[];
}

export class UpstreamLog implements Closeable {
  readonly #options: UpstreamLogOptions;
  readonly #failing = new Map<string, Failing>();

  constructor(options: UpstreamLogOptions) {
    this.#options = options;
  }

  /** `thread`: any name for the thread that has seen it. */
  note(thread: string, upstream: string, condition: UpstreamCondition): void {
    const known = this.#failing.get(upstream);
    if (condition === "silent" || condition === "refuses") {
      const failing = known ?? this.#begin(upstream);
      failing.threads.add(thread);
      failing.reason = REASONS[condition];
      return;
    }
    if (known === undefined) return;
    known.threads.delete(thread);
    if (known.threads.size > 0) return;
    this.#failing.delete(upstream);
    known.timer.cancel();
    if (known.isSaid && condition === "answers") this.#sayEnd(upstream, known);
  }

  async close(): Promise<void> {
    for (const { timer } of this.#failing.values()) timer.cancel();
    this.#failing.clear();
  }

  #begin(upstream: string): Failing {
    const { clock } = this.#options;
    const timer = clock.setTimer(SAID_AFTER_MS, () => this.#sayBegin(upstream));
    const failing = {
      threads: new Set<string>(),
      reason: "",
      sinceWallMs: clock.wallMs(),
      timer,
      isSaid: false,
    };
    this.#failing.set(upstream, failing);
    return failing;
  }

  #sayBegin(upstream: string): void {
    const failing = this.#failing.get(upstream);
    if (failing === undefined) return;
    failing.isSaid = true;
    const { logger, upstreams } = this.#options;
    const others = upstreams().filter((each) => each !== upstream);
    const answering = others.filter((each) => !this.#failing.has(each));
    const since = new Date(failing.sinceWallMs).toISOString();
    const fields = { component: COMPONENT, upstream, reason: failing.reason, since, remedy: REMEDY };
    const what = `upstream ${upstream} does not answer`;
    if (answering.length > 0) logger.warn(fields, `${what}; ${answering.join(", ")} is asked instead`);
    else logger.error(fields, `${what}${others.length > 0 ? ", and no other does" : ""}; ${EFFECT}`);
  }

  #sayEnd(upstream: string, { sinceWallMs }: Failing): void {
    const { clock, logger } = this.#options;
    const since = new Date(sinceWallMs).toISOString();
    const afterSeconds = Math.round((clock.wallMs() - sinceWallMs) / 1000);
    logger.info(
      { component: COMPONENT, upstream, since, afterSeconds },
      `upstream ${upstream} answers again`,
    );
  }
}

interface Failing {
  /** Those that see it so. */
  readonly threads: Set<string>;
  reason: string;
  readonly sinceWallMs: number;
  readonly timer: Timer;
  isSaid: boolean;
}

const COMPONENT = "dns.server";
/** A DNS server that is started anew is away for as long; nobody has to know. */
const SAID_AFTER_MS = 3_000;
const REASONS = {
  silent: "no reply to any query for more than 2 s",
  refuses: "its machine refuses packets to the port (ECONNREFUSED)",
} as const;
const EFFECT = "names that are not ours fail, but for what the cache holds";
const REMEDY =
  "It is probed every second by itself. If it lasts: does that DNS server run, and may we reach it by UDP and TCP (network policies)?";
