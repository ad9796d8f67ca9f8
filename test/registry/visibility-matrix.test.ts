/**
 * Who gets a host from whom, written out: what is exported to whom, by whom and when, against the namespace of the
 * client. Every row is played in all orders in which its entries may come, each with others that come and go.
 */

import { expect } from "chai";
import type { Namespace, ServiceEntry } from "../../src/mesh/objects.ts";
import type { RegistrySettings } from "../../src/registry/settings.ts";
import { CLIENT_CLASSES } from "../../src/table/host-record.ts";
import { entry, World } from "./support.ts";

/** `namespace/name` answers with an address of its own; `exportTo` by commas; the smaller `age` is older. */
interface Claim {
  readonly by: `${Namespace}/${string}`;
  readonly exportTo?: string;
  readonly age?: 1 | 2 | 3;
  readonly port?: number;
}

/** Who answers clients of the namespaces shop, team, system and nowhere, and unknown ones; `-`: forwarded. */
type Row = readonly [
  what: string,
  claims: readonly Claim[],
  shop: string,
  team: string,
  system: string,
  nowhere: string,
  unknown: string,
  settings?: Partial<RegistrySettings>,
];

const VIEWERS: readonly (Namespace | undefined)[] = ["shop", "team", "system", "nowhere", undefined];
const trusted = { trustedNamespaces: ["system"] };

