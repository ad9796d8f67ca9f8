/**
 * Which entries answer a host for which clients. Pure and independent of the order of its input.
 *
 * Only what a client sees and what would not be forwarded for it counts. The namespace that wins: the client's
 * own, else that of the oldest entry in a trusted namespace, else of the oldest one exported to it by name, else
 * of the oldest public one (ties by name, then namespace; without a creation time last). Never are two namespaces
 * merged: one could add its addresses to another's host. Within the winning namespace entries whose port numbers
 * are equal to the oldest one's merge.
 */

import type { AnswerMode, Namespace } from "../mesh/objects.ts";
import { CLIENT_CLASSES, type ClientClass } from "../table/host-record.ts";
import { chooseAnswer } from "./choice.ts";
import type { HostPlan } from "./host-plan.ts";

export interface ClaimContext {
  readonly modeOf: (plan: HostPlan) => AnswerMode;
  readonly isTrusted: (namespace: Namespace) => boolean;
  /** Some entry names the host as an endpoint. */
  readonly isEndpoint: boolean;
}

/** How near an entry is to a client; the smaller one wins. */
export const Nearness = { OWN: 0, TRUSTED: 1, NAMED: 2, PUBLIC: 3 } as const;
export type Nearness = (typeof Nearness)[keyof typeof Nearness];

/** All claims on one host. */
export class Claims {
  /** Oldest first; only those that somebody is answered from. */
  readonly candidates: readonly HostPlan[];
  readonly #context: ClaimContext;
  /** For whom each candidate has an answer: a bit for each class. */
  readonly #answered = new Map<HostPlan, number>();
  /** Undefined until somebody asks: of a single candidate nobody does. */
  #groups: Groups | undefined;

  constructor(plans: readonly HostPlan[], context: ClaimContext) {
    this.#context = context;
    for (const plan of plans) this.#answered.set(plan, this.#classesOf(plan));
    // Kept for each host: a copy takes no more room than it needs, as what a filter returns does.
    const candidates = plans.filter((plan) => this.#answered.get(plan) !== 0).slice();
    if (candidates.length > 1) candidates.sort(compareAge);
    this.candidates = candidates;
  }

  /** Whose clients may get something else than those of any other namespace. */
  specialNamespaces(): ReadonlySet<Namespace> {
    const groups = this.#grouped();
    const special = new Set(groups.namedTo.keys());
    for (const plan of groups.public) special.add(namespaceOf(plan));
    return special;
  }

  /**
   * The merged entries that answer, oldest first; empty: nobody does. `viewer`: the client's namespace;
   * undefined: one that nothing names, or not known.
   */
  winners(viewer: Namespace | undefined, client: ClientClass): readonly HostPlan[] {
    const { candidates } = this;
    if (candidates.length <= 1) {
      const [only] = candidates;
      if (only === undefined) return NOBODY;
      return this.hasAnswerFor(only, client) && isVisible(only, viewer) ? candidates : NOBODY;
    }
    const groups = this.#grouped();
    const counts = (plan: HostPlan) => this.hasAnswerFor(plan, client) && isVisible(plan, viewer);
    const own = viewer === undefined ? undefined : groups.ofNamespace.get(viewer)?.find(counts);
    // Oldest first, as the candidates are.
    const named = () => (viewer === undefined ? undefined : groups.namedTo.get(viewer)?.find(counts));
    const nearest = own ?? groups.trusted.find(counts) ?? named() ?? groups.public.find(counts);
    if (nearest === undefined) return NOBODY;
    const merged = groups.ofNamespace.get(namespaceOf(nearest))!.filter(counts);
    return merged.length === 1 ? merged : merged.filter(({ portsKey }) => portsKey === merged[0]!.portsKey);
  }

  hasAnswerFor(plan: HostPlan, client: ClientClass): boolean {
    return ((this.#answered.get(plan) ?? 0) & CLASS_BITS[client]) !== 0;
  }

  /** Of an entry that the viewer sees. */
  nearness(plan: HostPlan, viewer: Namespace | undefined): Nearness {
    return nearnessOf(plan, viewer, this.#context.isTrusted);
  }

  #classesOf(plan: HostPlan): number {
    const { modeOf, isEndpoint } = this.#context;
    const mode = modeOf(plan);
    const alone = [plan];
    let classes = 0;
    for (const client of CLIENT_CLASSES)
      if (chooseAnswer(alone, mode, client, isEndpoint).kind !== "forward") classes |= CLASS_BITS[client];
    return classes;
  }

  #grouped(): Groups {
    this.#groups ??= groupsOf(this.candidates, this.#context.isTrusted);
    return this.#groups;
  }
}

/** The candidates, oldest first in each. */
interface Groups {
  readonly ofNamespace: ReadonlyMap<Namespace, readonly HostPlan[]>;
  readonly namedTo: ReadonlyMap<Namespace, readonly HostPlan[]>;
  readonly trusted: readonly HostPlan[];
  readonly public: readonly HostPlan[];
}

function groupsOf(candidates: readonly HostPlan[], isTrusted: ClaimContext["isTrusted"]): Groups {
  const namedTo = new Map<Namespace, HostPlan[]>();
  for (const plan of candidates)
    for (const namespace of plan.visibility.namespaces) {
      const named = namedTo.get(namespace);
      if (named === undefined) namedTo.set(namespace, [plan]);
      else named.push(plan);
    }
  return {
    ofNamespace: Map.groupBy(candidates, namespaceOf),
    namedTo,
    trusted: candidates.filter((plan) => isTrusted(namespaceOf(plan))),
    public: candidates.filter(({ visibility }) => visibility.isPublic),
  };
}

/** Less than 0: of two entries that the viewer sees `a` comes first, of whatever host. */
export function compareClaims(
  a: Pick<HostPlan, "entry" | "visibility">,
  b: Pick<HostPlan, "entry" | "visibility">,
  viewer: Namespace | undefined,
  isTrusted: ClaimContext["isTrusted"],
): number {
  return nearnessOf(a, viewer, isTrusted) - nearnessOf(b, viewer, isTrusted) || compareAge(a, b);
}

export function isVisible({ visibility }: HostPlan, viewer: Namespace | undefined): boolean {
  return visibility.isPublic || (viewer !== undefined && visibility.namespaces.has(viewer));
}

const NOBODY: readonly HostPlan[] = [];

function nearnessOf(
  plan: Pick<HostPlan, "entry" | "visibility">,
  viewer: Namespace | undefined,
  isTrusted: ClaimContext["isTrusted"],
): Nearness {
  if (namespaceOf(plan) === viewer) return Nearness.OWN;
  if (isTrusted(namespaceOf(plan))) return Nearness.TRUSTED;
  return plan.visibility.isPublic ? Nearness.PUBLIC : Nearness.NAMED;
}

const CLASS_BITS = Object.fromEntries(CLIENT_CLASSES.map((client, at) => [client, 1 << at])) as Readonly<
  Record<ClientClass, number>
>;

function namespaceOf({ entry }: Pick<HostPlan, "entry">): Namespace {
  return entry.ref.namespace;
}

function compareAge({ entry: a }: Pick<HostPlan, "entry">, { entry: b }: Pick<HostPlan, "entry">): number {
  return (
    compare(a.createdAtMs ?? Number.POSITIVE_INFINITY, b.createdAtMs ?? Number.POSITIVE_INFINITY) ||
    compare(a.ref.name, b.ref.name) ||
    compare(a.ref.namespace, b.ref.namespace)
  );
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
