/** Hot reload of the settings file: a good new one takes effect, a bad one changes nothing and says why. */

import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Clock, type Closeable, type Logger, systemClock, type Timer } from "../runtime.ts";
import { type LoadedSettings, loadSettings, type SettingsInputs } from "./load-settings.ts";
import { SETTING_KEYS, type SettingKey, type Settings, settingSpec } from "./settings.ts";
import { SettingsError } from "./settings-error.ts";

/** Finds what no file event tells, such as the swap of a mounted ConfigMap. */
const POLL_MS = 1000;
/** Editors write a file in several steps; reading in between would see half of it. */
const SETTLE_MS = 100;

export interface WatchSettingsOptions {
  /** What `current` was loaded from. */
  readonly inputs: SettingsInputs;
  readonly current: LoadedSettings;
  readonly log: Logger;
  /** Told of every change that is in force now; `changed` is not empty. */
  readonly onChange: (settings: Settings, changed: readonly SettingKey[]) => void;
  /** Told after each reading of a changed file whether it was taken. */
  readonly onRead?: (isTaken: boolean) => void;
  readonly clock?: Clock;
}

/** Watches `current.configPath`; without one there is nothing to watch. */
export function watchSettings(options: WatchSettingsOptions): Closeable {
  const path = options.current.configPath;
  if (path === undefined) return { close: async () => {} };
  const watcher = new SettingsWatcher(path, options);
  watcher.start();
  return watcher;
}

class SettingsWatcher implements Closeable {
  readonly #path: string;
  readonly #inputs: SettingsInputs;
  readonly #log: Logger;
  readonly #onChange: WatchSettingsOptions["onChange"];
  readonly #onRead: (isTaken: boolean) => void;
  readonly #clock: Clock;
  #settings: Settings;
  /** Settings whose new value waits for a restart, so that it is said once. */
  #waiting: Partial<Settings> = {};
  /** Since when the file cannot be taken, in milliseconds since 1970; undefined: the last reading was good. */
  #rejectedSinceMs: number | undefined;
  /** Undefined at first: a change between loading and watching is found by the first poll. */
  #seen: string | undefined;
  #events: FSWatcher | undefined;
  #poll: Timer | undefined;
  #settle: Timer | undefined;

  constructor(path: string, { inputs, current, log, onChange, onRead, clock }: WatchSettingsOptions) {
    this.#path = path;
    this.#inputs = inputs;
    this.#log = log;
    this.#onChange = onChange;
    this.#onRead = onRead ?? (() => {});
    this.#clock = clock ?? systemClock;
    this.#settings = current.settings;
  }

  start(): void {
    // The folder, not the file: a file that is replaced by a rename takes its watch with it.
    try {
      this.#events = watch(dirname(this.#path), { persistent: false }, () => this.#look());
      this.#events.on("error", (error) => this.#pollOnly(error));
    } catch (error) {
      this.#pollOnly(error);
    }
    this.#pollAgain();
  }

  async close(): Promise<void> {
    this.#events?.close();
    this.#poll?.cancel();
    this.#settle?.cancel();
  }

  #pollOnly(error: unknown): void {
    this.#events?.close();
    const fields = { component: COMPONENT, file: this.#path, reason: reasonOf(error) };
    this.#log.warn(
      fields,
      "the system tells of no change of the settings file; it is looked at every second",
    );
  }

  #pollAgain(): void {
    this.#poll = this.#clock.setTimer(POLL_MS, () => {
      this.#look();
      this.#pollAgain();
    });
  }

  #look(): void {
    const now = fingerprint(this.#path);
    if (this.#settle === undefined && now !== this.#seen) this.#reloadWhenSettled(now);
  }

  #reloadWhenSettled(before: string): void {
    this.#settle = this.#clock.setTimer(SETTLE_MS, () => {
      const now = fingerprint(this.#path);
      if (now !== before) return this.#reloadWhenSettled(now);
      this.#settle = undefined;
      const isFirstLook = this.#seen === undefined;
      this.#seen = now;
      this.#reload(isFirstLook);
    });
  }

  /** `isFirstLook`: the file may be the one that is in force. */
  #reload(isFirstLook: boolean): void {
    const fields = { component: COMPONENT, file: this.#path };
    let settings: Settings;
    try {
      ({ settings } = loadSettings(this.#inputs));
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      const faults = error.faults.map(({ message }) => message);
      this.#rejectedSinceMs ??= this.#clock.wallMs();
      const rejected = { ...fields, faults, since: this.#rejectedSince(), remedy: REJECTED_REMEDY };
      this.#log.error(
        rejected,
        `the settings file ${this.#path} is rejected; the settings before stay in force`,
      );
      this.#onRead(false);
      return;
    }
    if (this.#rejectedSinceMs !== undefined) {
      const message = `the settings file ${this.#path} is good again`;
      this.#log.info({ ...fields, since: this.#rejectedSince() }, message);
      this.#rejectedSinceMs = undefined;
    }
    const changed = SETTING_KEYS.filter((key) => !isDeepStrictEqual(settings[key], this.#settings[key]));
    if (isFirstLook && changed.length === 0) return;
    this.#onRead(true);
    const waiting = changed.filter((key) => settingSpec(key).restartNeeded === true);
    const applied = changed.filter((key) => settingSpec(key).restartNeeded !== true);
    this.#sayWaiting(settings, waiting);
    if (applied.length === 0) return;
    this.#settings = { ...this.#settings, ...pick(settings, applied) };
    this.#log.info({ ...fields, changed: applied }, `new settings are in force: ${applied.join(", ")}`);
    this.#onChange(this.#settings, applied);
  }

  #sayWaiting(settings: Settings, keys: readonly SettingKey[]): void {
    const news = keys.filter((key) => !isDeepStrictEqual(settings[key], this.#waiting[key]));
    this.#waiting = pick(settings, keys);
    if (news.length === 0) return;
    const fields = { component: COMPONENT, file: this.#path, settings: news };
    this.#log.warn(fields, `new settings wait for a restart: ${news.join(", ")}`);
  }

  #rejectedSince(): string | undefined {
    return this.#rejectedSinceMs === undefined ? undefined : new Date(this.#rejectedSinceMs).toISOString();
  }
}

const COMPONENT = "dns.config";
const REJECTED_REMEDY =
  "Correct what faults says; the file is read again at once. Do not restart before: a start fails.";

/** Differs after every change of the file, also when a link on the way to it is moved; "" while there is none. */
function fingerprint(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs}`;
}

function pick(settings: Settings, keys: readonly SettingKey[]): Partial<Settings> {
  return Object.fromEntries(keys.map((key) => [key, settings[key]]));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
