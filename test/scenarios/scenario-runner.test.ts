/** The runner itself: a story that is told wrongly must fail, and say where and why. */

import { expect } from "chai";
import { readStories } from "./read-story.ts";
import { playStory } from "./scenario-runner.ts";
import { WAYS, type Way } from "./story.ts";

/** A story with these steps, in a file `a.yaml`; `head`: further lines of the story. */
function story(steps: string, head = ""): string {
  return `story: tale\n${head}\nsteps:\n${steps}`;
}

function readFault(text: string): string {
  try {
    readStories(text, "a.yaml");
  } catch (error) {
    return String(error);
  }
  return "no fault";
}

/** What is said of the first story that the text tells; "" if all goes as told. */
async function playFault(text: string, way: Way = "memory"): Promise<string> {
  const [first] = readStories(text, "a.yaml");
  try {
    await playStory(first!, way);
  } catch (error) {
    return String(error);
  }
  return "";
}

describe("scenario runner, reading", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["an unknown key of a story", "story: tale\nstep: []", "a.yaml, story 1: unknown key"],
    ["a story without a title", "steps: []", 'the key "story" is missing'],
    ["a story without steps", "story: tale", 'the key "steps" is missing'],
    [
      "an unknown step",
      story("  - aply: x"),
      'a.yaml, "tale", step 1: a step has exactly one of apply, edit',
    ],
    ["two steps in one", story("  - { apply: kmesh, elapse: 1 s }"), "exactly one of"],
    [
      "an unknown key of a query",
      story("  - elapse: 1 s\n  - query: a.example A\n    expct: {}"),
      'step 2: unknown key "expct"',
    ],
    [
      "an unknown expectation",
      story("  - query: a.example A\n    expect: { anwsers: [] }"),
      'step 1, expect: unknown key "anwsers"',
    ],
    [
      "an unknown expectation for one transport",
      story("  - query: a.example A\n    expect: { overTcp: { anwsers: [] } }"),
      'unknown key "anwsers"',
    ],
    ["an unknown EDNS field", story("  - query: a.example A\n    edns: { d: true }\n    expect: {}"), "edns"],
    ["a query without a type", story("  - query: a.example\n    expect: {}"), '"NAME TYPE" is expected'],
    ["a query with an unknown type", story("  - query: a.example AAA\n    expect: {}"), "no record type"],
    ["a query that expects nothing", story("  - query: a.example A"), "either expect or pending"],
    [
      "a query that is left waiting",
      story("  - query: a.example A\n    pending: x"),
      '"x" is never answered',
    ],
    ["an answer to no query", story("  - answered: x\n    expect: {}"), 'no query is pending as "x"'],
    ["a time without a unit", story("  - elapse: 10"), "is no time such as"],
    ["a range the wrong way", story("  - upstreamAsked: { a.example: 1-2 }"), 'is none of 7, "5..30"'],
    ["an unknown state", story("  - state: { a.example: good }"), "is none of ok, pending"],
    ["an unknown RCODE", story("  - query: a.example A\n    expect: { rcode: OK }"), "is none of NOERROR"],
    [
      "an upstream line without TTL",
      story('  - upstream: ["a.example A 192.0.2.1"]'),
      'cannot read "a.example A',
    ],
    ["an IPv6 address in an A record", story('  - upstream: ["a.example 5 A 2001:db8::1"]'), "cannot read"],
    ["a way without a reason", story("  - elapse: 1 s", "only: { ways: [udp] }"), "needs ways and reason"],
    ["YAML that is none", "story: [", "a.yaml: "],
  ];
  for (const [title, text, fault] of cases) {
    it(`refuses ${title}`, () => {
      expect(readFault(text)).to.include("StoryError").and.to.include(fault);
    });
  }

  it("takes several stories of one file", () => {
    const titles = readStories("story: a\nsteps: []\n---\nstory: b\nsteps: []\n", "a.yaml").map(
      ({ title }) => title,
    );
    expect(titles).to.deep.equal(["a", "b"]);
  });
});

