/** Lines and list items in octets that come in pieces: the pieces must not matter. */

import { expect } from "chai";
import fc from "fast-check";
import { LineSplitter } from "../../src/cluster/line-splitter.ts";
import { ListItems, UNREAD_KEYS } from "../../src/cluster/list-items.ts";

/** The octets in pieces, cut at some places. */
function cut(octets: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (octets.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...sorted, octets.length];
  return edges.slice(1).map((end, index) => octets.subarray(edges[index], end));
}

const places = fc.array(fc.nat(4000), { maxLength: 60 });
/** With the characters that a scanner of JSON could trip over. */
const text = fc.string({
  unit: fc.constantFrom("a", '"', "\\", "{", "}", "[", "]", ",", "\n", "ü", "🜁", "\0"),
});
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.integer(),
    fc.constant(null),
    fc.boolean(),
    fc.array(tie("any"), { maxLength: 4 }),
    tie("object"),
  ),
  // No keys with escapes: JSON.parse of Node 24 takes some of them for others ({"\\": 1} after {"\"": 1}).
  object: fc.dictionary(fc.constantFrom("items", "metadata", "__proto__", "{", "a]", "ü", ","), tie("any"), {
    maxKeys: 4,
  }),
}));

describe("LineSplitter", () => {
  const split = (pieces: readonly Buffer[], most = 10_000) => {
    const splitter = new LineSplitter(most);
    const lines = pieces.flatMap((piece) => splitter.push(piece));
    return { lines, isInLine: splitter.isInLine };
  };

  it("finds the same lines however the octets are cut", () => {
    fc.assert(
      fc.property(fc.array(text), places, (texts, at) => {
        const lines = texts.map((each) => each.replaceAll("\n", "")).filter((each) => each !== "");
        const octets = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        expect(split(cut(octets, at))).to.deep.equal({ lines, isInLine: false });
      }),
    );
  });

  it("knows a line that has not ended, and passes over empty ones", () => {
    expect(split([Buffer.from("a\n\n\nb")])).to.deep.equal({ lines: ["a"], isInLine: true });
    expect(split([Buffer.from("a\n\n\nb"), Buffer.from("\n")]).isInLine).to.equal(false);
  });

  it("keeps nothing of a line that is too long but its place", () => {
    const pieces = ["12345\n", "123456\n1\n12345", "6", "789", "\n2\n"].map((each) => Buffer.from(each));
    expect(split(pieces, 5).lines).to.deep.equal(["12345", undefined, "1", undefined, "2"]);
  });
});

const APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Without what stands under the keys that nobody reads. */
function emptied(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(emptied);
  if (typeof json !== "object" || json === null) return json;
  const fields = Object.entries(json).map(([name, each]): [string, unknown] => {
    if (name === APPLIED && typeof each === "string") return [name, ""];
    const isUnread = UNREAD_KEYS.includes(name) && typeof each === "object" && each !== null;
    return [name, isUnread ? (Array.isArray(each) ? [] : {}) : emptied(each)];
  });
  return Object.fromEntries(fields);
}

