import { expect } from "chai";
import { type MeshChange, MeshStore } from "../../src/mesh/mesh-store.ts";
import type { NamespaceObject } from "../../src/mesh/objects.ts";

function namespace(name: string, resourceVersion: string, uid = "u"): NamespaceObject {
  return {
    ref: { kind: "Namespace", namespace: "", name },
    uid,
    resourceVersion,
    createdAtMs: undefined,
    labels: {},
    annotations: {},
    answer: undefined,
    suffixAnswer: undefined,
    trafficDistribution: undefined,
  };
}

describe("MeshStore", () => {
  let store = new MeshStore();
  let batches: (readonly MeshChange[])[] = [];
  beforeEach(() => {
    store = new MeshStore();
    batches = [];
    store.onChange((changes) => batches.push(changes));
  });

  it("tells once that a kind is whole, though nothing has changed since", () => {
    store.notePartial("Namespace", true);
    store.put("Namespace", namespace("a", "1"), 10);
    store.flush();
    store.flush();
    expect([batches.length, store.isPartial("Namespace")]).to.deep.equal([1, true]);
    store.notePartial("Namespace", false);
    store.notePartial("Namespace", false);
    store.flush();
    store.flush();
    expect([batches.length, batches[1], store.isPartial("Namespace")]).to.deep.equal([2, [], false]);
    store.notePartial("Pod", false);
    store.flush();
    expect(batches.length).to.equal(2);
  });

  it("tells of all changes since the last flush, one per object, with the value before the first", () => {
    const first = namespace("a", "1");
    store.put("Namespace", first, 10);
    store.flush();
    store.put("Namespace", namespace("a", "2"), 20);
    store.put("Namespace", namespace("a", "3"), 30);
    store.put("Namespace", namespace("b", "1"), 31, 1_700_000_000_000);
    store.flush();
    expect(batches[1]).to.deep.equal([
      { kind: "Namespace", key: "Namespace//a", before: first, receivedAtMs: 20, writtenAtMs: undefined },
      {
        kind: "Namespace",
        key: "Namespace//b",
        before: undefined,
        receivedAtMs: 31,
        writtenAtMs: 1_700_000_000_000,
      },
    ]);
    expect(store.all("Namespace").get("Namespace//a")?.resourceVersion).to.equal("3");
  });

  it("takes the same version of the same object for nothing new, another uid for a new object", () => {
    store.put("Namespace", namespace("a", "1"), 10);
    store.flush();
    store.put("Namespace", namespace("a", "1"), 20);
    store.remove("Namespace", "Namespace//z", 20);
    store.flush();
    expect(batches).to.have.length(1);
    store.put("Namespace", namespace("a", "1", "u2"), 30);
    store.flush();
    expect(batches).to.have.length(2);
  });

  it("removes", () => {
    store.put("Namespace", namespace("a", "1"), 10);
    store.flush();
    store.remove("Namespace", "Namespace//a", 20);
    store.flush();
    expect(store.all("Namespace").size).to.equal(0);
    expect(batches[1]?.[0]?.before?.ref.name).to.equal("a");
  });
});