const ROWS: readonly Row[] = [
  // One entry.
  ["nothing said", [{ by: "shop/a" }], "shop/a", "shop/a", "shop/a", "shop/a", "shop/a"],
  ["public", [{ by: "shop/a", exportTo: "*" }], "shop/a", "shop/a", "shop/a", "shop/a", "shop/a"],
  ["for its own namespace", [{ by: "shop/a", exportTo: "." }], "shop/a", "-", "-", "-", "-"],
  ["for nobody", [{ by: "shop/a", exportTo: "~" }], "-", "-", "-", "-", "-"],
  ["for another namespace", [{ by: "shop/a", exportTo: "team" }], "-", "shop/a", "-", "-", "-"],
  ["for its own by name", [{ by: "shop/a", exportTo: "shop" }], "shop/a", "-", "-", "-", "-"],
  ["for two", [{ by: "shop/a", exportTo: ".,system" }], "shop/a", "-", "shop/a", "-", "-"],
  [
    "for one and all",
    [{ by: "shop/a", exportTo: "team,*" }],
    "shop/a",
    "shop/a",
    "shop/a",
    "shop/a",
    "shop/a",
  ],
  ["for nobody and one", [{ by: "shop/a", exportTo: "~,team" }], "-", "shop/a", "-", "-", "-"],
  // What is said for those that say nothing.
  ["the default is its own", [{ by: "shop/a" }], "shop/a", "-", "-", "-", "-", { defaultExportTo: ["."] }],
  ["the default is nobody", [{ by: "shop/a" }], "-", "-", "-", "-", "-", { defaultExportTo: ["~"] }],
  ["the default is one", [{ by: "shop/a" }], "-", "shop/a", "-", "-", "-", { defaultExportTo: ["team"] }],
  [
    "no default is all",
    [{ by: "shop/a" }],
    "shop/a",
    "shop/a",
    "shop/a",
    "shop/a",
    "shop/a",
    { defaultExportTo: [] },
  ],
  [
    "what is said counts, not the default",
    [{ by: "shop/a", exportTo: "team" }],
    "-",
    "shop/a",
    "-",
    "-",
    "-",
    { defaultExportTo: ["*"] },
  ],
  [
    "public entries may be their namespace's alone",
    [{ by: "shop/a", exportTo: "*" }],
    "shop/a",
    "-",
    "-",
    "-",
    "-",
    { defaultVisibility: "namespace" },
  ],
  [
    "named ones too, and then nobody may be left",
    [{ by: "shop/a", exportTo: "team" }],
    "-",
    "-",
    "-",
    "-",
    "-",
    { defaultVisibility: "namespace" },
  ],
  // Two namespaces.
  [
    "both public: the older one, but each its own",
    [
      { by: "shop/a", age: 2 },
      { by: "team/b", age: 1 },
    ],
    "shop/a",
    "team/b",
    "team/b",
    "team/b",
    "team/b",
  ],
  [
    "both public, as old: by name",
    [
      { by: "shop/b", age: 1 },
      { by: "team/a", age: 1 },
    ],
    "shop/b",
    "team/a",
    "team/a",
    "team/a",
    "team/a",
  ],
  [
    "both public, as old, of one name: by namespace",
    [
      { by: "team/a", age: 1 },
      { by: "shop/a", age: 1 },
    ],
    "shop/a",
    "team/a",
    "shop/a",
    "shop/a",
    "shop/a",
  ],
  [
    "a missing time is last",
    [{ by: "shop/a" }, { by: "team/z", age: 3 }],
    "shop/a",
    "team/z",
    "team/z",
    "team/z",
    "team/z",
  ],
  [
    "a young private one before the old public one, at home alone",
    [
      { by: "shop/a", age: 1 },
      { by: "team/b", exportTo: ".", age: 3 },
    ],
    "shop/a",
    "team/b",
    "shop/a",
    "shop/a",
    "shop/a",
  ],
  [
    "by name before public, however young",
    [
      { by: "shop/a", age: 1 },
      { by: "team/b", exportTo: "system", age: 3 },
    ],
    "shop/a",
    "shop/a",
    "team/b",
    "shop/a",
    "shop/a",
  ],
  [
    "own before by name",
    [
      { by: "shop/a", exportTo: "team,nowhere", age: 1 },
      { by: "team/b", exportTo: ".", age: 3 },
    ],
    "-",
    "team/b",
    "-",
    "shop/a",
    "-",
  ],
  [
    "of two by name the older one",
    [
      { by: "shop/a", exportTo: "nowhere", age: 2 },
      { by: "team/b", exportTo: "nowhere,system", age: 1 },
    ],
    "-",
    "-",
    "team/b",
    "team/b",
    "-",
  ],
  [
    "an entry that its own namespace does not see gives way there",
    [
      { by: "shop/a", exportTo: "team", age: 1 },
      { by: "system/b", exportTo: "*", age: 3 },
    ],
    "system/b",
    "shop/a",
    "system/b",
    "system/b",
    "system/b",
  ],
  [
    "each for itself",
    [
      { by: "shop/a", exportTo: "." },
      { by: "team/b", exportTo: "." },
      { by: "system/c", exportTo: "." },
    ],
    "shop/a",
    "team/b",
    "system/c",
    "-",
    "-",
  ],
  // Trusted namespaces.
  [
    "trusted before the older public one, after one's own",
    [
      { by: "shop/a", age: 1 },
      { by: "system/b", age: 3 },
    ],
    "shop/a",
    "system/b",
    "system/b",
    "system/b",
    "system/b",
    trusted,
  ],
  [
    "trusted before one exported by name",
    [
      { by: "shop/a", exportTo: "team,nowhere", age: 1 },
      { by: "system/b", age: 3 },
    ],
    "system/b",
    "system/b",
    "system/b",
    "system/b",
    "system/b",
    trusted,
  ],
  [
    "trusted, but not for these",
    [
      { by: "shop/a", exportTo: "team,nowhere", age: 1 },
      { by: "system/b", exportTo: "nowhere", age: 3 },
    ],
    "-",
    "shop/a",
    "-",
    "system/b",
    "-",
    trusted,
  ],
  [
    "not trusted any more: as any other",
    [
      { by: "shop/a", age: 1 },
      { by: "system/b", age: 3 },
    ],
    "shop/a",
    "shop/a",
    "system/b",
    "shop/a",
    "shop/a",
    { trustedNamespaces: ["nobody"] },
  ],
  // Several entries of one namespace.
  [
    "merged, never with another namespace's",
    [
      { by: "shop/a", age: 1 },
      { by: "shop/b", age: 3 },
      { by: "team/c", age: 2 },
    ],
    "shop/a+shop/b",
    "team/c",
    "shop/a+shop/b",
    "shop/a+shop/b",
    "shop/a+shop/b",
  ],
  [
    "merged of what the client sees",
    [
      { by: "shop/a", age: 1 },
      { by: "shop/b", exportTo: ".", age: 2 },
      { by: "shop/c", exportTo: "team", age: 3 },
    ],
    "shop/a+shop/b",
    "shop/a+shop/c",
    "shop/a",
    "shop/a",
    "shop/a",
  ],
  [
    "other ports: the oldest alone",
    [
      { by: "shop/a", age: 1, port: 80 },
      { by: "shop/b", age: 2, port: 443 },
      { by: "shop/c", age: 3, port: 80 },
    ],
    "shop/a+shop/c",
    "shop/a+shop/c",
    "shop/a+shop/c",
    "shop/a+shop/c",
    "shop/a+shop/c",
  ],
  [
    "the oldest that the client sees",
    [
      { by: "shop/a", exportTo: ".", age: 1, port: 80 },
      { by: "shop/b", age: 2, port: 443 },
    ],
    "shop/a",
    "shop/b",
    "shop/b",
    "shop/b",
    "shop/b",
  ],
];

