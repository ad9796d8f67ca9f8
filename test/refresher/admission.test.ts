import { expect } from "chai";
import { Admission, type Applicant, type Priority } from "../../src/refresher/admission.ts";

interface Item extends Applicant {
  readonly label: string;
  readonly namespaces: Map<string, number>;
}

const item = (label: string, ...namespaces: readonly string[]): Item => ({
  label,
  namespaces: new Map(namespaces.map((namespace) => [namespace, 1])),
});
const items = (count: number, namespace: string, label = namespace): readonly Item[] =>
  Array.from({ length: count }, (_, at) => item(`${label}${at}`, namespace));

/** Starts whatever may start; those that shall give way are only named. */
function startAll(
  admission: Admission<Item>,
  nowMs = 0,
): { started: string[]; untilMs: number; givesWay?: string } {
  const started: string[] = [];
  for (;;) {
    const decision = admission.decide(nowMs);
    if (decision.kind === "wait") return { started, untilMs: decision.untilMs };
    if (decision.kind === "give-way") return { started, untilMs: nowMs, givesWay: decision.item.label };
    started.push(decision.item.label);
  }
}

describe("Admission", () => {
  let admission: Admission<Item>;
  const apply = (all: readonly Item[], priority: Priority = "first", nowMs = 0) => {
    for (const each of all) admission.apply(each, priority, nowMs);
  };
  beforeEach(() => {
    admission = new Admission();
  });

  it("starts at most 32 of one namespace and 64 in all", () => {
    apply([...items(50, "a"), ...items(50, "b"), ...items(50, "c")]);
    const { started } = startAll(admission);
    expect(started).to.have.length(64);
    for (const namespace of ["a", "b", "c"]) {
      expect(started.filter((label) => label.startsWith(namespace)).length).to.be.within(21, 22);
    }
    expect(admission.running).to.equal(64);
    const one = new Admission<Item>();
    for (const each of items(50, "a")) one.apply(each, "first", 0);
    expect(startAll(one).started).to.have.length(32);
  });

  it("starts at most 16 suspects, whatever is free", () => {
    apply([...items(20, "a"), ...items(20, "b")], "suspect");
    expect(startAll(admission).started).to.have.length(16);
  });

  it("starts names of which nothing is known before refreshes, and these before suspects", () => {
    apply(items(1, "a", "suspect"), "suspect");
    apply(items(1, "a", "refresh"), "refresh");
    apply(items(1, "a", "first"), "first");
    expect(startAll(admission).started).to.deep.equal(["first0", "refresh0", "suspect0"]);
  });

  it("lets the next one start when one ends, once however often that is said", () => {
    const [first, ...others] = items(34, "a");
    apply([first!, ...others]);
    startAll(admission);
    admission.ended(first!);
    admission.ended(first!);
    expect(startAll(admission, 1).started).to.deep.equal(["a32"]);
  });

  it("asks the slowest to give way after 0.3 s, where one waits that is no suspect", () => {
    apply(items(32, "a"), "refresh");
    startAll(admission, 0);
    apply(items(1, "a", "suspect"), "suspect", 10);
    expect(startAll(admission, 5000).givesWay).to.equal(undefined);
    apply(items(1, "a", "new"), "first", 10);
    expect(startAll(admission, 299)).to.deep.equal({ started: [], untilMs: 300 });
    expect(startAll(admission, 300).givesWay).to.equal("a0");
  });

  it("asks none to give way for another namespace's share, nor a suspect ever", () => {
    const suspects = items(16, "a", "suspect");
    apply(suspects, "suspect");
    startAll(admission, 0);
    apply(items(16, "a", "slow"), "refresh");
    apply(items(32, "b", "slow-b"), "refresh");
    startAll(admission, 100);
    expect(admission.running).to.equal(64);
    apply(items(1, "a", "new"), "first", 200);
    expect(startAll(admission, 10_000).givesWay).to.equal("slow0");
    apply(items(1, "c", "new-c"), "first", 200);
    expect(startAll(admission, 10_000).givesWay).to.equal("slow0");
  });

  it("spends 2,000 tokens of a namespace, then 200 a second", () => {
    const all = items(2500, "a");
    apply(all);
    const startedBy = (nowMs: number) => {
      let count = 0;
      for (;;) {
        const { started } = startAll(admission, nowMs);
        if (started.length === 0) return count;
        count += started.length;
        for (const label of started) admission.ended(all[Number(label.slice(1))]!);
      }
    };
    expect(startedBy(0)).to.equal(2000);
    expect(startAll(admission, 0).untilMs).to.equal(5);
    expect(startedBy(4)).to.equal(0);
    expect(startedBy(5)).to.equal(1);
    expect(startedBy(1005)).to.equal(200);
  });

  it("charges a namespace that has a token, of those under which the item stands", () => {
    const greedy = items(2000, "greedy");
    apply(greedy);
    for (let { started } = startAll(admission); started.length > 0; { started } = startAll(admission)) {
      for (const label of started) admission.ended(greedy[Number(label.slice(6))]!);
    }
    apply([item("both", "greedy", "modest"), item("poor", "greedy")]);
    expect(startAll(admission).started).to.deep.equal(["both"]);
  });

  it("starts an item once, however many namespaces it stands under", () => {
    const shared = item("shared", "a", "b");
    apply([shared]);
    expect(startAll(admission).started).to.deep.equal(["shared"]);
    admission.ended(shared);
    expect(startAll(admission).started).to.deep.equal([]);
  });

  it("forgets who withdrew, and a namespace that an item left", () => {
    const [withdrawn, stays] = items(2, "a");
    apply([withdrawn!, stays!]);
    admission.withdraw(withdrawn!);
    const moved = item("moved", "a");
    apply([moved]);
    moved.namespaces.delete("a");
    moved.namespaces.set("b", 1);
    expect(startAll(admission).started).to.deep.equal(["a1"]);
    admission.alsoIn(moved, "b", 0);
    expect(startAll(admission).started).to.deep.equal(["moved"]);
  });
});
