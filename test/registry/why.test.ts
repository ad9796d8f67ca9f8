import { expect } from "chai";
import fc from "fast-check";
import { type WhyInput, whyText } from "../../src/registry/why.ts";
import type { HostVariant } from "../../src/table/host-record.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import { hostPlanOf } from "./host-plan-of.ts";
import { entry, host } from "./support.ts";

function variant(source: HostVariant["source"], given: Partial<HostVariant> = {}): HostVariant {
  const answers = { A: { kind: "empty" }, AAAA: { kind: "empty" } } as const;
  return {
    isPass: false,
    isAuthoritative: true,
    source,
    forwardsDnssec: false,
    negativeTtlSeconds: 5,
    answers,
    ...given,
  };
}

const EVERYBODY = {
  unknown: 0,
  outside: 0,
  sidecar: 0,
  redirectedIpv4: 0,
  redirectedIpv6: 0,
  redirectedDual: 0,
} as const;

function why(given: Partial<WhyInput> = {}): string {
  const spec = { name: "db", namespace: "shop", hosts: ["db.example"], resolution: "DNS" };
  return whyText({
    host: host("db.example"),
    winners: [hostPlanOf(entry(spec))],
    loserCount: 0,
    mode: "auto",
    modeFrom: "setting",
    view: { visibleTo: "all", variants: [variant("resolved")], choices: EVERYBODY },
    names: [],
    portNotes: [],
    ...given,
  });
}

describe("whyText", () => {
  it("says who answers a host and from what", () => {
    expect(why()).to.equal(
      "db.example is answered by ServiceEntry shop/db (resolution DNS); visible to all namespaces; " +
        "mode auto by setting; addresses from upstream",
    );
  });

  it("says what each kind of client gets where they differ", () => {
    const view = {
      visibleTo: "all",
      variants: [variant("static", { distribution: "PreferClose" }), variant("virtual")],
      choices: { ...EVERYBODY, unknown: null, redirectedIpv4: 1, redirectedDual: 1 },
    } as const;
    const text = why({ view });
    expect(text).to.include("unknown clients: forwarded");
    expect(text).to.include("IPv4 mesh pods, dual-stack mesh pods: virtual addresses");
    expect(text).to.include("IPv6 mesh pods: the endpoints' addresses, nearest first by PreferClose");
  });

  it("says that upstream denies the host", () => {
    const view = {
      visibleTo: "all",
      variants: [variant("resolved", { isPass: true })],
      choices: EVERYBODY,
    } as const;
    expect(why({ view })).to.include("forwarded, because upstream denies the host");
  });

  it("says the mode and who set it", () => {
    expect(why({ mode: "virtual", modeFrom: "entry" })).to.include("mode virtual by annotation");
    expect(why({ mode: "resolved", modeFrom: "namespace" })).to.include(
      "mode resolved by its Namespace's annotation",
    );
  });

  it("says the names and the ports", () => {
    const names = Array.from({ length: 8 }, (_, at) => host(`n${at}.example`));
    expect(why({ names: names.slice(0, 2) })).to.include("upstream is asked for n0.example, n1.example");
    expect(why({ names })).to.include("n4.example, 3 more");
    expect(why({ names })).not.to.include("n5.example");
    expect(why({ portNotes: ["port 80 is 8000 there"] })).to.include("; port 80 is 8000 there");
  });

  it("calls a wildcard one", () => {
    expect(why({ host: host("*.db.example") })).to.include("the wildcard *.db.example is answered");
  });

  it("counts the losers and names none, nor the other namespaces of the view", () => {
    expect(why({ loserCount: 1 })).to.include("1 other entry lost");
    expect(why({ loserCount: 3 })).to.include("3 other entries lost");
    const view = {
      visibleTo: new Set(["shop", "bank"]),
      variants: [variant("static")],
      choices: EVERYBODY,
    } as const;
    const text = why({ view });
    expect(text).to.include("visible to this namespace and others");
    expect(text).not.to.include("bank");
    expect(why({ view: { ...view, visibleTo: new Set(["bank"]) } })).to.include("visible to this namespace;");
  });

  it("is printable ASCII of at most 1000 characters, whatever it is given", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), fc.array(fc.string()), (names, portNotes) => {
        expect(why({ names: names as HostName[], portNotes })).to.match(/^[\x20-\x7e]{1,1000}$/);
      }),
    );
    const long = why({ portNotes: ["x".repeat(2000)] });
    expect(long).to.have.length(1000);
    expect(long.endsWith("...")).to.equal(true);
  });
});
