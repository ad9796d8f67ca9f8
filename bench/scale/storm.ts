/** Ten thousand names that all have the same TTL: what their refreshing costs, and how evenly it comes. */

import { createCaresLookup, type Lookup, type LookupResult } from "../../src/refresher/lookup.ts";
import { Refresher } from "../../src/refresher/refresher.ts";
import { type Logger, systemRandom } from "../../src/runtime.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { type Family, parseIpAddress } from "../../src/wire/ip-address.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { startUpstream } from "../load/responders.ts";

export interface Storm {
  readonly names: number;
  readonly ttlSeconds: number;
  /** Until every name had an answer. */
  readonly firstSeconds: number;
  readonly lookupsPerSecond: { readonly mean: number; readonly most: number };
  /** Lookups that began later than a second after they were due. */
  readonly late: number;
  /** Of this process, for everything about one refresh but the question itself. */
  readonly refreshCpuUs: number;
  /** For the question itself, by way of c-ares over loopback. */
  readonly questionCpuUs: number;
}

const NAMES = 10_000;
const NAMESPACES = 50;
const TTL_SECONDS = 30;
const STEP_MS = 2;
/** From the question to the answer. */
const UPSTREAM_MS = 2;
const MOST_FIRST_SECONDS = 120;
/** Some times around. */
const WATCHED_SECONDS = 4 * TTL_SECONDS;
const QUESTIONS = 5000;
/** As many as the refresher asks at once. */
const AT_ONCE = 64;

export async function measureStorm(): Promise<Storm> {
  const clock = new FakeClock();
  const found = new Map<string, LookupResult>();
  const bySecond = new Map<number, number>();
  const lookup: Lookup = async (name, family) => {
    const second = Math.floor(clock.nowMs() / 1000);
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
    await new Promise<void>((resolve) => clock.setTimer(UPSTREAM_MS, resolve));
    const known = found.get(`${name} ${family}`) ?? answerFor(found.size, family);
    found.set(`${name} ${family}`, known);
    return known;
  };
  const refresher = new Refresher({
    lookup,
    clock,
    random: systemRandom,
    logger: SILENT,
    settings: {
      servers: { cluster: [UPSTREAM], other: [UPSTREAM] },
      clusterDomain: "cluster.local",
      maxStaleMs: 3_600_000,
    },
    onChanged() {},
    onTouched() {},
  });
  const startMs = clock.nowMs();
  for (let index = 0; index < NAMES; index += 1) refresher.want(nameOf(index), `team-${index % NAMESPACES}`);
  while (found.size < 2 * NAMES && clock.nowMs() - startMs < MOST_FIRST_SECONDS * 1000) await step(clock);
  const firstSeconds = (clock.nowMs() - startMs) / 1000;

  bySecond.clear();
  const lateBefore = lateLookups(refresher);
  const before = process.cpuUsage();
  let lookups = 0;
  for (let elapsedMs = 0; elapsedMs < WATCHED_SECONDS * 1000; elapsedMs += STEP_MS) await step(clock);
  const { user, system } = process.cpuUsage(before);
  for (const count of bySecond.values()) lookups += count;
  const late = lateLookups(refresher) - lateBefore;
  await refresher.close();
  return {
    names: NAMES,
    ttlSeconds: TTL_SECONDS,
    firstSeconds,
    lookupsPerSecond: { mean: lookups / WATCHED_SECONDS, most: Math.max(...bySecond.values()) },
    late,
    refreshCpuUs: (user + system) / lookups,
    questionCpuUs: await measureQuestions(),
  };
}

/** Every lookup that has ended by now goes on before time does. */
async function step(clock: FakeClock): Promise<void> {
  clock.advance(STEP_MS);
  await new Promise((resolve) => setImmediate(resolve));
}

function lateLookups({ counts: { latenessSeconds } }: Refresher): number {
  const { bounds, counts } = latenessSeconds;
  return counts.slice(bounds.indexOf(1) + 1).reduce((sum, count) => sum + count, 0);
}

async function measureQuestions(): Promise<number> {
  const upstream = await startUpstream();
  const lookup = createCaresLookup();
  const server = { address: "127.0.0.1", port: upstream.port };
  let asked = 0;
  const before = process.cpuUsage();
  const asker = async () => {
    while (asked < QUESTIONS) {
      asked += 1;
      await lookup(nameOf(asked), "A", server, new AbortController().signal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, asker));
  const { user, system } = process.cpuUsage(before);
  await upstream.stop();
  return (user + system) / QUESTIONS;
}

function nameOf(index: number): HostName {
  const name = parseHostName(`origin-${index}.example.net`);
  if (!isHostName(name)) throw new Error(name.fault);
  return name;
}

function answerFor(index: number, family: Family): LookupResult {
  if (family === "AAAA") return { kind: "denied", by: "nodata" };
  const address = parseIpAddress(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  if (address === null) throw new Error("not an address");
  return { kind: "addresses", addresses: [address], ttlSeconds: TTL_SECONDS };
}

const UPSTREAM = { address: "127.0.0.1", port: 53 };
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };
