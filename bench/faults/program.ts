/** The running program with one entry of its own, for as long as a fault is looked at. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ListeningProgram, type ServeOptions, startServe } from "../support/program.ts";

export const OWN_HOST = "own.example";

const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own }
spec:
  hosts: [${OWN_HOST}]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.7 }]
`;

/** Starts it, waits until it is ready, and ends it when `work` has. */
export async function withProgram<Result>(
  options: Omit<ServeOptions, "source">,
  work: (program: ListeningProgram) => Promise<Result>,
): Promise<Result> {
  const source = mkdtempSync(join(tmpdir(), "serviceentry-dns-faults-"));
  try {
    writeFileSync(join(source, "own.yaml"), ENTRY);
    const program = await startServe({ ...options, source });
    try {
      return await work(program);
    } finally {
      await program.stop();
    }
  } finally {
    rmSync(source, { recursive: true });
  }
}
