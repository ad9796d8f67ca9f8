/** The defaults of what decides how much of a cluster is watched. */

import type { NeedSettings } from "../../src/watcher/watch-need.ts";

export const NEED_SETTINGS: NeedSettings = {
  answer: "auto",
  defaultExportTo: ["*"],
  defaultVisibility: "public",
  hostPolicy: [],
  excludeSelectors: [],
  virtualRanges: [],
  suffixAnswer: "cname",
  explainTxt: false,
};
