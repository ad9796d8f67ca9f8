import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type MeshChange, MeshStore } from "../../src/mesh/mesh-store.ts";
import type { Kind } from "../../src/mesh/objects.ts";
import { ProblemBook, type ProblemCode } from "../../src/mesh/problem.ts";
import { type Clock, silentLogger, systemClock } from "../../src/runtime.ts";
import { FolderSource } from "../../src/watcher/folder-source.ts";
import { quiet, until as waitUntil } from "../support/waiting.ts";

describe("FolderSource", () => {
  let folder: string;
  let store: MeshStore;
  let book: ProblemBook;
  let batches: (readonly MeshChange[])[];
  let source: FolderSource | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "folder-source-"));
    store = new MeshStore();
    book = new ProblemBook(Date.now);
    batches = [];
    source = undefined;
    store.onChange((changes) => void batches.push(changes));
  });

  afterEach(async () => {
    await source?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function write(name: string, text: string): void {
    writeFileSync(join(folder, name), text);
  }

  async function start(
    path: string | readonly string[] = folder,
    clock: Clock = systemClock,
  ): Promise<number> {
    let synced = 0;
    const common = { store, problems: book, clock, logger: silentLogger };
    source = new FolderSource({ ...common, path, onSynced: () => (synced += 1) });
    await source.start();
    return synced;
  }

  const until = (isSo: () => boolean) =>
    waitUntil(isSo, () => `${isSo}; there are ${hosts().join(" ")}; ${problems().join("; ")}`);

  function keys(kind: Kind = "ServiceEntry"): string[] {
    return [...store.all(kind).keys()].map((key) => key.slice(key.indexOf("/") + 1)).sort();
  }

  /** `namespace/name=host` of every entry. */
  function hosts(): string[] {
    const entries = [...store.all("ServiceEntry").values()];
    return entries.map(({ ref, hosts }) => `${ref.namespace}/${ref.name}=${hosts.join(",")}`).sort();
  }

  function problems(): string[] {
    return [...book.all()]
      .map(({ problem }) => `${problem.code} ${problem.path.replace(`${folder}/`, "")}`)
      .sort();
  }

  function codes(): ProblemCode[] {
    return [...book.all()].map(({ problem }) => problem.code);
  }

  describe("at the start", () => {
    it("reads every kind of file, document and list below the folder, and flushes once", async () => {
      mkdirSync(join(folder, "deep/deeper"), { recursive: true });
      mkdirSync(join(folder, ".hidden"));
      write("a.yaml", `${entry("a")}---\n${entry("b", "b.example.com", "team")}`);
      write("deep/c.yml", `${NAMESPACE}---\n${POD}`);
      write(
        "deep/deeper/d.json",
        JSON.stringify({ apiVersion: "v1", kind: "List", items: [json("d"), json("e")] }),
      );
      write("deep/deeper/other.YAML", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");
      write(".skipped.yaml", entry("skipped"));
      write(".hidden/f.yaml", entry("skipped"));
      write("notes.txt", entry("skipped"));
      expect(await start()).to.equal(1);
      expect(keys()).to.deep.equal(["default/a", "default/d", "default/e", "team/b"]);
      expect(keys("Pod")).to.deep.equal(["team/p"]);
      expect(keys("Namespace")).to.deep.equal(["/team"]);
      expect(batches.length).to.equal(1);
      expect(source?.counts()).to.deep.equal({ files: 4, documents: 6, objects: 6, otherKinds: 1 });
      expect(problems()).to.deep.equal([]);
    });

    it("gives an object its identity as uid, a hash as version, and no time of creation", async () => {
      write("a.yaml", entry("a").replace("metadata:", 'metadata:\n  resourceVersion: "7"'));
      await start();
      const [a] = [...store.all("ServiceEntry").values()];
      expect(a).to.include({ uid: "ServiceEntry/default/a", createdAtMs: undefined });
      expect(a?.resourceVersion).to.match(/^[\w-]{43}$/);
    });

    it("takes a single file, whatever its name, and several paths", async () => {
      write("one.conf", entry("one"));
      mkdirSync(join(folder, "two"));
      write("two/two.yaml", entry("two"));
      await start([join(folder, "one.conf"), join(folder, "two")]);
      expect(keys()).to.deep.equal(["default/one", "default/two"]);
      write("one.conf", entry("other"));
      await until(() => keys().includes("default/other"));
      expect(keys()).to.deep.equal(["default/other", "default/two"]);
    });

    it("is synced with an empty folder", async () => {
      expect(await start()).to.equal(1);
      expect(batches).to.deep.equal([]);
      write("a.yaml", entry("a"));
      await until(() => keys().length === 1);
    });

    it("rejects a path that is not there, by name and with the remedy", async () => {
      const path = join(folder, "nowhere");
      const error = await start(path).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).to.include(path).and.include("no such file or folder").and.include("--source");
    });
  });

  describe("while it runs", () => {
    it("follows edits, and only the objects that changed", async () => {
      write("a.yaml", `${entry("a")}---\n${entry("b")}`);
      await start();
      const startMs = systemClock.nowMs();
      write("a.yaml", `${entry("a")}---\n${entry("b", "new.example.com")}`);
      await until(() => hosts().includes("default/b=new.example.com"));
      expect(batches[1]?.map(({ key }) => key)).to.deep.equal(["ServiceEntry/default/b"]);
      expect(batches[1]?.[0]?.receivedAtMs).to.be.within(startMs, systemClock.nowMs());
    });

    it("takes a new comment for no change", async () => {
      write("a.yaml", entry("a"));
      await start();
      write("a.yaml", `# why\n\n${entry("a")}`);
      write("b.yaml", entry("b"));
      await until(() => keys().length === 2);
      expect(batches.flat().map(({ key }) => key)).to.deep.equal([
        "ServiceEntry/default/a",
        "ServiceEntry/default/b",
      ]);
    });

    it("follows files that come, go and are renamed", async () => {
      write("a.yaml", entry("a"));
      await start();
      write("b.yaml", entry("b"));
      await until(() => keys().length === 2);
      unlinkSync(join(folder, "a.yaml"));
      await until(() => keys().length === 1);
      renameSync(join(folder, "b.yaml"), join(folder, "b.yaml.off"));
      await until(() => keys().length === 0);
      renameSync(join(folder, "b.yaml.off"), join(folder, "c.yaml"));
      await until(() => keys().join() === "default/b");
    });

    it("does not lose an object whose file is renamed or split", async () => {
      write("all.yaml", `${entry("a")}---\n${entry("b")}`);
      await start();
      renameSync(join(folder, "all.yaml"), join(folder, "both.yaml"));
      write("c.yaml", entry("c"));
      await until(() => keys().length === 3);
      expect(batches.length).to.equal(2);
    });

    it("follows editors that write another file and rename it over", async () => {
      write("a.yaml", entry("a"));
      await start();
      for (const host of ["one.example.com", "two.example.com", "three.example.com"]) {
        write(".a.yaml.tmp", entry("a", host));
        renameSync(join(folder, ".a.yaml.tmp"), join(folder, "a.yaml"));
        await until(() => hosts().join() === `default/a=${host}`);
      }
    });

    it("follows an edit that keeps size and time of the file", async () => {
      write("a.yaml", entry("a", "one.example.com"));
      utimesSync(join(folder, "a.yaml"), 1, 1);
      await start();
      write("new", entry("a", "two.example.com"));
      utimesSync(join(folder, "new"), 1, 1);
      renameSync(join(folder, "new"), join(folder, "a.yaml"));
      await until(() => hosts().join() === "default/a=two.example.com");
    });

    it("does not believe a file that was just emptied, before it is filled again", async () => {
      write("a.yaml", entry("a"));
      await start();
      write("a.yaml", "");
      setImmediate(() => write("a.yaml", entry("a", "new.example.com")));
      await until(() => hosts().includes("default/a=new.example.com"));
      expect(batches.length).to.equal(2);
      write("a.yaml", "");
      await until(() => keys().length === 0);
    });

    it("follows folders that come later, fill, and go", async () => {
      await start();
      mkdirSync(join(folder, "x/y"), { recursive: true });
      write("x/y/a.yaml", entry("a"));
      await until(() => keys().join() === "default/a");
      write("x/y/b.yaml", entry("b"));
      await until(() => keys().length === 2);
      rmSync(join(folder, "x"), { recursive: true });
      await until(() => keys().length === 0);
    });

    it("follows the swap of a ConfigMap mount", async () => {
      const mount = (version: string, host: string) => {
        mkdirSync(join(folder, version));
        write(`${version}/a.yaml`, entry("a", host));
      };
      mount("..v1", "one.example.com");
      symlinkSync("..v1", join(folder, "..data"));
      symlinkSync("..data/a.yaml", join(folder, "a.yaml"));
      await start();
      expect(hosts()).to.deep.equal(["default/a=one.example.com"]);
      mount("..v2", "two.example.com");
      symlinkSync("..v2", join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
      rmSync(join(folder, "..v1"), { recursive: true });
      await until(() => hosts().includes("default/a=two.example.com"));
      expect(batches.length).to.equal(2);
    });

    it("finds by itself what no event tells", async () => {
      // A link to a file elsewhere: nothing watches that folder.
      const elsewhere = mkdtempSync(join(tmpdir(), "folder-source-elsewhere-"));
      try {
        writeFileSync(join(elsewhere, "a.yaml"), entry("a"));
        symlinkSync(join(elsewhere, "a.yaml"), join(folder, "a.yaml"));
        await start();
        writeFileSync(join(elsewhere, "a.yaml"), entry("a", "new.example.com"));
        await until(() => hosts().includes("default/a=new.example.com"));
      } finally {
        rmSync(elsewhere, { recursive: true });
      }
    });

    it("follows edits one after another by their events, and not by looks of its own", async () => {
      for (let index = 0; index < 20; index += 1) write(`${index}.yaml`, entry(`e${index}`));
      const clock = withoutPolls(2);
      await start(folder, clock);
      await clock.hasStopped;
      for (let edit = 0; edit < 5; edit += 1) {
        write(`${edit}.yaml`, entry(`e${edit}`, `edit-${edit}.example.com`));
        await until(() => hosts().includes(`default/e${edit}=edit-${edit}.example.com`));
      }
      expect(batches.map((changes) => changes.length)).to.deep.equal([20, 1, 1, 1, 1, 1]);
    });

    it("needs no look by itself where the system tells everything", async () => {
      write("a.yaml", entry("a"));
      mkdirSync(join(folder, "sub"));
      write("sub/b.yaml", entry("b"));
      const clock = withoutPolls(2);
      await start(folder, clock);
      await clock.hasStopped;
      write("sub/b.yaml", entry("b", "new.example.com"));
      await until(() => hosts().includes("default/b=new.example.com"));
      write("c.yaml", entry("c"));
      await until(() => keys().includes("default/c"));
      write(".a.yaml.tmp", entry("a", "renamed.example.com"));
      renameSync(join(folder, ".a.yaml.tmp"), join(folder, "a.yaml"));
      await until(() => hosts().includes("default/a=renamed.example.com"));
      renameSync(join(folder, "sub"), join(folder, "other"));
      renameSync(join(folder, "c.yaml"), join(folder, "other/d.yaml"));
      unlinkSync(join(folder, "a.yaml"));
      await until(() => source?.counts().files === 2 && keys().length === 2);
      expect(hosts()).to.deep.equal(["default/b=new.example.com", "default/c=c.example.com"]);
      expect(problems()).to.deep.equal([]);
    });

    it("moves an object between files without taking it away in between", async () => {
      mkdirSync(join(folder, "sub"));
      write("a.yaml", entry("a"));
      write("b.yaml", entry("b"));
      await start();
      renameSync(join(folder, "a.yaml"), join(folder, "sub/a.yaml"));
      renameSync(join(folder, "b.yaml"), join(folder, "c.yaml"));
      await until(() => source?.counts().files === 2 && !problems().length);
      write("c.yaml", entry("b", "new.example.com"));
      await until(() => hosts().includes("default/b=new.example.com"));
      expect(batches.map((changes) => changes.length)).to.deep.equal([2, 1]);
    });

    it("finds by itself what is written through another name of the file", async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), "folder-source-elsewhere-"));
      try {
        write("a.yaml", entry("a"));
        linkSync(join(folder, "a.yaml"), join(elsewhere, "a"));
        await start();
        writeFileSync(join(elsewhere, "a"), entry("a", "new.example.com"));
        await until(() => hosts().includes("default/a=new.example.com"));
      } finally {
        rmSync(elsewhere, { recursive: true });
      }
    });

    it("follows more changes at once than the system may tell of", async () => {
      const names = Array.from({ length: 1500 }, (_, index) => `${index}.yaml`);
      for (const name of names) write(name, entry(`e${name}`));
      await start();
      for (const name of names) write(name, entry(`e${name}`, "new.example.com"));
      await until(
        () =>
          store.all("ServiceEntry").size === 1500 &&
          hosts().every((each) => each.endsWith("=new.example.com")),
      );
    });

    it("does not follow links to folders, and so no circle of them", async () => {
      write("a.yaml", entry("a"));
      symlinkSync(".", join(folder, "circle"));
      symlinkSync("..", join(folder, "up.yaml"));
      await start();
      expect(keys()).to.deep.equal(["default/a"]);
      expect(problems()).to.deep.equal([]);
    });

    it("says nothing more after it was closed", async () => {
      write("a.yaml", entry("a"));
      await start();
      write("b.yaml", entry("b"));
      await source?.close();
      await quiet(60);
      expect(keys()).to.deep.equal(["default/a"]);
    });
  });

  describe("an object that stands twice", () => {
    it("is taken from the path that is first in byte order, then from the next", async () => {
      write("B.yaml", entry("x", "upper.example.com"));
      write("a.yaml", entry("x", "lower.example.com"));
      write("é.yaml", entry("x", "last.example.com"));
      await start();
      expect(hosts()).to.deep.equal(["default/x=upper.example.com"]);
      expect(problems()).to.deep.equal(["DuplicateObject a.yaml:1", "DuplicateObject é.yaml:1"]);
      unlinkSync(join(folder, "B.yaml"));
      await until(() => hosts().includes("default/x=lower.example.com"));
      expect(problems()).to.deep.equal(["DuplicateObject é.yaml:1"]);
      unlinkSync(join(folder, "a.yaml"));
      await until(() => hosts().includes("default/x=last.example.com"));
      expect(problems()).to.deep.equal([]);
      write("A.yaml", entry("x", "first.example.com"));
      await until(() => hosts().includes("default/x=first.example.com"));
    });

    it("is one object in whatever version, and with the default namespace written or not", async () => {
      const other = entry("x", "b.example.com")
        .replace("v1alpha3", "v1")
        .replace("name: x", "name: x\n  namespace: default");
      write("a.yaml", `${entry("x", "a.example.com")}---\n${other}`);
      await start();
      expect(hosts()).to.deep.equal(["default/x=a.example.com"]);
      expect(problems()).to.deep.equal(["DuplicateObject a.yaml:10"]);
    });
  });

  describe("a document with broken syntax", () => {
    const broken = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: b\nspec: {}\n";

    it("keeps its last good object and spoils neither its neighbours nor other files", async () => {
      write("a.yaml", `${entry("a")}---\n${entry("b")}---\n${entry("c")}`);
      await start();
      write("a.yaml", `${entry("a", "new.example.com")}---\n${broken}---\n${entry("c")}---\n${entry("d")}`);
      await until(() => keys().length === 4);
      expect(hosts()).to.deep.equal([
        "default/a=new.example.com",
        "default/b=b.example.com",
        "default/c=c.example.com",
        "default/d=d.example.com",
      ]);
      expect(problems()).to.deep.equal(["SyntaxError a.yaml:13"]);
      // Still broken, and another document of the file goes: it is not taken for the broken one.
      write("a.yaml", `${broken}---\n${entry("c")}`);
      await until(() => !keys().includes("default/d"));
      expect(keys()).to.deep.equal(["default/b", "default/c"]);
      expect(problems()).to.deep.equal(["SyntaxError a.yaml:4"]);
      write("a.yaml", `${entry("b", "mended.example.com")}---\n${entry("c")}`);
      await until(() => hosts().includes("default/b=mended.example.com"));
      expect(problems()).to.deep.equal([]);
      expect(keys()).to.deep.equal(["default/b", "default/c"]);
    });

    it("names the object in its report", async () => {
      write("a.yaml", entry("b", "b.example.com", "team"));
      await start();
      write("a.yaml", broken);
      await until(() => codes().includes("SyntaxError"));
      const [found] = [...book.all()];
      expect(found?.problem.object).to.deep.equal({ kind: "ServiceEntry", namespace: "team", name: "b" });
      expect(found?.problem.message).to.include("cannot be read");
    });

    it("keeps all objects when the line between two documents is broken", async () => {
      write("a.yaml", `${entry("a")}---\n${entry("b")}`);
      await start();
      write("a.yaml", `${entry("a")}-- -\n${entry("b")}`);
      await until(() => codes().includes("SyntaxError"));
      expect(keys()).to.deep.equal(["default/a", "default/b"]);
    });

    it("keeps no object of a document that was renamed in the same edit", async () => {
      write("a.yaml", `${entry("a")}---\n${entry("b")}`);
      await start();
      write("a.yaml", `${entry("renamed")}---\n${broken}`);
      await until(() => keys().includes("default/renamed"));
      expect(keys()).to.deep.equal(["default/b", "default/renamed"]);
    });

    it("is absent where it never was readable", async () => {
      write("a.yaml", broken);
      write("b.json", '{"kind": "ServiceEntry",\n"oops"}');
      write("c.yaml", entry("c"));
      await start();
      expect(keys()).to.deep.equal(["default/c"]);
      expect(problems()).to.deep.equal(["SyntaxError a.yaml:4", "SyntaxError b.json:2"]);
      unlinkSync(join(folder, "a.yaml"));
      unlinkSync(join(folder, "b.json"));
      await until(() => problems().length === 0);
    });

    it("yields to the same object where another document of the file has it", async () => {
      write("a.yaml", entry("b"));
      await start();
      write("a.yaml", `${broken}---\n${entry("b", "moved.example.com")}`);
      await until(() => hosts().join() === "default/b=moved.example.com");
      expect(codes()).to.deep.equal(["SyntaxError"]);
    });
  });

  it("counts a readable but invalid object as absent, and clears its problems with it", async () => {
    write("a.yaml", `${entry("a")}---\n${entry("b")}`);
    await start();
    write("a.yaml", `${entry("a").replace(/hosts:\n.*\n/, "hosts: 5\n")}---\n${entry("b")}`);
    await until(() => keys().join() === "default/b");
    expect(codes()).to.include("ShapeInvalid");
    write("a.yaml", entry("b"));
    await until(() => problems().length === 0);
  });

  it("reports two objects without a name each for itself", async () => {
    const nameless = (host: string) => entry("a", host).replace("name: a", "labels: {}");
    write("a.yaml", `${nameless("a.example.com")}---\n${nameless("b.example.com")}`);
    await start();
    expect(problems()).to.deep.equal([
      "ShapeInvalid a.yaml:1 metadata.name",
      "ShapeInvalid a.yaml:10 metadata.name",
    ]);
  });

  describe("what cannot be read", () => {
    it("stays in force: a file whose links go in a circle", async () => {
      write("a.yaml", entry("a"));
      write("b.yaml", entry("b"));
      await start();
      unlinkSync(join(folder, "a.yaml"));
      symlinkSync("a.yaml", join(folder, "a.yaml"));
      await until(() => problems().join() === "FileUnreadable a.yaml");
      expect(keys()).to.deep.equal(["default/a", "default/b"]);
      unlinkSync(join(folder, "a.yaml"));
      await until(() => problems().length === 0 && keys().length === 1);
    });

    it("stays in force: a file and a folder without permission", async () => {
      mkdirSync(join(folder, "sub"));
      write("a.yaml", entry("a"));
      write("sub/b.yaml", entry("b"));
      chmodSync(folder, 0o755);
      const user = process.geteuid?.();
      // Root may read everything: so the test reads as nobody.
      if (user === 0) process.seteuid?.(65_534);
      try {
        await start();
        if (user === 0) process.seteuid?.(0);
        write("a.yaml", entry("a", "new.example.com"));
        chmodSync(join(folder, "a.yaml"), 0);
        chmodSync(join(folder, "sub"), 0);
        if (user === 0) process.seteuid?.(65_534);
        await until(() => problems().length === 2);
        expect(problems()).to.deep.equal(["FileUnreadable a.yaml", "FileUnreadable sub"]);
        expect(hosts()).to.deep.equal(["default/a=a.example.com", "default/b=b.example.com"]);
        if (user === 0) process.seteuid?.(0);
        chmodSync(join(folder, "a.yaml"), 0o644);
        chmodSync(join(folder, "sub"), 0o755);
        await until(() => hosts().includes("default/a=new.example.com"));
        expect(problems()).to.deep.equal([]);
      } finally {
        if (user === 0) process.seteuid?.(0);
      }
    });

    it("stays in force: the whole folder goes, until it is there again", async () => {
      const root = join(folder, "root");
      mkdirSync(root);
      write("root/a.yaml", entry("a"));
      await start(root);
      renameSync(root, join(folder, "away"));
      await until(() => problems().join() === "FileUnreadable root");
      expect(keys()).to.deep.equal(["default/a"]);
      mkdirSync(root);
      await until(() => keys().length === 0);
      expect(problems()).to.deep.equal([]);
      // The folder is another one now: it is watched like the first.
      linkSync(join(folder, "away/a.yaml"), join(root, "a.yaml"));
      await until(() => keys().length === 1);
      appendFileSync(join(root, "a.yaml"), `---\n${entry("b")}`);
      await until(() => keys().length === 2);
    });
  });
});

/** The system's clock, but of long timers only the first ones go off; `hasStopped` resolves at the next. */
function withoutPolls(first: number): Clock & { readonly hasStopped: Promise<void> } {
  let left = first;
  const { promise: hasStopped, resolve } = Promise.withResolvers<void>();
  return {
    ...systemClock,
    hasStopped,
    setTimer(delayMs, callback) {
      if (delayMs < 500) return systemClock.setTimer(delayMs, callback);
      left -= 1;
      if (left >= 0) return systemClock.setTimer(0, callback);
      resolve();
      return { cancel() {} };
    },
  };
}

function entry(name: string, host = `${name}.example.com`, namespace?: string): string {
  const place = namespace === undefined ? "" : `  namespace: ${namespace}\n`;
  return `apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: ${name}
${place}spec:
  hosts:
  - ${host}
  resolution: NONE
`;
}

function json(name: string) {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name },
    spec: { hosts: [`${name}.example.com`], resolution: "NONE" },
  };
}

const NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n";
const POD = `apiVersion: v1
kind: Pod
metadata:
  name: p
  namespace: team
status:
  podIP: 10.0.0.1
`;
