/**
 * The registry against a second, slow reading of the same rules: whatever objects came, changed and went in
 * whatever order, the table, the snapshot and the wanted names are those of the present state alone.
 */

import { expect } from "chai";
import * as fc from "fast-check";
import { MeshStore } from "../../src/mesh/mesh-store.ts";
import { objectKey } from "../../src/mesh/objects.ts";
import { ProblemBook } from "../../src/mesh/problem.ts";
import type { FamilyResolutions, Resolution } from "../../src/mesh/resolution.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import {
  CLIENT_CLASSES,
  type FamilyAnswer,
  type HostRecord,
  type HostVariant,
  type TableDelta,
} from "../../src/table/host-record.ts";
import { LinearTable } from "../../src/table/linear-table.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { recordLength } from "../../src/table/packed-record.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { FAMILIES, type Family } from "../../src/wire/ip-address.ts";
import {
  anyEdit,
  anyObject,
  anyResolution,
  anySettings,
  DEFAULT_SETTINGS,
  type Edit,
  edited,
  RESOLVABLE,
  type ResolutionParts,
  resolutionOf,
  VIEWERS,
  versioned,
  WHOLE_CHAIN,
  type WorldObject,
} from "../support/arbitrary-objects.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { clientId, referenceNames, referenceTable, type World } from "../support/reference.ts";
import { entry, namespaceObject, World as RegistryWorld, touched, variantFor } from "./support.ts";

/** More by hand: `REFERENCE_RUNS=20000`. */
const RUNS = Number(process.env["REFERENCE_RUNS"] ?? 250);
const BATCH_WINDOW_MS = 20;

/** `which`: one of those that are there, if there is any. */
type Step =
  | { readonly kind: "put"; readonly objects: readonly WorldObject[]; readonly flushes: boolean }
  | { readonly kind: "edit"; readonly which: number; readonly edit: Edit; readonly flushes: boolean }
  | { readonly kind: "remove"; readonly which: number; readonly flushes: boolean }
  | {
      readonly kind: "resolve";
      readonly which: number;
      readonly parts: ResolutionParts;
      readonly families: readonly Family[];
    }
  /** The same addresses expire at another moment. */
  | { readonly kind: "touch"; readonly which: number; readonly expiresInMs: number }
  | { readonly kind: "settings"; readonly settings: RegistrySettings }
  | { readonly kind: "elapse"; readonly milliseconds: number }
  | { readonly kind: "check" };

/** A step of one kind with its fields. */
function step<K extends Step["kind"]>(
  kind: K,
  fields: {
    [F in Exclude<keyof Extract<Step, { kind: K }>, "kind">]: fc.Arbitrary<Extract<Step, { kind: K }>[F]>;
  },
): fc.Arbitrary<Step> {
  return fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<Step>;
}

const flushes = fc.boolean();
const which = fc.nat();
const anyMilliseconds = fc.constantFrom(1, BATCH_WINDOW_MS, 500);
const anyFamilies = fc.constantFrom<readonly Family[]>(["A"], ["AAAA"], FAMILIES);
const someObjects = fc.array(anyObject, { minLength: 1, maxLength: 5 });

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: step("put", { objects: someObjects, flushes }) },
  { weight: 1, arbitrary: step("put", { objects: fc.constant(WHOLE_CHAIN), flushes }) },
  { weight: 8, arbitrary: step("edit", { which, edit: anyEdit, flushes }) },
  { weight: 2, arbitrary: step("remove", { which, flushes }) },
  { weight: 8, arbitrary: step("resolve", { which, parts: anyResolution, families: anyFamilies }) },
  { weight: 3, arbitrary: step("touch", { which, expiresInMs: fc.integer({ min: -1000, max: 30_000 }) }) },
  { weight: 1, arbitrary: step("settings", { settings: anySettings }) },
  { weight: 2, arbitrary: step("elapse", { milliseconds: anyMilliseconds }) },
  { weight: 6, arbitrary: step("check", {}) },
);

/** A registry with all around it, and everything that it says put together again. */
class Story {
  readonly #clock = new FakeClock();
  readonly #startMs = this.#clock.nowMs();
  readonly #store = new MeshStore();
  readonly #upstream: Map<HostName, FamilyResolutions>;
  readonly #wanted = new Set<string>();
  readonly #table = new Map<HostName, HostRecord>();
  readonly #packed = new LinearTable();
  readonly #registry: Registry;
  #settings: RegistrySettings;
  #version = 0;

  constructor(settings: RegistrySettings, upstream: ReadonlyMap<HostName, FamilyResolutions>) {
    this.#settings = settings;
    this.#upstream = new Map(upstream);
    this.#registry = this.#newRegistry(this.#store, this.#wanted, (delta) => this.#apply(delta));
  }

