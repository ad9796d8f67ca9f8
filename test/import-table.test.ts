/** The import table of ARCHITECTURE.md, kept true by reading the import lines of the sources. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect } from "chai";

const SOURCES = resolve(import.meta.dirname, "../src");

/** Folder or file at the top of src/ -> what else of src/ it may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "runtime.ts": [],
  "series.ts": [],
  wire: [],
  config: ["wire"],
  mesh: ["wire"],
  table: ["wire", "mesh"],
  forwarder: ["wire"],
  server: ["table", "forwarder", "wire"],
  "data-plane.ts": ["server", "native", "table", "forwarder", "wire", "config", "data-plane-series.ts"],
  "data-plane-series.ts": ["server", "native", "forwarder"],
  "data-plane-thread.ts": ["data-plane.ts", "native", "server"],
  refresher: ["mesh", "wire"],
  cluster: ["config"],
  watcher: ["mesh", "cluster", "wire"],
  reporter: ["mesh", "cluster"],
  publisher: ["mesh", "cluster", "wire"],
  native: ["server", "forwarder", "wire"],
  registry: ["mesh", "table", "wire"],
  explain: ["server", "table", "registry", "mesh", "wire"],
  telemetry: ["config"],
  cli: ["config", "watcher", "publisher", "registry", "mesh", "wire", "part-settings.ts"],
  "data-planes.ts": [
    "config",
    "native",
    "data-plane.ts",
    "data-plane-series.ts",
    "data-plane-thread.ts",
    "part-settings.ts",
  ],
  "memory-return.ts": ["native"],
  "part-settings.ts": ["config", "data-plane.ts", "refresher", "registry", "watcher"],
  "cluster-writers.ts": ["cluster", "mesh", "publisher", "registry", "reporter"],
  "app-actions.ts": ["config", "data-planes.ts", "refresher", "registry", "telemetry", "wire"],
  "app-log.ts": ["mesh", "registry", "telemetry"],
  "app-cluster.ts": ["cluster", "cluster-writers.ts", "config", "part-settings.ts", "watcher"],
  "app-endpoints.ts": ["*"],
  "app.ts": ["*"],
  "main.ts": ["app.ts", "cli", "config"],
};

/** Package -> the only places that may import it. */
const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  "@kubernetes/client-node": ["cluster"],
  "lru-cache": ["forwarder"],
  koffi: ["native"],
  pino: ["telemetry"],
  uplot: ["telemetry"],
  dns2: ["cli"],
  tlds: ["registry"],
  zod: ["config"],
  yaml: ["config", "cli"],
  "js-yaml": ["watcher"],
};

/** Folders in which a file `metrics.ts` may import prom-client; telemetry may anywhere. */
const METRICS_FILE = /(^|\/)metrics\.ts$/;

interface Import {
  readonly file: string;
  readonly home: string;
  readonly specifier: string;
}

function importsOf(text: string): string[] {
  const found = text.matchAll(
    /^\s*(?:import|export)\b[^;"]*?\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3]!);
}

function allImports(): Import[] {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return files.flatMap((file) => {
    const home = file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
    return importsOf(readFileSync(join(SOURCES, file), "utf8")).map((specifier) => ({
      file,
      home,
      specifier,
    }));
  });
}

/** Which import lines break the table, said in a sentence each. */
function violations(imports: readonly Import[]): string[] {
  return imports.flatMap(({ file, home, specifier }) => {
    const allowed = MAY_IMPORT[home];
    if (allowed === undefined) return [`src/${file}: ${home} has no line in the import table`];
    if (specifier.startsWith("node:")) return [];
    if (!specifier.startsWith(".")) {
      const name = specifier.startsWith("@")
        ? specifier.split("/").slice(0, 2).join("/")
        : specifier.split("/")[0]!;
      if (name === "prom-client") {
        return home === "telemetry" || METRICS_FILE.test(file)
          ? []
          : [`src/${file} imports prom-client outside metrics.ts`];
      }
      const homes = PACKAGE_HOMES[name];
      if (homes === undefined) return [`src/${file} imports ${name}, which has no home in the import table`];
      return homes.includes(home)
        ? []
        : [`src/${file} imports ${name}, which belongs to ${homes.join(", ")}`];
    }
    const target = relative(SOURCES, resolve(SOURCES, dirname(file), specifier));
    const targetHome = target.includes("/") ? target.slice(0, target.indexOf("/")) : target;
    if (targetHome === home || targetHome === "runtime.ts" || targetHome === "series.ts") return [];
    return allowed.includes("*") || allowed.includes(targetHome) ? [] : [`src/${file} imports ${target}`];
  });
}

/** Files of src/ and packages that a file loads at once: without types, and without what waits to be called for. */
function loadedWith(entry: string): ReadonlySet<string> {
  const loaded = new Set<string>([entry]);
  for (const file of loaded) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(join(SOURCES, file), "utf8").replaceAll(
      /^(im|ex)port type [^;]*;|\bimport\(/gm,
      "",
    );
    for (const specifier of importsOf(text))
      loaded.add(specifier.startsWith(".") ? join(dirname(file), specifier) : specifier);
  }
  return loaded;
}

describe("import table", () => {
  it("holds for every import line of src/", () => {
    const imports = allImports();
    expect(imports.length).to.be.greaterThan(20);
    expect(violations(imports)).to.deep.equal([]);
  });

  it("notices an import that the table forbids", () => {
    const cases: [string, string, string][] = [
      ["server/engine.ts", "../registry/registry.ts", "src/server/engine.ts imports registry/registry.ts"],
      ["wire/name.ts", "../mesh/objects.ts", "src/wire/name.ts imports mesh/objects.ts"],
      ["registry/plan.ts", "lru-cache", "src/registry/plan.ts imports lru-cache, which belongs to forwarder"],
      ["server/decide.ts", "prom-client", "src/server/decide.ts imports prom-client outside metrics.ts"],
      ["extra/a.ts", "../wire/name.ts", "src/extra/a.ts: extra has no line in the import table"],
    ];
    for (const [file, specifier, message] of cases) {
      expect(violations([{ file, home: file.split("/")[0]!, specifier }])).to.deep.equal([message]);
    }
  });

  it("keeps from a start what the first answers do not need", () => {
    const loaded = loadedWith("main.ts");
    expect(loaded.size).to.be.greaterThan(50);
    for (const each of [
      "prom-client",
      "zod",
      "js-yaml",
      "node:http",
      "server/engine.ts",
      "explain/explain.ts",
    ])
      expect(loaded).not.to.include(each);
    expect(loadedWith("app-endpoints.ts")).to.include("prom-client");
  });

  it("reads every form of an import line", () => {
    const text =
      'import { a } from "./a.ts";\nimport {\n  b,\n} from "./b.ts";\nimport "./c.ts";\nexport * from "./d.ts";\nimport type { E } from "./e.ts";\nawait import("./f.ts");\n';
    expect(importsOf(text)).to.deep.equal(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts"]);
  });
});
