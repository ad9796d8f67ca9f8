/**
 * Queries at a rate, or as many as a server takes, from a process of their own: dnsperf where it is installed,
 * else the small generator in own-generator.ts.
 */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { boundCommand } from "../support/processors.ts";
import { percentile } from "../support/statistics.ts";

export interface Load {
  readonly port: number;
  /** Asked for in turn, type A. */
  readonly names: readonly string[];
  readonly seconds: number;
  /** Per second; absent: always a hundred on their way. */
  readonly rate?: number;
  /** Measures latencies, which costs the generator time. */
  readonly hasLatencies?: boolean;
  /** The generator uses this processor alone. */
  readonly processor?: number;
}

export interface LoadResult {
  readonly answered: number;
  readonly lost: number;
  /** Milliseconds; NaN unless they were asked for. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

const run = promisify(execFile);
const MOST_OUTPUT_OCTETS = 256 * 1024 * 1024;

export async function generatorName(): Promise<string> {
  if (!(await hasDnsperf())) return "own generator on Node's dgram";
  return `dnsperf${MAY_COME_FIRST ? `, at niceness ${FIRST}: that it waits for a processor itself is no delay of ours` : ""}`;
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-bench-"));
  try {
    const file = join(folder, "queries");
    writeFileSync(file, load.names.map((name) => `${name} A\n`).join(""));
    return (await hasDnsperf()) ? await runDnsperf(load, file) : await runOwn(load, file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Of a generator whose own turns come first. */
const FIRST = -10;
const MAY_COME_FIRST = process.platform === "linux" && process.getuid?.() === 0;

let dnsperf: Promise<boolean> | undefined;

function hasDnsperf(): Promise<boolean> {
  dnsperf ??= run("dnsperf", ["-h"]).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
  return dnsperf;
}

async function runDnsperf(load: Load, file: string): Promise<LoadResult> {
  const args = [
    "-s",
    "127.0.0.1",
    "-p",
    String(load.port),
    "-d",
    file,
    "-l",
    String(load.seconds),
    "-t",
    "2",
  ];
  if (load.rate !== undefined) args.push("-Q", String(load.rate));
  if (load.hasLatencies) args.push("-v");
  const command = ["dnsperf", ...args];
  // Saturated, it would take the server's processor.
  const isFirst = MAY_COME_FIRST && load.rate !== undefined;
  const [program, ...words] = bound(isFirst ? ["nice", "-n", String(FIRST), ...command] : command, load);
  const stdout = await outputOf(program!, words, `${file}.answers`);
  const count = (what: string) => Number(new RegExp(`Queries ${what}:\\s+(\\d+)`).exec(stdout)?.[1]);
  const latenciesMs: number[] = [];
  for (const [, seconds] of stdout.matchAll(/^> \w+ \S+ \S+ ([\d.]+)$/gm))
    latenciesMs.push(Number(seconds) * 1000);
  return { answered: count("completed"), lost: count("lost"), ...percentiles(latenciesMs) };
}

/** By way of a file: who reads every line of a pipe as it comes takes a processor's time from the server. */
async function outputOf(program: string, words: readonly string[], path: string): Promise<string> {
  const file = openSync(path, "w");
  const child = spawn(program, words, { stdio: ["ignore", file, "inherit"] });
  const [code] = await once(child, "close");
  closeSync(file);
  const output = readFileSync(path, "latin1");
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`);
  return output;
}

async function runOwn(load: Load, file: string): Promise<LoadResult> {
  const generator = fileURLToPath(new URL("own-generator.ts", import.meta.url));
  const args = [generator, String(load.port), file, String(load.seconds), String(load.rate ?? 0)];
  const [program, ...words] = bound([process.execPath, ...args], load);
  const { stdout } = await run(program!, words, { maxBuffer: MOST_OUTPUT_OCTETS });
  const result = JSON.parse(stdout) as { answered: number; lost: number; latenciesMs: number[] };
  return {
    answered: result.answered,
    lost: result.lost,
    ...percentiles(load.hasLatencies ? result.latenciesMs : []),
  };
}

function bound(command: readonly string[], { processor }: Load): readonly string[] {
  return processor === undefined ? command : boundCommand(command, processor);
}

function percentiles(latenciesMs: readonly number[]): Pick<LoadResult, "p50" | "p99" | "p999"> {
  const at = (share: number) => percentile(latenciesMs, share);
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}
