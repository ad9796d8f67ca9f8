/**
 * Writes manifests/install.yaml, the one file for `kubectl apply -f`: the resources of manifests/base, joined.
 * `--check` writes nothing: exit 1 when the file is stale.
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

const HEADER = "# Generated from manifests/base; do not edit (node scripts/render-manifests.ts writes it).\n";

const path = join(values.manifests, "install.yaml");
const text = rendered(join(values.manifests, "base"));
if (readOrNothing(path) !== text) {
  if (values.check) {
    process.stderr.write(`${path} is stale; run: node scripts/render-manifests.ts\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    process.stdout.write(`${path} written\n`);
  }
}

function rendered(folder: string): string {
  return [HEADER, ...resourcesOf(folder).map((file) => readFileSync(join(folder, file), "utf8"))].join(
    "---\n",
  );
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

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
