/** What the refresher says of a name: which, what it means for clients, and since when. */

import { expect } from "chai";
import type { Resolution } from "../../src/mesh/resolution.ts";
import { logStateChange } from "../../src/refresher/state-log.ts";
import type { LogFields, Logger } from "../../src/runtime.ts";
import { host } from "./scripted-upstream.ts";

const PENDING: Resolution = { state: "pending", sinceMs: 0 };
const FRESH: Resolution = { state: "fresh", addresses: [], expiresAtMs: 0 };
const STALE: Resolution = { state: "stale", addresses: [], failure: "timeout" };
const FAILED: Resolution = { state: "failed", failure: "timeout" };
const NO_DATA: Resolution = { state: "denied", by: "nodata" };

describe("log of the refresher", () => {
  const said = (was: Resolution, is: Resolution, failingSinceWallMs?: number) => {
    const lines: { level: string; fields: LogFields; message: string }[] = [];
    const at = (level: string) => (fields: LogFields, message: string) =>
      lines.push({ level, fields, message });
    const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const lastError = { code: "timeout", message: "10.96.0.10:53 is silent", sinceMs: 0 } as const;
    const name = host("db.example");
    const common = { name, family: "A", namespaces: ["shop"], failingSinceWallMs } as const;
    logStateChange(logger, {
      ...common,
      was,
      is,
      lastError: failingSinceWallMs === undefined ? null : lastError,
    });
    return lines;
  };

  for (const [was, is, expected] of [
    [PENDING, FRESH, "info db.example A resolves"],
    [STALE, FRESH, "info db.example A resolves again"],
    [FRESH, NO_DATA, "info db.example A does not exist: upstream says NODATA"],
    [
      FRESH,
      STALE,
      "warn db.example A cannot be refreshed: its last good addresses are answered; it is asked again by itself",
    ],
    [
      STALE,
      FAILED,
      "warn db.example A does not resolve and has no good addresses left; it is asked again by itself",
    ],
  ] as const)
    it(`${was.state} to ${is.state}`, () => {
      expect(said(was, is).map(({ level, message }) => `${level} ${message}`)).to.deep.equal([expected]);
    });

  it("says nothing of what stays, or is looked up for the first time", () => {
    expect([...said(FRESH, FRESH), ...said(FAILED, FAILED), ...said(FRESH, PENDING)]).to.deep.equal([]);
  });

  it("says who answered what, and since when", () => {
    const [line] = said(FRESH, STALE, Date.UTC(2026, 4, 4, 3, 2, 1));
    expect(line?.fields).to.deep.include({
      component: "dns.refresh",
      namespaces: ["shop"],
      error: "timeout",
      reason: "10.96.0.10:53 is silent",
      since: "2026-05-04T03:02:01.000Z",
    });
    const [back] = said(STALE, FRESH, 0);
    expect(back?.fields).to.include({ since: "1970-01-01T00:00:00.000Z", addresses: 0 });
  });
});
