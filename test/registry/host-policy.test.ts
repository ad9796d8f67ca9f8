import { expect } from "chai";
import fc from "fast-check";
import type { Labels } from "../../src/mesh/objects.ts";
import {
  allowedAddresses,
  judge,
  maxVisibilityOf,
  narrowed,
  type PolicySettings,
  policyProblems,
} from "../../src/registry/host-policy.ts";
import type { HostPolicyRule } from "../../src/registry/settings.ts";
import { type HostName, isHostName, parseHostName } from "../../src/wire/host-name.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { host } from "./support.ts";

function rule(given: Partial<HostPolicyRule> = {}): HostPolicyRule {
  return {
    namespaceSelector: {},
    allow: [],
    deny: [],
    maxVisibility: "public",
    allowAddresses: [],
    ...given,
  };
}

function policy(...hostPolicy: readonly HostPolicyRule[]): PolicySettings {
  return { hostPolicy, defaultVisibility: "public" };
}

const team = (name: string): Pick<HostPolicyRule, "namespaceSelector"> => ({
  namespaceSelector: { matchLabels: { team: name } },
});
const verdict = (name: string, settings: PolicySettings, labels: Labels = {}) =>
  judge(host(name), labels, settings).kind;

describe("judge", () => {
  it("lets everybody claim everything while there is no rule", () => {
    expect(verdict("api.example.com", policy())).to.equal("allowed");
    expect(verdict("*.example.com", policy())).to.equal("allowed");
  });

  const patterns: readonly (readonly [host: string, pattern: string, ifAllowed: string, ifDenied: string])[] =
    [
      ["api.example.com", "api.example.com", "allowed", "refused"],
      ["api.example.com", "*.example.com", "allowed", "refused"],
      ["a.b.example.com", "*.example.com", "allowed", "refused"],
      ["example.com", "*.example.com", "refused", "allowed"],
      ["apiexample.com", "*.example.com", "refused", "allowed"],
      ["api.example.com", "*", "allowed", "refused"],
      ["*.example.com", "*", "allowed", "refused"],
      ["*.example.com", "*.example.com", "allowed", "refused"],
      ["*.a.example.com", "*.example.com", "allowed", "refused"],
      // A wildcard of which only a part lies in the pattern.
      ["*.example.com", "api.example.com", "refused", "refused"],
      ["*.example.com", "*.a.example.com", "refused", "refused"],
      ["*.example.com", "example.com", "refused", "allowed"],
      ["*.example.com", "*.example.org", "refused", "allowed"],
      ["api.example.com", "www.example.com", "refused", "allowed"],
    ];
  for (const [name, pattern, ifAllowed, ifDenied] of patterns)
    it(`${name} with ${pattern}`, () => {
      expect(verdict(name, policy(rule({ allow: [pattern] }))), "allow").to.equal(ifAllowed);
      expect(verdict(name, policy(rule({ deny: [pattern] }))), "deny").to.equal(ifDenied);
    });

  it("takes one allowed pattern of several, and denies before it allows", () => {
    const settings = policy(
      rule({ allow: ["*.example.org", "*.example.com"], deny: ["secret.example.com"] }),
    );
    expect(verdict("www.example.com", settings)).to.equal("allowed");
    expect(verdict("secret.example.com", settings)).to.equal("refused");
    expect(verdict("*.example.com", settings)).to.equal("refused");
    expect(verdict("*.example.org", settings)).to.equal("allowed");
    expect(verdict("www.example.net", settings)).to.equal("refused");
  });

  it("asks the first rule that selects the Namespace, and no other", () => {
    const settings = policy(
      rule({ ...team("a"), allow: ["*.a.example"] }),
      rule({ ...team("b"), deny: ["*.a.example"] }),
      rule({ deny: ["*"] }),
    );
    expect(verdict("x.a.example", settings, { team: "a" })).to.equal("allowed");
    expect(verdict("x.b.example", settings, { team: "a" })).to.equal("refused");
    expect(verdict("x.a.example", settings, { team: "b" })).to.equal("refused");
    expect(verdict("x.b.example", settings, { team: "b" })).to.equal("allowed");
    expect(verdict("x.b.example", settings, {})).to.equal("refused");
  });

  it("says what refuses the host", () => {
    const reasonOf = (name: string, one: HostPolicyRule) => {
      const judgement = judge(host(name), {}, policy(one));
      return judgement.kind === "refused" ? judgement.reason : "";
    };
    expect(reasonOf("a.example", rule({ deny: ["b.example", "*.example"] }))).to.include("*.example");
    expect(reasonOf("a.example", rule({ allow: ["b.example"] }))).to.include("allow");
  });

  const label = fc.constantFrom("a", "b", "c");
  const pattern = fc
    .tuple(fc.boolean(), fc.array(label, { minLength: 2, maxLength: 4 }))
    .map(([isWildcard, labels]) => (isWildcard ? "*." : "") + labels.join("."));
  const concrete = fc
    .array(label, { minLength: 2, maxLength: 5 })
    .map((labels) => labels.join(".") as HostName);
  const stands = (claim: string, name: string) =>
    claim === name || (claim.startsWith("*.") && name.endsWith(claim.slice(1)));

  /** The name itself, or a wildcard that stands for it. */
  const standingFor = (name: string) => {
    const labels = name.split(".");
    const rests = labels.slice(1).map((_, at) => `*.${labels.slice(at + 1).join(".")}`);
    return fc.constantFrom(name, ...rests);
  };

  it("never gives a denied name to anybody, whatever wildcard stands for it", () => {
    const cases = concrete.chain((name) =>
      fc.tuple(standingFor(name), standingFor(name), fc.array(pattern, { maxLength: 3 })),
    );
    fc.assert(
      fc.property(cases, ([claim, denied, others]) => {
        expect(verdict(claim, policy(rule({ deny: [...others, denied] })))).to.equal("refused");
      }),
    );
  });

  it("never gives a name that is not allowed", () => {
    const cases = concrete.chain((name) => fc.tuple(fc.constant(name), standingFor(name)));
    fc.assert(
      fc.property(cases, fc.array(pattern, { minLength: 1, maxLength: 3 }), ([name, claim], allow) => {
        fc.pre(!allow.some((each) => stands(each, name)));
        expect(verdict(claim, policy(rule({ allow })))).to.equal("refused");
      }),
    );
  });

  it("allows what stands in no pattern of a deny list", () => {
    fc.assert(
      fc.property(concrete, fc.array(pattern), (name, deny) => {
        fc.pre(isHostName(parseHostName(name)));
        const isDenied = deny.some((each) => stands(each, name));
        expect(verdict(name, policy(rule({ deny })))).to.equal(isDenied ? "refused" : "allowed");
      }),
    );
  });
});

