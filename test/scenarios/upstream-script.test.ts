/** Upstreams by script: each behaviour is seen by the client as it is told, and what is told wrongly fails. */

import { expect } from "chai";
import { FORGERIES } from "./forgery.ts";
import { readStories } from "./read-story.ts";
import { playStory } from "./scenario-runner.ts";
import { WAYS, type Way } from "./story.ts";

const ZONE = '  - upstream: ["www.example.com 60 A 203.0.113.1"]\n';

function story(steps: string, head = ""): string {
  return `story: tale\n${head}\nsteps:\n${steps}`;
}

/** What is said of the story; "" if all goes as told. */
async function fault(text: string, way: Way = "memory"): Promise<string> {
  try {
    await playStory(readStories(text, "a.yaml")[0]!, way);
  } catch (error) {
    return String(error);
  }
  return "";
}

describe("upstream scripts, reading", () => {
  const wrong: readonly (readonly [string, string])[] = [
    ["  - script: { a.example: late }", '"late" is none of answer, lost'],
    ["  - script: { a.example: forged }", "is none of"],
    ["  - script: { a.example: forged ids }", "is none of"],
    ["  - script: { a.example: answer after 2 }", "is no time such as"],
    ["  - script: { a.example B: lost }", "B is no record type"],
    ["  - script: { a b c: lost }", 'is neither "NAME [TYPE]'],
    ['  - script: { "* A": lost }', 'is neither "NAME [TYPE]'],
    ["  - script: { a.example: closed }", "is said of a whole upstream"],
    ['  - script: { "*": [lost, closed] }', "is said of a whole upstream"],
    ["  - upstreamSaw: { a.example: 1 }", '"NAME TYPE" is expected'],
    ["  - upstreamSaw: { a.example A: { counts: 1 } }", 'unknown key "counts"'],
    ["  - upstreamSaw: { a.example A: { overTcp: { over: [tls] } } }", "is none of udp, tcp"],
    ["  - counted: { a: b }", "is none of 7"],
    ['  - upstream: ["a.example SERVFAIL soa none"]', "cannot read"],
    ['  - upstream: ["a.example 60 A \\\\# 3 00"]', "cannot read"],
    ["  - query: a.example A\n    trailing: 0ff\n    expect: {}", "expected octets"],
    ["  - query: a.example A\n    edns: { options: { x: '' } }\n    expect: {}", "is none of 7"],
  ];
  for (const [steps, message] of wrong) {
    it(`refuses ${steps.trim()}`, () => {
      expect(() => readStories(story(steps), "a.yaml")).to.throw(message);
    });
  }

  it("refuses upstreams of an unknown kind", () => {
    expect(() => readStories(story("  - elapse: 1 s", "upstreams: { own: 1 }"), "a.yaml")).to.throw(
      'unknown key "own"',
    );
  });
});

