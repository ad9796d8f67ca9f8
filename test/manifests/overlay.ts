/** An overlay of the base for the time of a test. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { BASE } from "./base-objects.ts";

/** Calls `use` with the folder of an overlay of the base with these components; the folder is gone after it. */
export function overlayOf<T>(components: readonly string[], use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
  try {
    writeFileSync(
      join(folder, "kustomization.yaml"),
      JSON.stringify({
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        resources: [relative(folder, BASE)],
        components: components.map((each) => relative(folder, each)),
      }),
    );
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
