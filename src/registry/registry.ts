/**
 * Which hosts exist and what each one answers, kept up to date with the mesh and with upstream's answers.
 * An event marks the hosts that it touches; a flush reads the present state, compiles those hosts and emits
 * what differs. Nothing is rebuilt on an event, and nothing depends on the order of events.
 */

import type { MeshChange, MeshStore } from "../mesh/mesh-store.ts";
import type { AnswerMode, Namespace, ObjectKey, ObjectRef, ServiceEntry } from "../mesh/objects.ts";
import { type Problem, type ProblemBook, problem } from "../mesh/problem.ts";
import type { Resolutions } from "../mesh/resolution.ts";
import { assertNever, type Clock, type MonotonicMs } from "../runtime.ts";
import type { HostChange, TableDelta } from "../table/host-record.ts";
import type { HostName } from "../wire/host-name.ts";
import { FAMILIES, type Family } from "../wire/ip-address.ts";
import { Batch } from "./batch.ts";
import { ClaimIndex } from "./claim-index.ts";
import { chooseAnswer, type Loser, standingOf } from "./claims.ts";
import { type Compiled, compileReal, compileVirtual } from "./compile.ts";
import { conditionOf, countHosts, type HostCounts } from "./host-condition.ts";
import type { HostPlan, SelectorTarget } from "./host-plan.ts";
import { type DescribeName, type HostRow, hostRows } from "./host-rows.ts";
import type { HostCondition } from "./host-state.ts";
import { type HostState, newHostState } from "./host-state.ts";
import { HostUses } from "./host-uses.ts";
import { type LinkContext, type Linked, link } from "./link.ts";
import { NamespaceQuota } from "./quota.ts";
import { differenceOf } from "./record-difference.ts";
import { type SelectedWorkload, Selection, type Workload } from "./selection.ts";
import type { RegistrySettings } from "./settings.ts";

export interface RegistryOptions {
  readonly store: MeshStore;
  readonly settings: RegistrySettings;
  readonly problems: ProblemBook;
  readonly clock: Clock;
  /** Called with every change of the table, in order; never with an empty one. */
  readonly emit: (delta: TableDelta) => void;
  readonly resolutions: Resolutions;
  /** Which names to resolve, for hosts of which namespace; each `want` is ended by one `unwant`. */
  readonly wanted: WantedNames;
  /** What there is to show of a name that is resolved. */
  readonly describeName?: DescribeName;
  /** Told when a host's condition is another, not when only its addresses are. */
  readonly onConditionChanged?: (change: ConditionChange) => void;
  /** Told, per host that changed, how long it took from the event to the emission. Milliseconds. */
  readonly onPropagated?: (milliseconds: number) => void;
  /** Changes within this time after an emission go out together. */
  readonly batchWindowMs?: number;
}

export interface WantedNames {
  want(name: HostName, namespace: Namespace): void;
  unwant(name: HostName, namespace: Namespace): void;
}

export interface ConditionChange {
  readonly host: HostName;
  /** The entry that answers or, where none does any more, answered. */
  readonly object: ObjectRef;
  /** Undefined: it was not answered. */
  readonly before: HostCondition | undefined;
  /** Undefined: it is answered no more. */
  readonly after: HostCondition | undefined;
  /** Why it has no addresses, as the client is told; "" if there is nothing to say. */
  readonly reason: string;
}

const DEFAULT_BATCH_WINDOW_MS = 20;

export class Registry {
  readonly #options: RegistryOptions;
  #settings: RegistrySettings;
  readonly #claims: ClaimIndex;
  readonly #selection: Selection;
  /** Names that a namespace's hosts resolve. */
  readonly #names: NamespaceQuota<HostName>;
  readonly #hosts = new Map<HostName, HostState>();
  readonly #uses = new HostUses();
  /** By annotation of the Namespace, as of the last changes told: the store may be ahead in the middle of a batch. */
  readonly #modes = new Map<Namespace, AnswerMode>();
  readonly #batch: Batch;

  /** Hosts to link and compile anew, with the moment when the first event that touched them was received. */
  #toLink = new Map<HostName, MonotonicMs>();
  /** Hosts to compile only. */
  #toCompile = new Set<HostName>();
  #version = 0;

