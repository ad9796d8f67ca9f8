/** What a server reports of a folder, `check` reports of it too: the same registry, asked before and after. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { askProblems } from "../../../src/cli/api-rows.ts";
import { runCheck } from "../../../src/cli/check.ts";
import { freePort, Program, ROOT } from "../../support/program.ts";
import { CommandOutput } from "../command-output.ts";

const HEAD = (kind: string, name: string, more = "") =>
  `apiVersion: ${kind === "Pod" || kind === "Namespace" ? "v1" : "networking.istio.io/v1"}\nkind: ${kind}\nmetadata:\n  name: ${name}\n${more}`;
const PORTS = `  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]\n`;

/** One of nearly everything that can be wrong with an object. */
const OWN = [
  HEAD("Namespace", "tools"),
  `${HEAD("ServiceEntry", "reserved")}spec:\n  hosts: [web.tools, "*.com", localhost, "bad host", a.svc]\n${PORTS}  resolution: DNS\n`,
  `${HEAD("ServiceEntry", "shape")}spec: { hosts: 5 }\n`,
  `${HEAD("ServiceEntry", "addresses")}spec:\n  hosts: [addresses.example.com]\n  addresses: [127.0.0.1, nothing, 10.0.0.0/8]\n${PORTS}  resolution: STATIC\n  endpoints: [{ address: 169.254.169.254 }, { address: name.example.com }, { address: "unix:///a" }, { network: n2 }, { address: 10.0.0.300 }]\n`,
  `${HEAD("ServiceEntry", "none")}spec:\n  hosts: [none.example.com]\n${PORTS}  endpoints: [{ address: 10.0.0.1 }]\n  workloadSelector: { labels: { app: x } }\n`,
  `${HEAD("ServiceEntry", "empty")}spec:\n  hosts: [empty.example.com]\n${PORTS}  resolution: STATIC\n`,
  `${HEAD("ServiceEntry", "both")}spec:\n  hosts: [both.example.com]\n${PORTS}  resolution: STATIC\n  endpoints: [{ address: 10.0.0.1 }]\n  workloadSelector: { labels: { app: x } }\n`,
  `${HEAD("ServiceEntry", "wild")}spec:\n  hosts: ["*.wild.example.com"]\n${PORTS}  resolution: DNS\n`,
  `${HEAD("ServiceEntry", "circle")}spec:\n  hosts: [circle.example.com]\n${PORTS}  resolution: DNS\n  endpoints: [{ address: circle.example.com }]\n`,
  `${HEAD("ServiceEntry", "selects")}spec:\n  hosts: [selects.example.com]\n${PORTS}  resolution: STATIC\n  workloadSelector: { labels: { app: vm } }\n`,
  `${HEAD("WorkloadEntry", "vm-1", "  labels: { app: vm }\n")}spec: { network: n2, ports: { http: 8081 } }\n`,
  `${HEAD("WorkloadEntry", "vm-2", "  labels: { app: vm }\n")}spec: { address: name.example.com }\n`,
  `${HEAD("ServiceEntry", "annotated", '  annotations: { serviceentry-dns.io/ttl: "7200", serviceentry-dns.io/answer: sometimes }\n')}spec:\n  hosts: [annotated.example.com]\n${PORTS}  resolution: DNS\n`,
  `${HEAD("ServiceEntry", "first", "  namespace: one\n")}spec:\n  hosts: [shared.example.com]\n${PORTS}  resolution: STATIC\n  endpoints: [{ address: 10.0.0.1 }]\n`,
  `${HEAD("ServiceEntry", "second", "  namespace: two\n")}spec:\n  hosts: [shared.example.com]\n${PORTS}  resolution: STATIC\n  endpoints: [{ address: 10.0.0.2 }]\n`,
  `${HEAD("ServiceEntry", "first", "  namespace: one\n")}spec:\n  hosts: [twice.example.com]\n${PORTS}  resolution: DNS\n`,
  "kind: ServiceEntry\nspec: [broken\n",
].join("---\n");

describe("check and serve --source", () => {
  let folder: string;
  let program: Program | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "agreement-"));
  });

  afterEach(async () => {
    await program?.end();
    rmSync(folder, { recursive: true });
  });

  /** Code and object of every problem that a server with this source reports, its own settings aside. */
  async function served(source: string): Promise<readonly string[]> {
    const [dns, admin, api] = await Promise.all([freePort(), freePort(), freePort()]);
    program = new Program([
      "serve",
      `--source=${source}`,
      // Nobody answers there: what upstream says of names is not in the files.
      "--upstreams=127.0.0.1:9",
      `--listen=127.0.0.1:${dns}`,
      `--admin=127.0.0.1:${admin}`,
      `--api=127.0.0.1:${api}`,
    ]);
    await program.says(/"msg":"ready"/);
    const problems = await askProblems(new URL(`http://127.0.0.1:${api}`));
    return problems
      .filter(({ code }) => code !== "PublicHostsUnrestricted")
      .map(
        ({ code, object, message }) => `${code} ${object.kind}/${object.namespace}/${object.name} ${message}`,
      );
  }

  async function checked(source: string): Promise<readonly string[]> {
    const output = new CommandOutput();
    await runCheck(["-f", source, "-o", "json"], { version: "1" }, output);
    const { findings } = JSON.parse(output.text) as {
      findings: { code: string; object: Record<string, string>; message: string }[];
    };
    return findings.map(
      ({ code, object, message }) =>
        `${code} ${object["kind"]}/${object["namespace"]}/${object["name"]} ${message}`,
    );
  }

  it("agree on the examples", async () => {
    const examples = join(ROOT, "manifests/examples");
    const [ofServer, ofCheck] = [await served(examples), await checked(examples)];
    expect(ofServer).to.have.length.greaterThan(5);
    expect(ofServer.filter((each) => !ofCheck.includes(each))).to.deep.equal([]);
  });

  it("agree on everything that can be wrong", async () => {
    writeFileSync(join(folder, "all.yaml"), OWN);
    const [ofServer, ofCheck] = [await served(folder), await checked(folder)];
    expect(ofServer.filter((each) => !ofCheck.includes(each))).to.deep.equal([]);
    const codes = new Set(ofServer.map((each) => each.split(" ")[0]));
    for (const code of [
      "SyntaxError",
      "DuplicateObject",
      "ShapeInvalid",
      "HostInvalid",
      "HostReserved",
      "WildcardTooWide",
      "AddressInvalid",
      "AddressForbidden",
      "EndpointSkipped",
      "EndpointNameInStatic",
      "EndpointUnixSocket",
      "EndpointWithoutAddress",
      "EndpointsIgnored",
      "EndpointSelf",
      "SelectorIgnored",
      "SelectorWithNone",
      "NoEndpoints",
      "WildcardWithDns",
      "HostConflict",
      "AnnotationInvalid",
      "PortMismatch",
    ])
      expect(codes, code).to.include(code);
  });
});
