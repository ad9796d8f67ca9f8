/** Which processors a process may use: without a say the scheduler decides, and keeps to it for as long as a run takes. */

import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** Whether processes can be bound at all: two processors, and `taskset`. */
export const MAY_BIND = process.platform === "linux" && availableParallelism() > 1 && hasTaskset();

/** All threads that the process has now; null: any processor. */
export function bind(pid: number, processor: number | null): void {
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", listOf(processor), String(pid)]);
}

/** The words of a command that is bound from its start. */
export function boundCommand(command: readonly string[], processor: number): readonly string[] {
  return ["taskset", "--cpu-list", listOf(processor), ...command];
}

function listOf(processor: number | null): string {
  return processor === null ? `0-${availableParallelism() - 1}` : String(processor);
}

function hasTaskset(): boolean {
  try {
    execFileSync("taskset", ["--version"]);
    return true;
  } catch {
    return false;
  }
}