describe("ListItems", () => {
  function read(pieces: readonly Buffer[], most = 1_000_000, unread: readonly string[] = []) {
    const found: unknown[] = [];
    let refused = 0;
    const handlers = {
      onItem: (raw: unknown) => found.push(raw),
      onRefused: () => {
        refused += 1;
      },
    };
    const items = new ListItems(most, handlers, unread);
    for (const piece of pieces) items.push(piece);
    return { found, refused, envelope: items.end() };
  }

  it("finds what JSON.parse finds, however the octets are cut", () => {
    const objects = fc.array(value.object, { maxLength: 6 });
    const order = fc.shuffledSubarray(["kind", "metadata", "items", "other"], { minLength: 4 });
    fc.assert(
      fc.property(objects, order, value.any, fc.boolean(), places, (all, keys, other, isPretty, at) => {
        const fields: Record<string, unknown> = {
          kind: "List",
          metadata: { note: other, resourceVersion: "77", continue: "abc" },
          items: all,
          other: { items: [other, { items: [1] }] },
        };
        const list = Object.fromEntries(keys.map((key) => [key, fields[key]]));
        const octets = Buffer.from(JSON.stringify(list, null, isPretty ? 2 : 0));
        const { found, refused, envelope } = read(cut(octets, at));
        expect(JSON.stringify(found)).to.equal(JSON.stringify(all));
        expect(refused).to.equal(0);
        expect(envelope).to.deep.equal({ resourceVersion: "77", continueToken: "abc" });
      }),
      { numRuns: 300 },
    );
  });

  it("leaves out which fields a writer owns, and nothing else of the object", () => {
    const written = { manager: "kubectl", time: "2026-01-01T00:00:00Z", note: '"fieldsV1":{' };
    fc.assert(
      fc.property(
        fc.array(value.object, { minLength: 1, maxLength: 4 }),
        value.object,
        places,
        (all, owned, at) => {
          const items = (fieldsV1: unknown) =>
            all.map((spec) => ({ metadata: { managedFields: [{ fieldsV1, ...written }, written] }, spec }));
          const list = { metadata: { resourceVersion: "7" }, items: items(owned) };
          const octets = Buffer.from(JSON.stringify(list));
          expect(JSON.stringify(read([octets]).found)).to.equal(JSON.stringify(items({})));
          // An object that is cut within the key is taken whole.
          const whole = items(owned).map((each) => JSON.stringify(each));
          const short = items({}).map((each) => JSON.stringify(each));
          for (const [index, each] of read(cut(octets, at)).found.entries())
            expect(JSON.stringify(each)).to.be.oneOf([whole[index], short[index]]);
        },
      ),
    );
  });

  it("empties the values of the same keys wherever they stand, and changes nothing else", () => {
    const names = [...UNREAD_KEYS.slice(0, 5), APPLIED, "envelope", "nodeEnv", "a"];
    const { any } = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 5 },
        text,
        fc.constantFrom(...names, '"env":[', '\\"fieldsV1":{'),
        fc.integer(),
        fc.constant(null),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom(...names), tie("any"), { maxKeys: 6 }),
      ),
    }));
    const object = fc.dictionary(fc.constantFrom(...names), any, { minKeys: 1, maxKeys: 6 });
    fc.assert(
      fc.property(fc.array(object, { maxLength: 5 }), fc.boolean(), places, (all, isPretty, at) => {
        const list = { metadata: { resourceVersion: "7" }, items: all };
        const octets = Buffer.from(JSON.stringify(list, null, isPretty ? 1 : 0));
        const whole = read([octets]).found;
        expect(JSON.stringify(whole)).to.equal(JSON.stringify(isPretty ? all : all.map(emptied)));
        // Where a key is cut its value is taken whole.
        const { found, refused } = read(cut(octets, at));
        expect(JSON.stringify(found.map(emptied))).to.equal(JSON.stringify(all.map(emptied)));
        expect(refused).to.equal(0);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves out what stands under further keys", () => {
    const all = [{ a: [1, { env: [1] }], b: { a: { c: 1 } }, c: { a: 5, longest: [1] }, env: [1] }];
    const list = { metadata: { resourceVersion: "7", a: [1] }, items: all };
    const { found } = read([Buffer.from(JSON.stringify(list))], 1_000_000, ["a", "longest"]);
    expect(found).to.deep.equal([{ a: [], b: { a: {} }, c: { a: 5, longest: [] }, env: [] }]);
  });

  it("takes no key for another that it is the end of", () => {
    const all = [
      { 'a"env': [1], "a env": [2], nenv: [3], [`"${APPLIED}`]: "text", other: { 'b"fieldsV1': { a: 1 } } },
    ];
    const list = { metadata: { resourceVersion: "7" }, items: all };
    const octets = Buffer.from(JSON.stringify(list));
    for (let at = 0; at < octets.length; at += 1)
      expect(read([octets.subarray(0, at), octets.subarray(at)]).found).to.deep.equal(all);
  });

  it("leaves out of a Pod what nobody reads, and the object as it was applied", () => {
    const own = '{"spec":{"env":[1],"text":"\\"}\\\\"}}\n';
    const pod = (env: unknown, resources: unknown, applied: string) => ({
      metadata: {
        annotations: { a: own, "kubectl.kubernetes.io/last-applied-configuration": applied, b: "env" },
      },
      spec: {
        containers: [{ name: "env", env, resources, ports: [{ name: "http", containerPort: 80 }] }],
        env: "a text",
        nodeName: "one",
      },
    });
    const listOf = (...items: unknown[]) =>
      Buffer.from(JSON.stringify({ metadata: { resourceVersion: "7" }, items }));
    const full = pod([{ name: "A", value: "[{" }], { limits: { cpu: "1" } }, own);
    const short = pod([], {}, "");
    expect(read([listOf(full, full)]).found).to.deep.equal([short, short]);
    const octets = listOf(full);
    for (let at = 0; at <= octets.length; at += 1) {
      const [found] = read([octets.subarray(0, at), octets.subarray(at)]).found as [typeof full];
      expect(found.metadata.annotations).to.include({ a: own, b: "env" });
      expect(found.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]).to.be.oneOf([
        "",
        own,
      ]);
      const [{ env, resources, ...container }] = found.spec.containers as [(typeof full.spec.containers)[0]];
      expect({ ...found.spec, containers: [container] }).to.deep.equal({
        ...short.spec,
        containers: [{ name: "env", ports: [{ name: "http", containerPort: 80 }] }],
      });
      expect(env).to.deep.be.oneOf([[], [{ name: "A", value: "[{" }]]);
      expect(resources).to.deep.be.oneOf([{}, { limits: { cpu: "1" } }]);
    }
  });

  it("takes null for no items, and no continue for the last page", () => {
    const octets = Buffer.from('{"metadata":{"resourceVersion":"7"},"items":null}');
    expect(read([octets])).to.deep.equal({
      found: [],
      refused: 0,
      envelope: { resourceVersion: "7", continueToken: "" },
    });
  });

  it("leaves out what is too large or no JSON, and nothing beside it", () => {
    const octets = Buffer.from(
      `{"items":[{"a":1},{"a":"${"x".repeat(100)}"},{"a":,},{"a":2}],"metadata":{"resourceVersion":"7"}}`,
    );
    for (const size of [1, 7, 1000]) {
      const pieces = cut(
        octets,
        Array.from({ length: octets.length }, (_, index) => index * size),
      );
      expect(read(pieces, 50)).to.deep.include({ found: [{ a: 1 }, { a: 2 }], refused: 2 });
    }
  });

  it("throws where it is no list", () => {
    for (const octets of [
      "",
      "<html>",
      "[]",
      "null",
      '{"items":[]}',
      '{"metadata":{"resourceVersion":""},"items":[]}',
      '{"metadata":{"resourceVersion":"7"},"items":[{"a":1}',
      '{"metadata":{"resourceVersion":"7"},"items":[{"a":1}]',
      '{"metadata":{"resourceVersion":"7"},"items":[]}}',
    ]) {
      expect(() => read([Buffer.from(octets)]), octets).to.throw(SyntaxError);
    }
  });

  it("does not keep more than it may of what is no item", () => {
    const items = new ListItems(1000, { onItem() {}, onRefused() {} });
    const piece = Buffer.alloc(10_000, "a");
    expect(() => {
      for (let times = 0; times < 100; times++) items.push(piece);
    }).to.throw(SyntaxError, "too long");
  });
});
