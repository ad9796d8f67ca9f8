/**
 * The part of the client library that reads kubeconfigs and prepares TLS and tokens. Its module draws in clients
 * for every kind of Kubernetes' API and a second HTTP stack, of which nothing is called here: while it is loaded,
 * empty modules stand in their place (see docs/decisions).
 */

import { registerHooks } from "node:module";

export type KubeConfigLibrary = typeof import("@kubernetes/client-node/dist/config.js");

/** Costs half a second and 80 MiB where another version of the library needs more than what stands in its place. */
export async function importKubeConfig(): Promise<KubeConfigLibrary> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const names = context.parentURL?.includes(LIBRARY) ? UNUSED[specifier] : undefined;
      if (names === undefined) return next(specifier, context);
      return { url: `data:text/javascript,${encodeURIComponent(emptyModule(names))}`, shortCircuit: true };
    },
  });
  try {
    return await import("@kubernetes/client-node/dist/config.js");
  } catch (error) {
    // A name was imported that is not among those below.
    if (!(error instanceof SyntaxError)) throw error;
  } finally {
    hooks.deregister();
  }
  return await import("@kubernetes/client-node");
}

const LIBRARY = "/@kubernetes/client-node/dist/";
/** By the specifier in the library's own files: what those import from it. */
const UNUSED: Readonly<Record<string, readonly string[]>> = {
  "./gen/index.js": ["createConfiguration", "ServerConfiguration"],
  "./gen/rxjsStub.js": ["of"],
  undici: ["Agent", "ProxyAgent"],
};

function emptyModule(names: readonly string[]): string {
  return names.map((name) => `export class ${name} {}`).join("\n");
}
