/** What a command prints, kept; for the tests of commands. */

import type { Output } from "../../src/cli/usage.ts";

export class CommandOutput implements Output {
  text = "";
  errors = "";
  #wake: () => void = () => {};

  readonly out = (text: string): void => {
    this.text += text;
    this.#wake();
  };

  readonly error = (text: string): void => {
    this.errors += text;
    this.#wake();
  };

  /** Resolves when either text matches; rejects after two seconds. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + 2000;
    while (performance.now() < deadlineMs) {
      const match = pattern.exec(this.text + this.errors);
      if (match !== null) return match;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 2000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    throw new Error(`${pattern} was not printed: ${this.text}${this.errors}`);
  }
}
