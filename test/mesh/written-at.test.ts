import { expect } from "chai";
import { parsePod } from "../../src/mesh/parse-pod.ts";
import { isReadinessChange, readWrittenAt } from "../../src/mesh/written-at.ts";

const pod = (status: "True" | "False" | undefined, metadata: object = {}) =>
  parsePod({
    metadata: { name: "a", namespace: "default", ...metadata },
    status: { conditions: status === undefined ? [] : [{ type: "Ready", status }] },
  }).value!;

describe("readWrittenAt", () => {
  it("is the newest of all writers' times", () => {
    const managedFields = [
      { manager: "kubectl", time: "2026-01-01T00:00:05Z" },
      { manager: "istiod", time: "2026-01-01T00:00:10Z", subresource: "status" },
      { manager: "old", time: "2025-12-31T23:59:59Z" },
      { manager: "silent" },
    ];
    expect(readWrittenAt("ServiceEntry", { metadata: { managedFields } })).to.equal("2026-01-01T00:00:10Z");
  });

  it("is a pod's Ready transition, whoever wrote it later", () => {
    const raw = {
      metadata: { managedFields: [{ time: "2026-01-01T00:00:10Z" }] },
      status: {
        conditions: [
          { type: "PodScheduled", lastTransitionTime: "2026-01-01T00:00:09Z" },
          { type: "Ready", lastTransitionTime: "2026-01-01T00:00:03Z" },
        ],
      },
    };
    expect(readWrittenAt("Pod", raw)).to.equal("2026-01-01T00:00:03Z");
  });

  it("is nothing where nothing is said, whatever shape it has", () => {
    for (const raw of [undefined, null, 1, [], {}, { metadata: 1 }, { metadata: { managedFields: {} } }])
      expect(readWrittenAt("ServiceEntry", raw), JSON.stringify(raw)).to.equal(undefined);
    expect(readWrittenAt("ServiceEntry", { metadata: { managedFields: [null, 1, { time: 7 }] } })).to.equal(
      undefined,
    );
    expect(readWrittenAt("Pod", { status: { conditions: [{ type: "Ready" }] } })).to.equal(undefined);
  });
});

describe("isReadinessChange", () => {
  it("is about ready and not, and not about deletion", () => {
    expect(isReadinessChange(undefined, pod("True"))).to.equal(true);
    expect(isReadinessChange(undefined, pod("False"))).to.equal(false);
    expect(isReadinessChange(pod("False"), pod("True"))).to.equal(true);
    expect(isReadinessChange(pod("True"), pod("False"))).to.equal(true);
    expect(isReadinessChange(pod("True"), pod("True"))).to.equal(false);
    const deleting = pod("True", { deletionTimestamp: "2026-01-01T00:00:00Z" });
    expect(isReadinessChange(pod("True"), deleting)).to.equal(false);
  });
});
