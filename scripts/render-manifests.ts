/**
 * Writes what manifests/ holds twice: install.yaml, the one file for `kubectl apply -f`, which is the resources of
 * manifests/base, joined; and the PrometheusRule, which is the rule file in an object of the Prometheus operator.
 * `--check` writes nothing: exit 1 with the names of the files that are stale.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parse } from "yaml";

const { values } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    manifests: { type: "string", default: fileURLToPath(new URL("../manifests", import.meta.url)) },
  },
});

const MONITORING = "components/monitoring";

for (const [name, text] of [
  ["install.yaml", joined(join(values.manifests, "base"))],
  [`${MONITORING}/prometheus-rule.yaml`, ruleObject(join(values.manifests, MONITORING, "rules.yaml"))],
] as const) {
  const path = join(values.manifests, name);
  if (readOrNothing(path) === text) continue;
  if (values.check) {
    process.stderr.write(`${path} is stale; run: node scripts/render-manifests.ts\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    process.stdout.write(`${path} written\n`);
  }
}

function joined(folder: string): string {
  const header =
    "# Generated from manifests/base; do not edit (node scripts/render-manifests.ts writes it).\n";
  const texts = resourcesOf(folder).map((file) => readFileSync(join(folder, file), "utf8"));
  return [header, ...texts].join("---\n");
}

/** The files in their order. Throws where kustomize would do more than join them. */
function resourcesOf(folder: string): readonly string[] {
  const kustomization: unknown = parse(readFileSync(join(folder, "kustomization.yaml"), "utf8"));
  const { apiVersion, kind, resources, ...more } = kustomization as Readonly<Record<string, unknown>>;
  const isPlain = apiVersion !== undefined && kind === "Kustomization" && Object.keys(more).length === 0;
  if (!isPlain || !Array.isArray(resources) || resources.length === 0) {
    throw new Error(`${folder}/kustomization.yaml says more than a list of resources`);
  }
  return resources.map(String);
}

/** The file's text is taken as it is, further in: so it keeps its comments and its line breaks. */
function ruleObject(file: string): string {
  const text = readFileSync(file, "utf8");
  const rules = text.slice(text.indexOf("groups:\n"));
  return `# Generated from rules.yaml; do not edit (node scripts/render-manifests.ts writes it).
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: serviceentry-dns
  namespace: serviceentry-dns
  labels:
    app: serviceentry-dns
spec:
${rules.replace(/^(?=.)/gm, "  ")}`;
}

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
