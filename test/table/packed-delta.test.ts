import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { expect } from "chai";
import {
  ChangeKind,
  changeAfter,
  changeCount,
  changeFrom,
  changeKind,
  changeRecord,
  deltaVersion,
  packDelta,
  touchedFamily,
  touchedMomentMs,
} from "../../src/table/packed-delta.ts";
import { FamilyIndex, unpackHost, unpackRecord } from "../../src/table/packed-record.ts";
import { record, remove, resolved, set, touch } from "./samples.ts";

describe("packDelta", () => {
  const changed = record("a.example.com", resolved(7, "192.0.2.1"));
  const changes = [...set(changed), ...remove("*.b.example.com"), touch("c.example.com", "AAAA", 8.5)];

  it("can be walked from change to change", () => {
    const octets = packDelta({ version: 2 ** 33 + 1, changes });
    expect([deltaVersion(octets), changeCount(octets)]).to.deep.equal([2 ** 33 + 1, 3]);
    const walked: unknown[] = [];
    for (let change = changeFrom(0); change < octets.length; change = changeAfter(octets, change)) {
      walked.push([changeKind(octets, change), unpackHost(octets, changeRecord(change))]);
    }
    expect(walked).to.deep.equal([
      [ChangeKind.SET, "a.example.com"],
      [ChangeKind.DELETE, "*.b.example.com"],
      [ChangeKind.TOUCH, "c.example.com"],
    ]);
    expect(unpackRecord(octets, changeRecord(changeFrom(0)))).to.deep.equal(changed);
  });

  it("says which family was touched and when it expires", () => {
    const octets = packDelta({
      version: 1,
      changes: [touch("a.example.com", "A", 3), touch("a.example.com", "AAAA", 8.5)],
    });
    const first = changeFrom(0);
    const second = changeAfter(octets, first);
    expect([touchedFamily(octets, first), touchedMomentMs(octets, first)]).to.deep.equal([FamilyIndex.A, 3]);
    expect([touchedFamily(octets, second), touchedMomentMs(octets, second)]).to.deep.equal([
      FamilyIndex.AAAA,
      8.5,
    ]);
  });

  it("has a buffer of its own that can be transferred", () => {
    const octets = packDelta({ version: 4, changes });
    expect([octets.byteOffset, octets.buffer.byteLength]).to.deep.equal([0, octets.length]);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(octets, [octets.buffer]);
    const moved: Uint8Array = receiveMessageOnPort(port2)?.message;
    port1.close();
    expect(octets.length).to.equal(0);
    expect([deltaVersion(moved), changeCount(moved)]).to.deep.equal([4, 3]);
  });
});
