/** How far a long run is, on a terminal's error output alone: a line that is written over itself. */

const EVERY_MS = 100;
/** A run that ends sooner needs no bar. */
const FIRST_AFTER_MS = 300;
const WIDTH = 30;

export class Progress {
  readonly #write: (text: string) => void;
  readonly #things: string;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #shownMs = 0;
  #isShown = false;

  /** `write`: undefined: nobody sees it. `things`: what is counted. */
  constructor(
    write: ((text: string) => void) | undefined,
    things: string,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#write = write ?? (() => {});
    this.#things = things;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  update(done: number, all: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#startMs < FIRST_AFTER_MS || nowMs - this.#shownMs < EVERY_MS) return;
    this.#shownMs = nowMs;
    this.#isShown = true;
    const filled = Math.round((done / Math.max(1, all)) * WIDTH);
    this.#write(`\r[${"#".repeat(filled)}${".".repeat(WIDTH - filled)}] ${done} of ${all} ${this.#things}`);
  }

  /** Wipes the line. */
  end(): void {
    if (this.#isShown) this.#write("\r\x1b[K");
    this.#isShown = false;
  }
}
