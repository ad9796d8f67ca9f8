/** What a command prints, kept; for the tests of commands. */

import type { Output } from "../../src/cli/usage.ts";
import { until } from "../support/waiting.ts";

export class CommandOutput implements Output {
  text = "";
  errors = "";

  readonly out = (text: string): void => {
    this.text += text;
  };

  readonly error = (text: string): void => {
    this.errors += text;
  };

  /** Resolves when either text matches. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const match = () => pattern.exec(this.text + this.errors);
    await until(
      () => match() !== null,
      () => `${pattern} is printed: ${this.text}${this.errors}`,
    );
    return match()!;
  }
}
