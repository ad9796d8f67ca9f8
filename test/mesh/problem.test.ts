import { expect } from "chai";
import type { ObjectRef } from "../../src/mesh/objects.ts";
import { type Problem, ProblemBook, problem } from "../../src/mesh/problem.ts";

const ref: ObjectRef = { kind: "ServiceEntry", namespace: "a", name: "b" };

describe("ProblemBook", () => {
  let now = 0;
  let told: Problem[] = [];
  let solved: string[] = [];
  let book = new ProblemBook(() => now);
  const messages = () => [...book.all()].map((each) => `${each.problem.message}@${each.sinceMs}`);
  const of = (message: string) => problem("HostConflict", ref, "spec.hosts", message);

  beforeEach(() => {
    now = 1;
    told = [];
    solved = [];
    book = new ProblemBook(
      () => now,
      (each) => told.push(each),
      ({ message }, sinceMs) => solved.push(`${message}@${sinceMs}`),
    );
  });

  it("tells of each problem once, when it appears, and remembers since when", () => {
    book.replace("x", [of("one"), of("one")]);
    now = 2;
    book.replace("x", [of("one"), of("two")]);
    expect(messages()).to.deep.equal(["one@1", "two@2"]);
    expect(told.map((each) => each.message)).to.deep.equal(["one", "two"]);
  });

  it("forgets what an owner reports no more", () => {
    book.replace("x", [of("one"), of("two")]);
    book.replace("x", [of("two")]);
    expect(messages()).to.deep.equal(["two@1"]);
    book.replace("x", []);
    expect(messages()).to.deep.equal([]);
    now = 5;
    book.replace("x", [of("two")]);
    expect(messages()).to.deep.equal(["two@5"]);
    expect(told).to.have.length(3);
  });

  it("tells when nothing of a kind stands at its place any more, and not when it is said in other words", () => {
    book.replace("x", [of("one host")]);
    now = 7;
    book.replace("x", [of("two hosts")]);
    expect(solved).to.deep.equal([]);
    book.replace("y", [of("two hosts")]);
    book.replace("x", []);
    expect(solved).to.deep.equal([]);
    book.replace("y", [problem("HostConflict", ref, "spec.hosts[1]", "elsewhere")]);
    expect(solved).to.deep.equal(["two hosts@7"]);
  });

  it("takes a problem that two owners found for one, until both have dropped it", () => {
    book.replace("x", [of("one")]);
    now = 2;
    book.replace("y", [of("one")]);
    expect(messages()).to.deep.equal(["one@1"]);
    expect(told).to.have.length(1);
    book.replace("x", []);
    expect(messages()).to.deep.equal(["one@1"]);
    book.replace("y", []);
    expect(messages()).to.deep.equal([]);
  });
});
