import { expect } from "chai";
import { HostUses } from "../../src/registry/host-uses.ts";
import { type Linked, link } from "../../src/registry/link.ts";
import { entry, host, planOf } from "./support.ts";

/** A host with these endpoint names, none of which is an own host. */
function linked(name: string, ...addresses: readonly string[]): Linked {
  const object = entry({
    hosts: [name],
    resolution: "DNS",
    endpoints: addresses.map((address) => ({ address })),
  });
  return link(planOf(object), { realPlansOf: () => [], selectedNames: () => [] });
}

describe("HostUses", () => {
  it("knows who read and who uses a name, and forgets it", () => {
    const uses = new HostUses();
    const one = linked("a.example", "x.example", "y.example");
    const two = linked("a.example", "y.example", "z.example");
    const show = (name: string) => [[...uses.readersOf(host(name))], [...uses.usersOf(host(name))]];
    uses.replace(host("a.example"), [], [one]);
    uses.replace(host("b.example"), [], [linked("b.example", "y.example")]);
    expect(show("y.example")).to.deep.equal([
      ["a.example", "b.example"],
      ["a.example", "b.example"],
    ]);
    uses.replace(host("a.example"), [one], [two]);
    expect(show("x.example")).to.deep.equal([[], []]);
    expect(show("z.example")).to.deep.equal([["a.example"], ["a.example"]]);
    uses.replace(host("a.example"), [two], []);
    expect(show("y.example")).to.deep.equal([["b.example"], ["b.example"]]);
    expect(show("z.example")).to.deep.equal([[], []]);
  });
});
