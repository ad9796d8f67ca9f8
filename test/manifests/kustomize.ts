/** kustomize, as kubectl has it built in. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type KubernetesObject, readObjects } from "./base-objects.ts";

/** Of KUBEBUILDER_ASSETS or PATH. */
export function findProgram(name: string): string | undefined {
  const folders = [process.env["KUBEBUILDER_ASSETS"] ?? "", ...(process.env["PATH"] ?? "").split(":")];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** What kustomize makes of the folder. Undefined, and said: there is no kubectl. */
export function kustomize(folder: string): readonly KubernetesObject[] | undefined {
  const kubectl = findProgram("kubectl");
  if (kubectl === undefined) {
    process.stdout.write("\n  skipped: kustomize: there is no kubectl in KUBEBUILDER_ASSETS or PATH\n");
    return undefined;
  }
  return readObjects(execFileSync(kubectl, ["kustomize", folder], { encoding: "utf8" }));
}
