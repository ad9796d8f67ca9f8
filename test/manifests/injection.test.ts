/** The forms of the injection say the same; the one of Kyverno is tried with Kyverno's own program where it is there. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "chai";
import { ROOT } from "../support/program.ts";
import { type KubernetesObject, MANIFESTS, readObjects } from "./base-objects.ts";
import { CASES, NAMESPACES, podOf, SETTINGS } from "./injection-cases.ts";
import { findProgram, kustomize } from "./kustomize.ts";

const COMPONENTS = join(MANIFESTS, "components");
const KYVERNO = join(COMPONENTS, "injection-kyverno/policy.yaml");

interface Expression {
  readonly name: string;
  readonly expression: string;
}

interface Policy extends KubernetesObject {
  readonly spec: {
    readonly failurePolicy: string;
    readonly matchConstraints: { readonly resourceRules: object; readonly namespaceSelector?: object };
    readonly matchConditions: readonly Expression[];
    readonly variables: readonly Expression[];
    readonly mutations: object;
    readonly matchResources: { readonly namespaceSelector: object };
  };
}

describe("the injection", function () {
  this.timeout(240_000);
  const policy = read(join(COMPONENTS, "injection/policy.yaml"));
  const binding = read(join(COMPONENTS, "injection/binding.yaml"));
  const kyverno = read(KYVERNO);

  it("never keeps a pod from being made", () => {
    expect(policy.spec.failurePolicy).to.equal("Ignore");
    expect(kyverno.spec.failurePolicy).to.equal("Ignore");
    expect(binding.spec).to.have.nested.property("paramRef.parameterNotFoundAction", "Allow");
  });

  it("is written for v1; v1beta1 differs in nothing else", function () {
    const kinds = /^MutatingAdmissionPolicy/;
    const of = (component: string) =>
      kustomize(join(COMPONENTS, component))?.filter(({ kind }) => kinds.test(kind)) ?? this.skip();
    const [v1, v1beta1] = [of("injection"), of("injection-v1beta1")];
    expect(v1).to.have.length(2);
    expect(v1.map(({ apiVersion }) => apiVersion)).to.deep.equal(
      Array(2).fill("admissionregistration.k8s.io/v1"),
    );
    const older = v1.map((object) => ({ ...object, apiVersion: "admissionregistration.k8s.io/v1beta1" }));
    expect(v1beta1).to.deep.equal(older);
  });

  it("has the same expressions for Kyverno, but for where the settings come from", () => {
    const ours = (text: string) =>
      text.replace("params != null && ", "").replaceAll("params.data", "variables.setting");
    const texts = (expressions: readonly Expression[]) =>
      expressions.map(({ name, expression }) => [name, ours(expression.trim())]);
    expect(texts(kyverno.spec.matchConditions)).to.deep.equal(texts(policy.spec.matchConditions));
    expect(texts(kyverno.spec.variables.slice(1))).to.deep.equal(texts(policy.spec.variables.slice(1)));
    expect(kyverno.spec.mutations).to.deep.equal(policy.spec.mutations);
    const { resourceRules, namespaceSelector } = kyverno.spec.matchConstraints;
    expect(resourceRules).to.deep.equal(policy.spec.matchConstraints.resourceRules);
    expect(namespaceSelector).to.deep.equal(binding.spec.matchResources.namespaceSelector);
  });

  it("has a command in the docs that writes what the policy reads", () => {
    const page = readFileSync(join(ROOT, "docs/injection.md"), "utf8");
    const command = /kubectl -n (\S+) patch configmap (\S+) .*\\\n.*\\"data\\":\{\\"(\w+)\\":/.exec(page);
    expect(command?.slice(1)).to.deep.equal([
      "serviceentry-dns",
      "serviceentry-dns-injection",
      "nameservers",
    ]);
    expect(binding.spec).to.deep.nested.include({
      "paramRef.name": "serviceentry-dns-injection",
      "paramRef.namespace": "serviceentry-dns",
    });
  });

  describe("by Kyverno", () => {
    let folder: string;
    let mutated: ReadonlyMap<string, V1Pod>;

    before(function () {
      const program = findProgram("kyverno");
      if (program === undefined) {
        process.stdout.write(
          "\n  skipped: injection by Kyverno: there is no kyverno in KUBEBUILDER_ASSETS or PATH\n",
        );
        this.skip();
      }
      folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
      const write = (name: string, value: object) => {
        writeFileSync(join(folder, name), JSON.stringify(value));
        return join(folder, name);
      };
      const namespaceSelector = Object.entries(NAMESPACES).map(([name, labels]) => ({
        name,
        labels: { ...labels, "kubernetes.io/metadata.name": name },
      }));
      const values = {
        apiVersion: "cli.kyverno.io/v1alpha1",
        kind: "Values",
        metadata: { name: "values" },
        namespaceSelector,
      };
      const settings = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "serviceentry-dns-injection", namespace: "serviceentry-dns" },
        data: SETTINGS,
      };
      const context = {
        apiVersion: "cli.kyverno.io/v1alpha1",
        kind: "Context",
        metadata: { name: "context" },
        spec: { resources: [settings] },
      };
      mkdirSync(join(folder, "out"));
      execFileSync(program, [
        ...["apply", KYVERNO, "-o", join(folder, "out"), "-f", write("values.yaml", values)],
        ...["--context-file", write("context.yaml", context)],
        ...CASES.flatMap((each) => ["-r", write(`${each.name}.yaml`, podOf(each))]),
      ]);
      const pods = readdirSync(join(folder, "out")).flatMap((file) =>
        readObjects(readFileSync(join(folder, "out", file), "utf8")),
      ) as readonly unknown[] as readonly V1Pod[];
      mutated = new Map(pods.map((pod) => [pod.metadata!.name!, pod]));
    });

    after(() => folder && rmSync(folder, { recursive: true }));

    for (const { name, namespace, injected, spec } of CASES) {
      it(`${injected === undefined ? "leaves alone" : "injects"} ${name} in ${namespace}`, () => {
        // What is left alone is written as it was, or not at all.
        const { dnsPolicy, dnsConfig } = mutated.get(name)?.spec ?? spec ?? {};
        expect(dnsPolicy).to.equal(injected ? "None" : spec?.dnsPolicy);
        expect(dnsConfig).to.deep.equal(injected ?? spec?.dnsConfig);
      });
    }
  });
});

function read(path: string): Policy {
  return readObjects(readFileSync(path, "utf8"))[0] as Policy;
}
