import { expect } from "chai";
import fc from "fast-check";
import {
  MAX_RUNNING,
  MAX_RUNNING_PER_NAMESPACE,
  MAX_RUNNING_SUSPECTS,
} from "../../src/refresher/admission.ts";
import { FAMILIES } from "../../src/wire/ip-address.ts";
import {
  addresses,
  failed,
  host,
  makeWorld,
  NODATA,
  NXDOMAIN,
  ONE,
  type Script,
  settingsWith,
  settle,
  TWO,
} from "./scripted-upstream.ts";

const NAMESPACES = ["one", "two", "three"];

/** How a zone behaves for a while. */
const mood = fc.constantFrom(
  "good",
  "rotating",
  "slow",
  "silent",
  "servfail",
  "network",
  "nxdomain",
  "nodata",
  "mixed",
);

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("elapse" as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("want" as const),
      zone: fc.nat(3),
      count: fc.integer({ min: 1, max: 40 }),
      namespace: fc.constantFrom(...NAMESPACES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("unwant" as const),
      zone: fc.nat(3),
      count: fc.integer({ min: 1, max: 40 }),
      namespace: fc.constantFrom(...NAMESPACES),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("mood" as const), zone: fc.nat(3), mood }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("refresh" as const), zone: fc.nat(3), at: fc.nat(39) }),
  },
);

describe("whatever upstreams do and names come and go", () => {
  it("the refresher keeps its limits, asks for wanted names only, and forgets none", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), fc.nat(), async (steps, seed) => {
        let chance = seed;
        const fraction = () => {
          chance = (chance * 1_103_515_245 + 12_345) % 2 ** 31;
          return chance / 2 ** 31;
        };
        const moods = ["good", "good", "good", "good"];
        /** name -> namespace -> count */
        const wanted = new Map<string, Map<string, number>>();
        /** Names that were wanted by two namespaces at a time, and may be charged to either. */
        const shared = new Set<string>();
        const world = makeWorld({
          settings: settingsWith({ other: [ONE, TWO] }),
          random: { fraction, uint16: () => 0 },
        });
        const { upstream, refresher } = world;
        const script: Script = ({ name, server }) => {
          const zone = Number(name.at(-1));
          const now =
            moods[zone] === "mixed"
              ? ["good", "silent", "servfail", "nxdomain"][Math.floor(fraction() * 4)]
              : moods[zone];
          const afterMs = Math.floor(fraction() * 40);
          switch (now) {
            case "good":
              return { afterMs, result: addresses([`198.51.100.${zone}`], 30) };
            case "rotating":
              return { afterMs, result: addresses([`198.51.100.${Math.floor(fraction() * 200)}`], 1) };
            case "slow":
              return { afterMs: 500 + afterMs * 20, result: addresses(["198.51.100.99"], 60) };
            case "servfail":
              return { afterMs, result: failed("servfail") };
            case "network":
              return server === ONE ? { afterMs: 0, result: failed("network") } : undefined;
            case "nxdomain":
              return { afterMs, result: NXDOMAIN };
            case "nodata":
              return { afterMs, result: NODATA };
            default:
              return undefined;
          }
        };
        upstream.script = (call) => {
          // Asked the moment it is sent: nothing that nobody wants.
          expect(wanted.has(call.name), `${call.name} is wanted`).to.equal(true);
          return script(call);
        };
        const check = async () => {
          await settle();
          const running = upstream.running;
          expect(running.size).to.be.at.most(MAX_RUNNING);
          expect(running.size).to.equal(refresher.gauges().inFlight);
          let suspects = 0;
          const alone = new Map<string, number>();
          for (const each of running) {
            const [name, family] = each.split(" ") as [string, "A" | "AAAA"];
            const owners = wanted.get(name);
            expect(owners, `${name} runs and is wanted`).not.to.equal(undefined);
            const described = refresher.describe(host(name))![family];
            if (described.lastError !== null && described.lastError.code !== "nxdomain") suspects += 1;
            if (!shared.has(name)) {
              const [namespace] = owners!.keys();
              alone.set(namespace!, (alone.get(namespace!) ?? 0) + 1);
            }
            // Not scheduled as well: one lookup at a time.
            expect(described.nextRefreshMs).to.equal(null);
          }
          expect(suspects).to.be.at.most(MAX_RUNNING_SUSPECTS);
          for (const count of alone.values()) expect(count).to.be.at.most(MAX_RUNNING_PER_NAMESPACE);
          const calls = new Map<string, number>();
          for (const call of upstream.calls) {
            if (call.isAborted || call.isAnswered) continue;
            const key = `${call.name} ${call.family}`;
            calls.set(key, (calls.get(key) ?? 0) + 1);
          }
          // A lookup and its repeat.
          for (const count of calls.values()) expect(count).to.be.at.most(2);
          for (const name of wanted.keys()) {
            const described = refresher.describe(host(name));
            for (const family of FAMILIES) {
              const { nextRefreshMs, resolution } = described![family];
              if (nextRefreshMs !== null) {
                const dueInMs = nextRefreshMs - world.clock.nowMs();
                expect(dueInMs).to.be.within(0, 300_000);
              } else if (!running.has(`${name} ${family}`)) {
                // It waits for its turn, which only happens while others take theirs.
                expect(running.size).to.be.greaterThan(0);
              }
              if (resolution.state === "fresh" || resolution.state === "stale") {
                expect(resolution.addresses.length).to.be.greaterThan(0);
              }
            }
          }
        };
        for (const each of steps) {
          switch (each.kind) {
            case "elapse":
              await world.elapse(each.ms, Math.max(20, Math.ceil(each.ms / 40)));
              break;
            case "mood":
              moods[each.zone] = each.mood;
              break;
            case "refresh":
              refresher.refreshNow(host(`n${each.at}.zone${each.zone}`));
              break;
            case "want":
            case "unwant":
              for (let at = 0; at < each.count; at += 1) {
                const name = `n${at}.zone${each.zone}`;
                const owners = wanted.get(name) ?? new Map<string, number>();
                const count = (owners.get(each.namespace) ?? 0) + (each.kind === "want" ? 1 : -1);
                if (count < 0) continue;
                if (count === 0) owners.delete(each.namespace);
                else owners.set(each.namespace, count);
                if (owners.size > 1) shared.add(name);
                if (owners.size === 0) wanted.delete(name);
                else wanted.set(name, owners);
                if (each.kind === "want") refresher.want(host(name), each.namespace);
                else refresher.unwant(host(name), each.namespace);
              }
              break;
          }
          await check();
        }
        // Once upstream is well again, every name is, by itself.
        moods.fill("good");
        await world.elapse(100_000, 250);
        for (const name of wanted.keys()) {
          expect(world.addressesOf(name), name).to.deep.equal([`198.51.100.${name.at(-1)}`]);
        }
        await refresher.close();
        expect(upstream.running.size).to.equal(0);
      }),
      { numRuns: 30 },
    );
  });
});
