/** What the control plane makes of probes that came back (`LoopWatch`): a line when a loop appears and when it is gone. */

import type { Clock, Closeable, Logger, Timer } from "../runtime.ts";
import { LOOP_HEALS_AFTER_MS } from "./loop-watch.ts";

export interface LoopLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the settings in force. */
  readonly isRefusing: () => boolean;
  readonly onHealed: () => void;
  /** `present` is another now. */
  readonly onChanged?: () => void;
}

export class LoopLog implements Closeable {
  readonly #options: LoopLogOptions;
  readonly #healing = new Map<string, Timer>();

  constructor(options: LoopLogOptions) {
    this.#options = options;
  }

  /** Upstreams that hand our queries back to us, as text. */
  get present(): readonly string[] {
    return [...this.#healing.keys()];
  }

  /** A thread has received a probe that the upstream was asked. */
  note(upstream: string): void {
    const { clock, logger, isRefusing, onHealed, onChanged } = this.#options;
    const known = this.#healing.get(upstream);
    known?.cancel();
    if (known === undefined) {
      const remedy = isRefusing() ? REFUSE_REMEDY : REMEDY;
      const message = `upstream ${upstream} hands our queries back to us; it is not asked any more`;
      logger.error({ component: COMPONENT, upstream, remedy }, message);
    }
    const timer = clock.setTimer(LOOP_HEALS_AFTER_MS, () => {
      this.#healing.delete(upstream);
      logger.info({ component: COMPONENT, upstream }, `upstream ${upstream} is asked again`);
      onChanged?.();
      onHealed();
    });
    this.#healing.set(upstream, timer);
    if (known === undefined) onChanged?.();
  }

  async close(): Promise<void> {
    for (const timer of this.#healing.values()) timer.cancel();
    this.#healing.clear();
  }
}

const COMPONENT = "dns.server";
const REMEDY =
  "Let upstreams and clusterUpstreams name DNS servers that do not forward to this server; own answers go on.";
const REFUSE_REMEDY =
  "With refuse, upstreams must not lead to the DNS servers of clusterUpstreams, which ask this server first.";
