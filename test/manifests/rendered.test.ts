/** What manifests/ holds twice is current: install.yaml, by our own join and by kustomize, and the PrometheusRule. */

import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1Deployment, V1Service } from "@kubernetes/client-node";
import { expect } from "chai";
import { ALWAYS_WATCHED, WATCHED_KINDS } from "../../src/watcher/watched-kinds.ts";
import { ROOT } from "../support/program.ts";
import {
  BASE,
  baseObjects,
  INSTALL,
  identityOf,
  type KubernetesObject,
  MANIFESTS,
  readObjects,
} from "./base-objects.ts";
import { kustomize } from "./kustomize.ts";

describe("install.yaml", function () {
  this.timeout(240_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function render(...args: readonly string[]): { readonly status: number | null; readonly error: string } {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/render-manifests.ts", ...args], {
      cwd: ROOT,
      encoding: "utf8",
    });
    return { status, error: stderr };
  }

  it("is current", () => {
    expect(render("--check")).to.deep.equal({ status: 0, error: "" });
    expect(readObjects(readFileSync(INSTALL, "utf8"))).to.deep.equal(baseObjects());
  });

  it("is known to be stale after a change, until it is written again", () => {
    const manifests = join(folder, "manifests");
    cpSync(MANIFESTS, manifests, { recursive: true });
    appendFileSync(join(manifests, "base/service.yaml"), "  sessionAffinity: None\n");
    const stale = render("--check", `--manifests=${manifests}`);
    expect(stale.status).to.equal(1);
    expect(stale.error).to.match(/install\.yaml is stale; run: .*render-manifests/);
    expect(render(`--manifests=${manifests}`).status).to.equal(0);
    expect(readFileSync(join(manifests, "install.yaml"), "utf8")).to.include("sessionAffinity: None");
    expect(render("--check", `--manifests=${manifests}`).status).to.equal(0);
  });

  it("is not made of a base that kustomize would do more with", () => {
    const manifests = join(folder, "manifests");
    cpSync(MANIFESTS, manifests, { recursive: true });
    for (const more of ["namePrefix: a-\n", "resources: []\n", "kind: Component\n"]) {
      writeFileSync(
        join(manifests, "base/kustomization.yaml"),
        `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [service.yaml]\n${more}`,
      );
      expect(render("--check", `--manifests=${manifests}`).status, more).to.equal(1);
    }
  });

  for (const [title, folder] of [
    ["the base", BASE],
    ["the whole folder", MANIFESTS],
  ] as const) {
    it(`holds what kustomize makes of ${title}`, function () {
      const built = kustomize(folder) ?? this.skip();
      const byIdentity = (objects: ReturnType<typeof baseObjects>) =>
        Object.fromEntries(objects.map((object) => [identityOf(object), object]));
      expect(built).to.have.length(baseObjects().length);
      expect(byIdentity(built)).to.deep.equal(byIdentity(baseObjects()));
    });
  }
});

describe("the PrometheusRule", () => {
  const MONITORING = join(MANIFESTS, "components/monitoring");

  it("holds the rule file, nothing more and nothing less", () => {
    const [object, ...others] = readObjects(readFileSync(join(MONITORING, "prometheus-rule.yaml"), "utf8"));
    const [rules] = readObjects(readFileSync(join(MONITORING, "rules.yaml"), "utf8"));
    expect(others).to.deep.equal([]);
    expect(object).to.include({ apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule" });
    expect((object as unknown as { spec: unknown }).spec).to.deep.equal(rules);
  });
});

describe("docs/kubernetes.md", () => {
  const page = readFileSync(join(ROOT, "docs/kubernetes.md"), "utf8");

  it("has a command that puts a registry before the image", () => {
    const [, pattern, replacement] = /sed 's\|(.*)\|(.*)\|' manifests\/install\.yaml/.exec(page)!;
    const text = readFileSync(INSTALL, "utf8");
    expect(text.split(pattern!)).to.have.length(2);
    const changed = readObjects(text.replace(pattern!, replacement!));
    expect(imageOf(changed)).to.equal(`REGISTRY/${imageOf(baseObjects())}`);
  });

  it("has an overlay that kustomize takes", function () {
    const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    try {
      const [, overlay] = /^```yaml\n(.*?)^```/ms.exec(page)!;
      cpSync(BASE, join(folder, "serviceentry-dns/manifests/base"), { recursive: true });
      mkdirSync(join(folder, "overlay"));
      writeFileSync(join(folder, "overlay/kustomization.yaml"), overlay!);
      const objects = kustomize(join(folder, "overlay")) ?? this.skip();
      expect(objects).to.have.length(baseObjects().length);
      expect(imageOf(objects)).to.equal(`REGISTRY/${imageOf(baseObjects())}`);
      const service = objects.find(({ kind }) => kind === "Service") as unknown as V1Service;
      expect(service.spec!.clusterIP).to.equal("10.96.0.53");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says of every kind that is watched what it costs", () => {
    const rows = [...page.matchAll(/^\| (\w+) \| (always|while [^|]*) \|/gm)].map(([, kind, when]) => [
      kind,
      when === "always",
    ]);
    const always: readonly string[] = ALWAYS_WATCHED;
    expect(rows).to.deep.equal(WATCHED_KINDS.map((kind) => [kind, always.includes(kind)]));
  });
});

function imageOf(objects: readonly KubernetesObject[]): string | undefined {
  const deployment = objects.find(({ kind }) => kind === "Deployment") as unknown as V1Deployment;
  return deployment.spec!.template.spec!.containers[0]!.image;
}
