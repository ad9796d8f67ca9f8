/** Hot reload on real files in a folder of their own. */

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { loadSettings } from "../../src/config/load-settings.ts";
import type { SettingKey, Settings } from "../../src/config/settings.ts";
import { watchSettings } from "../../src/config/watch-settings.ts";
import type { Closeable, LogFields, Logger } from "../../src/runtime.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface Event {
  readonly kind: "change" | "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
  readonly settings?: Settings;
  readonly changed?: readonly SettingKey[];
}

describe("config: hot reload", () => {
  let folder: string;
  let path: string;
  let watcher: Closeable | undefined;
  const events: Event[] = [];
  let wake = () => {};

  let warnings = 0;
  const tell = (event: Event) => {
    if (event.kind === "warn") warnings += 1;
    events.push(event);
    wake();
  };
  const line = (kind: "debug" | "info" | "warn" | "error") => (fields: LogFields, message: string) =>
    tell({ kind, message, fields });
  const log: Logger = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

  /** The next event of the kind; those before it are passed over. */
  async function next(kind: Event["kind"]): Promise<Event> {
    for (;;) {
      const event = events.shift();
      if (event?.kind === kind) return event;
      if (event !== undefined) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  }

  function start(file: string, argv: readonly string[] = []): void {
    writeFileSync(path, file);
    const inputs = { argv: ["--config", path, "--upstreams", "192.0.2.1", ...argv], env: {} };
    const onChange = (settings: Settings, changed: readonly SettingKey[]) =>
      tell({ kind: "change", message: "", fields: {}, settings, changed });
    watcher = watchSettings({ inputs, current: loadSettings(inputs), log, onChange });
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "settings-"));
    path = join(folder, "settings.yaml");
    events.length = 0;
  });

  afterEach(async () => {
    await watcher?.close();
    watcher = undefined;
    rmSync(folder, { recursive: true });
  });

  it("tells of each reading whether it was taken", async () => {
    const readings: boolean[] = [];
    writeFileSync(path, "source: x\nttl: 10\n");
    const inputs = { argv: ["--config", path, "--upstreams", "192.0.2.1"], env: {} };
    const onRead = (isTaken: boolean) => {
      readings.push(isTaken);
      tell({ kind: "change", message: "", fields: {} });
    };
    watcher = watchSettings({ inputs, current: loadSettings(inputs), log, onChange: () => {}, onRead });
    for (const [file, isTaken] of [
      ["source: x\nttl: 20\n", true],
      ["source: x\nttl: nonsense\n", false],
      ["source: x\nttl: 30\n", true],
    ] as const) {
      writeFileSync(path, file);
      await next("change");
      expect(readings.at(-1)).to.equal(isTaken);
    }
  });

  it("tells of no reading while the file is the one that was loaded", () => {
    writeFileSync(path, "source: x\nttl: 10\n");
    const inputs = { argv: ["--config", path, "--upstreams", "192.0.2.1"], env: {} };
    const clock = new FakeClock();
    const readings: boolean[] = [];
    const onRead = (isTaken: boolean) => void readings.push(isTaken);
    watcher = watchSettings({
      inputs,
      current: loadSettings(inputs),
      log,
      onChange: () => {},
      onRead,
      clock,
    });
    clock.advance(3000);
    expect(readings).to.deep.equal([]);
    writeFileSync(path, "source: x\nttl: 10\n\n");
    clock.advance(3000);
    expect(readings, "a change without effect").to.deep.equal([true]);
  });

  it("applies a change, and says which settings changed", async () => {
    start("source: x\nttl: 10\n");
    writeFileSync(path, "source: x\nttl: 20\nlogLevel: debug\n");
    const { settings, changed } = await next("change");
    expect(changed).to.deep.equal(["ttl", "logLevel"]);
    expect(settings?.ttl).to.equal(20);
    expect(settings?.logLevel).to.equal("debug");
  });

  it("goes back to the default when a key is removed, and leaves alone what a flag sets", async () => {
    start("source: x\nttl: 10\nnegativeTtl: 9\n", ["--negative-ttl", "3"]);
    writeFileSync(path, "source: x\nnegativeTtl: 8\n");
    const { settings, changed } = await next("change");
    expect(changed).to.deep.equal(["ttl"]);
    expect(settings?.ttl).to.equal(30);
    expect(settings?.negativeTtl).to.equal(3);
  });

  it("keeps the old settings on an error and says why, then takes the corrected file", async () => {
    start("source: x\nttl: 10\n");
    writeFileSync(path, "source: x\nttl: 0\n");
    const error = await next("error");
    expect(error.message).to.equal(
      `the settings file ${path} is rejected; the settings before stay in force`,
    );
    const { since, remedy, ...fields } = error.fields;
    expect(String(since)).to.match(/^\d{4}-\d\d-\d\dT/);
    expect(remedy).to.match(/^Correct what faults says/);
    expect(fields).to.deep.equal({
      component: "dns.config",
      file: path,
      faults: [`ttl = "0" (${path}:2) is below 1. Give whole seconds from 1 to 3600, without a unit.`],
    });
    expect(events.filter(({ kind }) => kind === "change")).to.deep.equal([]);
    writeFileSync(path, "source: x\nttl: 11\n");
    const good = await next("info");
    expect(good.message).to.equal(`the settings file ${path} is good again`);
    expect(good.fields["since"]).to.equal(since);
    expect((await next("change")).settings?.ttl).to.equal(11);
  });

  it("logs and does not apply what needs a restart; the rest of the same change is in force", async () => {
    start("source: x\nttl: 10\n");
    writeFileSync(path, "source: y\nttl: 12\n");
    const warning = await next("warn");
    expect(warning.message).to.equal("new settings wait for a restart: source");
    expect(warning.fields["settings"]).to.deep.equal(["source"]);
    const { settings, changed } = await next("change");
    expect(changed).to.deep.equal(["ttl"]);
    expect(settings?.source).to.equal("x");
    // Said once: the next change does not repeat it.
    warnings = 0;
    writeFileSync(path, "source: y\nttl: 13\n");
    expect((await next("change")).settings?.ttl).to.equal(13);
    expect(warnings).to.equal(0);
  });

  it("keeps the old settings while the file is gone, and takes it when it is back", async () => {
    start("source: x\nttl: 10\n");
    unlinkSync(path);
    expect(JSON.stringify((await next("error")).fields["faults"])).to.include("cannot be read (ENOENT");
    writeFileSync(`${path}.new`, "source: x\nttl: 14\n");
    renameSync(`${path}.new`, path);
    expect((await next("change")).settings?.ttl).to.equal(14);
  });

  it("sees the swap of a mounted ConfigMap, whose file is a link through another folder", async () => {
    const version = (name: string, text: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "settings.yaml"), text);
    };
    version("..1", "source: x\nttl: 10\n");
    version("..2", "source: x\nttl: 15\n");
    symlinkSync("..1", join(folder, "..data"));
    path = join(folder, "mounted.yaml");
    symlinkSync("..data/settings.yaml", path);
    start("source: x\nttl: 10\n");
    symlinkSync("..2", join(folder, "..next"));
    renameSync(join(folder, "..next"), join(folder, "..data"));
    expect((await next("change")).settings?.ttl).to.equal(15);
  });

  it("finds a change that was made between loading and watching", async () => {
    writeFileSync(path, "source: x\nttl: 10\n");
    const inputs = { argv: ["--config", path, "--upstreams", "192.0.2.1"], env: {} };
    const current = loadSettings(inputs);
    writeFileSync(path, "source: x\nttl: 16\n");
    const onChange = (settings: Settings) => tell({ kind: "change", message: "", fields: {}, settings });
    watcher = watchSettings({ inputs, current, log, onChange });
    expect((await next("change")).settings?.ttl).to.equal(16);
  });

  it("waits until the file has stopped changing", async () => {
    writeFileSync(path, "source: x\nttl: 10\n");
    const inputs = { argv: ["--config", path, "--upstreams", "192.0.2.1"], env: {} };
    const ttls: number[] = [];
    const onChange = ({ ttl }: Settings) => void ttls.push(ttl);
    const clock = new FakeClock();
    watcher = watchSettings({ inputs, current: loadSettings(inputs), log, onChange, clock });
    writeFileSync(path, "source: x\n");
    clock.advance(1000);
    writeFileSync(path, "source: x\nttl: 17\n");
    clock.advance(100);
    expect(ttls, "half of the file").to.deep.equal([]);
    clock.advance(100);
    expect(ttls).to.deep.equal([17]);
  });

  it("has nothing to do without a file", async () => {
    const inputs = { argv: ["--source", "x", "--upstreams", "192.0.2.1"], env: {} };
    const none = watchSettings({ inputs, current: loadSettings(inputs), log, onChange: () => {} });
    await none.close();
  });
});
