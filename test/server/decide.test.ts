/** The table of cases of `decide`, over both bodies of the table. */

import { expect } from "chai";
import { Asker } from "../../src/server/asker.ts";
import { decide } from "../../src/server/decide.ts";
import { Action, type DecideSettings, Decision, decideSettings } from "../../src/server/decision.ts";
import { ClientIndex } from "../../src/table/client-index.ts";
import { FlatTable } from "../../src/table/flat-table.ts";
import type { FamilyAnswer, HostRecord } from "../../src/table/host-record.ts";
import { type HostTable, NOT_FOUND } from "../../src/table/host-table.ts";
import { LinearTable } from "../../src/table/linear-table.ts";
import { FamilyIndex } from "../../src/table/packed-record.ts";
import { ExtendedError, RecordClass, RecordType } from "../../src/wire/constants.ts";
import type { Query } from "../../src/wire/query.ts";
import { makeQuery, makeRawQuery, type QueryFields } from "../support/make-query.ts";
import { addresses, delta, record, set } from "../table/samples.ts";
import { ENGINE_SETTINGS, fixedRandom } from "./fixtures.ts";

const NOW_MS = 10_000;
const LATER_MS = 12_500;

const empty: FamilyAnswer = { kind: "empty" };
const pending: FamilyAnswer = { kind: "pending", untilMs: LATER_MS };
const overdue: FamilyAnswer = { kind: "pending", untilMs: NOW_MS };
const failed: FamilyAnswer = {
  kind: "failed",
  error: ExtendedError.NETWORK_ERROR,
  text: "upstream said SERVFAIL",
};
const v4 = addresses("192.0.2.1", "192.0.2.2");
const v6 = addresses("2001:db8::1");

const HOSTS: readonly HostRecord[] = [
  record("both.example", v4, v6),
  record("v4.example", v4, empty),
  record("v6.example", empty, v6),
  record("none.example", empty, empty),
  record("pending.example", pending, pending),
  record("pending-v6.example", v4, pending),
  record("overdue.example", overdue, overdue),
  record("overdue-v6.example", v4, overdue),
  record("failed.example", failed, failed),
  record("failed-v6.example", v4, failed),
  record("failed-v4.example", failed, v6),
  record("failed-v6-first.example", pending, failed),
  record("failed-empty.example", failed, empty),
  record("pass.example", empty, empty, { isPass: true }),
  record("signed.example", v4, empty, { forwardsDnssec: true }),
  record("*.wild.example", v4, empty),
  record("svc.cluster.local", v4, v6),
  record("*.cluster.local", v4, v6),
  record("local", v4, empty),
  record("my-cluster.local", v4, empty),
];

const SETTINGS = decideSettings(ENGINE_SETTINGS, true, false);
const UNSYNCED = decideSettings(ENGINE_SETTINGS, false, false);
const RELAYING_HTTPS = decideSettings({ ...ENGINE_SETTINGS, relayHttps: true }, true, false);
const TELLING = decideSettings(ENGINE_SETTINGS, true, true);
const CHAOS: QueryFields = { class: RecordClass.CH, type: RecordType.TXT };

interface Case {
  readonly name: string;
  readonly fields?: QueryFields;
  readonly action: keyof typeof Action;
  readonly family?: keyof typeof FamilyIndex;
  readonly settings?: DecideSettings;
  readonly nowMs?: number;
}

const A = RecordType.A;
const AAAA = RecordType.AAAA;

