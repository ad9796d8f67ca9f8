/** Selectors and policy rules: what they take, what they refuse, and that all three sources reach them. */

import { expect } from "chai";
import { loadSettings } from "../../src/config/load-settings.ts";
import { parsePolicyRules, parseSelectors } from "../../src/config/policy-value.ts";
import { SettingsError } from "../../src/config/settings-error.ts";

const selectors = (value: unknown) => parseSelectors(JSON.stringify(value));
const rules = (value: unknown) => parsePolicyRules(JSON.stringify(value));
const faultOf = (parsed: unknown) => (parsed as { fault?: string }).fault;

function load(file: string, argv: readonly string[] = [], env: Record<string, string> = {}) {
  const readFile = (path: string) => (path === "settings.yaml" ? file : "nameserver 10.96.0.10\n");
  const { settings } = loadSettings({ argv: [...argv, "--config", "settings.yaml"], env, readFile });
  return settings;
}

describe("config: selectors and policy rules", () => {
  it("reads selectors", () => {
    const written = [
      { matchLabels: { "dns.example.com/skip": "yes", tier: "" } },
      {
        matchLabels: { a: "b" },
        matchExpressions: [
          { key: "env", operator: "NotIn", values: ["prod", "stage"] },
          { key: "old", operator: "Exists" },
        ],
      },
    ];
    expect(selectors(written)).to.deep.equal([
      written[0],
      {
        matchLabels: { a: "b" },
        matchExpressions: [
          { key: "env", operator: "NotIn", values: ["prod", "stage"] },
          { key: "old", operator: "Exists", values: [] },
        ],
      },
    ]);
  });

  it("fills in what a rule leaves out, and normalises hosts and prefixes", () => {
    const written = {
      namespaceSelector: {},
      allow: ["*.Example.COM.", "*"],
      allowAddresses: ["::ffff:127.0.0.1"],
    };
    expect(rules([written])).to.deep.equal([
      {
        namespaceSelector: {},
        allow: ["*.example.com", "*"],
        deny: [],
        maxVisibility: "public",
        allowAddresses: [{ address: "127.0.0.1", bits: 32 }],
      },
    ]);
  });

  const faults: readonly (readonly [what: string, parsed: unknown, fault: string])[] = [
    ["no JSON", parseSelectors("{"), "is no JSON"],
    ["no list", selectors({ matchLabels: { a: "b" } }), "is no list"],
    ["an empty selector", selectors([{}]), "has at [0] {}, which is empty and would match everything"],
    [
      "an unknown field",
      selectors([{ matchLabel: { a: "b" } }]),
      "has at [0] the unknown field matchLabel (did you mean matchLabels?)",
    ],
    [
      "a number for a label",
      selectors([{ matchLabels: { a: 1 } }]),
      "has at [0].matchLabels.a 1, which is not a text (numbers and booleans stand in quotes)",
    ],
    [
      "a word that is no operator",
      selectors([{ matchExpressions: [{ key: "a", operator: "in", values: ["b"] }] }]),
      'has at [0].matchExpressions[0].operator "in", which is none of In, NotIn, Exists, DoesNotExist',
    ],
    [
      "In without values",
      selectors([{ matchExpressions: [{ key: "a", operator: "In" }] }]),
      'has at [0].matchExpressions[0] {"key":"a","operator":"In"}, which needs values for In and NotIn, and none for Exists and DoesNotExist',
    ],
    ["a rule for nobody", rules([{ allow: ["*"] }]), "lacks [0].namespaceSelector"],
    [
      "a host that is none",
      rules([{ namespaceSelector: {}, deny: ["a..b"] }]),
      'has at [0].deny[0] "a..b", which has an empty label',
    ],
    [
      "another visibility",
      rules([{ namespaceSelector: {}, maxVisibility: "private" }]),
      'has at [0].maxVisibility "private", which is none of public, namespace',
    ],
    [
      "what is no prefix",
      rules([{ namespaceSelector: {}, allowAddresses: ["10.0.0.0/33"] }]),
      'has at [0].allowAddresses[0] "10.0.0.0/33", which is no address or prefix',
    ],
  ];
  for (const [what, parsed, fault] of faults)
    it(`refuses ${what}`, () => {
      expect(faultOf(parsed)).to.equal(fault);
    });

  it("come as YAML from the file, as JSON from a flag or a variable, and the flag wins", () => {
    const file =
      "hostPolicy:\n- namespaceSelector: { matchLabels: { team: a } }\n  deny: [api.example.com]\n";
    expect(load(file).hostPolicy?.[0]?.deny).to.deep.equal(["api.example.com"]);
    const text = '[{"namespaceSelector":{},"allow":["*.flag.example"]}]';
    expect(load(file, ["--host-policy", text]).hostPolicy?.[0]?.allow).to.deep.equal(["*.flag.example"]);
    const env = { SERVICEENTRY_DNS_EXCLUDE_SELECTORS: '[{"matchLabels":{"dns":"off"}}]' };
    expect(load("", [], env).excludeSelectors).to.deep.equal([{ matchLabels: { dns: "off" } }]);
  });

  it("names file, line and place of a fault", () => {
    const file = "ttl: 20\nexcludeSelectors:\n- matchLabels: { dns: true }\n";
    expect(() => load(file)).to.throw(SettingsError, /settings\.yaml:2.*\[0\]\.matchLabels\.dns true/);
  });
});
