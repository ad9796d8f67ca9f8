import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type LogFields, silentLogger } from "../../src/runtime.ts";
import type { FolderStamp } from "../../src/watcher/folder-listing.ts";
import { FolderWatch } from "../../src/watcher/folder-watch.ts";
import { until as waitUntil } from "../support/waiting.ts";

describe("FolderWatch", () => {
  let folder: string;
  let watch: FolderWatch;
  let told: (string | undefined)[];
  let warnings: LogFields[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "folder-watch-"));
    told = [];
    warnings = [];
    const logger = { ...silentLogger, warn: (fields: LogFields) => void warnings.push(fields) };
    watch = new FolderWatch(
      (path) => path.endsWith(".yaml"),
      (path) => told.push(path),
      logger,
    );
  });

  afterEach(() => {
    watch.close();
    rmSync(folder, { recursive: true });
  });

  function stamps(...paths: readonly string[]): Map<string, FolderStamp> {
    return new Map(
      paths.map((path) => {
        const { ino, mode, ctimeMs } = statSync(path);
        return [path, { inode: ino, mode, ctimeMs }];
      }),
    );
  }

  const until = (isSo: () => boolean) => waitUntil(isSo, () => `${isSo}; told ${told.join(", ")}`);

  it("says once that it watches a folder from now on, and again for another one under its name", () => {
    expect(watch.cover(stamps(folder))).to.equal(true);
    expect(watch.cover(stamps(folder))).to.equal(false);
    const sub = join(folder, "sub");
    mkdirSync(sub);
    expect(watch.cover(stamps(folder, sub))).to.equal(true);
    renameSync(sub, join(folder, "away"));
    mkdirSync(sub);
    expect(watch.cover(stamps(folder, sub))).to.equal(true);
    expect(watch.cover(stamps(folder))).to.equal(false);
  });

  it("tells what came, changed or went, but not of writes to what is no manifest", async () => {
    writeFileSync(join(folder, "notes.txt"), "one");
    watch.cover(stamps(folder));
    writeFileSync(join(folder, "notes.txt"), "two");
    writeFileSync(join(folder, "a.yaml"), "");
    await until(() => told.includes(join(folder, "a.yaml")));
    renameSync(join(folder, "notes.txt"), join(folder, "other.txt"));
    await until(() => told.includes(join(folder, "other.txt")));
    expect(told.indexOf(join(folder, "notes.txt"))).to.be.greaterThan(told.indexOf(join(folder, "a.yaml")));
  });

  it("tells that anything may be another when the folder itself moves", async () => {
    const sub = join(folder, "sub");
    mkdirSync(sub);
    watch.cover(stamps(sub));
    renameSync(sub, join(folder, "away"));
    await until(() => told.includes(undefined));
  });

  it("hears all of local folders, and not of others or of those that it cannot watch", function () {
    if (platform() !== "linux") {
      process.stdout.write("skipped: the file systems are known by Linux's numbers\n");
      this.skip();
    }
    watch.cover(stamps(folder));
    expect(watch.hearsAll).to.equal(true);
    watch.cover(stamps(folder, "/proc/self"));
    expect(watch.hearsAll).to.equal(false);
    watch.cover(stamps(folder));
    expect(watch.hearsAll).to.equal(true);
    watch.cover(new Map([...stamps(folder), [join(folder, "gone"), { inode: 1, mode: 0, ctimeMs: 0 }]]));
    expect(watch.hearsAll).to.equal(false);
    expect(warnings).to.deep.equal([]);
  });
});
