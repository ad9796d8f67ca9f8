import { expect } from "chai";
import { readWatchEvent } from "../../src/cluster/watch-event.ts";

describe("readWatchEvent", () => {
  const object = { metadata: { name: "a", resourceVersion: "7" } };

  it("reads what the API documents", () => {
    for (const type of ["ADDED", "MODIFIED", "DELETED"] as const) {
      const event = { type, object, resourceVersion: "7" };
      expect(readWatchEvent(JSON.stringify({ type, object }))).to.deep.equal(event);
    }
    const bookmark = { type: "BOOKMARK", object: { kind: "Pod", metadata: { resourceVersion: "8" } } };
    expect(readWatchEvent(JSON.stringify(bookmark))).to.deep.equal({
      type: "BOOKMARK",
      resourceVersion: "8",
    });
    expect(readWatchEvent(undefined)).to.deep.equal({ type: "OVERSIZED" });
  });

  it("throws what the server reports, by its code", () => {
    const cases: [unknown, string][] = [
      [{ code: 410, message: "too old resource version" }, "expired"],
      [{ code: 429 }, "throttled"],
      [{ code: 504, message: "Timeout: Too large resource version" }, "server"],
      [{ code: 422 }, "refused"],
      [{ message: "no code at all" }, "server"],
      [null, "server"],
    ];
    for (const [status, code] of cases) {
      const line = JSON.stringify({ type: "ERROR", object: status });
      expect(() => readWatchEvent(line), line)
        .to.throw()
        .with.property("code", code);
    }
  });

  it("throws at everything else", () => {
    for (const line of [
      "",
      "null",
      "7",
      '{"type":"ADDED"',
      '{"type":"ADDED"}',
      '{"type":"ADDED","object":{"metadata":{}}}',
      '{"type":"ADDED","object":{"metadata":{"resourceVersion":7}}}',
      '{"type":"BOOKMARK","object":{}}',
      '{"type":"RENAMED","object":{"metadata":{"resourceVersion":"7"}}}',
      '{"type":"constructor","object":{}}',
    ]) {
      expect(() => readWatchEvent(line), line)
        .to.throw()
        .with.property("code", "broken");
    }
  });
});
