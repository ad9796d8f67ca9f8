/** The manifests at a real API server: taken as they are, admitted as they are, allowed exactly what they ask for. */

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { V1SelfSubjectRulesReview } from "@kubernetes/client-node";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import {
  baseObject,
  baseObjects,
  INSTALL,
  identityOf,
  type KubernetesObject,
  MANIFESTS,
} from "./base-objects.ts";

const CRDS = join(ROOT, "test/fixtures/crds");
const NAMESPACE = "serviceentry-dns";
const PATIENCE_MS = 30_000;
/** What Kubernetes itself allows everybody who has a token. */
const FOR_EVERYBODY = ["authentication.k8s.io", "authorization.k8s.io"];

describe("the manifests at a real API server", function () {
  this.timeout(120_000);
  let server: RealApiServer;
  /** A kubeconfig of our service account, with a token as a pod gets it. */
  let account: string;

  before(async function () {
    const reason = whyNoApiServer();
    if (reason !== undefined) {
      process.stdout.write(`\n  skipped: ${this.test?.parent?.title}: ${reason}\n`);
      this.skip();
    }
    server = await RealApiServer.start();
    await kubectl(["apply", "--server-side", "-f", CRDS]);
    await kubectl(["wait", "--for=condition=Established", "crd", "--all"]);
    // Of the second guide's objects.
    await kubectl(["create", "namespace", "gwtest"]);
    // What is to be warned of would be said.
    await kubectl(["label", "namespace", "default", "pod-security.kubernetes.io/warn=restricted"]);
    const { error } = await kubectl(["apply", "--server-side", "--validate=strict", "-f", INSTALL]);
    expect(error).to.equal("");
    account = await kubeconfigOfAccount();
  });

  after(() => server?.close());

  /** As admin unless another kubeconfig is named; `error`: warnings too. */
  async function kubectl(
    args: readonly string[],
    kubeconfig = server.kubeconfig("admin"),
  ): Promise<{ readonly out: string; readonly error: string }> {
    const { stdout, stderr } = await promisify(execFile)(
      join(process.env["KUBEBUILDER_ASSETS"]!, "kubectl"),
      [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(server.folder, "cache")}`, ...args],
      { timeout: PATIENCE_MS },
    );
    return { out: stdout, error: stderr };
  }

  async function kubeconfigOfAccount(): Promise<string> {
    const { out: token } = await kubectl(["-n", NAMESPACE, "create", "token", NAMESPACE]);
    const config = JSON.parse((await kubectl(["config", "view", "--raw", "--flatten", "-o", "json"])).out);
    config.users[0].user = { token: token.trim() };
    return write("account.kubeconfig", config);
  }

  function write(name: string, content: unknown): string {
    const path = join(server.folder, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  }

  /** What the command complained of; it must fail. */
  async function refusal(args: readonly string[]): Promise<string> {
    try {
      await kubectl(args);
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
    throw new Error(`kubectl ${args.join(" ")} did not fail`);
  }

  describe("install.yaml", () => {
    it("is stored with every field that it has", async () => {
      const { out } = await kubectl(["get", "-f", INSTALL, "-o", "json"]);
      const { items } = JSON.parse(out) as { items: readonly KubernetesObject[] };
      expect(items.map(identityOf).sort()).to.deep.equal(baseObjects().map(identityOf).sort());
      for (const object of baseObjects()) {
        const stored = items.find((each) => identityOf(each) === identityOf(object));
        expect(missingFields(object, stored, identityOf(object))).to.deep.equal([]);
      }
    });

    it("can be applied again, by either way of applying", async () => {
      for (const args of [
        ["apply", "--server-side", "-f", INSTALL],
        ["apply", "--dry-run=server", "--server-side", "-k", join(MANIFESTS, "base")],
      ]) {
        const { out, error } = await kubectl(args);
        expect(error).to.equal("");
        expect(out.trim().split("\n")).to.have.length(baseObjects().length);
      }
    });

    it("makes pods that the namespace admits, as critical ones", async () => {
      // No controller runs here that would count.
      const status = { hard: { pods: "100" }, used: { pods: "0" } };
      await kubectl(["-n", NAMESPACE, "patch", "resourcequota", "critical-pods", ...subresource({ status })]);
      const { error, out } = await kubectl(["create", "-o", "json", "-f", write("pod.json", podObject())]);
      expect(error).to.equal("");
      const { spec, metadata } = JSON.parse(out);
      expect(spec.priority).to.equal(2_000_000_000);
      expect(spec.containers[0].ports).to.have.length(3);
      await kubectl(["-n", NAMESPACE, "delete", "pod", metadata.name, "--force", "--grace-period=0"]);
    });

    it("makes a namespace that admits no pod with more rights than ours", async () => {
      const { metadata, spec } = podObject();
      const rooted = {
        ...spec,
        securityContext: { ...spec.securityContext, runAsNonRoot: false, runAsUser: 0 },
      };
      const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: rooted };
      const message = await refusal(["create", "-f", write("rooted.json", pod)]);
      expect(message).to.match(/forbidden: violates PodSecurity "restricted:latest"/);
    });
  });

  it("takes the examples without a warning", async () => {
    for (const folder of [
      "cluster",
      "kmesh",
      ...["dns", "pods", "static", "workload-entries"].map(inKgateway),
    ]) {
      const path = join(MANIFESTS, "examples", folder);
      const args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", path];
      const { out, error } = await kubectl(args);
      expect(error, folder).to.equal("");
      expect(out, folder).to.match(/serverside-applied \(server dry run\)$/m);
    }
  });

  describe("the service account", () => {
    it("may do what the role says and nothing else", async () => {
      const review = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectRulesReview",
        spec: { namespace: NAMESPACE },
      };
      const { out } = await kubectl(
        ["create", "--validate=false", "-o", "json", "-f", write("review.json", review)],
        account,
      );
      const { status } = JSON.parse(out) as V1SelfSubjectRulesReview;
      expect(status!.incomplete).to.equal(false);
      const own = status!.resourceRules.filter(({ apiGroups }) => !FOR_EVERYBODY.includes(apiGroups![0]!));
      const texts = (rules: readonly Rule[]) => rules.flatMap(pairsOf).sort();
      expect(texts(own)).to.deep.equal(texts(baseObject("ClusterRole").rules!));
      expect(status!.nonResourceRules.flatMap(({ verbs }) => verbs)).to.satisfy((verbs: readonly string[]) =>
        verbs.every((verb) => verb === "get"),
      );
    });

    const CASES: readonly [isAllowed: boolean, verb: string, resource: string, subresource?: string][] = [
      [true, "list", "serviceentries.networking.istio.io"],
      [true, "watch", "workloadentries.networking.istio.io"],
      [true, "watch", "pods"],
      [true, "list", "namespaces"],
      [false, "patch", "serviceentries.networking.istio.io"],
      [false, "update", "serviceentries.networking.istio.io", "status"],
      [false, "list", "secrets"],
      [false, "list", "configmaps"],
      [false, "list", "services"],
      [false, "create", "pods"],
      [false, "create", "pods", "exec"],
      [false, "get", "pods", "log"],
      [false, "delete", "pods"],
      [false, "list", "virtualservices.networking.istio.io"],
      [false, "impersonate", "serviceaccounts"],
    ];
    for (const [isAllowed, verb, resource, part = ""] of CASES) {
      it(`${isAllowed ? "may" : "must not"} ${verb} ${resource} ${part}`.trimEnd(), async () => {
        const question = ["auth", "can-i", "-q", "-A", verb, resource, `--subresource=${part}`];
        const { code } = await kubectl(question, account).then(
          () => ({ code: 0 }),
          (error: { code: number }) => error,
        );
        expect(code).to.equal(isAllowed ? 0 : 1);
      });
    }

    it("is enough for the program with the settings of the ConfigMap", async () => {
      await kubectl(["apply", "--server-side", "-f", join(MANIFESTS, "examples/kgateway/workload-entries")]);
      await kubectl(["apply", "--server-side", "-f", join(MANIFESTS, "examples/kmesh")]);
      const settings = join(server.folder, "settings.yaml");
      writeFileSync(settings, baseObject("ConfigMap").data!["settings.yaml"]!);
      const [dns, admin, api] = await Promise.all([freePort(), freePort(), freePort()]);
      const program = new Program(
        [
          "serve",
          `--config=${settings}`,
          `--listen=127.0.0.1:${dns}`,
          `--admin=127.0.0.1:${admin}`,
          `--api=127.0.0.1:${api}`,
          "--upstreams=192.0.2.1",
        ],
        { env: { KUBECONFIG: account } },
      );
      try {
        await program.says(/"msg":"ready"/, PATIENCE_MS);
        expect(await addresses(dns, "static-service.example.com")).to.deep.equal([
          "192.168.1.100",
          "192.168.1.101",
        ]);
        const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
        for (const kind of ["ServiceEntry", "WorkloadEntry", "Namespace", "Pod"]) {
          expect(text, kind).to.match(new RegExp(`watch_connected\\{kind="${kind}"\\} 1$`, "m"));
        }
        const reply = await (await fetch(`http://127.0.0.1:${api}/api/problems`)).json();
        const { problems } = reply as { problems: readonly { code: string; message: string }[] };
        const unserved = problems.filter(({ code }) => ["AccessDenied", "ResourceMissing"].includes(code));
        expect(unserved).to.deep.equal([]);
      } finally {
        await program.end();
      }
    });
  });
});

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

/** `pods list` and so on, each once. */
function pairsOf({ apiGroups = [], resources = [], verbs }: Rule): readonly string[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
  );
}

function podObject() {
  const { metadata, spec } = baseObject("Deployment").spec!.template;
  const name = { name: "one", namespace: NAMESPACE, labels: metadata!.labels };
  return { apiVersion: "v1", kind: "Pod", metadata: name, spec: spec! };
}

function subresource(content: object): readonly string[] {
  return ["--subresource=status", "--type=merge", "-p", JSON.stringify(content)];
}

function inKgateway(form: string): string {
  return `kgateway/${form}`;
}

/** Paths of what is in the first and not, or otherwise, in the second. */
function missingFields(written: unknown, stored: unknown, path: string): readonly string[] {
  if (typeof written !== "object" || written === null) return written === stored ? [] : [path];
  if (typeof stored !== "object" || stored === null) return [path];
  return Object.entries(written).flatMap(([key, value]) =>
    missingFields(value, (stored as Readonly<Record<string, unknown>>)[key], `${path}.${key}`),
  );
}
