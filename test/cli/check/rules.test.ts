/** Every rule that only `check` has: what it says, of which line and column, and what it leaves alone. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { runCheck } from "../../../src/cli/check.ts";
import { PROBLEMS } from "../../../src/mesh/problem.ts";
import { CommandOutput } from "../command-output.ts";

/** Stands in a case before what the finding must point at. */
const MARK = "¦";

interface JsonFinding {
  readonly code: string;
  readonly severity: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

async function findings(text: string, ...argv: readonly string[]): Promise<readonly JsonFinding[]> {
  const output = new CommandOutput();
  const stdin = async () => text;
  await runCheck(["-f", "-", "-o", "json", ...argv], { version: "0", stdin }, output);
  expect(output.errors).to.equal("");
  return JSON.parse(output.text).findings;
}

/** Where the marks are, and the text without them. */
function unmarked(text: string): { readonly text: string; readonly places: readonly string[] } {
  const places: string[] = [];
  const lines = text.split("\n").map((line, index) => {
    let rest = line;
    for (let at = rest.indexOf(MARK); at !== -1; at = rest.indexOf(MARK)) {
      places.push(`${index + 1}:${at + 1}`);
      rest = rest.slice(0, at) + rest.slice(at + 1);
    }
    return rest;
  });
  return { text: lines.join("\n"), places };
}

const ENTRY = (spec: string, metadata = "") => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: web
  namespace: shop${metadata}
spec:
${spec}`;

const HTTP = `  ports:
  - number: 80
    name: http
    protocol: HTTP`;

const WORKLOAD = (spec: string) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
  namespace: shop
spec:
${spec}`;

const POD = (spec: string) => `apiVersion: v1
kind: Pod
metadata:
  name: client
  namespace: shop
spec:
${spec}
  containers:
  - name: main
    image: example
`;

const SEARCHES = `    searches: [shop.svc.cluster.local, svc.cluster.local, cluster.local]`;

const ASKED = `
  annotations:
    serviceentry-dns.io/publish: "true"`;
const NAMESPACE = (metadata: string) => `apiVersion: v1
kind: Namespace
metadata:
  name: shop
${metadata}
---
`;
const ALLOWED = NAMESPACE("  labels: { serviceentry-dns.io/publish: allowed }");
const STATIC = "\n  resolution: STATIC\n  endpoints:\n  - address: 10.1.0.1";
const SERVICE = `---
apiVersion: v1
kind: Service
metadata: { name: other, namespace: shop }
spec: { clusterIP: 10.96.7.7, clusterIPs: [10.96.7.7, "fd00:96::7"] }
`;

const CASES: readonly [code: keyof typeof PROBLEMS, title: string, text: string, ...argv: string[]][] = [
  [
    "AnnotationInvalid",
    "publishing in another case",
    ENTRY(
      `  hosts: [web.example.com]\n${HTTP}${STATIC}`,
      "\n  annotations: { serviceentry-dns.io/publish: ¦True }",
    ),
  ],
  [
    "PublishMisplaced",
    "a label of the entry",
    ENTRY(
      `  hosts: [web.example.com]\n${HTTP}${STATIC}`,
      '\n  labels: { serviceentry-dns.io/publish: ¦"true" }',
    ),
  ],
  [
    "PublishMisplaced",
    "an annotation of the Namespace",
    NAMESPACE("  annotations: { serviceentry-dns.io/publish: ¦allowed }"),
  ],
  [
    "PublishLabelInvalid",
    "another word than allowed",
    NAMESPACE("  labels: { serviceentry-dns.io/publish: ¦Allowed }"),
  ],
  [
    "PublishNotAllowed",
    "a Namespace without the label",
    NAMESPACE("  labels: { team: shop }") +
      ENTRY(
        `  hosts: [web.example.com]\n${HTTP}${STATIC}`,
        '\n  annotations: { serviceentry-dns.io/publish: ¦"true" }',
      ),
  ],
  [
    "PublishRefused",
    "a wildcard beside a name",
    ENTRY(`  hosts:\n  - web.example.com\n  - ¦"*.web.example.com"\n${HTTP}${STATIC}`, ASKED),
  ],
  [
    "PublishRefused",
    "the name of a Service",
    ALLOWED + ENTRY(`  hosts: [¦web.shop.svc.cluster.local]\n${HTTP}${STATIC}`, ASKED),
  ],
  [
    "PublishRefused",
    "resolution NONE",
    ENTRY(`  hosts: [web.example.com]\n  addresses: [10.8.0.1]\n${HTTP}\n  resolution: ¦NONE`, ASKED),
  ],
  [
    "PublishRefused",
    "a virtual address of its own",
    ENTRY(`  hosts: [web.example.com]\n  ¦addresses: [10.8.0.1]\n${HTTP}${STATIC}`, ASKED),
  ],
  ["PublishRefused", "no ports", ENTRY(`  hosts: [web.example.com]\n  ¦ports: []${STATIC}`, ASKED)],
  [
    "PublishRefused",
    "more ports than a slice takes",
    ENTRY(
      `  hosts: [web.example.com]\n  ¦ports: [${Array.from({ length: 101 }, (_, at) => `{ number: ${8000 + at}, name: p${at}, protocol: HTTP }`).join()}]${STATIC}`,
      ASKED,
    ),
  ],
  [
    "PublishSkipped",
    "the address of a Service in the files",
    `${ENTRY(`  hosts: [web.example.com]\n${HTTP}${STATIC}\n  - address: ¦10.96.7.7`, ASKED)}\n${SERVICE}`,
  ],
  [
    "PublishSkipped",
    "its other family, written otherwise",
    `${ENTRY(`  hosts: [web.example.com]\n${HTTP}${STATIC}\n  - address: ¦"fd00:96:0::0:7"`, ASKED)}\n${SERVICE}`,
  ],
  [
    "PublishSkipped",
    "the range of Services",
    ENTRY(`  hosts: [web.example.com]\n${HTTP}${STATIC}\n  - address: ¦10.96.200.1`, ASKED),
    "--service-range=fd00:96::/108",
    "--service-range=10.96.0.0/16",
  ],
  [
    "PublishSkipped",
    "what a mesh allocates",
    ENTRY(`  hosts: [web.example.com]\n${HTTP}${STATIC}\n  - address: ¦240.240.0.1`, ASKED),
  ],
  [
    "PublishPortRenamed",
    "capitals",
    ENTRY(
      `  hosts: [web.example.com]\n  ports:\n  - number: 80\n    name: ¦HTTP-Web\n    protocol: HTTP${STATIC}`,
      ASKED,
    ),
  ],
  ["HostNotFqdn", "an underscore", ENTRY(`  hosts:\n  - ¦my_api.example.com\n${HTTP}\n  resolution: DNS`)],
  ["HostNotFqdn", "a number at the end", ENTRY(`  hosts: [¦api.example.123]\n${HTTP}\n  resolution: DNS`)],
  [
    "HostNotFqdn",
    "an endpoint with an underscore",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  endpoints:\n  - address: ¦back_end.example.com`,
    ),
  ],
  [
    "HostsShareTcp",
    "two hosts on one TCP port",
    ENTRY(`  hosts: [a.example.com, b.example.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - number: ¦5432
    name: postgres
    protocol: TCP
  resolution: DNS`),
  ],
  [
    "CidrWithDns",
    "a prefix, though it is of one address",
    ENTRY(`  hosts: [a.example.com]\n  addresses: [10.1.1.1, ¦10.2.0.1/32]\n${HTTP}\n  resolution: DNS`),
  ],
  [
    "SelectorInvalid",
    "a wildcard in a value",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  workloadSelector:\n    labels:\n      app: web\n      tier: ¦"*"`,
    ),
  ],
  [
    "SelectorEmpty",
    "no label",
    ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  ¦workloadSelector: {}`),
  ],
  [
    "PortNameInvalid",
    "no name",
    ENTRY(`  hosts: [a.example.com]\n  ports:\n  - ¦number: 80\n    protocol: HTTP\n  resolution: DNS`),
  ],
  [
    "PortNameInvalid",
    "a name with an underscore",
    ENTRY(`  hosts: [a.example.com]\n  ports:\n  - number: 80\n    name: ¦my_port\n  resolution: DNS`),
  ],
  [
    "PortDuplicate",
    "a number twice",
    ENTRY(`  hosts: [a.example.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: ¦80, name: http2, protocol: HTTP2 }
  resolution: DNS`),
  ],
  [
    "PortDuplicate",
    "a name twice",
    ENTRY(`  hosts: [a.example.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 81, name: ¦http, protocol: HTTP }
  resolution: DNS`),
  ],
  [
    "ProtocolUnknown",
    "a slip",
    ENTRY(
      `  hosts: [a.example.com]\n  ports:\n  - { number: 443, name: https, protocol: ¦HTPS }\n  resolution: DNS`,
    ),
  ],
  [
    "TcpWithoutAddress",
    "TCP, and no address is allocated for NONE",
    ENTRY(
      `  hosts: [a.example.com]\n  ports:\n  - number: ¦5432\n    name: postgres\n    protocol: TCP\n  resolution: NONE`,
    ),
  ],
  [
    "TcpWithoutAddress",
    "TCP, and the label forbids an allocation",
    ENTRY(
      `  hosts: [a.example.com]\n  ports:\n  - number: ¦5432\n    name: postgres\n  resolution: DNS`,
      `\n  labels:\n    networking.istio.io/enable-autoallocate-ip: "False"`,
    ),
  ],
  [
    "EndpointPortUndefined",
    "a port name that the entry lacks",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  endpoints:\n  - address: 10.0.0.1\n    ports:\n      web: ¦80`,
    ),
  ],
  [
    "UnixEndpointInvalid",
    "a relative path",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  endpoints:\n  - address: ¦unix://run/a.sock`,
    ),
  ],
  ["UnixEndpointInvalid", "a folder in a WorkloadEntry", WORKLOAD("  address: ¦unix:///run/")],
  [
    "RoundRobinEndpoints",
    "two endpoints",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS_ROUND_ROBIN\n  endpoints:\n  - address: b.example.com\n  - ¦address: c.example.com`,
    ),
  ],
  [
    "DynamicDnsHost",
    "a host that is no wildcard",
    ENTRY(`  hosts: ["*.example.com", ¦a.example.org]\n${HTTP}\n  resolution: DYNAMIC_DNS`),
  ],
  ["LabelInvalid", "a label of a WorkloadEntry", WORKLOAD(`  address: 10.0.0.1\n  labels:\n    app: ¦"a b"`)],
  [
    "ExportToInvalid",
    "a namespace twice",
    ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  exportTo: [a, ¦a]`),
  ],
  [
    "ExportToInvalid",
    "the own one by dot and name",
    ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  exportTo: [shop, ¦.]`),
  ],
  [
    "ExportToInvalid",
    "a star beside another",
    ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  exportTo: [a, ¦"*"]`),
  ],
  [
    "ExportToInvalid",
    "what is no name",
    ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  exportTo: [¦a/b]`),
  ],
  [
    "ExportToUnknownNamespace",
    "a Namespace that is not there",
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n---\n${ENTRY(`  hosts: [a.example.com]\n${HTTP}\n  resolution: DNS\n  exportTo: [shop, ¦shpo]`)}`,
  ],
  [
    "FieldUnknown",
    "a slip in a field's name",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  ¦endpoint:\n  - address: 10.0.0.1\n  endpoints:\n  - address: 10.0.0.2`,
    ),
  ],
  [
    "FieldUnknown",
    "a slip within an endpoint",
    ENTRY(
      `  hosts: [a.example.com]\n${HTTP}\n  resolution: STATIC\n  endpoints:\n  - address: 10.0.0.1\n    adress: ¦10.0.0.2`,
    ),
  ],
  [
    "ApiVersionUnknown",
    "a version that is none",
    `apiVersion: ¦networking.istio.io/v2\nkind: ServiceEntry\nmetadata: { name: a }\nspec: { hosts: [a.example.com] }`,
  ],
  [
    "DnsPolicyAppends",
    "a nameserver without a policy",
    POD(`  dnsConfig:\n    nameservers:\n    - ¦10.96.0.53`),
  ],
  [
    "DnsPolicyAppends",
    "in the template of a Deployment",
    `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  template:
    spec:
      dnsPolicy: ClusterFirstWithHostNet
      dnsConfig: { nameservers: [¦10.96.0.53] }`,
  ],
  ["DnsConfigInvalid", "None without a nameserver", POD(`  dnsPolicy: ¦None`)],
  [
    "DnsConfigInvalid",
    "a nameserver that is no address",
    POD(`  dnsPolicy: None\n  dnsConfig:\n    nameservers: [¦dns.example.com]`),
  ],
  [
    "NameserverOrder",
    "another server before us",
    POD(
      `  dnsPolicy: None\n  dnsConfig:\n    nameservers:\n    - ¦10.96.0.10\n    - 10.96.0.53\n${SEARCHES}`,
    ),
    "--nameserver=10.96.0.53",
  ],
  [
    "NameserverBeside",
    "CoreDNS behind us",
    POD(`  dnsPolicy: None\n  dnsConfig:\n    nameservers: [10.96.0.53, ¦10.96.0.10]\n${SEARCHES}`),
    "--nameserver=10.96.0.53",
  ],
  [
    "SearchMissing",
    "a search path without the namespace",
    POD(
      `  dnsPolicy: None\n  dnsConfig:\n    nameservers: [10.96.0.53]\n    ¦searches: [svc.cluster.local, cluster.local]`,
    ),
  ],
  [
    "DnsOptionUnwise",
    "ndots 1",
    POD(
      `  dnsPolicy: None\n  dnsConfig:\n    nameservers: [10.96.0.53]\n${SEARCHES}\n    options:\n    - name: ¦ndots\n      value: "1"`,
    ),
  ],
];

/** The codes behind the comment in problem.ts: those that no server reports. */
const FIRST_OF_CHECK = "HostNotFqdn";
const OF_CHECK = Object.keys(PROBLEMS).slice(Object.keys(PROBLEMS).indexOf(FIRST_OF_CHECK));

describe("check: rules", () => {
  for (const [code, title, marked, ...argv] of CASES) {
    it(`${code}: ${title}`, async () => {
      const { text, places } = unmarked(marked);
      const found = await findings(text, ...argv);
      const said = found.map((each) => `${each.line}:${each.column} ${each.code}`);
      expect(said).to.include(`${places[0]} ${code}`);
      expect(found.filter((each) => each.code === code)).to.have.length(1);
    });
  }

  it("have a case each", () => {
    const tested = new Set<string>(CASES.map(([code]) => code));
    expect(OF_CHECK.filter((code) => !tested.has(code))).to.deep.equal([]);
    expect(OF_CHECK).to.have.length.greaterThan(20);
  });

  const GOOD: readonly [title: string, text: string, ...argv: string[]][] = [
    [
      "an entry as Istio takes it",
      ENTRY(
        `  hosts: [a.example.com, "*.b.example.com"]\n${HTTP}\n  resolution: NONE\n  exportTo: [., other]`,
      ),
    ],
    [
      "hosts that share TLS",
      ENTRY(
        `  hosts: [a.example.com, b.example.com]\n  ports:\n  - { number: 443, name: tls, protocol: TLS }\n  resolution: DNS`,
      ),
    ],
    [
      "TCP with an allocated address",
      ENTRY(
        `  hosts: [a.example.com]\n  ports:\n  - { number: 5432, name: tcp, protocol: TCP }\n  resolution: DNS`,
      ),
    ],
    [
      "a Unix socket's form",
      WORKLOAD("  address: unix:///run/a.sock\n  labels: { app.kubernetes.io/name: web, empty: '' }"),
    ],
    [
      "a pod that asks us alone",
      POD(
        `  dnsPolicy: None\n  dnsConfig:\n    nameservers: [10.96.0.53, 10.96.0.54]\n${SEARCHES}\n    options:\n    - { name: ndots, value: "5" }\n    - { name: edns0 }`,
      ),
      "--nameserver=10.96.0.53",
      "--nameserver=10.96.0.54",
    ],
    [
      "a pod that asks a resolver on the Internet",
      POD(`  dnsPolicy: None\n  dnsConfig:\n    nameservers: [9.9.9.9]`),
    ],
    ["a pod that says nothing of DNS", POD("  dnsPolicy: ClusterFirst")],
    [
      "ports that differ, of an entry that will be published",
      ALLOWED + ENTRY(`  hosts: [web.example.com]\n${HTTP}\n    targetPort: 8000${STATIC}`, ASKED),
    ],
    [
      "ports that differ, where the Namespace is not known",
      ENTRY(`  hosts: [web.example.com]\n${HTTP}\n    targetPort: 8000${STATIC}`, ASKED),
    ],
    [
      "what an entry that is not published could not be",
      NAMESPACE("  labels: { team: shop }") +
        ENTRY(
          `  hosts: ["*.web.example.com"]\n  ports: [{ number: 80, name: HTTP, protocol: HTTP }]${STATIC}\n  - address: 10.96.0.1`,
          '\n  annotations: { serviceentry-dns.io/publish: "false" }',
        ),
      "--service-range=10.96.0.0/16",
    ],
    [
      "an object of a kind that is not ours",
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { hosts: x }`,
    ],
  ];
  for (const [title, text, ...argv] of GOOD) {
    it(`say nothing of ${title}`, async () => {
      expect((await findings(text, ...argv)).map(({ code, message }) => `${code}: ${message}`)).to.deep.equal(
        [],
      );
    });
  }

  it("know our addresses from the Service among the files and from the settings", async () => {
    const pod = POD(
      `  dnsPolicy: None\n  dnsConfig:\n    nameservers: [10.96.0.53, 10.96.0.10]\n${SEARCHES}`,
    );
    const service = (app: string) =>
      `apiVersion: v1\nkind: Service\nmetadata: { name: dns, labels: { app: ${app} } }\nspec: { clusterIP: 10.96.0.53 }\n---\n`;
    const codes = async (text: string) => (await findings(text)).map(({ code }) => code);
    expect(await codes(service("serviceentry-dns") + pod)).to.deep.equal(["NameserverBeside"]);
    expect(await codes(service("another") + pod)).to.deep.equal([]);
  });

  describe("of publishing", () => {
    const MISMATCH = ENTRY(`  hosts: [web.example.com]\n${HTTP}\n    targetPort: 8000${STATIC}`);
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "check-"));
    });

    afterEach(() => rmSync(folder, { recursive: true }));

    function settings(text: string): string {
      const file = join(folder, "settings.yaml");
      writeFileSync(file, text);
      return `--config=${file}`;
    }

    it("point who has other ports at it, unless the entry cannot be published", async () => {
      const remedies = async (text: string) => {
        const output = new CommandOutput();
        await runCheck(["-f", "-", "-o", "json"], { version: "0", stdin: async () => text }, output);
        const found: { code: string; remedy: string }[] = JSON.parse(output.text).findings;
        return found.filter(({ code }) => code === "PortMismatch").map(({ remedy }) => remedy);
      };
      expect(await remedies(MISMATCH)).to.deep.equal([PROBLEMS.PortMismatch.remedy]);
      const wildcard = MISMATCH.replace("web.example.com", '"*.web.example.com"');
      const [other] = await remedies(wildcard);
      expect(other).to.include("for a wildcard stands for names").and.not.include("docs/publishing.md");
    });

    it("know the settings: mapped chooses where ports differ, off chooses nothing", async () => {
      const codes = async (text: string, ...argv: readonly string[]) =>
        (await findings(text, ...argv)).map(({ code }) => code);
      expect(await codes(ALLOWED + MISMATCH)).to.deep.equal(["PortMismatch"]);
      const mapped = settings("publish: mapped\n");
      expect(await codes(ALLOWED + MISMATCH, mapped)).to.deep.equal([]);
      expect(await codes(MISMATCH, mapped)).to.deep.equal(["PortMismatch"]);
      const inRange = MISMATCH.replace("10.1.0.1", "10.96.0.1");
      expect(await codes(ALLOWED + inRange, mapped, "--service-range=10.96.0.0/16")).to.deep.equal([
        "PublishSkipped",
      ]);
      const asked = ENTRY(`  hosts: [web.example.com]\n${HTTP}${STATIC}`, ASKED);
      expect(await codes(ALLOWED + asked, settings("publish: off\n"))).to.deep.equal(["PublishNotAllowed"]);
    });

    it("refuse a range that is none", async () => {
      const output = new CommandOutput();
      const status = await runCheck(["-f", "-", "--service-range", "10.96"], { version: "0" }, output);
      expect(status).to.equal(2);
      expect(output.errors).to.include("--service-range 10.96 is no range of addresses");
    });
  });

  it("never throw, whatever shape a manifest has", async () => {
    const kinds = [
      "networking.istio.io/v1 ServiceEntry",
      "networking.istio.io/v1 WorkloadEntry",
      "v1 Pod",
      "apps/v1 Deployment",
    ];
    const names = [
      "hosts",
      "addresses",
      "ports",
      "endpoints",
      "workloadSelector",
      "exportTo",
      "resolution",
      "labels",
      "address",
      "template",
      "spec",
      "dnsConfig",
      "nameservers",
      "searches",
      "options",
      "dnsPolicy",
      "name",
      "number",
      "protocol",
    ];
    const words = fc.constantFrom(
      "*",
      "a.example.com",
      "10.0.0.1",
      "10.0.0.0/8",
      "unix:///",
      "DNS",
      "STATIC",
      "None",
      ".",
      "~",
      "",
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, words, fc.integer(), fc.constant(null), tie("list"), tie("fields")),
      list: fc.array(tie("value"), { maxLength: 3 }),
      fields: fc.dictionary(fc.constantFrom(...names), tie("value"), { maxKeys: 5 }),
    }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...kinds), value, value, async (kind, spec, labels) => {
        const [apiVersion, name] = kind.split(" ");
        const object = { apiVersion, kind: name, metadata: { name: "a", labels }, spec };
        for (const { line, column } of await findings(JSON.stringify(object, null, 1))) {
          expect(line).to.be.greaterThan(0);
          expect(column).to.be.greaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });
});
