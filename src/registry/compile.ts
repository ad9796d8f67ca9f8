/**
 * From linked plans, resolutions and selections to what some clients of a host get. Pure.
 *
 *   targets of one family                   the other family      this family
 *   some address                            any                   the union of what is there
 *   none, a first attempt under way         any                   pending
 *   none, all denied or failed              has addresses         empty (NODATA)
 *   none, all denied or failed              pending               pending: nothing is known of the host yet
 *   none, one failed here or there          none                  failed (SERVFAIL)
 *   none, all denied                        none                  empty; a host resolved for itself: pass
 */

import type { Problem } from "../mesh/problem.ts";
import type { PublishedState } from "../mesh/publication.ts";
import type { MonotonicMs } from "../runtime.ts";
import {
  type AnswerSource,
  type FamilyAnswer,
  type HostVariant,
  MIN_RESOLVED_TTL_SECONDS,
} from "../table/host-record.ts";
import { type Family, familyOf, type IpAddress } from "../wire/ip-address.ts";
import { type FamilyState, type GatherInput, gather } from "./gather.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Linked } from "./link.ts";
import { MAX_ADDRESSES_PER_FAMILY, type RegistrySettings } from "./settings.ts";
import type { Weighted } from "./weighted.ts";

export type CompileSettings = Pick<
  RegistrySettings,
  "ttlSeconds" | "workloadTtlSeconds" | "resolvedMaxTtlSeconds" | "negativeTtlSeconds"
>;

export interface RealInput extends GatherInput {
  /** Until when queries may be held, if the host is pending. */
  readonly pendingUntilMs: MonotonicMs;
}

export interface Compiled {
  readonly variant: HostVariant;
  readonly problems: readonly Problem[];
  /** Some family has no address while a first attempt is under way. */
  readonly isPending: boolean;
}

/** `winners`: the merged entries, oldest first. `addresses`: their virtual ones that are allowed. */
export function compileVirtual(
  winners: readonly HostPlan[],
  addresses: readonly IpAddress[],
  settings: CompileSettings,
): Compiled {
  const ttlSeconds = Math.min(...winners.map((plan) => plan.ttlSeconds ?? settings.ttlSeconds));
  const answers = {
    A: constantAnswer(
      addresses.filter((each) => familyOf(each) === "A"),
      ttlSeconds,
    ),
    AAAA: constantAnswer(
      addresses.filter((each) => familyOf(each) === "AAAA"),
      ttlSeconds,
    ),
  };
  return {
    variant: variantOf("virtual", answers, settings),
    problems: [],
    isPending: false,
  };
}

/** The ClusterIPs of the Service that leads on to the real addresses. */
export function compilePublished(
  winners: readonly HostPlan[],
  state: Exclude<PublishedState, { kind: "refused" }>,
  pendingUntilMs: MonotonicMs,
  settings: CompileSettings,
): Compiled {
  if (state.kind === "published") {
    const { variant, ...rest } = compileVirtual(winners, state.addresses, settings);
    return { ...rest, variant: { ...variant, source: "published" } };
  }
  const pending = { kind: "pending", untilMs: pendingUntilMs } as const;
  return {
    variant: variantOf("published", { A: pending, AAAA: pending }, settings),
    problems: [],
    isPending: true,
  };
}

export function compileReal(input: RealInput, settings: CompileSettings): Compiled {
  const { parts } = input;
  const { answerClass, distribution } = parts[0]!.plan;
  const hasPlaces = distribution !== undefined;
  const problems: Problem[] = [];
  const families = gather(input, problems);
  const ttlSeconds = Math.min(...parts.map((part) => ttlOfPart(part, settings)));
  const answers = {
    A: familyAnswer(families.A, families.AAAA, ttlSeconds, hasPlaces, input.pendingUntilMs),
    AAAA: familyAnswer(families.AAAA, families.A, ttlSeconds, hasPlaces, input.pendingUntilMs),
  };
  const isForItself = parts.every(({ plan }) => plan.real === undefined || plan.answerClass === "itself");
  return {
    variant: variantOf(sourceOf(parts), answers, settings, {
      isPass: isForItself && families.A.isDenied && families.AAAA.isDenied,
      forwardsDnssec: answerClass === "itself",
      ...(distribution === undefined ? {} : { distribution }),
    }),
    problems,
    isPending: answers.A.kind === "pending" || answers.AAAA.kind === "pending",
  };
}

