/**
 * What of a host's addresses a client gets: virtual ones, real ones, or nothing, so that it is forwarded. Pure.
 *
 *   client, mode auto      takes virtual addresses
 *   unknown                written ones, where real addresses are not resolved from names
 *   outside                written ones that no mesh allocates, where there is nothing real
 *   sidecar                written ones of STATIC and NONE, unless its Envoy may resolve the host as an endpoint
 *   redirected             any, in the families of the pod
 *
 * Mode `virtual` gives any to all but pods outside, which never get an allocated one; `resolved` gives none.
 */

import type { AnswerMode } from "../mesh/objects.ts";
import { assertNever } from "../runtime.ts";
import type { ClientClass } from "../table/host-record.ts";
import { type Family, familyOf, type IpAddress } from "../wire/ip-address.ts";
import type { HostPlan, VirtualPlan } from "./host-plan.ts";

export type Choice =
  | { readonly kind: "virtual"; readonly addresses: readonly IpAddress[] }
  | { readonly kind: "real" }
  /** A ClusterIP in the place of the real addresses. */
  | { readonly kind: "published" }
  /** Nothing: the host is not ours. */
  | { readonly kind: "forward" };

/**
 * `winners`: merged entries, oldest first; the oldest one's class and resolution decide, and `mode` is its own.
 * `isEndpoint`: some entry names the host as an endpoint.
 */
export function chooseAnswer(
  winners: readonly HostPlan[],
  mode: AnswerMode,
  client: ClientClass,
  isEndpoint: boolean,
): Choice {
  const real: Choice = winners.some((plan) => plan.real !== undefined) ? REAL : FORWARD;
  // Whatever the mode and the client, there is nothing to choose from.
  if (winners.every((plan) => plan.virtual === undefined)) return real;
  switch (mode) {
    case "resolved":
      return real;
    case "virtual":
      return virtualOf(winners, client === "outside" ? isForAnybody : isAny) ?? real;
    case "auto":
      return chooseAutomatically(winners, real, client, isEndpoint);
    default:
      return assertNever(mode);
  }
}

function chooseAutomatically(
  winners: readonly HostPlan[],
  real: Choice,
  client: ClientClass,
  isEndpoint: boolean,
): Choice {
  const oldest = winners[0];
  switch (client) {
    case "unknown": {
      const isResolved = oldest?.answerClass === "names" || oldest?.answerClass === "itself";
      return (isResolved ? undefined : virtualOf(winners, isWritten)) ?? real;
    }
    case "outside":
      return real.kind === "real"
        ? real
        : (virtualOf(winners, (plan, address) => isWritten(plan) && isForAnybody(plan, address)) ?? FORWARD);
    case "sidecar": {
      // Its Envoy resolves its DNS clusters through us, too: a virtual address would send it to itself.
      const isFixed = oldest?.entry.resolution === "STATIC" || oldest?.entry.resolution === "NONE";
      return (isFixed && !isEndpoint ? virtualOf(winners, isWritten) : undefined) ?? real;
    }
    case "redirectedIpv4":
      return virtualOf(winners, isOf("A")) ?? real;
    case "redirectedIpv6":
      return virtualOf(winners, isOf("AAAA")) ?? real;
    case "redirectedDual":
      return virtualOf(winners, isAny) ?? real;
    default:
      return assertNever(client);
  }
}

const REAL: Choice = { kind: "real" };
const FORWARD: Choice = { kind: "forward" };

type Takes = (plan: VirtualPlan, address: IpAddress | undefined) => boolean;

const isAny: Takes = () => true;
const isWritten = ({ isWritten }: VirtualPlan): boolean => isWritten;
const isForAnybody: Takes = ({ isWritten, allocated }, address) =>
  address === undefined ? isWritten : !allocated.has(address);
const isOf =
  (family: Family): Takes =>
  (_plan, address) =>
    address === undefined || familyOf(address) === family;

/** Undefined: there is none for the client. Where all are forbidden there still is a choice, of no addresses. */
function virtualOf(winners: readonly HostPlan[], takes: Takes): Choice | undefined {
  const addresses = new Set<IpAddress>();
  let isThere = false;
  for (const { virtual } of winners) {
    if (virtual === undefined) continue;
    if (virtual.addresses.length === 0 && takes(virtual, undefined)) isThere = true;
    for (const address of virtual.addresses) if (takes(virtual, address)) addresses.add(address);
  }
  return isThere || addresses.size > 0 ? { kind: "virtual", addresses: [...addresses] } : undefined;
}
