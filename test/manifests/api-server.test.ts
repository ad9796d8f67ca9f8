/** The manifests at a real API server: taken as they are, admitted as they are, allowed exactly what they ask for. */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import type { V1SelfSubjectRulesReview } from "@kubernetes/client-node";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { RealApiServer, whyNoApiServer } from "../support/real-api-server.ts";
import { until as waitUntil } from "../support/waiting.ts";
import {
  baseObject,
  baseObjects,
  INSTALL,
  identityOf,
  type KubernetesObject,
  MANIFESTS,
} from "./base-objects.ts";
import { kustomize } from "./kustomize.ts";
import { overlayOf } from "./overlay.ts";

const CRDS = join(ROOT, "test/fixtures/crds");
const COMPONENTS = join(MANIFESTS, "components");
const NAMESPACE = "serviceentry-dns";
const ENTRY = {
  apiVersion: "networking.istio.io/v1",
  kind: "ServiceEntry",
  metadata: { name: "patched", namespace: "default" },
  spec: { hosts: ["patched.example.com"] },
};
const PATIENCE_MS = 60_000;
/** What Kubernetes itself allows everybody who has a token. */
const FOR_EVERYBODY = ["authentication.k8s.io", "authorization.k8s.io"];

describe("the manifests at a real API server", function () {
  this.timeout(240_000);
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

  /** Whether our account may: `pods`, `pods/log`, `leases/one`; in all namespaces unless one is named. */
  async function mayOur(verb: string, what: string, where?: string): Promise<boolean> {
    const [resource, part = ""] = what.split("/");
    const isSubresource = ["status", "log", "exec"].includes(part);
    const question = isSubresource ? [resource!, `--subresource=${part}`] : [what];
    const scope = where === undefined ? ["-A"] : ["-n", where];
    return kubectl(["auth", "can-i", "-q", ...scope, verb, ...question], account).then(
      () => true,
      (error: { code: number }) => {
        expect(error.code).to.equal(1);
        return false;
      },
    );
  }

  /** The status of a merge patch, or of a JSON patch if it is a list, by our account. */
  function patch(path: string, content: object): Promise<number> {
    const type = Array.isArray(content) ? "json-patch" : "merge-patch";
    const { token } = JSON.parse(readFileSync(account, "utf8")).users[0].user;
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": `application/${type}+json` };
      const options = {
        port: server.port,
        path,
        method: "PATCH",
        headers,
        rejectUnauthorized: false,
        agent: false,
      };
      request(options, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on("error", reject)
        .end(JSON.stringify(content));
    });
  }

  /** What the command complained of; it must fail. */
  async function refusal(args: readonly string[], kubeconfig?: string): Promise<string> {
    try {
      await kubectl(args, kubeconfig);
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
      const granted = [...baseObject("ClusterRole").rules!, ...baseObject("Role").rules!];
      expect(texts(own)).to.deep.equal(texts(granted));
      expect(status!.nonResourceRules.flatMap(({ verbs }) => verbs)).to.satisfy((verbs: readonly string[]) =>
        verbs.every((verb) => verb === "get"),
      );
    });

    const CASES: readonly [isAllowed: boolean, verb: string, what: string, where?: string][] = [
      [true, "list", "serviceentries.networking.istio.io"],
      [true, "watch", "workloadentries.networking.istio.io"],
      [true, "watch", "pods"],
      [true, "list", "namespaces"],
      [true, "watch", "nodes"],
      [false, "patch", "nodes"],
      [true, "create", "events"],
      [true, "patch", "events"],
      [false, "list", "events"],
      [false, "delete", "events"],
      [false, "patch", "serviceentries.networking.istio.io"],
      [false, "update", "serviceentries.networking.istio.io/status"],
      [false, "patch", "serviceentries.networking.istio.io/status"],
      [false, "list", "secrets"],
      [false, "list", "configmaps"],
      [false, "list", "services"],
      [false, "create", "services", "serviceentry-dns-published"],
      [false, "create", "pods"],
      [false, "create", "pods/exec"],
      [false, "get", "pods/log"],
      [false, "delete", "pods"],
      [false, "list", "virtualservices.networking.istio.io"],
      [false, "impersonate", "serviceaccounts"],
      [true, "create", "leases.coordination.k8s.io", NAMESPACE],
      [true, "get", "leases.coordination.k8s.io/serviceentry-dns", NAMESPACE],
      [true, "update", "leases.coordination.k8s.io/serviceentry-dns", NAMESPACE],
      [false, "patch", "leases.coordination.k8s.io/serviceentry-dns", NAMESPACE],
      [false, "update", "leases.coordination.k8s.io/another", NAMESPACE],
      [false, "delete", "leases.coordination.k8s.io/serviceentry-dns", NAMESPACE],
      [false, "list", "leases.coordination.k8s.io", NAMESPACE],
      [false, "create", "leases.coordination.k8s.io", "kube-system"],
      [false, "update", "leases.coordination.k8s.io/serviceentry-dns", "kube-system"],
      [false, "list", "secrets", NAMESPACE],
      [false, "update", "configmaps", NAMESPACE],
    ];
    for (const [isAllowed, verb, what, where] of CASES) {
      it(`${isAllowed ? "may" : "must not"} ${verb} ${what}${where === undefined ? "" : ` in ${where}`}`, async () => {
        expect(await mayOur(verb, what, where)).to.equal(isAllowed);
      });
    }

    it("may write an Event on an entry of any namespace, and hold the Lease", async () => {
      const event = write("event.json", {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "external.1", namespace: "default" },
        involvedObject: {
          apiVersion: "networking.istio.io/v1",
          kind: "ServiceEntry",
          name: "external",
          namespace: "default",
        },
        reason: "ResolveFailed",
        message: "api.example.com: SERVFAIL",
        type: "Warning",
        source: { component: NAMESPACE },
      });
      await kubectl(["create", "--validate=false", "-f", event], account);
      const count = ["-n", "default", "patch", "event", "external.1", "--type=merge", "-p", '{"count":2}'];
      // kubectl reads before it patches, which we may not: so the raw request.
      expect(await refusal(count, account)).to.match(/cannot get resource "events"/);
      expect(await patch("/api/v1/namespaces/default/events/external.1", { count: 2 })).to.equal(200);

      const lease = (name: string) =>
        write(`lease-${name}.json`, {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name, namespace: NAMESPACE },
          spec: { holderIdentity: "one", leaseDurationSeconds: 15 },
        });
      await kubectl(["create", "--validate=false", "-f", lease(NAMESPACE)], account);
      await kubectl(["replace", "--validate=false", "-f", lease(NAMESPACE)], account);
      expect(await refusal(["replace", "--validate=false", "-f", lease("another")], account)).to.match(
        /leases\.coordination\.k8s\.io "another" is forbidden/,
      );
    });

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

  describe("the components", () => {
    /** Kinds that come with other software, or with a gate of the API server. */
    const NOT_HERE =
      /^(PodMonitor|PrometheusRule|CiliumNetworkPolicy|MutatingPolicy|MutatingAdmissionPolicy.*)$/;

    before(async () => {
      await kubectl(["apply", "--server-side", "-f", join(COMPONENTS, "publishing/namespace.yaml")]);
      // The selector of the one that is there could not be changed.
      await kubectl(["-n", NAMESPACE, "delete", "deployment", NAMESPACE]);
    });

    after(() => kubectl(["apply", "--server-side", "-f", INSTALL]));

    for (const name of readdirSync(COMPONENTS)) {
      it(`are taken with the base: ${name}`, async () => {
        const path = join(COMPONENTS, name);
        const objects = name.startsWith("client-") ? kustomize(path) : overlayOf([path], kustomize);
        const items = objects!.filter(({ kind }) => !NOT_HERE.test(kind));
        const file = write(`component-${name}.json`, { apiVersion: "v1", kind: "List", items });
        const args = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", file];
        const { out, error } = await kubectl(items.length === 0 ? ["version"] : args);
        expect(error).to.equal("");
        if (items.length > 0) expect(out.trim().split("\n")).to.have.length(items.length);
      });
    }

    it("status-conditions: our account may patch a status then, and nothing more of an entry", async () => {
      const path = "/apis/networking.istio.io/v1/namespaces/default/serviceentries/patched";
      await kubectl(["apply", "--server-side", "-f", write("patched.json", ENTRY)]);
      const condition = { type: "Resolved", status: "True", reason: "Resolved" };
      const guarded = [
        { op: "test", path: "/metadata/name", value: "patched" },
        { op: "add", path: "/status", value: { conditions: [condition] } },
      ];
      expect(await patch(`${path}/status`, guarded)).to.equal(403);
      await kubectl(["apply", "--server-side", "-f", join(COMPONENTS, "status-conditions/access.yaml")]);
      await until(async () => (await patch(`${path}/status`, guarded)) === 200);
      expect(await patch(path, { metadata: { labels: { team: "a" } } })).to.equal(403);
      expect(await mayOur("update", "serviceentries.networking.istio.io/status")).to.equal(false);
    });

    it("publishing: our account may write Services and slices in that namespace alone", async () => {
      await kubectl(["apply", "--server-side", "-f", join(COMPONENTS, "publishing/access.yaml")]);
      await until(() => mayOur("create", "services", "serviceentry-dns-published"));
      for (const what of ["services", "endpointslices.discovery.k8s.io"]) {
        for (const verb of ["create", "patch", "delete"]) {
          expect(await mayOur(verb, what, "serviceentry-dns-published"), `${verb} ${what}`).to.equal(true);
          expect(await mayOur(verb, what, "default"), `${verb} ${what}`).to.equal(false);
        }
        expect(await mayOur("watch", what)).to.equal(true);
      }
      expect(await mayOur("create", "pods", "serviceentry-dns-published")).to.equal(false);
      expect(await mayOur("update", "services/status", "serviceentry-dns-published")).to.equal(false);

      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "se-one", namespace: "serviceentry-dns-published", labels: { app: NAMESPACE } },
        spec: { ports: [{ port: 80 }] },
      };
      const slice = {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: "se-one-4",
          namespace: "serviceentry-dns-published",
          labels: { "kubernetes.io/service-name": "se-one" },
        },
        addressType: "IPv4",
        ports: [{ port: 8000 }],
        endpoints: [{ addresses: ["192.168.1.100"] }],
      };
      for (const object of [service, slice]) {
        const file = write("published.json", object);
        await kubectl(["create", "--validate=false", "-f", file], account);
        await kubectl(
          ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", file],
          account,
        );
        await kubectl(["delete", "-f", file], account);
      }
    });
  });

  const until = (isSo: () => Promise<boolean>) =>
    waitUntil(isSo, "the permission comes", { withinMs: PATIENCE_MS, everyMs: 100 });
});

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** `pods list` and so on, each once. */
function pairsOf({ apiGroups = [], resources = [], resourceNames = [], verbs }: Rule): readonly string[] {
  const names = resourceNames.length === 0 ? "" : ` of ${resourceNames.join()}`;
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}${names}`)),
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
