/** A refresher in fake time, before upstreams that do what a test says. */

import type { Lookup, LookupResult, UpstreamServer } from "../../src/refresher/lookup.ts";
import { Refresher, type RefresherOptions, type RefresherSettings } from "../../src/refresher/refresher.ts";
import type { LogFields, Logger, MonotonicMs } from "../../src/runtime.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import type { Family, IpAddress } from "../../src/wire/ip-address.ts";
import { FakeClock } from "../support/fake-clock.ts";

export interface Call {
  readonly name: HostName;
  readonly family: Family;
  readonly server: UpstreamServer;
  readonly atMs: MonotonicMs;
  isAborted: boolean;
  isAnswered: boolean;
}

/** What an upstream does with a call; undefined: it stays silent. */
export type Script = (call: Call) => { readonly afterMs: number; readonly result: LookupResult } | undefined;

export const ONE: UpstreamServer = { address: "192.0.2.53", port: 53 };
export const TWO: UpstreamServer = { address: "192.0.2.54", port: 53 };
export const THREE: UpstreamServer = { address: "192.0.2.55", port: 53 };

export function addresses(texts: readonly string[], ttlSeconds = 30): LookupResult {
  return { kind: "addresses", addresses: texts as readonly IpAddress[], ttlSeconds };
}

export const failed = (failure: "timeout" | "servfail" | "refused" | "network"): LookupResult => ({
  kind: "failed",
  failure,
});
export const NXDOMAIN: LookupResult = { kind: "denied", by: "nxdomain" };
export const NODATA: LookupResult = { kind: "denied", by: "nodata" };

/** Every name has the address 198.51.100.1 and no IPv6. */
export const healthy: Script = ({ family }) => ({
  afterMs: 20,
  result: family === "A" ? addresses(["198.51.100.1"]) : NODATA,
});

/** Calls of one `Lookup`, and what the script made of them. */
export class ScriptedUpstream {
  script: Script = healthy;
  readonly calls: Call[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  readonly lookup: Lookup = (name, family, server, signal) => {
    const call: Call = {
      name,
      family,
      server,
      atMs: this.#clock.nowMs(),
      isAborted: false,
      isAnswered: false,
    };
    this.calls.push(call);
    signal.addEventListener("abort", () => {
      call.isAborted = true;
    });
    return new Promise((resolve) => {
      const reply = this.script(call);
      if (reply === undefined) return;
      const answer = () => {
        call.isAnswered = true;
        resolve(reply.result);
      };
      if (reply.afterMs === 0) answer();
      else this.#clock.setTimer(reply.afterMs, answer);
    });
  };

  /** Calls that were neither answered nor aborted, several of one name and family counted once. */
  get running(): ReadonlySet<string> {
    const open = this.calls.filter(({ isAborted, isAnswered }) => !isAborted && !isAnswered);
    return new Set(open.map(({ name, family }) => `${name} ${family}`));
  }

  /** When each call for this name and family was made, in ms since the first of them. */
  times(name: string, family: Family = "A"): readonly number[] {
    const calls = this.calls.filter((call) => call.name === name && call.family === family);
    return calls.map((call) => call.atMs - calls[0]!.atMs);
  }
}

export interface World {
  readonly clock: FakeClock;
  readonly upstream: ScriptedUpstream;
  readonly refresher: Refresher;
  /** `changed A a.example`, `touched A a.example`, in order. */
  readonly events: string[];
  /** Lines above debug: `info a.example A resolves`. */
  readonly log: string[];
  /** What `Random.fraction` gives. */
  chance: number;
  /** Lets time pass, in steps after each of which all replies are dealt with. */
  elapse(ms: number, stepMs?: number): Promise<void>;
  state(name: string, family?: Family): string | undefined;
  addressesOf(name: string, family?: Family): readonly string[] | undefined;
}

export function host(text: string): HostName {
  return text as HostName;
}

/** One upstream for everything, unless `servers` says otherwise. */
export function settingsWith(servers: Partial<RefresherSettings["servers"]> = {}): RefresherSettings {
  return {
    servers: { cluster: [ONE], other: [ONE], ...servers },
    clusterDomain: "cluster.local",
    maxStaleMs: 3_600_000,
  };
}

export function makeWorld(options: Partial<RefresherOptions> = {}): World {
  const clock = new FakeClock();
  const upstream = new ScriptedUpstream(clock);
  const events: string[] = [];
  const log: string[] = [];
  const line = (level: string) => (_fields: LogFields, message: string) => {
    log.push(`${level} ${message}`);
  };
  const logger: Logger = { debug() {}, info: line("info"), warn: line("warn"), error: line("error") };
  const refresher = new Refresher({
    lookup: upstream.lookup,
    settings: settingsWith(),
    clock,
    random: { fraction: () => world.chance, uint16: () => 0 },
    onChanged: (name, family) => events.push(`changed ${family} ${name}`),
    onTouched: (name, family) => events.push(`touched ${family} ${name}`),
    logger,
    ...options,
  });
  const resolutionOf = (name: string, family: Family) => refresher.resolution(host(name))?.[family];
  const world: World = {
    clock,
    upstream,
    refresher,
    events,
    log,
    chance: 0,
    async elapse(ms, stepMs = 10) {
      for (let left = ms; left > 0; left -= stepMs) {
        clock.advance(Math.min(stepMs, left));
        await settle();
      }
    },
    state: (name, family = "A") => resolutionOf(name, family)?.state,
    addressesOf(name, family = "A") {
      const resolution = resolutionOf(name, family);
      return resolution !== undefined && "addresses" in resolution ? resolution.addresses : undefined;
    },
  };
  return world;
}

/** Until everything has run that promises which are settled now set off. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