describe("scenario runner, playing", () => {
  const SETTING = `
  - upstream: ["backend.example 60 A 198.51.100.1", "out.example 60 A 203.0.113.1", "* up"]
  - apply:
      - kind: ServiceEntry
        metadata: { name: static }
        spec: { hosts: [static.example], resolution: STATIC, endpoints: [{ address: 192.0.2.1 }, { address: 192.0.2.2 }] }
      - kind: ServiceEntry
        metadata: { name: named }
        spec: { hosts: [named.example], resolution: DNS, endpoints: [{ address: backend.example }] }
  - elapse: 10 s
`;
  const STATIC = "static.example A";

  /** What a query for the host must not be said to be. */
  const wrong: readonly (readonly [string, string, string])[] = [
    [
      STATIC,
      "answers: [192.0.2.1]",
      "expected the answers [192.0.2.1] in any order, came [192.0.2.1, 192.0.2.2]",
    ],
    [STATIC, "answers: [192.0.2.1, 192.0.2.1]", "expected the answers"],
    [STATIC, "answers: []", "expected the answers []"],
    [STATIC, "answersAmong: [192.0.2.1]", "expected answers among [192.0.2.1]"],
    [STATIC, 'answerCount: ">=3"', "expected >=3 answers, came 2"],
    [STATIC, "firstAnswers: [192.0.2.1, 192.0.2.2, 192.0.2.3]", "to come first at times"],
    [STATIC, "ttl: 29", "expected the TTL 29 in every answer, came [30,30]"],
    [STATIC, "rcode: NXDOMAIN", "expected NXDOMAIN, came NOERROR"],
    [STATIC, "aa: false", "expected AA=0, came AA=1"],
    [STATIC, "truncated: true", "expected TC=1, came TC=0"],
    [STATIC, "soa: static.example", "expected one SOA"],
    [STATIC, "soaTtl: 30", "expected one SOA"],
    [STATIC, "ede: 3", "expected the extended error 3, came none"],
    [STATIC, "edeText: x", 'says "x", came none'],
    [STATIC, "waitedMs: 1", "expected the reply after 1 ms, came 0"],
    [STATIC, "forwarded: 1", "expected 1 messages forwarded upstream, came 0"],
    [STATIC, "relayed: true", "expected upstream's own reply, came one without upstream"],
    ["static.example AAAA", "ttl: 30", "expected the TTL 30 in every answer"],
    ["static.example AAAA", "soa: none", "expected no authority, came 1"],
    ["static.example AAAA", "soa: example", "expected the SOA of example, came static.example"],
    ["static.example AAAA", "soaTtl: 5", "expected the SOA's TTL and MINIMUM 5, came 30 and 30"],
    ["static.example TXT", "relayed: true", "expected upstream's reply as it is"],
    ["out.example A", "forwarded: 0", "expected 0 messages forwarded upstream, came 1"],
    ["named.example A", "ttl: 60", "expected the TTL 60"],
  ];
  for (const [question, expectation, fault] of wrong) {
    it(`is not satisfied with ${question} where ${expectation}`, async () => {
      const text = story(`${SETTING}  - query: ${question}\n    expect: { ${expectation} }`);
      expect(await playFault(text)).to.include(fault);
    });
  }

  const wrongSteps: readonly (readonly [string, string])[] = [
    [`  - query: ${STATIC}\n    pending: x\n  - answered: x`, "expected no reply yet, came"],
    ["  - upstreamAsked: { backend.example A: 2 }", "expected 2 lookups of backend.example A, came 1"],
    ["  - upstreamAsked: { other.example: 1 }", "expected 1 lookups of other.example, came 0"],
    ["  - problems: [HostConflict]", "expected the problems [HostConflict], came []"],
    ["  - state: { named.example: pending }", "to be pending, came default/named ok"],
    ["  - state: { other.example: ok }", "came absent"],
    ["  - state: { named.example: { default/other: ok } }", "by default/other to be ok"],
    ["  - delete: ServiceEntry/default/other", "there is no ServiceEntry/default/other"],
    ["  - edit: { ServiceEntry/default/other: {} }", "there is no ServiceEntry/default/other"],
    ["  - apply: kmesh/none.yaml", "none.yaml"],
    ["  - settings: { tttl: 5 }", "tttl"],
  ];
  for (const [step, fault] of wrongSteps) {
    it(`is not satisfied with ${step.trim()}`, async () => {
      expect(await playFault(story(SETTING + step))).to.include(fault);
    });
  }

  it("notices a problem that the story does not tell", async () => {
    const step =
      "  - edit: { ServiceEntry/default/static: { spec: { endpoints: [{ address: 127.0.0.1 }] } } }\n  - problems: []";
    expect(await playFault(story(SETTING + step))).to.include(
      "came [AddressForbidden ServiceEntry/default/static]",
    );
  });

  it("notices that upstream was asked", async () => {
    const text = story(SETTING, "noUpstreamPacket: true");
    expect(await playFault(text)).to.include("never asked, came backend.example A by the refresher");
  });

  it("notices a reply that never comes", async () => {
    // Before the first sync a name is held no longer than this setting says.
    const text = story("  - query: a.example A\n    expect: { waitedMs: 2500 }", "synced: false");
    expect(await playFault(text)).to.include("SERVFAIL");
  });

  for (const way of WAYS) {
    it(`names story, step and way, ${way}`, async () => {
      const text = story(`${SETTING}  - query: ${STATIC}\n    expect: { ttl: 5, aa: false }`);
      const fault = await playFault(text, way);
      expect(fault).to.include(`a.yaml, "tale", ${way}, step 4 (query: static.example A)`);
      expect(fault).to.include("expected the TTL 5 in every answer, came [30,30]\n");
      expect(fault).to.include("expected AA=0, came AA=1\n");
      expect(fault).to.include("answer: static.example 30 A 192.0.2.1\n");
    });

    it(`plays the same story with the right expectations, ${way}`, async () => {
      const text = story(`${SETTING}
  - query: ${STATIC}
    times: 30
    expect: { answers: [192.0.2.2, 192.0.2.1], firstAnswers: [192.0.2.1, 192.0.2.2], ttl: "5..30", aa: true, waitedMs: 0 }
  - query: named.example A
    expect: { answers: [198.51.100.1], ttl: "<=30", aa: false }
  - query: out.example A
    expect: { answers: [203.0.113.1], relayed: true, forwarded: 1, waitedMs: 20 }
  - upstreamAsked: { backend.example A: 1, backend.example: ">=2" }
`);
      expect(await playFault(text, way)).to.equal("");
    });
  }
});