const CASES: Readonly<Record<string, readonly Case[]>> = {
  "a family with addresses is answered": [
    { name: "both.example", action: "ANSWER", family: "A" },
    { name: "both.example", fields: { type: AAAA }, action: "ANSWER", family: "AAAA" },
    { name: "BOTH.Example", action: "ANSWER", family: "A" },
    { name: "deep.down.wild.example", action: "ANSWER", family: "A" },
    { name: "both.example", fields: { class: RecordClass.ANY }, action: "ANSWER", family: "A" },
    { name: "both.example", fields: { dnssecOk: true, hasEdns: true }, action: "ANSWER", family: "A" },
  ],
  "a family without addresses is NODATA": [
    { name: "v4.example", fields: { type: AAAA }, action: "EMPTY", family: "AAAA" },
    { name: "v6.example", action: "EMPTY", family: "A" },
    { name: "none.example", action: "EMPTY" },
  ],
  "a first attempt is waited for, per family": [
    { name: "pending.example", action: "HOLD", family: "A" },
    { name: "pending-v6.example", action: "ANSWER", family: "A" },
    { name: "pending-v6.example", fields: { type: AAAA }, action: "HOLD", family: "AAAA" },
  ],
  "a wait has an end": [
    { name: "overdue.example", action: "FAIL", family: "A" },
    { name: "overdue-v6.example", fields: { type: AAAA }, action: "EMPTY" },
    { name: "pending.example", nowMs: Number.POSITIVE_INFINITY, action: "FAIL" },
    {
      name: "pending-v6.example",
      fields: { type: AAAA },
      nowMs: Number.POSITIVE_INFINITY,
      action: "EMPTY",
    },
    { name: "pending.example", nowMs: LATER_MS, action: "FAIL" },
    { name: "pending.example", nowMs: LATER_MS - 1, action: "HOLD" },
  ],
  "one family never fails while the other has addresses": [
    { name: "failed-v6.example", fields: { type: AAAA }, action: "EMPTY" },
    { name: "failed-v4.example", action: "EMPTY" },
    { name: "failed-v6-first.example", fields: { type: AAAA }, action: "HOLD" },
    { name: "failed.example", action: "FAIL", family: "A" },
    { name: "failed.example", fields: { type: AAAA }, action: "FAIL", family: "AAAA" },
    { name: "failed-empty.example", action: "FAIL" },
  ],
  "what is not ours is forwarded": [
    { name: "elsewhere.example", action: "FORWARD" },
    { name: "wild.example", action: "FORWARD" },
    { name: "_acme-challenge.wild.example", fields: { type: RecordType.TXT }, action: "FORWARD" },
    { name: "pass.example", action: "FORWARD" },
    { name: "pass.example", fields: { ednsVersion: 1, hasEdns: true }, action: "FORWARD" },
    { name: ".", fields: { type: RecordType.NS }, action: "FORWARD" },
    { name: "signed.example", fields: { dnssecOk: true, hasEdns: true }, action: "FORWARD" },
    { name: "signed.example", action: "ANSWER" },
    { name: "both.example", fields: { class: RecordClass.CH }, action: "FORWARD" },
    { name: "both.example", fields: { class: RecordClass.HS }, action: "FORWARD" },
    { name: "elsewhere.example", fields: { ednsVersion: 1, hasEdns: true }, action: "FORWARD" },
    { name: "elsewhere.example", fields: { hasSignature: true }, action: "FORWARD" },
  ],
  "the cluster's own names are never taken": [
    { name: "svc.cluster.local", action: "FORWARD" },
    { name: "kubernetes.default.svc.cluster.local", action: "FORWARD" },
    { name: "cluster.local", action: "FORWARD" },
    { name: "CLUSTER.LOCAL", action: "FORWARD" },
    { name: "my-cluster.local", action: "ANSWER" },
    { name: "local", action: "ANSWER" },
  ],
  "an own name refuses what we do not speak": [
    { name: "both.example", fields: { ednsVersion: 1, hasEdns: true }, action: "BADVERS" },
    { name: "both.example", fields: { hasSignature: true }, action: "NOTAUTH" },
    { name: "both.example", fields: { isFaultyIfOurs: true }, action: "FORMERR" },
    { name: "both.example", fields: { class: 0, isFaultyIfOurs: true }, action: "FORMERR" },
    { name: "both.example", fields: { class: RecordClass.NONE, isFaultyIfOurs: true }, action: "FORMERR" },
    {
      name: "both.example",
      fields: { ednsVersion: 1, hasEdns: true, isFaultyIfOurs: true },
      action: "BADVERS",
    },
    { name: "elsewhere.example", fields: { isFaultyIfOurs: true }, action: "FORWARD" },
    {
      name: "elsewhere.example",
      fields: { class: RecordClass.NONE, isFaultyIfOurs: true },
      action: "FORWARD",
    },
  ],
  "who we are is told in class CH, by four names, if at all": [
    ...["id.server", "hostname.bind", "version.server", "version.bind", "ID.Server"].map(
      (name): Case => ({ name, fields: CHAOS, settings: TELLING, action: "IDENTITY" }),
    ),
    { name: "id.server", fields: { ...CHAOS, type: RecordType.ANY }, settings: TELLING, action: "IDENTITY" },
    { name: "id.server", fields: { ...CHAOS, ednsVersion: 1 }, settings: TELLING, action: "BADVERS" },
    { name: "id.server", fields: { ...CHAOS, hasSignature: true }, settings: TELLING, action: "NOTAUTH" },
    { name: "id.server", fields: CHAOS, action: "FORWARD" },
    { name: "id.server", fields: { class: RecordClass.CH }, settings: TELLING, action: "FORWARD" },
    { name: "id.server", fields: { type: RecordType.TXT }, settings: TELLING, action: "FORWARD" },
    { name: "authors.bind", fields: CHAOS, settings: TELLING, action: "FORWARD" },
    { name: "both.example", fields: CHAOS, settings: TELLING, action: "FORWARD" },
  ],
  "other types of an own host": [
    { name: "both.example", fields: { type: RecordType.HTTPS }, action: "EMPTY" },
    { name: "both.example", fields: { type: RecordType.SVCB }, action: "EMPTY" },
    {
      name: "both.example",
      fields: { type: RecordType.HTTPS },
      settings: RELAYING_HTTPS,
      action: "RESCUE",
    },
    { name: "both.example", fields: { type: RecordType.TXT }, action: "RESCUE" },
    { name: "a.wild.example", fields: { type: RecordType.MX }, action: "RESCUE" },
    { name: "both.example", fields: { type: 65280 }, action: "RESCUE" },
    { name: "both.example", fields: { type: RecordType.ANY }, action: "ANSWER", family: "A" },
    { name: "v6.example", fields: { type: RecordType.ANY }, action: "ANSWER", family: "AAAA" },
    { name: "none.example", fields: { type: RecordType.ANY }, action: "HINFO" },
    { name: "pending.example", fields: { type: RecordType.ANY }, action: "HINFO" },
  ],
  "before the first sync an unknown name waits, a known one does not": [
    {
      name: "elsewhere.example",
      settings: UNSYNCED,
      action: "HOLD",
    },
    {
      name: "elsewhere.example",
      settings: UNSYNCED,
      nowMs: Number.POSITIVE_INFINITY,
      action: "FAIL",
    },
    {
      name: "both.example",
      settings: UNSYNCED,
      action: "ANSWER",
    },
    {
      name: "x.cluster.local",
      settings: UNSYNCED,
      action: "FORWARD",
    },
    {
      name: "elsewhere.example",
      fields: { class: RecordClass.CH },
      settings: UNSYNCED,
      action: "FORWARD",
    },
  ],
};

