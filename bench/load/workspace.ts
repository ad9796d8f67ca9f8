/** A folder for one bench's files, and an upstream; both gone when it ends, however it ends. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuMs } from "../support/child.ts";
import { type ListeningProgram, startServe } from "../support/program.ts";
import { startUpstream } from "./responders.ts";

export interface Workspace {
  readonly folder: string;
  readonly upstreamPort: number;
  /** Started servers end with the workspace at the latest. */
  startServer(source: string, udp?: "batch" | "dgram"): Promise<ListeningProgram>;
}

export async function withWorkspace<Result>(
  work: (workspace: Workspace) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-bench-"));
  const upstream = await startUpstream();
  const servers: ListeningProgram[] = [];
  try {
    return await work({
      folder,
      upstreamPort: upstream.port,
      async startServer(source, udp) {
        const server = await startServe({ source, udp, upstreamPorts: [upstream.port] });
        servers.push(server);
        return server;
      },
    });
  } finally {
    for (const server of servers) await server.stop();
    await upstream.stop();
    rmSync(folder, { recursive: true });
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const QUIET_SHARE = 0.1;
const QUIET_SAMPLE_MS = 500;
const MOST_SAMPLES = 40;

/** Resolves when the process has done what it had to do. */
export async function quiet(pid: number): Promise<void> {
  for (let sample = 0; sample < MOST_SAMPLES; sample += 1) {
    const before = cpuMs(pid);
    await sleep(QUIET_SAMPLE_MS);
    if (cpuMs(pid) - before < QUIET_SAMPLE_MS * QUIET_SHARE) return;
  }
}