describe("maxVisibilityOf", () => {
  it("is that of the first rule that fits, else the default", () => {
    const rules = [rule({ ...team("a") }), rule({ ...team("b"), maxVisibility: "namespace" })];
    const settings = (defaultVisibility: "public" | "namespace") => ({
      hostPolicy: rules,
      defaultVisibility,
    });
    expect(maxVisibilityOf({ team: "a" }, settings("namespace"))).to.equal("public");
    expect(maxVisibilityOf({ team: "b" }, settings("public"))).to.equal("namespace");
    expect(maxVisibilityOf({ team: "c" }, settings("public"))).to.equal("public");
    expect(maxVisibilityOf({ team: "c" }, settings("namespace"))).to.equal("namespace");
  });
});

describe("allowedAddresses", () => {
  it("are those of the first rule that fits", () => {
    const metadata = parseIpPrefix("169.254.169.254")!;
    const rules = [rule({ ...team("a"), allowAddresses: [metadata] })];
    expect(allowedAddresses({ team: "a" }, rules)).to.deep.equal([metadata]);
    expect(allowedAddresses({ team: "b" }, rules)).to.deep.equal([]);
    expect(allowedAddresses({ team: "a" }, [rule(), ...rules])).to.deep.equal([]);
  });
});

describe("narrowed", () => {
  const of = (isPublic: boolean, ...namespaces: string[]) => ({ isPublic, namespaces: new Set(namespaces) });
  it("leaves everything as it is where public is allowed", () => {
    for (const visibility of [of(true), of(false, "b", "c"), of(false)])
      expect(narrowed(visibility, "a", "public")).to.deep.equal(visibility);
  });

  it("leaves an entry to its own namespace, and to nobody where it did not mean that", () => {
    expect(narrowed(of(true), "a", "namespace")).to.deep.equal(of(false, "a"));
    expect(narrowed(of(false, "a", "b"), "a", "namespace")).to.deep.equal(of(false, "a"));
    expect(narrowed(of(false, "b"), "a", "namespace")).to.deep.equal(of(false));
    expect(narrowed(of(false), "a", "namespace")).to.deep.equal(of(false));
  });
});

describe("policyProblems", () => {
  it("says that hosts are unrestricted while they are", () => {
    expect(policyProblems(policy()).map(({ code }) => code)).to.deep.equal(["PublicHostsUnrestricted"]);
    expect(policyProblems(policy(rule()))).to.deep.equal([]);
    expect(policyProblems({ hostPolicy: [], defaultVisibility: "namespace" })).to.deep.equal([]);
  });
});
