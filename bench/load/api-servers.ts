/** The API server of api-server.ts as a child process. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stop } from "../support/child.ts";
import type { Done, Order, Started } from "./api-server.ts";

export interface ApiServer {
  /** Resolves when it is done; one order at a time. Octets of all bodies that were sent so far. */
  tell(order: Order): Promise<number>;
  stop(): Promise<void>;
}

/** `kubeconfig`: the file to write, with the way to it. */
export async function startApiServer(kubeconfig: string): Promise<ApiServer> {
  const child = fork(fileURLToPath(new URL("api-server.ts", import.meta.url)));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const [started] = (await once(child, "message")) as [Started];
  writeFileSync(kubeconfig, started.kubeconfig);
  return {
    async tell(order) {
      const done = once(child, "message");
      child.send(order);
      const [{ sentOctets }] = (await done) as [Done];
      return sentOctets;
    },
    stop: () => stop(child),
  };
}
