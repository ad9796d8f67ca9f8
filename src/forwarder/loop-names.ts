/**
 * The names by which we see that an upstream hands our queries back: `<32 hex digits>.loop.<zone>`. The digits
 * are the moment of the asking and a keyed digest of it and the upstream, so that every thread with the key knows
 * its process's own names, and nobody else can make one.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import type { MonotonicMs } from "../runtime.ts";
import { RecordType } from "../wire/constants.ts";
import type { Query } from "../wire/query.ts";
import { isAtOrBelow, zoneOctets } from "./zones.ts";

const LABEL_OCTETS = 32;
/** 48 bits of milliseconds. */
const TIME_DIGITS = 12;
/** A name counts for as long as a query may be under way; whoever repeats it later has read it somewhere. */
const VALID_MS = 6_000;
/** Between the clocks of two threads. */
const SKEW_MS = 10;
const LOOP_LABEL = Uint8Array.of(4, ...Buffer.from("loop"));
/** Upstreams that are never asked for the cluster's names: of those, they may rightly send us the queries. */
const OTHER_ZONE = zoneOctets("invalid");

export class LoopNames {
  readonly #key: Uint8Array;
  readonly #clusterSuffix: Uint8Array;
  readonly #otherSuffix = suffixFor(OTHER_ZONE);

  /** `clusterDomain`: wire octets. */
  constructor(key: Uint8Array, clusterDomain: Uint8Array) {
    this.#key = key;
    this.#clusterSuffix = suffixFor(clusterDomain);
  }

  /** Wire octets. `upstream`: as text; `isCluster`: it is asked for names of the cluster. */
  make(upstream: string, isCluster: boolean, nowMs: MonotonicMs): Uint8Array {
    const digits = this.#digits(Math.floor(nowMs).toString(16).padStart(TIME_DIGITS, "0"), upstream);
    const suffix = isCluster ? this.#clusterSuffix : this.#otherSuffix;
    return Uint8Array.of(LABEL_OCTETS, ...digits, ...suffix);
  }

  /** Whether the question looks like such a name of any server: never cached, never shared. */
  isProbe(query: Query): boolean {
    if (query.type !== RecordType.TXT || query.name[0] !== LABEL_OCTETS || query.name[33] !== 4) return false;
    const suffixOctets = query.nameLength - 1 - LABEL_OCTETS;
    const isOne = (suffix: Uint8Array) => suffix.length === suffixOctets && isAtOrBelow(query, suffix);
    return isOne(this.#clusterSuffix) || isOne(this.#otherSuffix);
  }

  /** Which of the upstreams this process asked the name a moment ago. */
  origin(query: Query, upstreams: Iterable<string>, nowMs: MonotonicMs): string | null {
    const digits = Buffer.from(query.name.subarray(1, 1 + LABEL_OCTETS));
    const time = digits.toString("latin1", 0, TIME_DIGITS);
    const ageMs = nowMs - Number.parseInt(time, 16);
    if (!(ageMs >= -SKEW_MS && ageMs <= VALID_MS)) return null;
    for (const upstream of upstreams)
      if (timingSafeEqual(this.#digits(time, upstream), digits)) return upstream;
    return null;
  }

  #digits(time: string, upstream: string): Buffer {
    const digest = createHmac("sha256", this.#key).update(`${time} ${upstream}`).digest("hex");
    return Buffer.from((time + digest).slice(0, LABEL_OCTETS), "latin1");
  }
}

function suffixFor(zone: Uint8Array): Uint8Array {
  return Uint8Array.of(...LOOP_LABEL, ...zone);
}
