/** What is explained is what is answered: the engine, told the same, replies so to the same question of the same client. */

import { expect } from "chai";
import * as fc from "fast-check";
import type { DecisionWord, Explanation } from "../../src/explain/explanation.ts";
import type { MeshMode, Pod, ServiceEntry } from "../../src/mesh/objects.ts";
import { SUFFIX_ANSWERS } from "../../src/mesh/objects.ts";
import { reverseName } from "../../src/registry/reverse.ts";
import { HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import type { Family } from "../../src/wire/ip-address.ts";
import type { Message } from "../../src/wire/message.ts";
import { host, ip } from "../registry/support.ts";
import { answersOf, FakeClient, question, rcodeOf, type Stage } from "../server/fixtures.ts";
import {
  anyObject,
  anyPod,
  anyResolution,
  anyServiceEntry,
  anySettings,
  RESOLVABLE,
  resolutionOf,
  versioned,
} from "../support/arbitrary-objects.ts";
import { ExplainedWorld } from "./explained-world.ts";

/** More by hand: `EXPLAIN_RUNS=20000`. */
const RUNS = Number(process.env["EXPLAIN_RUNS"] ?? 100);

const anySuffix = fc.constantFrom(
  ...Array.from({ length: 7 }, () => ""),
  ...[".east.svc.cluster.local", ".west.svc.cluster.local", ".nowhere.svc.cluster.local"],
  ...[".svc.cluster.local", ".cluster.local", ".corp.test", ".east.svc.c.example"],
);
const anyPrefix = fc.constantFrom(
  ...Array.from({ length: 9 }, () => ""),
  "_p80._tcp.",
  "_why.",
  "_x.",
  "deep.",
);
const anyOtherName = fc.constantFrom(
  ...["s.east.svc.cluster.local", "web.east", "web.east.svc", "web.west", "x.y", "y.svc", "other.test"],
  ...["240.0.0.1", "2001:2::1", "10.0.0.1", "10.96.0.10"].map((address) => reverseName(ip(address))),
);

/** One that entries claim, found by this number among them, with something before and behind it; or another. */
const anyName = fc.record({
  which: fc.nat(),
  prefix: anyPrefix,
  suffix: anySuffix,
  other: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: anyOtherName }),
});

function nameOf(
  { which, prefix, suffix, other }: { which: number; prefix: string; suffix: string; other: string | null },
  entries: Iterable<ServiceEntry>,
): string {
  const claimed = [...entries].flatMap(({ hosts }) => hosts).sort();
  const bare = claimed[which % claimed.length];
  if (other === null && bare !== undefined) return prefix + bare.replace("*", "any") + suffix;
  return other ?? `${prefix}unclaimed.test${suffix}`;
}

const anyType = fc.constantFrom(
  "A",
  "A",
  "A",
  "AAAA",
  "AAAA",
  "SRV",
  "TXT",
  "PTR",
  "ANY",
  "HTTPS",
  "MX",
  "CNAME",
);

/** Who asks: somebody unknown, told of a namespace or not, or the pod of this number. */
const anyAsking = fc.oneof(
  fc.record({
    kind: fc.constant("unknown" as const),
    namespace: fc.constantFrom(undefined, "east", "west", "nowhere"),
  }),
  fc.record({ kind: fc.constant("pod" as const), which: fc.nat() }),
);

const anyClientPod = fc.tuple(anyPod, fc.constantFrom<MeshMode>("none", "sidecar", "redirected")).map(
  ([pod, meshMode]): Pod => ({
    ...pod,
    meshMode,
    usesHostNetwork: pod.usesHostNetwork && pod.labels["app"] === undefined,
  }),
);

const anyServer = fc.record({
  suffixAnswer: fc.constantFrom(...SUFFIX_ANSWERS, "cname" as const),
  suffixView: fc.constantFrom(true, true, true, false),
  shortServiceNames: fc.constantFrom(true, true, false),
  relayHttps: fc.boolean(),
  refuse: fc.constantFrom(false, false, false, false, false, true),
  searchSuffixes: fc.constantFrom([], [host("corp.test")]),
});

