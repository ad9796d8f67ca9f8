/** A bound on silence: a request whose peer says nothing for too long is given up. */

import type { Clock } from "../runtime.ts";
import { ApiFault } from "./api-fault.ts";

/**
 * Runs a request under a signal that is aborted with `outer`, or when `noteProgress` was not called for
 * `limitMs`: then this rejects with the fault "stalled".
 */
export async function withStallLimit<T>(
  clock: Clock,
  limitMs: number,
  outer: AbortSignal,
  run: (signal: AbortSignal, noteProgress: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  let progressAtMs = clock.nowMs();
  let isStalled = false;
  const look = () => {
    const restMs = progressAtMs + limitMs - clock.nowMs();
    if (restMs > 0) {
      timer = clock.setTimer(restMs, look);
      return;
    }
    isStalled = true;
    abort();
  };
  let timer = clock.setTimer(limitMs, look);
  outer.addEventListener("abort", abort, { once: true });
  if (outer.aborted) abort();
  try {
    return await run(controller.signal, () => {
      progressAtMs = clock.nowMs();
    });
  } catch (error) {
    throw isStalled ? new ApiFault("stalled", `nothing came for ${limitMs / 1000} s`) : error;
  } finally {
    timer.cancel();
    outer.removeEventListener("abort", abort);
  }
}
