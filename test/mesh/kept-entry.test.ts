import { expect } from "chai";
import fc from "fast-check";
import { toKeptEntry } from "../../src/mesh/kept-entry.ts";
import type { Endpoint, ServiceEntry } from "../../src/mesh/objects.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";

const FIELDS = [
  "ref",
  "uid",
  "resourceVersion",
  "createdAtMs",
  "labels",
  "annotations",
  "hosts",
  "addresses",
  "hasAddresses",
  "ports",
  "resolution",
  "location",
  "endpoints",
  "hasEndpoints",
  "selector",
  "exportTo",
  "allocated",
  "answer",
  "ttlSeconds",
  "trafficDistribution",
] as const satisfies readonly (keyof ServiceEntry)[];
/** One that is missing above does not compile. */
const ALL: Exclude<keyof ServiceEntry, (typeof FIELDS)[number]> extends never ? true : false = true;

function shown(entry: ServiceEntry): unknown {
  return Object.fromEntries(FIELDS.map((field) => [field, entry[field]]));
}

const rarely = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const text = fc.constantFrom("a", "b", "region/zone", "net-1", "9007199254740993", "007");
const labels = rarely(fc.dictionary(fc.constantFrom("app", "tier", "__proto__"), text, { maxKeys: 3 }));
const endpoint = fc.record(
  {
    address: fc.constantFrom("10.0.0.1", "2001:db8::1", "origin.example", "unix:/run/x"),
    weight: fc.nat(3),
    ports: fc.dictionary(fc.constantFrom("http", "grpc"), fc.integer({ min: 1, max: 9 }), { maxKeys: 2 }),
    labels,
    network: rarely(text),
    locality: rarely(text),
  },
  { requiredKeys: [] },
);
const object = fc.record({
  metadata: fc.record({
    name: fc.constantFrom("one", "two"),
    namespace: rarely(fc.constantFrom("x", "y")),
    uid: rarely(text),
    resourceVersion: rarely(fc.constantFrom("1", "12345", "007", "", "9007199254740993", "hash:abc")),
    creationTimestamp: rarely(
      fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "1969-05-05T00:00:01Z"),
    ),
    labels,
    annotations: rarely(
      fc.constantFrom(
        { "serviceentry-dns.io/ttl": "5" },
        { "serviceentry-dns.io/answer": "virtual", other: "x" },
      ),
    ),
  }),
  spec: fc.record({
    hosts: fc.uniqueArray(fc.constantFrom("a.example", "*.b.example", "c.example"), { minLength: 1 }),
    addresses: rarely(fc.uniqueArray(fc.constantFrom("10.1.0.1", "240.240.0.1", "10.0.0.0/8"))),
    resolution: fc.constantFrom("STATIC", "DNS", "NONE"),
    ports: rarely(
      fc.array(fc.record({ number: fc.integer({ min: 1, max: 3 }), name: text }), { maxLength: 3 }),
    ),
    endpoints: rarely(fc.array(endpoint, { maxLength: 4 })),
    workloadSelector: rarely(fc.record({ labels })),
    exportTo: rarely(fc.array(fc.constantFrom("*", ".", "x"), { maxLength: 2 })),
  }),
  status: rarely(
    fc.record({
      addresses: fc.array(fc.record({ value: fc.constant("240.240.0.9"), host: fc.constant("a.example") })),
    }),
  ),
});

describe("toKeptEntry", () => {
  it("is equal to the entry in every field, however many others were kept before", () => {
    expect(ALL).to.equal(true);
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 20 }), (objects) => {
        const entries = objects.flatMap((each) => parseServiceEntry(each).value ?? []);
        const kept = entries.map(toKeptEntry);
        expect(kept.map(shown)).to.deep.equal(entries.map(shown));
      }),
      { numRuns: 300 },
    );
  });

  it("is not taken for the one before it that differs in one thing", () => {
    const port = { number: 80, name: "http", protocol: "HTTP", targetPort: 8080 };
    const endpoint = { address: "10.0.0.1", weight: 1, network: "n", locality: "r" };
    const spec = {
      hosts: ["a.example"],
      resolution: "STATIC",
      ports: [port],
      endpoints: [endpoint],
      exportTo: ["x"],
    };
    const kept = (written: object, annotations: object) =>
      toKeptEntry(
        parseServiceEntry({ metadata: { name: "a", annotations }, spec: { ...spec, ...written } }).value!,
      );
    const cases: readonly [object, object, (entry: ServiceEntry) => unknown, unknown][] = [
      ...Object.entries({ number: 81, name: "grpc", protocol: "GRPC", targetPort: 8081 }).map(
        ([name, other]): (typeof cases)[number] => [
          { ports: [{ ...port, [name]: other }] },
          {},
          ({ ports }) => ports,
          [{ ...port, [name]: other }],
        ],
      ),
      [{ ports: [port, port] }, {}, ({ ports }) => ports, [port, port]],
      [{ resolution: "DNS" }, {}, ({ resolution }) => resolution, "DNS"],
      [{ location: "MESH_INTERNAL" }, {}, ({ location }) => location, "MESH_INTERNAL"],
      [{ exportTo: ["y"] }, {}, ({ exportTo }) => exportTo, ["y"]],
      [{ exportTo: ["x", "y"] }, {}, ({ exportTo }) => exportTo, ["x", "y"]],
      [{ addresses: ["10.0.0.9"] }, {}, ({ hasAddresses }) => hasAddresses, true],
      [{ endpoints: [] }, {}, ({ hasEndpoints }) => hasEndpoints, false],
      [{ endpoints: ["bad"] }, {}, ({ endpoints, hasEndpoints }) => [endpoints, hasEndpoints], [[], true]],
      [{ workloadSelector: { labels: { a: "b" } } }, {}, ({ selector }) => selector, { a: "b" }],
      [{}, { "serviceentry-dns.io/ttl": "7" }, ({ ttlSeconds }) => ttlSeconds, 7],
      [{}, { "serviceentry-dns.io/answer": "virtual" }, ({ answer }) => answer, "virtual"],
      [
        {},
        { "networking.istio.io/traffic-distribution": "PreferClose" },
        ({ trafficDistribution }) => trafficDistribution,
        "PreferClose",
      ],
      [{ endpoints: ["bad", endpoint] }, {}, ({ endpoints }) => endpoints[0]!.path, "spec.endpoints[1]"],
      [{ endpoints: [endpoint, endpoint] }, {}, ({ endpoints }) => endpoints.length, 2],
      ...Object.entries({
        weight: 2,
        network: "m",
        locality: "s",
        labels: { a: "b" },
        ports: { http: 1 },
      }).map(([name, other]): (typeof cases)[number] => [
        { endpoints: [{ ...endpoint, [name]: other }] },
        {},
        ({ endpoints }) => endpoints[0]![name as keyof Endpoint],
        other,
      ]),
    ];
    for (const [written, annotations, read, expected] of cases) {
      const before = kept({}, {});
      const shownBefore = JSON.stringify(shown(before));
      expect(read(kept(written, annotations)), JSON.stringify([written, annotations])).to.deep.equal(
        expected,
      );
      expect(JSON.stringify(shown(before))).to.equal(shownBefore);
      expect(JSON.stringify(shown(kept({}, {})))).to.equal(shownBefore);
    }
  });
});