describe("upstream scripts, playing", () => {
  const ASK = "  - query: www.example.com A\n    edns: true\n";
  const wrong: readonly (readonly [string, string, string])[] = [
    ["[lost, answer]", "expect: { waitedMs: 20 }", "expected the reply after 20 ms, came 320"],
    ["answer after 2 s", "expect: { waitedMs: 20 }", "came 2000"],
    ["truncated", "expect: { truncated: false }", "expected TC=0, came TC=1"],
    ["SERVFAIL", "expect: {}", "expected NOERROR, came SERVFAIL"],
    ["FORMERR", "expect: {}", "expected NOERROR, came FORMERR"],
    ["garbage", "expect: {}", "expected NOERROR, came SERVFAIL"],
    ["lost", "expect: { relayed: true }", "expected upstream's reply as it is"],
    ["answer", "expect: { unreadable: true }", "expected a message that cannot be read"],
    ["answer", "expect: { keepaliveMs: 10000 }", "expected the keepalive 10000 ms, came none"],
    ["looped", "expect: {}", "a message on the way has fewer well-formed records than it counts"],
  ];
  for (const [behaviour, expectation, message] of wrong) {
    it(`is not satisfied with ${behaviour} where ${expectation}`, async () => {
      const text = story(`${ZONE}  - script: { www.example.com: ${behaviour} }\n${ASK}    ${expectation}`);
      expect(await fault(text)).to.include(message);
    });
  }

  const LOST_ONCE = `${ZONE}  - script: { www.example.com: [lost, answer] }\n${ASK}    expect: {}\n`;
  const wrongSights: readonly (readonly [string, string])[] = [
    ["upstreamSaw: { www.example.com A: 1 }", "that upstream sees www.example.com A 1 times, came 2"],
    [
      "upstreamSaw: { www.example.com A: { at: [0 s, 400 ms] } }",
      "at the milliseconds [0,400], came [0,300]",
    ],
    ["upstreamSaw: { www.example.com A: { to: [1, 2] } }", "at the upstreams [1,2], came [1,1]"],
    ["upstreamSaw: { www.example.com A: { over: [udp, tcp] } }", 'over ["udp","tcp"], came ["udp","udp"]'],
    ["upstreamSaw: { www.example.com A: { options: [100] } }", "with the EDNS options [100], came []"],
    ["upstreamSaw: { other.example.com A: { asSent: true } }", "as a client sent it"],
    ["counted: { upstream_resends_total: 0 }", "expected that upstream_resends_total counts 0, came 1"],
    ["counted: { no_such_series: 0 }", "no series no_such_series"],
    ["loops: [1]", "expected loops through [1], came []"],
  ];
  for (const [step, message] of wrongSights) {
    it(`is not satisfied with ${step}`, async () => {
      expect(await fault(story(`${LOST_ONCE}  - ${step}`))).to.include(message);
    });
  }

  it("notices a loop that the story does not tell", async () => {
    const text = story('  - script: { "*": hands back }\n  - elapse: 1 s', "loopProbes: true");
    expect(await fault(text)).to.include("expected loops through [], came [1]");
  });

  it("takes what is said most closely", async () => {
    const script = `  - script: { "*": lost, "* @1": SERVFAIL, www.example.com: REFUSED, www.example.com A: answer }`;
    const text = story(`${ZONE}${script}
  - { query: www.example.com A, expect: { answers: [203.0.113.1] } }
  - { query: www.example.com AAAA, expect: { rcode: REFUSED } }
  - { query: mail.example.com A, expect: { rcode: SERVFAIL } }
  - script: { "*": answer, "* @1": answer }
  - { query: news.example.com A, expect: { rcode: NXDOMAIN } }
`);
    expect(await fault(text)).to.equal("");
  });

  for (const way of WAYS) {
    it(`counts a script's messages from the step that says it, ${way}`, async () => {
      const once = `  - script: { www.example.com: [REFUSED, answer] }
  - { query: www.example.com A, rd: false, expect: { rcode: REFUSED } }
  - { query: www.example.com A, rd: false, times: 2, expect: { answers: [203.0.113.1] } }
`;
      expect(await fault(story(ZONE + once + once), way)).to.equal("");
    });

    it(`lets a server that believed a forger be seen, ${way}`, async () => {
      // The truth is what the forger says: whoever expects another address is told so.
      const text = story(`  - upstream: ["www.example.com 60 A 192.0.2.66"]
  - script: { www.example.com: forged ${FORGERIES.join(" ")} }
${ASK}    expect: { answers: [203.0.113.1], waitedMs: 20 }`);
      const message = await fault(text, way);
      expect(message).to.include("came [192.0.2.66]").and.to.include("came 100");
    });

    it(`closes and opens upstreams, ${way}`, async () => {
      const text = story(
        `${ZONE}  - script: { "*": closed }
${ASK}    expect: { rcode: SERVFAIL, ede: 23 }
  - script: { "*": answer }
  - elapse: 2 s
${ASK}    expect: { answers: [203.0.113.1] }
`,
        "upstreams: { other: 1, cluster: 1 }",
      );
      expect(await fault(text, way)).to.equal("");
    });
  }
});
