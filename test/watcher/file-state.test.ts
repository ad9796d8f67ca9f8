import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type FileState, readFileState } from "../../src/watcher/file-state.ts";

const ENTRY = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";

describe("readFileState", () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "file-state-"));
    path = join(folder, "a.yaml");
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** As a look would, `ageMs` after the last write. */
  function look(known: FileState | undefined, ageMs = 1000, changes: { size?: number } = {}) {
    const { mtimeMs, size, ino } = statSync(path);
    return readFileState(path, { mtimeMs, size, inode: ino, ...changes }, known, mtimeMs + ageMs);
  }

  it("does not read a file again whose stamp is the same, once the stamp is old enough", () => {
    writeFileSync(path, ENTRY);
    const fresh = look(undefined, 5);
    expect(fresh).to.include({ isFinal: false, isSuspect: false });
    const old = look(fresh);
    expect(old).to.not.equal(fresh);
    expect(old?.isFinal).to.equal(true);
    expect(look(old)).to.equal(old);
  });

  it("believes an emptied file at the second look", () => {
    writeFileSync(path, ENTRY);
    const full = look(undefined);
    writeFileSync(path, "");
    const first = look(full);
    expect(first).to.include({ isSuspect: true, documents: full?.documents });
    expect(look(first)).to.deep.include({ isSuspect: false, documents: [] });
  });

  it("believes a file that is longer than it was listed at the second look", () => {
    writeFileSync(path, ENTRY);
    const first = look(undefined, 1000, { size: 3 });
    expect(first).to.deep.include({ isSuspect: true, documents: [] });
    expect(look(first, 1000, { size: 3 })?.documents).to.have.length(1);
  });

  it("believes a file that ends within a line at the second look, unless nobody has written it for long", () => {
    writeFileSync(path, ENTRY);
    const whole = look(undefined);
    writeFileSync(path, ENTRY.slice(0, -3));
    const first = look(whole, 30);
    expect(first).to.include({ isSuspect: true, documents: whole?.documents });
    expect(look(first, 45)).to.include({ isSuspect: false, isFinal: true });
    expect(look(whole, 500)).to.include({ isSuspect: false });
    writeFileSync(path, '{"kind": "Namespace"}');
    expect(look(whole, 30)).to.include({ isSuspect: false });
  });

  it("is nothing where the file has gone", () => {
    writeFileSync(path, ENTRY);
    const stats = statSync(path);
    rmSync(path);
    expect(readFileState(path, { ...stats, inode: stats.ino }, undefined, 0)).to.equal(undefined);
  });
});
