/** The Dockerfile: what it says, and the program that comes out of its steps. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { execForm, type Keyword, readDockerfile } from "./dockerfile.ts";
import { buildImage, contextPaths, type Image, type ImageOptions, lockedPackages } from "./image.ts";

const STAGES = readDockerfile(readFileSync(join(ROOT, "Dockerfile"), "utf8"));
const FINAL = STAGES.at(-1)!;
const LOCK_FILE = join(ROOT, "package-lock.json");
const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a }
spec: { hosts: [a.internal.example], resolution: STATIC, endpoints: [{ address: 10.1.2.3 }] }
`;

describe("the Dockerfile", () => {
  const textOf = (keyword: Keyword) => {
    const found = FINAL.instructions.filter((each) => each.keyword === keyword);
    expect(found, keyword).to.have.length(1);
    return found[0]!.text;
  };

  it("runs distroless, as a numbered user, with the flag that keeps answers quick", () => {
    expect(FINAL.base).to.match(/^gcr\.io\/distroless\/nodejs24-debian\d+:nonroot$/);
    expect(textOf("USER")).to.equal("65532:65532");
    const [node, ...words] = execForm(textOf("ENTRYPOINT"));
    expect(node).to.equal("/nodejs/bin/node");
    expect(words).to.deep.equal(["--single-threaded-gc", "--max-semi-space-size=4", "/app/dist/main.js"]);
    expect(execForm(textOf("CMD"))).to.deep.equal(["serve"]);
    expect(FINAL.instructions.some(({ keyword }) => keyword === "RUN")).to.equal(false);
  });

  it("builds with the Node.js that package.json asks for", () => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const major = /\d+/.exec(engines.node)![0];
    const builders = STAGES.filter(({ base }) => base !== FINAL.base);
    expect(builders).to.have.length(2);
    for (const { base } of builders) expect(base).to.match(new RegExp(`/node:${major}-`));
    expect(FINAL.base).to.include(`nodejs${major}-`);
  });

  it("runs no install script, and takes no package that only develops", () => {
    const runs = STAGES.flatMap(({ instructions }) =>
      instructions.filter(({ keyword }) => keyword === "RUN").map(({ text }) => text),
    );
    const installs = runs.filter((text) => text.startsWith("npm ci"));
    expect(installs).to.deep.equal([
      "npm ci --ignore-scripts",
      "npm ci --ignore-scripts --omit=dev --os=linux --libc=glibc --cpu=$(echo $TARGETARCH | sed s/amd64/x64/)",
    ]);
  });

  it("is sent exactly what it copies", () => {
    const copied = STAGES.flatMap(({ instructions }) =>
      instructions
        .filter(({ keyword, text }) => keyword === "COPY" && !text.startsWith("--from="))
        .flatMap(({ text }) => text.split(/ +/).slice(0, -1)),
    );
    expect([...new Set(copied)].sort()).to.deep.equal([...contextPaths()].sort());
  });

  it("is read with continued lines, comments in between, and what is not understood as an error", () => {
    const [stage] = readDockerfile("ARG A=x:1\n# b\nFROM --platform=$B $A AS c\nRUN a \\\n# b\n  && b\n");
    expect(stage).to.deep.equal({
      name: "c",
      base: "x:1",
      instructions: [{ keyword: "RUN", text: "a && b" }],
    });
    for (const text of ["RUN a", "FROM a\nADD b c", "FROM", "FROM a\nrun b"]) {
      expect(() => readDockerfile(text), text).to.throw();
    }
    expect(() => execForm("node main.js")).to.throw();
  });
});

describe("the image", function () {
  this.timeout(300_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-image-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it("answers with nothing but what is in it", async () => check("checkout"));

  it("answers with packages as the registry sends them", async function () {
    if (!process.env["TEST_REGISTRY"]) {
      process.stdout.write("\n  skipped: the image from the registry: TEST_REGISTRY is not set\n");
      this.skip();
    }
    this.timeout(600_000);
    await check("registry");
  });

  async function check(packages: ImageOptions["packages"]): Promise<void> {
    const image = buildImage({ stages: STAGES, folder, packages });
    checkContent(image);
    await checkProgram(image);
  }

  function checkContent({ root }: Image): void {
    expect(readdirSync(root)).to.deep.equal(["app"]);
    expect(readdirSync(join(root, "app")).sort()).to.deep.equal([
      "LICENSE",
      "dist",
      "node_modules",
      "package.json",
    ]);
    const sources = filesOf(join(ROOT, "src")).map((path) => path.replace(/\.ts$/, ".js"));
    expect(filesOf(join(root, "app/dist")).sort()).to.deep.equal(sources.sort());

    const files = filesOf(join(root, "app/node_modules"));
    const production = lockedPackages(LOCK_FILE, "production");
    const isPackage = (path: string) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path);
    const found = files.map((path) => `node_modules/${path}`).filter(isPackage);
    expect(found.sort()).to.deep.equal(production.map((path) => `${path}/package.json`).sort());
    expect(found.filter((path) => /\/(node-linux|typescript|mocha)/.test(path))).to.deep.equal([]);
    expect(files.filter((path) => /\.(ts|map|bare)$/.test(path))).to.deep.equal([]);
    const addOns = files.filter((path) => path.endsWith(".node"));
    expect(addOns.every((path) => path.startsWith(`@koromix/koffi-linux-${process.arch}/`))).to.equal(true);
    expect(addOns).to.include(`@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`);
    expect(lockedPackages(LOCK_FILE, "all").length).to.be.greaterThan(production.length);

    // It runs as somebody who owns none of them.
    const isUnreadable = (path: string) => (statSync(join(root, "app", path)).mode & 0o004) === 0;
    expect(filesOf(join(root, "app")).filter(isUnreadable)).to.deep.equal([]);
  }

  async function checkProgram({ root, entrypoint, command, workingDirectory }: Image): Promise<void> {
    const source = join(folder, "objects");
    writeFileSync(`${source}.yaml`, ENTRY);
    expect(workingDirectory).to.equal("/app");
    const [dns, admin, api] = await Promise.all([freePort(), freePort(), freePort()]);
    const program = new Program(
      [
        ...command,
        `--source=${source}.yaml`,
        `--listen=127.0.0.1:${dns}`,
        `--admin=127.0.0.1:${admin}`,
        `--api=127.0.0.1:${api}`,
        "--upstreams=192.0.2.1",
      ],
      { entry: join(root, entrypoint.at(-1)!), env: { NODE_ENV: "production" } },
    );
    try {
      await program.says(/"msg":"ready"/);
      for (const transport of ["udp", "tcp"] as const) {
        expect(await addresses(dns, "a.internal.example", { transport })).to.deep.equal(["10.1.2.3"]);
      }
      expect((await fetch(`http://127.0.0.1:${admin}/readyz`)).status).to.equal(200);
    } finally {
      expect(await program.end("SIGTERM")).to.equal(0);
    }
    expect(program.error).to.equal("");
  }
});

/** Paths of all files in the folder, relative to it. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
