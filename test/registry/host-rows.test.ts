/** Rows of the hosts: what upstream's part in them is. */

import { expect } from "chai";
import { Registry } from "../../src/registry/registry.ts";
import { DEFAULT_SETTINGS } from "../support/arbitrary-objects.ts";
import { entry, host, World } from "./support.ts";

describe("registry: rows of hosts", () => {
  it("say how old upstream's word on a name is, by family", () => {
    const world = new World();
    let described = 0;
    const nothing = { nextRefreshMs: null, lastError: null };
    const registry = new Registry({
      store: world.store,
      settings: DEFAULT_SETTINGS,
      problems: world.problems,
      clock: world.clock,
      emit: () => {},
      resolutions: (name) => world.resolutions.get(name),
      describeName: () => {
        described += 1;
        return { A: { ...nothing, answeredAtMs: world.clock.nowMs() - 7000 }, AAAA: nothing };
      },
      wanted: { want() {}, unwant() {} },
    });
    const endpoints = [{ address: "up.example" }, { address: "192.0.2.9" }];
    world.put(entry({ hosts: ["mixed.example"], resolution: "DNS", endpoints }));
    world.resolve("up.example", ["192.0.2.8"], ["2001:db8::8"]);
    registry.resolutionChanged(host("up.example"), "A");
    world.settle();

    const [row] = registry.hosts();
    expect(row?.state).to.equal("ok");
    expect(described, "nothing is found out that nobody looks at").to.equal(0);
    const answered = row?.addresses.map(({ address, answeredAtMs }) => [address, answeredAtMs]);
    expect(answered).to.have.deep.members([
      ["192.0.2.9", undefined],
      ["192.0.2.8", world.clock.wallMs() - 7000],
      ["2001:db8::8", undefined],
    ]);
    registry.close();
  });
});
