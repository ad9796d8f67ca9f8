/** What `npm pack` makes: its files, and the program that it installs. */

import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { expect } from "chai";
import { addresses } from "../support/ask.ts";
import { freePort, Program, ROOT } from "../support/program.ts";
import { runCommand } from "./command.ts";

/** Made or fetched, and so not part of the project. */
const NOT_OURS = [".git", "node_modules", "dist", "coverage"];

describe("the npm package", function () {
  this.timeout(300_000);
  let folder: string;
  /** Of the tarball, unpacked. */
  let content: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-package-"));
    const project = join(folder, "project");
    cpSync(ROOT, project, {
      recursive: true,
      filter: (path) => dirname(path) !== ROOT || !NOT_OURS.includes(basename(path)),
    });
    symlinkSync(join(ROOT, "node_modules"), join(project, "node_modules"));
    runCommand(project, "npm", "run", "-s", "build");
    runCommand(project, "npm", "pack", `--pack-destination=${folder}`);
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
    runCommand(folder, "tar", "-xzf", tarball);
    content = join(folder, "package");
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  });

  after(() => rmSync(folder, { recursive: true }));

  it("holds the built program, the examples, the manual and the licence", () => {
    const built = filesOf("src").map((path) => path.replace(/^src/, "dist").replace(/\.ts$/, ".js"));
    const examples = filesOf("manifests/examples");
    expect(built.length).to.be.greaterThan(50);
    expect(examples.length).to.be.greaterThan(10);
    const files = filesOf(".", content);
    const expected = [...built, ...examples, "LICENSE", "README.md", "package.json"];
    expect(files).to.include.members(expected);
    const isAllowed = (path: string) => expected.includes(path) || /^(manifests\/|CHANGELOG\.md$)/.test(path);
    expect(files.filter((path) => !isAllowed(path))).to.deep.equal([]);
  });

  it("brings every package that its program imports", () => {
    const { dependencies } = JSON.parse(readFileSync(join(content, "package.json"), "utf8"));
    // Where there is no koffi, Node's own sockets do; uplot is sent to browsers as it is.
    const expected = [...Object.keys(dependencies).filter((name) => name !== "uplot"), "koffi"];
    const imported = filesOf("dist", content).flatMap((file) => {
      const text = readFileSync(join(content, file), "utf8");
      const lines = /^(?:import|export)\b[^"]*\bfrom "([^".][^"]*)"|\bimport\("([^".][^"]*)"\)/gm;
      return [...text.matchAll(lines)].map((match) => match[1] ?? match[2]!);
    });
    const packages = imported.filter((name) => !name.startsWith("node:")).map(packageName);
    expect([...new Set(packages)].sort()).to.deep.equal(expected.sort());
  });

  it("has a command that runs by its first line", () => {
    const { bin, version } = JSON.parse(readFileSync(join(content, "package.json"), "utf8"));
    // As npm links it.
    const command = join(folder, "bin/serviceentry-dns");
    const target = join(content, bin["serviceentry-dns"]);
    chmodSync(target, 0o755);
    mkdirSync(dirname(command));
    symlinkSync(target, command);
    expect(runCommand(folder, command, "--version")).to.equal(`serviceentry-dns ${version}\n`);
  });

  it("has a demo that answers", async () => {
    const [dns, standIn] = await Promise.all([freePort(), freePort()]);
    const flags = [`--listen=127.0.0.1:${dns}`, `--stand-in=127.0.0.1:${standIn}`];
    const program = new Program(["demo", ...flags, "--admin=127.0.0.1:0", "--api=127.0.0.1:0"], {
      entry: join(content, "dist/main.js"),
    });
    try {
      await program.says(/Ctrl-C ends the demo/);
      expect(await addresses(dns, "kmesh-fake.com")).to.have.length(1);
    } finally {
      expect(await program.end()).to.equal(0);
    }
  });

  /** Files below `path`, as paths from `base`. */
  function filesOf(path: string, base = ROOT): string[] {
    return readdirSync(join(base, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(base, join(entry.parentPath, entry.name)));
  }
});

/** `@scope/name/file` → `@scope/name`. */
function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