const TABLES: Readonly<Record<string, () => HostTable>> = {
  LinearTable: () => new LinearTable(),
  FlatTable: () => new FlatTable(fixedRandom(0)),
};

for (const [body, make] of Object.entries(TABLES)) {
  describe(`decide over ${body}`, () => {
    const table = make();
    table.apply(delta(1, ...set(...HOSTS)), 0, 1000);
    const knowledge = { table, clients: new ClientIndex() };
    const decided = (query: Query, settings = SETTINGS, nowMs = NOW_MS) => {
      const decision = new Decision();
      decide({ query, asker: new Asker(), knowledge, settings, nowMs, isDenied: false }, decision);
      return decision;
    };

    for (const [title, cases] of Object.entries(CASES)) {
      it(title, () => {
        for (const { name, fields, action, family, settings, nowMs } of cases) {
          const query = makeQuery(name, { type: A, ...fields });
          const decision = decided(query, settings, nowMs);
          const said = `${name} ${JSON.stringify(fields ?? {})}`;
          expect(nameOf(decision.action), said).to.equal(action);
          if (family !== undefined) expect(decision.family, said).to.equal(FamilyIndex[family]);
        }
      });
    }

    it("says until when to wait", () => {
      expect(decided(makeQuery("pending.example")).untilMs).to.equal(LATER_MS);
      const unknown = decided(makeQuery("elsewhere.example"), UNSYNCED);
      expect(unknown.untilMs).to.equal(Number.POSITIVE_INFINITY);
      expect(unknown.record).to.equal(NOT_FOUND);
    });

    it("takes a dot inside a label for no separator", () => {
      expect(nameOf(decided(makeRawQuery(["x.cluster", "local"])).action)).to.equal("FORWARD");
      expect(decided(makeRawQuery(["both.example"])).record).to.equal(NOT_FOUND);
      expect(nameOf(decided(makeRawQuery(["a.b", "wild", "example"])).action)).to.equal("ANSWER");
    });
  });
}

function nameOf(action: Action): string {
  return Object.entries(Action).find(([, number]) => number === action)![0];
}
