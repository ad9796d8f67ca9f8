/** Asks for the status every two seconds while the page is seen, and less often while nobody answers. */

import type { StatusReport } from "../../api-status.ts";
import { ApiError, ask } from "./server.ts";

export interface FeedOptions {
  readonly onReport: (report: StatusReport) => void;
  readonly onFailure: (error: ApiError) => void;
}

const INTERVAL_MS = 2000;
const LONGEST_INTERVAL_MS = 10_000;

export class Feed {
  readonly #options: FeedOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isPaused = false;
  #failures = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    document.addEventListener("visibilitychange", () => this.#askNow());
    this.#askNow();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(value: boolean) {
    this.#isPaused = value;
    this.#askNow();
  }

  async #askNow(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isAsking || this.#isPaused || document.visibilityState !== "visible") return;
    this.#isAsking = true;
    try {
      const report = await ask<StatusReport>("status");
      this.#failures = 0;
      this.#options.onReport(report);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#failures += 1;
      this.#options.onFailure(error);
    } finally {
      this.#isAsking = false;
      const wait = Math.min(INTERVAL_MS * Math.max(1, this.#failures), LONGEST_INTERVAL_MS);
      this.#timer = setTimeout(() => this.#askNow(), wait);
    }
  }
}
