import { expect } from "chai";
import { EndpointNames } from "../../src/registry/endpoint-names.ts";
import { host } from "./support.ts";

describe("EndpointNames", () => {
  const names = new EndpointNames();
  const change = (before: readonly string[], after: readonly string[]) =>
    [...names.change(before.map(host), after.map(host))].sort();

  it("knows a name and the wildcards above it while somebody names it, and says what became another", () => {
    expect(change([], ["a.b.example.com"])).to.deep.equal([
      "*.b.example.com",
      "*.com",
      "*.example.com",
      "a.b.example.com",
    ]);
    expect(names.has(host("*.example.com"))).to.equal(true);
    expect(names.has(host("b.example.com"))).to.equal(false);
    expect(change([], ["c.example.com", "c.example.com"])).to.deep.equal(["c.example.com"]);
    expect(change(["a.b.example.com"], ["d.example.com"])).to.deep.equal([
      "*.b.example.com",
      "a.b.example.com",
      "d.example.com",
    ]);
    expect(change(["c.example.com", "c.example.com"], ["c.example.com"])).to.deep.equal([]);
    expect(change(["c.example.com", "d.example.com"], [])).to.have.length(4);
    expect(names.has(host("*.example.com"))).to.equal(false);
  });
});
