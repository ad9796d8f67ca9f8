/** The table depends on what is there, not on the way there. */

import { expect } from "chai";
import fc from "fast-check";
import type { Kind, ObjectByKind } from "../../src/mesh/objects.ts";
import { subjectKey } from "../../src/mesh/problem.ts";
import type { HostRecord } from "../../src/table/host-record.ts";
import type { Family } from "../../src/wire/ip-address.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import {
  entry,
  host,
  namespaceObject,
  pod,
  type ResolutionWords,
  resolution,
  World,
  workloadEntry,
} from "./support.ts";

const hosts = fc.constantFrom("a.example", "b.example", "c.example", "*.w.example", "d.default.svc");
const namespaces = fc.constantFrom("n1", "n2");
const names = fc.constantFrom("e1", "e2", "e3");
const labels = fc.constantFrom({ app: "x" }, { app: "y" }, { app: "x", tier: "db" });
const endpoint = fc.record({
  address: fc.constantFrom(
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "a.example",
    "b.example",
    "c.example",
    "up.example",
    "127.0.0.1",
  ),
  weight: fc.constantFrom(0, 0, 2),
});
const anEntry = fc
  .record({
    name: names,
    namespace: namespaces,
    hosts: fc.uniqueArray(hosts, { minLength: 1, maxLength: 2 }),
    resolution: fc.constantFrom("NONE", "STATIC", "DNS", "DNS", "DYNAMIC_DNS"),
    addresses: fc.constantFrom([], [], ["10.0.0.1"]),
    endpoints: fc.oneof(fc.constant([]), fc.array(endpoint, { maxLength: 3 })),
    workloadSelector: fc.option(
      labels.map((each) => ({ labels: each })),
      { nil: undefined, freq: 2 },
    ),
    ports: fc.constantFrom([{ number: 80 }], [{ number: 80 }], [{ number: 443 }]),
    exportTo: fc.constantFrom([], [], ["."], ["n1"]),
    created: fc.option(fc.constantFrom("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), { nil: undefined }),
    ttl: fc.option(fc.constantFrom("7", "70"), { nil: undefined }),
  })
  .map(({ ttl, ...given }) =>
    entry({
      ...given,
      ...(ttl === undefined ? {} : { annotations: { "serviceentry-dns.io/ttl": ttl } }),
    } as Parameters<typeof entry>[0]),
  );
const aPod = fc
  .record({
    name: fc.constantFrom("p1", "p2"),
    namespace: namespaces,
    labels,
    ips: fc.constantFrom(["10.1.0.1"], ["10.1.0.2", "fd00::2"]),
    isReady: fc.boolean(),
  })
  .map(pod);
const aWorkloadEntry = fc
  .record({
    name: fc.constantFrom("w1", "w2"),
    namespace: namespaces,
    labels,
    address: fc.constantFrom("192.0.2.9", "vm.example", "c.example"),
  })
  .map(workloadEntry);
const aNamespace = fc
  .tuple(namespaces, fc.constantFrom(undefined, "virtual", "resolved"))
  .map(([name, answer]) => namespaceObject(name, answer));
const anObject: fc.Arbitrary<ObjectByKind[Kind]> = fc.oneof(
  { weight: 6, arbitrary: anEntry },
  { weight: 4, arbitrary: aPod },
  { weight: 2, arbitrary: aWorkloadEntry },
  { weight: 1, arbitrary: aNamespace },
);
const ADDRESSES = {
  A: ["192.0.2.77", "127.0.0.1", "192.0.2.78"],
  AAAA: ["2001:db8::77", "::1", "2001:db8::78"],
} as const;
function anyWords(family: Family): fc.Arbitrary<ResolutionWords> {
  const [fresh, forbidden, stale] = ADDRESSES[family];
  return fc.constantFrom<ResolutionWords>(
    [fresh],
    [forbidden],
    "denied",
    "pending",
    { failed: "timeout" },
    { stale: [stale] },
  );
}

interface Step {
  readonly object: ObjectByKind[Kind];
  readonly isRemoval: boolean;
  readonly settles: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  object: anObject,
  isRemoval: fc.integer({ min: 0, max: 3 }).map((each) => each === 0),
  settles: fc.boolean(),
});

const UPSTREAM = ["a.example", "b.example", "c.example", "up.example", "vm.example"];

/**
 * Without the moments until which queries are held: they do depend on when things happened. A record that was made
 * again from its octets may have its fields in another order.
 */
function shownTable(records: Iterable<HostRecord>): unknown {
  const shown = (key: string, value: unknown): unknown => {
    if (key === "untilMs") return 0;
    if (value instanceof Set) return [...value].sort();
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
  };
  return [...records].map((record) => JSON.stringify(record, shown)).sort();
}

function shownWorld(world: World): unknown {
  const snapshot = world.registry
    .snapshot()
    .changes.flatMap((each) => (each.kind === "set" ? [each.record] : []));
  expect(shownTable(snapshot)).to.deep.equal(shownTable(world.table.values()));
  return {
    table: shownTable(snapshot),
    wanted: [...world.wanted].sort(),
    rows: world.registry
      .hosts()
      .map((row) => JSON.stringify(row))
      .sort(),
    counts: world.registry.hostCounts(),
    problems: [...world.problems.all()]
      .map(
        ({ problem }) => `${problem.code} ${subjectKey(problem.object)} ${problem.path} ${problem.message}`,
      )
      .sort(),
  };
}

/** What is said of the policy as a whole, objects or not. */
const UNRESTRICTED =
  "PublicHostsUnrestricted Setting//hostPolicy  Every namespace may claim any host for the clients of all namespaces.";

describe("the registry's table", () => {
  it("is the same after any history that leads to the same objects and resolutions", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.boolean(),
        fc.tuple(...UPSTREAM.map(() => fc.tuple(anyWords("A"), anyWords("AAAA")))),
        fc.infiniteStream(fc.nat()),
        fc.constantFrom({}, { hostsPerNamespace: 2, namesPerNamespace: 2 }),
        fc.constantFrom(0, 20, 60),
        (steps, isKnownFromStart, upstream, chances, limits, partialSteps) => {
          const lived = new World(limits);
          for (const [index, name] of UPSTREAM.entries()) {
            const [a, aaaa]: readonly ResolutionWords[] = isKnownFromStart
              ? upstream[index]!
              : ["pending", "pending"];
            lived.resolutions.set(host(name), { A: resolution(a!), AAAA: resolution(aaaa!) });
          }
          for (const [index, { object, isRemoval, settles }] of steps.entries()) {
            lived.store.notePartial("ServiceEntry", index < partialSteps);
            const { kind, namespace, name } = object.ref;
            if (isRemoval) lived.remove(kind, namespace, name);
            else lived.put(object);
            if (settles) lived.settle();
          }
          lived.store.notePartial("ServiceEntry", false);
          lived.registry.settle();
          if (!isKnownFromStart)
            for (const [index, name] of UPSTREAM.entries()) lived.resolve(name, ...upstream[index]!);
          lived.settle();

          const present = (["ServiceEntry", "WorkloadEntry", "Pod", "Namespace"] as const).flatMap((kind) => [
            ...lived.store.all(kind).values(),
          ]);
          const fresh = new World(limits);
          for (const [index, name] of UPSTREAM.entries()) {
            const [a, aaaa] = upstream[index]!;
            fresh.resolutions.set(host(name), { A: resolution(a), AAAA: resolution(aaaa) });
          }
          const shuffled = present
            .map((object) => ({ object, chance: chances.next().value as number }))
            .sort((one, other) => one.chance - other.chance)
            .map((each) => each.object);
          fresh.put(...shuffled);
          fresh.settle();
          expect(shownWorld(lived)).to.deep.equal(shownWorld(fresh));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("is empty, and nothing is wanted or reported, once everything is gone", () => {
    fc.assert(
      fc.property(fc.array(anObject, { maxLength: 20, size: "max" }), (objects) => {
        const world = new World();
        for (const object of objects) world.put(object);
        world.settle();
        for (const { ref } of objects) world.remove(ref.kind, ref.namespace, ref.name);
        world.settle();
        expect(shownWorld(world)).to.deep.equal({
          table: [],
          wanted: [],
          rows: [],
          counts: { ok: 0, pending: 0, stale: 0, unresolved: 0, shadowed: 0, rejected: 0 },
          problems: [UNRESTRICTED],
        });
        world.registry.updateSettings(DEFAULT_SETTINGS);
      }),
      { numRuns: 100 },
    );
  });
});
