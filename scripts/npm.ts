/** Runs npm and returns what it printed: the one that runs this script, or else that of the PATH. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

export interface NpmOutput {
  readonly out: string;
  readonly error: string;
  /** Null: ended by a signal, or never started. */
  readonly status: number | null;
}

/** In the root of the project. */
export function runNpm(args: readonly string[]): NpmOutput {
  const own = process.env["npm_execpath"];
  const [command, first] = own === undefined ? ["npm", []] : [process.execPath, [own]];
  const { stdout, stderr, status, error } = spawnSync(command, [...first, ...args], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: MAX_OCTETS,
  });
  return { out: stdout ?? "", error: stderr || String(error ?? ""), status };
}

const MAX_OCTETS = 64 * 1024 * 1024;
