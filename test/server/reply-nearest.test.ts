/** Which addresses a client gets where only the nearest are answered. */

import { expect } from "chai";
import fc from "fast-check";
import { systemRandom } from "../../src/runtime.ts";
import type { FamilyAnswer, Locality, TrafficDistribution } from "../../src/table/host-record.ts";
import { localityMarks } from "../../src/table/locality-marks.ts";
import { addresses, NOWHERE, record } from "../table/samples.ts";
import { addressesOf, fixedRandom, question } from "./fixtures.ts";
import { NOW_MS, type SceneFields, scene, take } from "./reply-fixture.ts";

function at(zone: string, node = ""): Locality {
  return { ...NOWHERE, region: zone.slice(0, 1), zone, node };
}

interface Place {
  readonly locality: Locality;
  readonly weight?: number;
}

function answer(
  places: readonly Place[],
  client: Locality | null,
  distribution: TrafficDistribution | null,
  fields: SceneFields = {},
): readonly string[] {
  const texts = places.map((_, index) => `10.0.${index >> 8}.${index & 255}`);
  const weights = places.map(({ weight }) => weight ?? 1);
  const a: FamilyAnswer = {
    ...(addresses(...texts) as Extract<FamilyAnswer, { kind: "addresses" }>),
    localities: places.map(({ locality }) => locality),
    ...(places.some(({ weight }) => weight !== undefined) && { weights }),
  };
  const host = record("own.example", a, undefined, distribution === null ? {} : { distribution });
  const set = scene(host, question("own.example", "A"), fields);
  const { writer, message, query, transport, table, variant } = set;
  const marks = client && localityMarks(client);
  const length = writer.writeAddresses(message, query, transport, table, variant, 0, NOW_MS, marks);
  return addressesOf(take(writer, length));
}

const PLACES: readonly Place[] = [
  { locality: at("a1", "n1") },
  { locality: at("b1", "n2") },
  { locality: at("a1", "n3") },
  { locality: at("a2", "n4") },
  { locality: NOWHERE },
];
const ALL = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];

describe("the nearest addresses", () => {
  it("are the best group that is not empty", () => {
    expect(answer(PLACES, at("a1", "n3"), "PreferSameNode")).to.deep.equal(["10.0.0.2"]);
    expect(answer(PLACES, at("a1", "n3"), "PreferClose")).to.deep.equal(["10.0.0.0", "10.0.0.2"]);
    expect(answer(PLACES, at("a1", "n9"), "PreferSameNode")).to.deep.equal(["10.0.0.0", "10.0.0.2"]);
    expect(answer(PLACES, at("a2"), "PreferSameZone")).to.deep.equal(["10.0.0.3"]);
    expect(answer(PLACES, at("a9"), "PreferSameZone")).to.deep.equal(["10.0.0.0", "10.0.0.2", "10.0.0.3"]);
    expect(answer(PLACES, at("b9"), "PreferClose")).to.deep.equal(["10.0.0.1"]);
  });

  it("are all where nothing is near, the client's place is not known, or nobody asked for the nearest", () => {
    expect(answer(PLACES, at("c1"), "PreferClose")).to.deep.equal(ALL);
    expect(answer(PLACES, NOWHERE, "PreferSameNode")).to.deep.equal(ALL);
    expect(answer(PLACES, null, "PreferClose")).to.deep.equal(ALL);
    expect(answer(PLACES, at("a1"), null)).to.deep.equal(ALL);
    expect(answer(PLACES, at("a1"), "PreferNetwork")).to.deep.equal(ALL);
  });

  it("rotate among themselves: each comes first equally often", () => {
    const firsts = [0, 0.3, 0.4, 0.7, 0.99].map(
      (fraction) => answer(PLACES, at("a9"), "PreferClose", { random: fixedRandom(fraction) })[0],
    );
    expect(firsts).to.deep.equal(["10.0.0.0", "10.0.0.0", "10.0.0.2", "10.0.0.3", "10.0.0.3"]);
    expect(answer(PLACES, at("a9"), "PreferClose", { random: fixedRandom(0.4) })).to.deep.equal([
      "10.0.0.2",
      "10.0.0.3",
      "10.0.0.0",
    ]);
  });

  it("come first by their own weights, not by those of the others", () => {
    const weights = [1, 1000, 0, 3, 500];
    const places = PLACES.map(({ locality }, index) => ({ locality, weight: weights[index]! }));
    const first = (fraction: number) =>
      answer(places, at("a9"), "PreferClose", { random: fixedRandom(fraction) })[0];
    expect([0, 0.2, 0.26, 0.999].map(first)).to.deep.equal(["10.0.0.0", "10.0.0.0", "10.0.0.3", "10.0.0.3"]);
    const none = places.map((place) => ({ ...place, weight: 0 }));
    expect(answer(none, at("b1"), "PreferClose")).to.deep.equal(["10.0.0.1"]);
  });

  it("are what a plain filter gives, in a rotation of their order (property)", () => {
    const text = fc.constantFrom("", "x", "y");
    const locality = fc.record({ network: text, region: text, zone: text, subzone: text, node: text });
    const scopes = ["network", "region", "zone", "subzone", "node"] as const;
    const looks = { PreferNetwork: 1, PreferSameZone: 3, PreferClose: 4, PreferSameNode: 5 } as const;
    const shared = (client: Locality, other: Locality, count: number): number => {
      let rank = 0;
      for (const [index, scope] of scopes.slice(0, count).entries()) {
        if (client[scope] !== other[scope]) break;
        if (client[scope] !== "") rank = index + 1;
      }
      return rank;
    };
    fc.assert(
      fc.property(
        fc.array(fc.record({ locality }), { minLength: 1, maxLength: 30 }),
        locality,
        fc.constantFrom(...(Object.keys(looks) as TrafficDistribution[])),
        (places, client, distribution) => {
          const ranks = places.map((place) => shared(client, place.locality, looks[distribution]));
          const best = Math.max(...ranks);
          const expected = places.flatMap((_, index) => (ranks[index] === best ? [`10.0.0.${index}`] : []));
          const got = answer(places, client, distribution, { random: systemRandom, transport: "tcp" });
          const start = expected.indexOf(got[0]!);
          expect(got).to.deep.equal([...expected.slice(start), ...expected.slice(0, start)]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("may be all of 256 addresses, or the last one", () => {
    const places = Array.from({ length: 256 }, (_, index) => ({ locality: at("a1", `n${index}`) }));
    expect(answer(places, at("a1"), "PreferClose", { transport: "tcp" }).length).to.equal(256);
    const last = answer(places, at("a1", "n255"), "PreferSameNode", { transport: "tcp" });
    expect(last).to.deep.equal(["10.0.0.255"]);
  });
});
