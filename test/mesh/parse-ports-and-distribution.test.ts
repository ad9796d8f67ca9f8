import { expect } from "chai";
import fc from "fast-check";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { parseServiceEntry } from "../../src/mesh/parse-service-entry.ts";

describe("container ports of a Pod", () => {
  const parse = (containers: unknown) => parsePod({ metadata: { name: "p" }, spec: { containers } });
  const namesOf = (containers: unknown) => parse(containers).value?.portNames;

  it("are those with a name, of all containers, the first of each name", () => {
    const containers = [
      { ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }, { containerPort: 9 }] },
      { name: "no ports" },
      {
        ports: [
          { name: "http", containerPort: 81 },
          { name: "dns", containerPort: 53, protocol: "UDP" },
        ],
      },
    ];
    expect(namesOf(containers)).to.deep.equal({ http: 8080, dns: 53 });
  });

  it("are none, and one shared value, for most pods", () => {
    expect(namesOf(undefined)).to.deep.equal({});
    expect(namesOf([{ name: "c" }])).to.equal(namesOf(undefined));
  });

  const odd: readonly unknown[] = [
    "x",
    { a: 1 },
    [1, null, "c"],
    [{ ports: "x" }],
    [{ ports: [1, null, { name: 5, containerPort: 5 }, { name: "", containerPort: 5 }] }],
    [{ ports: [{ name: "a" }, { name: "b", containerPort: "80" }, { name: "c", containerPort: 0 }] }],
    [
      {
        ports: [
          { name: "a", containerPort: 65536 },
          { name: "b", containerPort: 1.5 },
        ],
      },
    ],
  ];
  for (const containers of odd)
    it(`never cost the pod: ${JSON.stringify(containers)}`, () => {
      const { value, problems } = parse(containers);
      expect(value?.portNames).to.deep.equal({});
      expect(problems).to.deep.equal([]);
    });

  it("may have the name of an inherited property", () => {
    const ports = [
      { name: "__proto__", containerPort: 1 },
      { name: "constructor", containerPort: 2 },
    ];
    const names = namesOf([{ ports }])!;
    expect(Object.entries(names)).to.deep.equal([
      ["__proto__", 1],
      ["constructor", 2],
    ]);
  });

  it("are read from any value", () => {
    fc.assert(
      fc.property(fc.anything(), (containers) => {
        expect(Object.values(namesOf(containers)!).every((each) => each >= 1 && each <= 65535)).to.equal(
          true,
        );
      }),
    );
  });
});

describe("the traffic distribution of a ServiceEntry", () => {
  const parse = (word: unknown) =>
    parseServiceEntry({
      metadata: { name: "e", annotations: { "networking.istio.io/traffic-distribution": word } },
      spec: { hosts: ["a.example"] },
    });

  for (const word of ["PreferClose", "PreferSameZone", "PreferSameNode", "PreferNetwork", "Any"])
    it(word, () => {
      const { value, problems } = parse(word);
      expect(value?.trafficDistribution).to.equal(word);
      expect(problems).to.deep.equal([]);
    });

  it("is undefined where nothing is said", () => {
    expect(parse(undefined).value?.trafficDistribution).to.equal(undefined);
    expect(
      parseServiceEntry({ metadata: { name: "e" }, spec: { hosts: ["a.example"] } }).value
        ?.trafficDistribution,
    ).to.equal(undefined);
  });

  for (const word of ["Nearest", "", "prefer-close", 5])
    it(`is Any, and a problem, for ${JSON.stringify(word)}`, () => {
      const { value, problems } = parse(word);
      expect(value?.trafficDistribution).to.equal("Any");
      expect(problems.map(({ code }) => code)).to.deep.equal(["AnnotationInvalid"]);
    });
});
