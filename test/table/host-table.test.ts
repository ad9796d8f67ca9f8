import { expect } from "chai";
import fc from "fast-check";
import { systemRandom } from "../../src/runtime.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import { type HostTable, NOT_FOUND } from "../../src/table/host-table.ts";
import { LinearTable } from "../../src/table/linear-table.ts";
import { packDelta } from "../../src/table/packed-delta.ts";
import { unpackRecord } from "../../src/table/packed-record.ts";
import { makeRawQuery } from "../support/make-query.ts";
import { hostTableCases } from "./host-table.cases.ts";
import { fewHosts, fewLabels, hostChange } from "./samples.ts";

describe("LinearTable", () => hostTableCases(() => new LinearTable()));
describe("FlatTable", () => hostTableCases(() => new FlatTable(systemRandom)));

describe("Both tables", () => {
  const recordAt = (table: HostTable, found: number) =>
    found === NOT_FOUND ? null : unpackRecord(table.octets, found);

  it("give the same answers after the same changes", () => {
    const changes = fc.array(hostChange, { maxLength: 30 });
    const step = fc.record({ changes, pieces: fc.integer({ min: 1, max: 8 }) });
    const question = fc
      .array(fc.oneof(fewLabels, fc.constant(["*"])), { maxLength: 2 })
      .map((parts) => parts.flat());
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 6 }),
        fc.array(question, { minLength: 20, maxLength: 40 }),
        fc.array(fewHosts, { maxLength: 10 }),
        (steps, questions, hosts) => {
          const tables = [new LinearTable(), new FlatTable(systemRandom)] as const;
          for (const [index, { changes, pieces }] of steps.entries()) {
            const octets = packDelta({ version: index + 1, changes });
            const told = tables.map((table) => {
              const calls: unknown[] = [];
              for (let from = 0; from !== -1; ) {
                from = table.apply(octets, from, pieces, (kind, name, isWildcard, isNew) =>
                  calls.push([kind, [...name], isWildcard, isNew]),
                );
              }
              return calls;
            });
            expect(told[1]).to.deep.equal(told[0]);
          }
          const [linear, flat] = tables;
          expect([flat.size, flat.version]).to.deep.equal([linear.size, linear.version]);
          for (const labels of questions) {
            const query = makeRawQuery(labels);
            expect(recordAt(flat, flat.find(query))).to.deep.equal(recordAt(linear, linear.find(query)));
            for (let label = 1; label <= labels.length; label += 1) {
              expect(recordAt(flat, flat.findWildcard(query, label))).to.deep.equal(
                recordAt(linear, linear.findWildcard(query, label)),
              );
            }
          }
          for (const host of hosts) {
            expect(recordAt(flat, flat.findHost(host))).to.deep.equal(
              recordAt(linear, linear.findHost(host)),
            );
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