  /** Compiles what the store already holds and follows it from then on. */
  constructor(options: RegistryOptions) {
    const { store, settings } = options;
    this.#options = options;
    this.#settings = settings;
    this.#claims = new ClaimIndex(settings);
    this.#selection = new Selection(settings.network);
    this.#names = new NamespaceQuota(settings.namesPerNamespace);
    const windowMs = options.batchWindowMs ?? DEFAULT_BATCH_WINDOW_MS;
    this.#batch = new Batch(options.clock, windowMs, () => this.#flush());
    store.onChange((changes) => this.#apply(changes));
    const nowMs = options.clock.nowMs();
    for (const { ref, answer } of store.all("Namespace").values()) this.#changeMode(ref.name, answer);
    for (const workload of store.all("Pod").values()) this.#changeWorkload(undefined, workload, nowMs);
    for (const workload of store.all("WorkloadEntry").values())
      this.#changeWorkload(undefined, workload, nowMs);
    for (const [key, entry] of store.all("ServiceEntry")) this.#changeEntry(key, entry, nowMs);
    this.#schedule(false);
  }

  /** Of the last delta. */
  get version(): number {
    return this.#version;
  }

  /** The whole table as one delta of the present version, for a data plane that starts empty. */
  snapshot(): TableDelta {
    const changes: HostChange[] = [];
    for (const { record } of this.#hosts.values())
      if (record !== undefined) changes.push({ kind: "set", record });
    return { version: this.#version, changes };
  }

  /** Upstream's addresses of the name in one family, or their state, are others now. A host's families depend on each other, so both are compiled. */
  resolutionChanged(name: HostName, _family: Family): void {
    for (const host of this.#uses.usersOf(name)) this.#toCompile.add(host);
    this.#schedule(false);
  }

  /** The same addresses of the name expire at another moment now. */
  resolutionTouched(name: HostName, family: Family, expiresAtMs: MonotonicMs): void {
    for (const host of this.#uses.usersOf(name)) {
      const answer = this.#hosts.get(host)?.record?.views[0]?.answers[family];
      if (answer?.kind === "addresses" && answer.expiresAtMs !== expiresAtMs) this.#toCompile.add(host);
    }
    this.#schedule(false);
  }

  updateSettings(settings: RegistrySettings): void {
    this.#settings = settings;
    this.#claims.updateSettings(settings);
    this.#names.setLimit(settings.namesPerNamespace);
    this.#selection.setNetwork(settings.network);
    const nowMs = this.#options.clock.nowMs();
    for (const [key, { entry }] of [...this.#claims.entries()]) this.#changeEntry(key, entry, nowMs);
    // Any of them may take a host away.
    this.#schedule(true);
  }

  /** Every claimed host, once per entry that claims it. */
  hosts(): readonly HostRow[] {
    const { clock, resolutions, describeName } = this.#options;
    return hostRows({
      entries: this.#claims.entries().values(),
      stateOf: (host) => this.#hosts.get(host),
      modeOf: this.#modeOf,
      workloadsOf: this.#workloadsOf,
      resolutions,
      describeName,
      wallOf: (atMs) => clock.wallMs() + atMs - clock.nowMs(),
    });
  }

  /** The same as mere numbers. */
  hostCounts(): HostCounts {
    return countHosts(this.#claims.entries().values(), (host) => this.#hosts.get(host));
  }

  /** Emits nothing after this. */
  close(): void {
    this.#batch.close();
  }

  #apply(changes: readonly MeshChange[]): void {
    const { store } = this.#options;
    let isUrgent = false;
    for (const { kind, key, before, receivedAtMs } of changes) {
      switch (kind) {
        case "ServiceEntry":
          if (this.#changeEntry(key, store.all(kind).get(key), receivedAtMs)) isUrgent = true;
          break;
        case "WorkloadEntry":
        case "Pod":
          this.#changeWorkload(before, store.all(kind).get(key), receivedAtMs);
          break;
        case "Namespace": {
          const after = store.all(kind).get(key);
          const namespace = (after ?? before)?.ref.name;
          if (namespace === undefined || !this.#changeMode(namespace, after?.answer)) break;
          for (const host of this.#claims.hostsOf(namespace)) this.#markClaim(host, receivedAtMs);
          break;
        }
        case "Node":
          break;
        default:
          assertNever(kind);
      }
    }
    this.#schedule(isUrgent);
  }

  /** Returns whether the entry lost a host: then the table must not answer it from there any longer. */
  #changeEntry(key: ObjectKey, entry: ServiceEntry | undefined, receivedAtMs: MonotonicMs): boolean {
    const { hosts, hasLostHost } = this.#claims.change(key, entry);
    for (const host of hosts) this.#markClaim(host, receivedAtMs);
    this.#options.problems.replace(`plan ${key}`, this.#claims.entries().get(key)?.problems ?? []);
    return hasLostHost;
  }

  #changeWorkload(
    before: Workload | undefined,
    after: Workload | undefined,
    receivedAtMs: MonotonicMs,
  ): void {
    if (before === undefined && after === undefined) return;
    for (const host of this.#selection.change(before, after)) this.#markLink(host, receivedAtMs);
  }

  /** Returns whether it is another than before. */
  #changeMode(namespace: Namespace, answer: AnswerMode | undefined): boolean {
    if (this.#modes.get(namespace) === answer) return false;
    if (answer === undefined) this.#modes.delete(namespace);
    else this.#modes.set(namespace, answer);
    return true;
  }

  /** The host's claims are others now: it is linked anew, and so is every host whose endpoint names it. */
  #markClaim(host: HostName, receivedAtMs: MonotonicMs): void {
    this.#markLink(host, receivedAtMs);
    for (const reader of this.#uses.readersOf(host)) this.#markLink(reader, receivedAtMs);
  }

  #markLink(host: HostName, receivedAtMs: MonotonicMs): void {
    const known = this.#toLink.get(host);
    if (known === undefined || receivedAtMs < known) this.#toLink.set(host, receivedAtMs);
  }

  /** What is not ours any more does not wait for the batch window. */
  #schedule(isUrgent: boolean): void {
    if (this.#toLink.size > 0 || this.#toCompile.size > 0) this.#batch.request(isUrgent);
  }

  #flush(): void {
    const { clock, emit, onPropagated } = this.#options;
    const nowMs = clock.nowMs();
    for (const host of this.#claims.settle()) this.#markClaim(host, nowMs);
    const toLink = this.#toLink;
    const toCompile = this.#toCompile;
    this.#toLink = new Map();
    this.#toCompile = new Set();

    for (const host of toLink.keys()) {
      this.#link(host);
      toCompile.add(host);
    }
    for (const host of this.#settleNames()) toCompile.add(host);

    const changes: HostChange[] = [];
    const receivedAtMs: MonotonicMs[] = [];
    for (const host of toCompile) {
      const ofHost = this.#compile(host, nowMs);
      changes.push(...ofHost);
      const received = toLink.get(host);
      if (ofHost.length > 0 && received !== undefined) receivedAtMs.push(received);
    }
    if (changes.length > 0) {
      this.#version += 1;
      emit({ version: this.#version, changes });
    }
    const emittedAtMs = clock.nowMs();
    for (const each of receivedAtMs) onPropagated?.(emittedAtMs - each);
  }

  /** Finds out who answers the host and with what, and notes what that depends on. */
  #link(host: HostName): void {
    const state = this.#hosts.get(host) ?? newHostState(host);
    this.#hosts.set(host, state);
    const { winners, losers } = standingOf(this.#claims.plansOf(host), undefined, this.#modeOf);
    state.winners = winners;
    state.losers = losers;
    state.excluded = this.#claims.excludedPlansOf(host);
    state.mode = winners[0] === undefined ? this.#settings.answer : this.#modeOf(winners[0]);
    state.choice = chooseAnswer(winners, state.mode);
    const before = state.parts;
    state.parts = state.choice.kind === "real" ? winners.map((plan) => link(plan, this.#linkContext)) : [];
    this.#uses.replace(host, before, state.parts);
    this.#hold(host, state.parts);
    this.#release(host, before, state.parts);
  }

  readonly #linkContext: LinkContext = {
    realPlansOf: (host, viewer) =>
      standingOf(this.#claims.plansOf(host), viewer, this.#modeOf).winners.filter(
        (plan) => plan.real !== undefined,
      ),
    selectedNames: (target) =>
      this.#workloadsOf(target).flatMap(({ name, weight }) => (name === undefined ? [] : [{ name, weight }])),
  };

  #hold(host: HostName, parts: readonly Linked[]): void {
    for (const { plan, names, selectors } of parts) {
      for (const target of selectors) this.#selection.use(target, host);
      for (const { name, isItself } of names) this.#names.add(plan.entry.ref.namespace, name, isItself);
    }
  }

  /** After `#hold`, so that what stays is not given up in between. */
  #release(host: HostName, before: readonly Linked[], now: readonly Linked[]): void {
    const stays = new Set(now.flatMap((part) => part.selectors.map((target) => target.key)));
    for (const { plan, names, selectors } of before) {
      for (const target of selectors) if (!stays.has(target.key)) this.#selection.release(target, host);
      for (const { name, isItself } of names) this.#names.remove(plan.entry.ref.namespace, name, isItself);
    }
  }

  readonly #workloadsOf = (target: SelectorTarget): readonly SelectedWorkload[] =>
    this.#selection.workloadsOf(target);

  readonly #modeOf = ({ mode, entry }: HostPlan): AnswerMode => {
    if (mode !== undefined) return mode;
    return this.#modes.get(entry.ref.namespace) ?? this.#settings.answer;
  };

  /** Tells the refresher what is wanted; returns the hosts with a name that is resolved from now on, or no more. */
  #settleNames(): ReadonlySet<HostName> {
    const { wanted } = this.#options;
    const changes = this.#names.settle();
    for (const { namespace, item, isInForce } of changes) if (isInForce) wanted.want(item, namespace);
    for (const { namespace, item, isInForce } of changes) if (!isInForce) wanted.unwant(item, namespace);
    return new Set(changes.flatMap(({ item }) => [...this.#uses.usersOf(item)]));
  }

  /** Returns what of the host's answer is another now. */
  #compile(host: HostName, nowMs: MonotonicMs): readonly HostChange[] {
    const state = this.#hosts.get(host);
    if (state === undefined) return [];
    const compiled = this.#compileState(state, nowMs);
    this.#report(state, compiled?.problems ?? []);
    const before = state.record;
    state.record = compiled?.record;
    this.#noteCondition(state);
    if (!this.#claims.isClaimed(host)) this.#hosts.delete(host);
    if (compiled !== undefined) return differenceOf(before, compiled.record);
    return before === undefined ? [] : [{ kind: "delete", host }];
  }

  #noteCondition(state: HostState): void {
    const before = state.condition;
    const after = state.record && conditionOf(state.record);
    const object = state.winners[0]?.entry.ref ?? state.answeredBy;
    state.condition = after;
    state.answeredBy = object;
    if (before === after || object === undefined) return;
    const answers = state.record?.views[0]?.answers;
    const reason = FAMILIES.map((family) => answers?.[family]).find((answer) => answer?.kind === "failed");
    this.#options.onConditionChanged?.({
      host: state.host,
      object,
      before,
      after,
      reason: reason?.text ?? "",
    });
  }

  #compileState(state: HostState, nowMs: MonotonicMs): Compiled | undefined {
    const { host, winners, choice, parts } = state;
    const pendingUntilMs = state.pendingUntilMs ?? nowMs + this.#settings.pendingTimeoutMs;
    state.pendingUntilMs = undefined;
    switch (choice.kind) {
      case "forward":
        return undefined;
      case "virtual":
        return compileVirtual(host, winners, choice.addresses, this.#settings);
      case "real": {
        const namespace = winners[0]?.entry.ref.namespace ?? "";
        const { resolutions } = this.#options;
        const isExcluded = (name: HostName) => this.#names.isExcluded(namespace, name);
        const workloadsOf = this.#workloadsOf;
        const compiled = compileReal(
          { host, parts, resolutions, workloadsOf, isExcluded, pendingUntilMs },
          this.#settings,
        );
        if (compiled.isPending) state.pendingUntilMs = pendingUntilMs;
        return compiled;
      }
      default:
        return assertNever(choice);
    }
  }

  #report(state: HostState, compiled: readonly Problem[]): void {
    const { host, losers, excluded, parts } = state;
    const problems = [
      ...losers.map((loser) => conflict(host, loser)),
      ...excluded.map(beyondLimit),
      ...parts.flatMap((part) => part.problems),
      ...compiled,
    ];
    if (problems.length === 0 && !state.hasProblems) return;
    state.hasProblems = problems.length > 0;
    this.#options.problems.replace(`host ${host}`, problems);
  }
}

function conflict(host: HostName, { plan, reason }: Loser): Problem {
  const message = `Host ${host} is not answered from here: ${reason}.`;
  return problem("HostConflict", plan.entry.ref, "spec.hosts", message);
}

function beyondLimit({ host, entry }: HostPlan): Problem {
  const message = `Host ${host} is beyond the hosts per namespace (hostsPerNamespace) and is not answered.`;
  return problem("LimitExceeded", entry.ref, "spec.hosts", message);
}
