/** What the API endpoint's orders do to the parts of the program. */

import { expect } from "chai";
import { type ActionParts, apiActions } from "../src/app-actions.ts";
import type { ToDataPlane } from "../src/data-plane.ts";
import { createLogger } from "../src/telemetry/log.ts";
import { hostName } from "./table/samples.ts";

describe("orders by the API", () => {
  const refreshed: string[] = [];
  const posted: ToDataPlane[] = [];
  const logger = createLogger("info", { write: () => {} });
  const registry: ActionParts["registry"] = {
    namesOf: (host) =>
      host === "a.example" ? [hostName("one.example"), hostName("two.example")] : undefined,
  };
  const actions = apiActions({
    registry,
    refresher: { refreshNow: (name) => void refreshed.push(name) },
    dataPlanes: { post: (message) => void posted.push(message) },
    logger,
  });
  beforeEach(() => {
    refreshed.length = 0;
    posted.length = 0;
  });

  it("asks for all names of a host again, however the host is written", () => {
    expect(actions.refresh("A.example.")).to.deep.equal(["one.example", "two.example"]);
    expect(refreshed).to.deep.equal(["one.example", "two.example"]);
    expect(actions.refresh("b.example")).to.equal(undefined);
    expect(actions.refresh("..")).to.equal(undefined);
    expect(refreshed).to.have.length(2);
  });

  it("forgets one name, all below a suffix, or everything", () => {
    expect(actions.flushCache("a.example")).to.equal(true);
    expect(actions.flushCache("*.example")).to.equal(true);
    expect(actions.flushCache(".")).to.equal(true);
    expect(actions.flushCache("a..b")).to.equal(false);
    const octets = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
    expect(posted).to.deep.equal([
      { kind: "forget", name: octets("\x01a\x07example\0"), isWildcard: false },
      { kind: "forget", name: octets("\x07example\0"), isWildcard: true },
      { kind: "forget", name: octets("\0"), isWildcard: true },
    ]);
  });

  it("changes the log level, and knows its words", () => {
    expect(actions.setLogLevel("debug")).to.equal("info");
    expect(logger.level).to.equal("debug");
    expect(actions.setLogLevel("loud")).to.equal(undefined);
    expect(actions.setLogLevel("warn")).to.equal("debug");
  });
});