describe("an explanation", () => {
  const seen = new Map<string, number>();

  it("decides as the engine does, with the same addresses", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyObject, anyServiceEntry, anyServiceEntry, anyClientPod), {
          minLength: 5,
          maxLength: 25,
          size: "max",
        }),
        fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: anySettings }),
        anyServer,
        fc.array(anyResolution, { minLength: RESOLVABLE.length * 2, maxLength: RESOLVABLE.length * 2 }),
        fc.array(fc.tuple(anyName, anyType, anyAsking, fc.constantFrom(false, false, true)), {
          minLength: 20,
          maxLength: 20,
        }),
        fc.constantFrom(true, true, true, true, false),
        fc.constantFrom(false, false, true),
        (objects, registry, server, resolutions, questions, isSynced, isUpstreamDown) => {
          const explained = new ExplainedWorld({ registry, server, isSynced });
          const { world } = explained;
          const resolved = (at: number, family: Family) => {
            const parts = isUpstreamDown
              ? { ...resolutions[at]!, state: "failed" as const }
              : resolutions[at]!;
            return resolutionOf(parts, family, world.clock.nowMs());
          };
          for (const [at, name] of RESOLVABLE.entries())
            world.resolutions.set(name, { A: resolved(at * 2, "A"), AAAA: resolved(at * 2 + 1, "AAAA") });
          explained.put(...objects.map(versioned));
          const stage = explained.stage();
          const pods = [...world.store.all("Pod").values()];
          for (const [at, [named, type, asking, dnssecOk]] of questions.entries()) {
            const name = nameOf(named, world.store.all("ServiceEntry").values());
            const pod = asking.kind === "pod" ? pods[asking.which % pods.length] : undefined;
            const namespace = asking.kind === "unknown" ? asking.namespace : undefined;
            const who = pod === undefined ? { namespace } : { pod: `${pod.ref.namespace}/${pod.ref.name}` };
            const explanation = explained.explained({ name, type, dnssecOk, ...who });
            const told = namespace ?? pod?.ref.namespace;
            const address = (pod?.isTerminal ? undefined : pod?.ips[0]) ?? `203.0.113.${at}`;
            if (told !== undefined)
              tell(
                stage,
                address,
                told,
                "clusterDomain" in registry ? registry.clusterDomain : "cluster.local",
              );
            const reply = replyOf(stage, name, type, dnssecOk, address);
            expect(explanation.decision, JSON.stringify({ name, type, who, explanation })).to.equal(
              reply.kind,
            );
            expectAgreement(explanation, reply.message);
            seen.set(explanation.decision, (seen.get(explanation.decision) ?? 0) + 1);
            seen.set(explanation.match, (seen.get(explanation.match) ?? 0) + 1);
          }
        },
      ),
      { numRuns: RUNS },
    );
    // None of the usual outcomes is equal by never happening; the rare ones have stories of their own.
    const usual = ["answer", "nodata", "hold", "forward", "forward-else-nodata", "upstream-first"];
    for (const each of [...usual, "exact", "suffix", "none"])
      expect(seen.get(each) ?? 0, each).to.be.greaterThan(0);
  }).timeout(180_000);
});

/** As the client's own search list would have asked before. */
function tell(stage: Stage, address: string, namespace: string, clusterDomain: string): void {
  stage.ask(question(`no.such.host.${namespace}.svc.${clusterDomain}`, "A"), new FakeClient("tcp", address));
  stage.forwarder.asked.length = 0;
}

interface EngineReply {
  readonly kind: DecisionWord;
  /** What we say ourselves, now or after upstream's NXDOMAIN. */
  readonly message: Message | null;
}

/** Told apart by what becomes of upstream's SERVFAIL and NXDOMAIN. */
function replyOf(stage: Stage, name: string, type: string, dnssecOk: boolean, address: string): EngineReply {
  const ask = () => {
    const client = new FakeClient("tcp", address);
    const message = question(name, type as keyof typeof RecordType, dnssecOk ? { edns: { dnssecOk } } : {});
    const before = stage.forwarder.asked.length;
    const reply = stage.ask(message, client);
    return { client, reply, asked: stage.forwarder.asked.length - before };
  };
  const first = ask();
  if (first.reply !== null) return { kind: kindOf(first.reply), message: first.reply };
  if (first.asked === 0) return { kind: "hold", message: null };
  if (first.asked === 2) return { kind: "short-form", message: null };
  stage.forwarder.reply({ rcode: Rcode.SERVFAIL });
  if (rcodeOf(first.client.replies[0]!) === Rcode.NOERROR)
    return { kind: "forward-else-nodata", message: null };
  const second = ask();
  stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
  const after = second.client.replies[0] ?? null;
  const isRelayed = after !== null && rcodeOf(after) === Rcode.NXDOMAIN && after.authorities.length === 0;
  return isRelayed ? { kind: "forward", message: null } : { kind: "upstream-first", message: after };
}

function kindOf(reply: Message): DecisionWord {
  switch (rcodeOf(reply)) {
    case Rcode.NXDOMAIN:
      return "nxdomain";
    case Rcode.SERVFAIL:
      return "servfail";
    case Rcode.REFUSED:
      return "refuse";
    default: {
      const aliases = reply.answers.filter(({ type }) => type === RecordType.CNAME).length;
      return reply.answers.length > aliases ? "answer" : "nodata";
    }
  }
}

/** The addresses are those of the reply, each with its source; who answers is known where we answer. */
function expectAgreement(explanation: Explanation, reply: Message | null): void {
  const { addresses, host: found, object, steps, decision, match } = explanation;
  const records = reply === null ? [] : [...reply.answers, ...reply.additionals];
  const given = records.flatMap(({ data }) =>
    data.kind === "A" || data.kind === "AAAA" ? [data.address] : [],
  );
  expect(
    addresses.map(({ address }) => address).sort(),
    JSON.stringify([explanation, reply && answersOf(reply)]),
  ).to.deep.equal(given.sort());
  for (const { source } of addresses) expect(source).to.match(/^(virtual|static|workload|resolved)$/);
  expect(steps.length).to.be.greaterThan(2);
  for (const { text } of steps)
    expect(text)
      .to.match(/[.]$/)
      .and.not.match(/undefined|null|NaN|\[object/);
  expect(found === null).to.equal(match === "none" || match === "short");
  const isOurs = ["answer", "nodata", "nxdomain", "servfail", "hold", "upstream-first"].includes(decision);
  // A host that the client sees is explained to it also where no entry has an address for it.
  const isWhy = explanation.name.startsWith("_why.");
  if (isOurs && found !== null && !isWhy && !found.endsWith(".arpa"))
    expect(object, JSON.stringify(explanation)).to.not.equal(null);
  const said = /^Answered with \d+ address(?:es)? \(\w+, (not )?authoritative/.exec(steps.at(-1)?.text ?? "");
  if (reply !== null && said !== null)
    expect((reply.flags & HeaderFlag.AA) !== 0, "AA").to.equal(said[1] === undefined);
}
