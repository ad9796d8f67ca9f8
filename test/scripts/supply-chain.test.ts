/** The bill of materials says what the image holds; the audit fails for what is known to be dangerous, and for nothing else. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ROOT } from "../support/program.ts";

interface Package {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  packages: Readonly<Record<string, Package>>;
};
const packages = Object.entries(lock.packages)
  .filter(([path]) => path !== "")
  .map(([path, each]) => ({
    ...each,
    name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
  }));

/** The npm that runs the tests, if one does. */
const OWN_NPM =
  process.env["npm_execpath"] === undefined ? {} : { npm_execpath: process.env["npm_execpath"] };

function run(script: string, env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${script}.ts`], {
    cwd: ROOT,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...OWN_NPM, ...env },
  });
  return { status, out: stdout, error: stderr };
}

describe("the supply chain", function () {
  this.timeout(240_000);

  describe("the bill of materials", () => {
    const bill = () => {
      const { status, out, error } = run("sbom");
      expect(status, error).to.equal(0);
      return { text: out, content: JSON.parse(out) as Bill };
    };

    it("names every package of the image with version and digest, the base image, and nothing else", () => {
      const { content } = bill();
      expect(content).to.include({ bomFormat: "CycloneDX" });
      expect(content.metadata.component).to.include({ name: "serviceentry-dns", type: "application" });
      const wanted = packages.filter(({ dev, optional, devOptional }) => !dev && !optional && !devOptional);
      expect(wanted).to.have.length.greaterThan(20);
      // Direct ones that something for development uses as well.
      const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
      expect(wanted.map(({ name }) => name)).to.include.members(Object.keys(dependencies));
      const npm = content.components.filter(({ type }) => type === "library");
      expect(npm.map(({ purl }) => purl).sort()).to.deep.equal(
        [
          ...new Set(wanted.map(({ name, version }) => `pkg:npm/${name.replace("@", "%40")}@${version}`)),
        ].sort(),
      );
      for (const { purl, hashes } of npm) expect(hashes?.[0]?.alg, purl).to.equal("SHA-512");
      const others = content.components.filter(({ type }) => type !== "library");
      const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");
      expect(others.map(({ name, version }) => `${name}:${version}`)).to.deep.equal([
        /^ARG BASE_IMAGE=(\S+)$/m.exec(dockerfile)![1],
      ]);
    });

    it("is the same for the same lock file, and takes the time from outside", () => {
      const { text, content } = bill();
      expect(bill().text).to.equal(text);
      expect(content.metadata.timestamp).to.equal(undefined);
      expect(content.serialNumber).to.match(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      const { out } = run("sbom", { SOURCE_DATE_EPOCH: "1767225600" });
      expect((JSON.parse(out) as Bill).metadata.timestamp).to.equal("2026-01-01T00:00:00.000Z");
    });
  });

  describe("the audit", () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    /** With an npm that says this, and ends as npm does when it found something. */
    function audited(said: string) {
      const npm = join(folder, "npm.mjs");
      writeFileSync(npm, `process.stdout.write(${JSON.stringify(said)}); process.exitCode = 1;`);
      return run("audit", { npm_execpath: npm });
    }

    const report = (severities: Readonly<Record<string, number>>) => {
      const total = Object.values(severities).reduce((sum, count) => sum + count, 0);
      const vulnerabilities = { bad: { name: "bad", severity: Object.keys(severities)[0], range: "<1.2.3" } };
      return JSON.stringify({ vulnerabilities, metadata: { vulnerabilities: { ...severities, total } } });
    };

    for (const [severity, status] of [
      ["critical", 1],
      ["high", 1],
      ["moderate", 0],
      ["low", 0],
    ] as const) {
      it(`${status === 0 ? "says" : "fails for"} what is ${severity}`, () => {
        const { status: given, out } = audited(report({ [severity]: 2 }));
        expect(given).to.equal(status);
        expect(out).to.include(
          `${severity}: bad <1.2.3\n2 known vulnerabilities, ${status === 0 ? 0 : 2} of them`,
        );
      });
    }

    it("does not fail where the registry cannot tell, and says so", () => {
      const { status, out } = audited(
        '{"message": "405 Method Not Allowed - POST https://registry.example"}',
      );
      expect([status, out]).to.deep.equal([
        0,
        "skipped: the registry does not tell of vulnerabilities: 405 Method Not Allowed - POST https://registry.example\n",
      ]);
      expect(audited("")).to.include({
        status: 0,
        out: "skipped: the registry does not tell of vulnerabilities: npm said nothing\n",
      });
      expect(audited("<html>").status).to.equal(0);
    });
  });

  it("installs nothing without a digest, and runs no script of a package", () => {
    for (const { name, integrity } of packages) expect(integrity, name).to.match(/^sha512-/);
    expect(readFileSync(join(ROOT, ".npmrc"), "utf8")).to.match(/^ignore-scripts=true$/m);
    const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");
    const installs = dockerfile.match(/npm (ci|install|i) .*/g)!;
    for (const install of installs) expect(install).to.match(/^npm ci --ignore-scripts/);
  });
});

interface Bill {
  readonly serialNumber: string;
  readonly metadata: { readonly component: object; readonly timestamp?: string };
  readonly components: readonly {
    readonly type: string;
    readonly name: string;
    readonly version: string;
    readonly purl?: string;
    readonly hashes?: readonly { readonly alg: string }[];
  }[];
}