  take(step: Step): void {
    const nowMs = this.#clock.nowMs();
    switch (step.kind) {
      case "put":
        for (const object of step.objects)
          this.#store.put(object.ref.kind, versioned(object) as never, nowMs);
        if (step.flushes) this.#store.flush();
        return;
      case "edit": {
        const object = pick(this.#present(), step.which);
        if (object !== undefined)
          this.#store.put(object.ref.kind, versioned(edited(object, step.edit)) as never, nowMs);
        if (step.flushes) this.#store.flush();
        return;
      }
      case "remove": {
        const object = pick(this.#present(), step.which);
        if (object !== undefined) this.#store.remove(object.ref.kind, objectKey(object.ref), nowMs);
        if (!step.flushes) return;
        this.#store.flush();
        // What is not ours any more is forwarded from the same tick on.
        if (object !== undefined && "hosts" in object) this.#checkGone(object.hosts);
        return;
      }
      case "resolve": {
        const name = pick(this.#wantedNames(), step.which);
        if (name !== undefined)
          for (const family of step.families)
            this.#resolve(name, family, resolutionOf(step.parts, family, nowMs));
        return;
      }
      case "touch": {
        const name = pick(this.#wantedNames(), step.which);
        if (name !== undefined)
          for (const family of FAMILIES) this.#touch(name, family, nowMs + step.expiresInMs);
        return;
      }
      case "settings":
        this.#settings = step.settings;
        this.#registry.updateSettings(step.settings);
        return;
      case "elapse":
        this.#clock.advance(step.milliseconds);
        return;
      case "check":
        this.check();
    }
  }

  /** Everything that was said up to now is the present state and nothing else. */
  check(): void {
    this.#store.flush();
    this.#clock.advance(2 * BATCH_WINDOW_MS);
    const known = (name: HostName) => this.#upstream.get(name);
    const expected = referenceTable(this.#world(), known, this.#settings, this.#clock.nowMs(), VIEWERS);
    expect(comparable(answersOf(this.#table))).to.deep.equal(comparable(expected));
    expect([...this.#wanted].sort()).to.deep.equal(referenceNames(this.#world(), this.#settings, VIEWERS));
    for (const record of this.#table.values()) this.#checkDetails(record);

    const snapshot = this.#registry.snapshot();
    expect(snapshot.version).to.equal(this.#version);
    expect(tableOf(snapshot)).to.deep.equal(this.#table);
    this.#checkPacked(snapshot);
  }

  /** A registry that starts with what is there now says the same, to the last word. */
  checkFreshStart(order: readonly number[]): void {
    const store = new MeshStore();
    const objects = this.#present();
    const rank = new Map(
      objects.map((object, index) => [object, order[index % order.length]! * 7919 + index]),
    );
    for (const object of objects.sort((a, b) => (rank.get(a)! % 101) - (rank.get(b)! % 101)))
      store.put(object.ref.kind, object as never, this.#clock.nowMs());
    const wanted = new Set<string>();
    const deltas: TableDelta[] = [];
    const registry = this.#newRegistry(store, wanted, (delta) => deltas.push(delta));
    this.#clock.advance(2 * BATCH_WINDOW_MS);
    expect(withoutHolds(tableOf(registry.snapshot()))).to.deep.equal(withoutHolds(this.#table));
    expect([...wanted].sort()).to.deep.equal([...this.#wanted].sort());
    registry.close();
  }

  /** All gone: nothing is left of it. */
  checkEnd(): void {
    for (const object of this.#present())
      this.#store.remove(object.ref.kind, objectKey(object.ref), this.#clock.nowMs());
    this.check();
    // The server's own addresses have their names with or without entries.
    expect([...this.#table.keys()]).to.have.length(this.#settings.serviceAddresses.length);
    expect(this.#wanted.size).to.equal(0);
    this.#registry.close();
  }

  #newRegistry(store: MeshStore, wanted: Set<string>, emit: (delta: TableDelta) => void): Registry {
    return new Registry({
      store,
      settings: this.#settings,
      problems: new ProblemBook(() => this.#clock.wallMs()),
      clock: this.#clock,
      emit,
      // Like the refresher, which knows nothing of names that nobody wants.
      resolutions: (name) => (isWanted(wanted, name) ? this.#upstream.get(name) : undefined),
      wanted: {
        want(name, namespace) {
          const id = `${name} ${namespace}`;
          expect(wanted.has(id), `wanted twice: ${id}`).to.equal(false);
          wanted.add(id);
        },
        unwant(name, namespace) {
          expect(wanted.delete(`${name} ${namespace}`), `not wanted: ${name} ${namespace}`).to.equal(true);
        },
      },
      batchWindowMs: BATCH_WINDOW_MS,
    });
  }

  #wantedNames(): HostName[] {
    return RESOLVABLE.filter((name) => isWanted(this.#wanted, name));
  }

  #resolve(name: HostName, family: Family, resolution: Resolution): void {
    this.#upstream.set(name, { ...this.#upstream.get(name)!, [family]: resolution });
    this.#registry.resolutionChanged(name, family);
  }

  #touch(name: HostName, family: Family, expiresAtMs: number): void {
    const before = this.#upstream.get(name)!;
    if (before[family].state !== "fresh") return;
    this.#upstream.set(name, { ...before, [family]: { ...before[family], expiresAtMs } });
    this.#registry.resolutionTouched(name, family, expiresAtMs);
  }

  #apply(delta: TableDelta): void {
    expect(delta.changes.length).to.be.greaterThan(0);
    expect(delta.version).to.equal(this.#version + 1);
    this.#version = delta.version;
    for (const change of delta.changes) {
      if (change.kind === "set") this.#table.set(change.record.host, change.record);
      else if (change.kind === "delete")
        expect(this.#table.delete(change.host), `delete of ${change.host}`).to.equal(true);
      else {
        const { host, family, expiresAtMs } = change;
        this.#table.set(host, touched(this.#table.get(host)!, family, expiresAtMs));
      }
    }
    expect(this.#packed.apply(packDelta(delta), 0, Number.POSITIVE_INFINITY)).to.equal(-1);
  }

  #checkGone(hosts: readonly HostName[]): void {
    const nowMs = this.#clock.nowMs();
    const stillOwn = referenceTable(this.#world(), () => undefined, this.#settings, nowMs, VIEWERS);
    for (const host of hosts)
      if (this.#table.has(host)) expect([...stillOwn.keys()], "hosts that are still ours").to.include(host);
  }

  #checkDetails({ host, views }: HostRecord): void {
    const named = views.flatMap(({ visibleTo }) => (visibleTo === "all" ? ["*"] : [...visibleTo]));
    expect(new Set(named).size, `${host}: nobody stands in two views`).to.equal(named.length);
    const all = views.findIndex(({ visibleTo }) => visibleTo === "all");
    expect(all === -1 || all === views.length - 1, `${host}: the view for all is the last one`).to.equal(
      true,
    );
    for (const { variants, choices } of views) {
      const used = new Set(Object.values(choices).filter((choice) => choice !== null));
      if (!host.endsWith(".arpa")) expect([...used].sort()).to.deep.equal(variants.map((_, at) => at));
      expect(new Set(variants.map((each) => JSON.stringify(each))).size).to.equal(variants.length);
      for (const { answers } of variants)
        for (const answer of Object.values(answers)) this.#checkAnswer(host, answer);
    }
  }

  #checkAnswer(host: HostName, answer: FamilyAnswer): void {
    if (answer.kind === "pending") {
      const { pendingTimeoutMs } = this.#settings;
      expect(answer.untilMs, host).to.be.within(
        this.#startMs + pendingTimeoutMs,
        this.#clock.nowMs() + pendingTimeoutMs,
      );
    }
    if (answer.kind === "failed") expect(answer.text.length, answer.text).to.be.within(1, 100);
  }

  #checkPacked(snapshot: TableDelta): void {
    const fresh = new LinearTable();
    fresh.apply(packDelta(snapshot), 0, Number.POSITIVE_INFINITY);
    expect(this.#packed.size).to.equal(fresh.size);
    for (const host of this.#table.keys())
      expect(octetsOf(this.#packed, host), host).to.equal(octetsOf(fresh, host));
  }

  #present(): WorldObject[] {
    const { serviceEntries, workloadEntries, pods, namespaces, nodes } = this.#world();
    return [...serviceEntries, ...workloadEntries, ...pods, ...namespaces, ...nodes];
  }

  #world(): World {
    return {
      serviceEntries: [...this.#store.all("ServiceEntry").values()],
      workloadEntries: [...this.#store.all("WorkloadEntry").values()],
      pods: [...this.#store.all("Pod").values()],
      namespaces: [...this.#store.all("Namespace").values()],
      nodes: [...this.#store.all("Node").values()],
    };
  }
}

function isWanted(wanted: ReadonlySet<string>, name: HostName): boolean {
  return [...wanted].some((id) => id.startsWith(`${name} `));
}

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % list.length];
}

function tableOf(snapshot: TableDelta): Map<HostName, HostRecord> {
  const table = new Map<HostName, HostRecord>();
  for (const change of snapshot.changes) {
    expect(change.kind).to.equal("set");
    if (change.kind === "set") table.set(change.record.host, change.record);
  }
  return table;
}

function octetsOf(table: LinearTable, host: HostName): string {
  const at = table.findHost(host);
  return Buffer.from(table.octets.subarray(at, at + recordLength(table.octets, at))).toString("hex");
}

type Answers = ReadonlyMap<HostName, ReadonlyMap<string, HostVariant>>;

/** What each client gets; PTR apart. */
function answersOf(table: ReadonlyMap<HostName, HostRecord>): Answers {
  const answers = new Map<HostName, Map<string, HostVariant>>();
  for (const [host, record] of table) {
    if (host.endsWith(".arpa")) continue;
    const byClient = new Map<string, HostVariant>();
    for (const namespace of VIEWERS)
      for (const clientClass of CLIENT_CLASSES) {
        const variant = variantFor(record, clientClass, namespace);
        if (variant !== undefined) byClient.set(clientId({ namespace, clientClass }), variant);
      }
    answers.set(host, byClient);
  }
  return answers;
}

/** By host and client, but for the moment until which it is held and the words of a failure. */
function comparable(answers: Answers): unknown {
  return Object.fromEntries(
    [...answers].map(([host, byClient]) => [
      host,
      Object.fromEntries([...byClient].map(([client, variant]) => [client, withoutWords(variant)])),
    ]),
  );
}

function withoutWords(variant: HostVariant): HostVariant {
  const strip = (answer: FamilyAnswer): FamilyAnswer =>
    answer.kind === "failed" ? { ...answer, error: 22, text: "" } : withoutHold(answer);
  const { A, AAAA } = variant.answers;
  return { ...variant, answers: { A: strip(A), AAAA: strip(AAAA) } };
}

/** Everything but the moments until which queries are held. */
function withoutHolds(table: ReadonlyMap<HostName, HostRecord>): unknown {
  const records = [...table].map(([host, record]) => [
    host,
    {
      ...record,
      views: record.views.map((view) => ({
        ...view,
        variants: view.variants.map((variant) => {
          const { A, AAAA } = variant.answers;
          return { ...variant, answers: { A: withoutHold(A), AAAA: withoutHold(AAAA) } };
        }),
      })),
    },
  ]);
  return Object.fromEntries(records);
}

function withoutHold(answer: FamilyAnswer): FamilyAnswer {
  return answer.kind === "pending" ? { ...answer, untilMs: 0 } : answer;
}

describe("the registry and the reference", () => {
  it("agree on table, snapshot and wanted names after any events in any order", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          { weight: 3, arbitrary: fc.constant(DEFAULT_SETTINGS) },
          { weight: 1, arbitrary: anySettings },
        ),
        fc.tuple(...RESOLVABLE.map(() => anyResolution)),
        fc.array(anyStep, { minLength: 1, maxLength: 30, size: "max" }),
        fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 8 }),
        (settings, upstream, steps, order) => {
          const resolutions = RESOLVABLE.map((name, index): [HostName, FamilyResolutions] => {
            const parts = upstream[index]!;
            return [
              name,
              { A: resolutionOf(parts, "A", 1_000_000), AAAA: resolutionOf(parts, "AAAA", 1_000_000) },
            ];
          });
          const story = new Story(settings, new Map(resolutions));
          for (const step of steps) story.take(step);
          story.check();
          story.checkFreshStart(order);
          story.checkEnd();
        },
      ),
      { numRuns: RUNS },
    );
  }).timeout(600_000);

  it("a Namespace that comes and goes within one batch leaves nothing, whatever is compiled in between", () => {
    const world = new RegistryWorld();
    world.put(entry({ hosts: ["a.example"], resolution: "NONE", addresses: ["10.0.0.1"] }));
    expect(world.answer("a.example")).to.deep.equal(["10.0.0.1"]);

    const namespace = namespaceObject("default", "resolved");
    world.store.put("Namespace", namespace, world.clock.nowMs());
    world.registry.updateSettings({ ...DEFAULT_SETTINGS, ttlSeconds: 60 });
    world.settle();
    world.store.remove("Namespace", objectKey(namespace.ref), world.clock.nowMs());
    world.store.flush();
    world.settle();
    expect(world.answer("a.example")).to.deep.equal(["10.0.0.1"]);
  });

  it("an endpoint keeps its place beside one that leads into hosts which all name each other", () => {
    const world = new RegistryWorld();
    const names = Array.from({ length: 9 }, (_, at) => `mesh${at}.example`);
    for (const name of names) {
      const endpoints = names.filter((other) => other !== name).map((address) => ({ address }));
      world.put(entry({ name, namespace: "other", hosts: [name], resolution: "DNS", endpoints }));
    }
    const endpoints = [{ address: "mesh0.example" }, { address: "up.test" }, { address: "10.0.0.1" }];
    world.put(entry({ hosts: ["a.example"], resolution: "DNS", endpoints }));
    world.settle();
    expect([...world.wanted]).to.include("up.test default");
    expect(world.answer("a.example")).to.deep.equal(["10.0.0.1"]);
    expect(world.codes()).to.include("LimitExceeded ServiceEntry/default/e");
  });
});
