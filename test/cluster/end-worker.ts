/**
 * Loaded into a program before its own modules (`--import`): ends a data-plane thread, as a fault would, as soon as
 * there is a file in the folder END_WORKER with the name of its role.
 */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, workerData } from "node:worker_threads";

const folder = process.env["END_WORKER"];
if (!isMainThread && folder !== undefined) {
  const order = join(folder, (workerData as { role: string }).role);
  setInterval(() => {
    if (!existsSync(order)) return;
    rmSync(order);
    process.exit(1);
  }, 5).unref();
}
