import { expect } from "chai";
import fc from "fast-check";
import { SUFFIX_ANSWER_CODES } from "../../src/table/client-delta.ts";
import {
  type ClientChange,
  ClientIndex,
  ClientKind,
  type ClientRecord,
  type NamespaceFacts,
  packClientDelta,
} from "../../src/table/client-index.ts";
import { CLIENT_CLASSES, type Locality } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { localityMarks } from "../../src/table/locality-marks.ts";
import { ipAddressFromOctets } from "../../src/wire/ip-address.ts";
import { ip, NOWHERE } from "./samples.ts";

function pod(namespace: string, fields: Partial<ClientRecord> = {}): ClientRecord {
  return { namespace, clientClass: "outside", locality: NOWHERE, ...fields };
}

function place(node: string): Locality {
  return { ...NOWHERE, region: "r", zone: "z", node };
}

function known(name: string, facts: Partial<NamespaceFacts> | null = {}) {
  return {
    name,
    facts: facts && { name, suffixAnswer: undefined, isDelegated: false, ...facts },
  };
}

function clients(...pairs: readonly (readonly [string, ClientChange["client"]])[]): readonly ClientChange[] {
  return pairs.map(([address, client]) => ({ address: ip(address), client }));
}

describe("ClientIndex", () => {
  let index: ClientIndex;
  beforeEach(() => {
    index = new ClientIndex();
  });

  const apply = (changes: readonly ClientChange[], namespaces: readonly ReturnType<typeof known>[] = []) =>
    expect(index.apply(packClientDelta({ clients: changes, namespaces }), 0, 1e6)).to.equal(-1);
  /** What the index says of an address, as `ClientChange` would. */
  const said = (address: string): unknown => {
    const entry = index.find(address);
    if (entry === NOT_FOUND) return null;
    const kind = index.kind(entry);
    const clientClass = CLIENT_CLASSES[index.classOf(entry)];
    if (kind !== ClientKind.POD) {
      expect([index.namespaceOf(entry), index.localityOf(entry), clientClass]).to.deep.equal([
        0,
        0,
        "unknown",
      ]);
      return kind === ClientKind.AMBIGUOUS ? "ambiguous" : "forwarder";
    }
    const namespace = Buffer.from(index.namespaceOctets(index.namespaceOf(entry))).toString();
    const marks = index.localityMarks(index.localityOf(entry));
    return { namespace, clientClass, marks };
  };
  const expected = (client: ClientChange["client"] | undefined): unknown => {
    if (client === null || client === undefined || typeof client === "string") return client ?? null;
    const { namespace, clientClass, locality } = client;
    const marks = localityMarks(locality);
    return {
      namespace,
      clientClass,
      marks: Object.values(locality).every((text) => text === "") ? null : marks,
    };
  };
  const idOf = (name: string): number => {
    const octets = Buffer.from(`\x03www${String.fromCharCode(name.length)}${name}\x03svc`, "latin1");
    return index.namespaceId(octets, 5, name.length);
  };

  it("knows nobody at first", () => {
    expect([index.size, said("10.0.0.1"), said("::1"), idOf("a")]).to.deep.equal([0, null, null, NOT_FOUND]);
  });

  it("says of each address what its client is", () => {
    const all = clients(
      ["10.0.0.1", pod("team-a", { clientClass: "redirectedDual", locality: place("node-1") })],
      ["fd00::1", pod("team-a", { clientClass: "redirectedDual", locality: place("node-1") })],
      ["10.0.0.2", pod("team-b", { clientClass: "sidecar", locality: place("node-2") })],
      ["10.0.0.3", pod("team-b")],
      ["10.1.0.1", "ambiguous"],
      ["fd00::53", "forwarder"],
    );
    apply(all);
    for (const { address, client } of all) expect(said(address)).to.deep.equal(expected(client));
    expect(said("::ffff:10.0.0.2")).to.deep.equal(said("10.0.0.2"));
    expect(said("10.0.0.4")).to.equal(null);
    expect(said("fd00::2")).to.equal(null);
    expect(index.size).to.equal(6);
  });

  it("takes the last word on an address, and forgets it when the client is gone", () => {
    apply(clients(["10.0.0.1", pod("a")], ["10.0.0.1", pod("b", { locality: place("n") })]));
    expect(said("10.0.0.1")).to.deep.equal(expected(pod("b", { locality: place("n") })));
    expect(index.size).to.equal(1);
    apply(clients(["10.0.0.1", "ambiguous"]));
    expect(said("10.0.0.1")).to.equal("ambiguous");
    apply(clients(["10.0.0.1", null], ["10.0.0.9", null]));
    expect([said("10.0.0.1"), index.size]).to.deep.equal([null, 0]);
  });

  it("knows Namespaces by their label, with what they ask for", () => {
    apply(clients(["10.0.0.1", pod("only-pods")]), [
      known("a"),
      known("b", { suffixAnswer: "nxdomain" }),
      known("dev", { isDelegated: true, suffixAnswer: "forward" }),
      known("c", { suffixAnswer: "cname" }),
    ]);
    expect(["a", "b", "dev", "c"].map((name) => index.suffixAnswerOf(idOf(name)))).to.deep.equal([
      0, 2, 3, 1,
    ]);
    expect(["a", "b", "dev"].map((name) => index.isDelegatedName(idOf(name)))).to.deep.equal([
      false,
      false,
      true,
    ]);
    expect(idOf("only-pods")).to.equal(NOT_FOUND);
    expect(idOf("aa")).to.equal(NOT_FOUND);
    const podsOnly = index.namespaceOf(index.find("10.0.0.1"));
    expect([index.suffixAnswerOf(podsOnly), index.isDelegatedName(podsOnly)]).to.deep.equal([0, false]);

    apply(clients(["10.0.0.1", pod("b")]), [
      known("a", null),
      known("b", { suffixAnswer: undefined }),
      known("never", null),
    ]);
    expect(idOf("a")).to.equal(NOT_FOUND);
    expect(index.suffixAnswerOf(idOf("b"))).to.equal(0);
    expect(index.namespaceOf(index.find("10.0.0.1"))).to.equal(idOf("b"));
    // A pod may outlive its Namespace by a moment.
    apply([], [known("b", null)]);
    expect(idOf("b")).to.equal(NOT_FOUND);
    expect(said("10.0.0.1")).to.deep.equal(expected(pod("b")));
  });

  it("applies a delta in pieces, Namespaces first", () => {
    const octets = packClientDelta({
      clients: clients(["10.0.0.1", pod("a")], ["10.0.0.2", pod("b")], ["10.0.0.3", pod("a")]),
      namespaces: [known("a"), known("b")],
    });
    const sizes: unknown[] = [];
    for (let from = 0; from !== -1 && sizes.length < 9; ) {
      from = index.apply(octets, from, 2);
      sizes.push([index.size, idOf("b") !== NOT_FOUND]);
    }
    expect(sizes).to.deep.equal([
      [0, true],
      [2, true],
      [3, true],
    ]);
    octets.fill(0xff);
    expect(said("10.0.0.2")).to.deep.equal(expected(pod("b")));
    expect(index.apply(packClientDelta({ clients: [], namespaces: [] }), 0, 1)).to.equal(-1);
  });

  it("says the same as a map after any changes (property)", () => {
    // Few addresses whose homes are near one another: runs of slots, and gaps within them, are the rule.
    const address = fc.oneof(
      fc.nat(40).map((last) => ipAddressFromOctets(Uint8Array.of(10, 0, 0, last))),
      fc.nat(40).map((last) => ipAddressFromOctets(new Uint8Array(16).fill(1).with(15, last))),
    );
    const client = fc.oneof(
      fc.constant(null),
      fc.constantFrom("ambiguous" as const, "forwarder" as const),
      fc.record({
        namespace: fc.constantFrom("a", "b", "ab", "x".repeat(63)),
        clientClass: fc.constantFrom(...CLIENT_CLASSES),
        locality: fc.constantFrom(NOWHERE, place("1"), place("2"), place("3")),
      }),
    );
    const changes = fc.array(fc.record({ address, client }), { minLength: 20, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 5 }), fc.integer({ min: 1, max: 20 }), (deltas, pieces) => {
        index = new ClientIndex();
        const model = new Map<string, ClientChange["client"]>();
        for (const each of deltas) {
          const octets = packClientDelta({ clients: each, namespaces: [] });
          for (let from = 0; from !== -1; ) from = index.apply(octets, from, pieces);
          for (const { address, client } of each) {
            if (client === null) model.delete(address);
            else model.set(address, client);
          }
        }
        expect(index.size).to.equal(model.size);
        for (let last = 0; last <= 40; last += 1) {
          for (const text of [
            `10.0.0.${last}`,
            `101:101:101:101:101:101:101:1${last.toString(16).padStart(2, "0")}`,
          ])
            expect(said(text)).to.deep.equal(expected(model.get(text)));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("does not grow while pods, nodes and Namespaces come and go", () => {
    const turn = (round: number): void => {
      const name = `preview-${round}`;
      const pods = Array.from({ length: 50 }, (_, each) => `10.0.${round % 200}.${each}`);
      const client = pod(name, { locality: place(`node-${round}`) });
      apply(clients(...pods.map((address) => [address, client] as const)), [known(name)]);
      apply(clients(...pods.map((address) => [address, null] as const)), [known(name, null)]);
    };
    for (let round = 0; round < 20; round += 1) turn(round);
    const before = index.memoryOctets;
    for (let round = 20; round < 600; round += 1) turn(round);
    expect(index.memoryOctets).to.equal(before);
    expect(index.size).to.equal(0);
  });

  describe("with 100,000 pods of 2,000 namespaces on 2,000 nodes", () => {
    const MIB = 2 ** 20;
    const many = (make: (index: number) => string) => {
      const all = Array.from({ length: 100_000 }, (_, each) => {
        const locality = {
          network: "",
          region: "eu-west-1",
          zone: `eu-west-1${"abc"[(each % 2000) % 3]}`,
          subzone: "",
          node: `ip-10-${each % 2000}.eu-west-1.compute.internal`,
        };
        return [
          make(each),
          pod(`namespace-${each % 2000}`, { clientClass: "redirectedIpv4", locality }),
        ] as const;
      });
      const octets = packClientDelta({ clients: clients(...all), namespaces: [] });
      index.apply(octets, 0, 1e6);
      expect(index.size).to.equal(100_000);
      expect(said(all[77_777]![0])).to.deep.equal(expected(all[77_777]![1]));
      return octets.length;
    };

    it("takes under 5 MiB for IPv4, its delta under 3", () => {
      const delta = many((each) => `10.${each >> 16}.${(each >> 8) & 255}.${each & 255}`);
      expect(index.memoryOctets).to.be.below(5 * MIB);
      expect(delta).to.be.below(3 * MIB);
    });

    it("takes under 8 MiB for IPv6", () => {
      many((each) => `fd00:10:${(each >> 16).toString(16)}::${(each & 0xffff).toString(16)}`);
      expect(index.memoryOctets).to.be.below(8 * MIB);
    });
  });

  it("gives each class and suffix answer a number of its own", () => {
    expect(Object.values(SUFFIX_ANSWER_CODES)).to.deep.equal([1, 2, 3]);
    apply(
      clients(
        ...CLIENT_CLASSES.map((clientClass, each) => [`10.0.0.${each}`, pod("a", { clientClass })] as const),
      ),
    );
    for (const each of CLIENT_CLASSES.keys())
      expect(index.classOf(index.find(`10.0.0.${each}`))).to.equal(each);
  });
});