const HOST = "api.example.com";
const FAR_AWAY = "203.0.113.1";

/** An address for each name. */
function addressOf(by: string): string {
  const number = "abcdefghijklmnopqrstuvwxyz".indexOf(by.split("/")[1]!) + 1;
  return `192.0.${["shop", "team", "system"].indexOf(by.split("/")[0]!)}.${number}`;
}

function objectOf({ by, exportTo, age, port = 80 }: Claim): ServiceEntry {
  const [namespace, name] = by.split("/");
  return entry({
    namespace: namespace!,
    name: name!,
    hosts: [HOST],
    resolution: "STATIC",
    endpoints: [{ address: addressOf(by) }],
    ports: [{ number: port }],
    ...(exportTo === undefined ? {} : { exportTo: exportTo.split(",") }),
    ...(age === undefined ? {} : { created: `202${age}-01-01T00:00:00Z` }),
  });
}

/** An entry that is gone in the end, and would win everywhere. */
function passing(): ServiceEntry {
  return entry({
    namespace: "system",
    name: "passing",
    hosts: [HOST],
    resolution: "STATIC",
    endpoints: [{ address: FAR_AWAY }],
    exportTo: ["*"],
    created: "2000-01-01T00:00:00Z",
  });
}

function* ordersOf<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length <= 1) yield items;
  for (const [at, item] of items.entries())
    if (items.length > 1) for (const rest of ordersOf(items.toSpliced(at, 1))) yield [item, ...rest];
}

function answersIn(world: World, claims: readonly Claim[]): readonly string[] {
  return VIEWERS.map((namespace) => {
    const all = CLIENT_CLASSES.map((client) => {
      const answer = world.answer(HOST, "A", client, namespace);
      if (answer === "forward") return "-";
      if (typeof answer === "string") return answer;
      const of = (address: string) => claims.find(({ by }) => addressOf(by) === address)?.by ?? address;
      return answer.map(of).join("+");
    });
    expect(new Set(all).size, "the same for every class").to.equal(1);
    return all[0]!;
  });
}

describe("visibility", () => {
  it("is told of at least 48 situations", () => {
    expect(ROWS.length * VIEWERS.length).to.be.at.least(48);
  });

  for (const [what, claims, shop, team, system, nowhere, unknown, settings] of ROWS)
    it(what, () => {
      const expected = [shop, team, system, nowhere, unknown];
      for (const order of ordersOf(claims)) {
        const objects = order.map(objectOf);
        const world = new World(settings);
        world.put(...objects);
        world.settle();
        expect(answersIn(world, claims), "all at once").to.deep.equal(expected);

        const lived = new World(settings);
        lived.put(passing());
        for (const object of objects) {
          lived.put({ ...object, exportTo: ["~"], resourceVersion: `${object.resourceVersion}-hidden` });
          lived.settle();
          lived.put(object);
        }
        lived.settle();
        lived.remove("ServiceEntry", "system", "passing");
        lived.settle();
        expect(answersIn(lived, claims), "one by one").to.deep.equal(expected);
        expect([...lived.table.values()]).to.deep.equal([...world.table.values()]);
        expect(lived.codes()).to.deep.equal(world.codes());
      }
    });
});
