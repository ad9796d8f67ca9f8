import { expect } from "chai";
import fc from "fast-check";
import { differenceOf } from "../../src/registry/record-difference.ts";
import { ToldTable } from "../../src/registry/told-table.ts";
import { systemRandom } from "../../src/runtime.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import type { HostRecord } from "../../src/table/host-record.ts";
import { NOT_FOUND } from "../../src/table/host-table.ts";
import { recordLength, unpackRecord } from "../../src/table/packed-record.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { hostRecord } from "../table/samples.ts";
import { host } from "./support.ts";

const HOSTS = ["a.example", "b.example", "*.w.example", "w.example"].map(host);
const few = fc.constantFrom(...HOSTS);
/** A record, none, or the one that is there with other moments of expiry. */
const step = fc.oneof(
  // Objects with a prototype, as all but those of fast-check have one.
  fc.record({
    kind: fc.constant("is" as const),
    record: hostRecord(few).map((each) => structuredClone(each)),
  }),
  fc.record({ kind: fc.constant("goes" as const), host: few }),
  fc.record({ kind: fc.constant("expires" as const), host: few, inMs: fc.nat(5) }),
);

function expiringAt(record: HostRecord, atMs: number): HostRecord {
  const views = record.views.map((view) => ({
    ...view,
    variants: view.variants.map((variant) => {
      const moved = (family: "A" | "AAAA") => {
        const answer = variant.answers[family];
        return answer.kind === "addresses" && answer.expiresAtMs !== undefined
          ? { ...answer, expiresAtMs: atMs }
          : answer;
      };
      return { ...variant, answers: { A: moved("A"), AAAA: moved("AAAA") } };
    }),
  }));
  return { ...record, views };
}

describe("ToldTable", () => {
  it("tells what a comparison of the records tells, and knows what was told", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const told = new ToldTable(systemRandom);
        const worker = new FlatTable(systemRandom);
        const records = new Map<HostName, HostRecord>();
        let version = 0;
        for (const each of steps) {
          const name = each.kind === "is" ? each.record.host : each.host;
          const before = records.get(name);
          const after =
            each.kind === "is"
              ? each.record
              : each.kind === "goes"
                ? undefined
                : before && expiringAt(before, 2_000_000 + each.inMs);
          const changes = told.differenceOf(name, after);
          const expected =
            after === undefined
              ? before === undefined
                ? []
                : [{ kind: "delete", host: name }]
              : differenceOf(before, after);
          expect(changes).to.deep.equal(expected);
          if (changes.length > 0) {
            const { delta, packed } = told.tell(changes);
            expect(delta).to.deep.equal({ version: ++version, changes });
            worker.apply(packed, 0, changes.length);
          }
          if (after === undefined) records.delete(name);
          else records.set(name, after);
        }
        expect(told.version).to.equal(version);
        const byHost = (all: readonly (HostRecord | undefined)[]) =>
          all.filter((each) => each !== undefined).sort((a, b) => (a.host < b.host ? -1 : 1));
        const all = byHost([...records.values()]);
        expect(byHost(HOSTS.map((each) => told.recordOf(each)))).to.deep.equal(all);
        expect(HOSTS.filter((each) => told.has(each)).length).to.equal(all.length);
        const { changes } = told.snapshot();
        expect(byHost(changes.map((each) => (each.kind === "set" ? each.record : undefined)))).to.deep.equal(
          all,
        );
        const fresh = new FlatTable(systemRandom);
        fresh.apply(told.packedSnapshot(), 0, Number.POSITIVE_INFINITY);
        for (const table of [worker, fresh]) {
          expect(table.version).to.equal(version);
          expect(byHost(HOSTS.map((each) => recordIn(table, each)))).to.deep.equal(all);
        }
      }),
    );
  });
});

function recordIn(table: FlatTable, name: HostName): HostRecord | undefined {
  const at = table.findHost(name);
  if (at === NOT_FOUND) return undefined;
  return unpackRecord(table.octets.slice(at, at + recordLength(table.octets, at)), 0);
}
