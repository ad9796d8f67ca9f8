/** Runs a command of the project's tools to its end, with the Node.js that runs the tests. */

import { spawnSync } from "node:child_process";
import { dirname } from "node:path";

/** HOME for npm's cache, and a PATH on which this Node.js comes first. */
export const TOOL_ENVIRONMENT = {
  HOME: process.env["HOME"],
  PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
} as const;

/** What it printed; throws with all of it when its status is not 0. */
export function runCommand(directory: string, command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: directory,
    env: TOOL_ENVIRONMENT,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} (${status}):\n${stdout}${stderr}`);
  return stdout;
}