/** RFC 8767, section 4: 30 s is the TTL that it recommends for stale data. */
const STALE_TTL_SECONDS = 30;

function familyAnswer(
  own: FamilyState,
  other: FamilyState,
  ttlSeconds: number,
  hasPlaces: boolean,
  pendingUntilMs: MonotonicMs,
): FamilyAnswer {
  if (own.addresses.size > 0) {
    const capSeconds = Math.min(
      ttlSeconds,
      own.isPending ? MIN_RESOLVED_TTL_SECONDS : ttlSeconds,
      own.isStale ? STALE_TTL_SECONDS : ttlSeconds,
    );
    const { isStale, expiresAtMs } = own;
    const addresses = sorted(own.addresses);
    const answer = { kind: "addresses", addresses, ttlSeconds: capSeconds, isStale } as const;
    const weights = weightsOf(addresses, own.addresses);
    // Most have none of them.
    if (weights === undefined && !hasPlaces && expiresAtMs === undefined) return answer;
    return {
      ...answer,
      ...(weights === undefined ? {} : { weights }),
      ...(hasPlaces ? { localities: addresses.map((each) => own.addresses.get(each)!.locality) } : {}),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    };
  }
  if (own.isPending) return { kind: "pending", untilMs: pendingUntilMs };
  if (own.isFiltered || other.addresses.size > 0) return EMPTY;
  if (other.isPending) return { kind: "pending", untilMs: pendingUntilMs };
  const failure = own.failure ?? other.failure;
  return failure === undefined ? EMPTY : { kind: "failed", ...failure };
}

const EMPTY: FamilyAnswer = { kind: "empty" };

function constantAnswer(addresses: readonly IpAddress[], ttlSeconds: number): FamilyAnswer {
  if (addresses.length === 0) return EMPTY;
  const first = addresses.slice(0, MAX_ADDRESSES_PER_FAMILY).sort();
  return { kind: "addresses", addresses: first, ttlSeconds, isStale: false };
}

/** The first so many in the order of their coming (that of the entries' text), sorted. */
function sorted(addresses: ReadonlyMap<IpAddress, Weighted>): readonly IpAddress[] {
  const kept = [...addresses.keys()];
  if (kept.length > MAX_ADDRESSES_PER_FAMILY) kept.length = MAX_ADDRESSES_PER_FAMILY;
  // Mostly they are written in order, and sorting costs more than looking.
  const isInOrder = kept.every((address, at) => at === 0 || kept[at - 1]! < address);
  return isInOrder ? kept : kept.sort();
}

/** Undefined: they are all equal. */
function weightsOf(
  addresses: readonly IpAddress[],
  all: ReadonlyMap<IpAddress, Weighted>,
): readonly number[] | undefined {
  // Envoy takes an endpoint without a weight for one of weight 1.
  const weightOf = (address: IpAddress) => all.get(address)!.weight || 1;
  const first = weightOf(addresses[0]!);
  return addresses.every((address) => weightOf(address) === first) ? undefined : addresses.map(weightOf);
}

/** The entry's own TTL, else the smallest that its kinds of addresses have. */
function ttlOfPart({ plan, names, selectors, fixed }: Linked, settings: CompileSettings): number {
  if (plan.ttlSeconds !== undefined) return plan.ttlSeconds;
  const kinds: number[] = [];
  if (names.length > 0) kinds.push(settings.resolvedMaxTtlSeconds);
  if (selectors.length > 0) kinds.push(settings.workloadTtlSeconds);
  if (fixed.length > 0 || kinds.length === 0) kinds.push(settings.ttlSeconds);
  return Math.min(...kinds);
}

function sourceOf(parts: readonly Linked[]): AnswerSource {
  if (parts.some((part) => part.names.length > 0)) return "resolved";
  return parts.some((part) => part.selectors.length > 0) ? "workload" : "static";
}

function variantOf(
  source: AnswerSource,
  answers: Readonly<Record<Family, FamilyAnswer>>,
  { negativeTtlSeconds }: CompileSettings,
  rest: Partial<HostVariant> = {},
): HostVariant {
  return {
    isPass: false,
    isAuthoritative: source !== "resolved",
    source,
    forwardsDnssec: false,
    negativeTtlSeconds,
    answers,
    ...rest,
  };
}
