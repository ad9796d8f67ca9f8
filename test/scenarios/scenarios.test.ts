/** Every story of this folder, played in memory and over UDP and TCP sockets. README.md says how to write one. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readStories } from "./read-story.ts";
import { playStory } from "./scenario-runner.ts";
import { WAYS } from "./story.ts";

const FOLDER = import.meta.dirname;

describe("scenarios", () => {
  const files = readdirSync(FOLDER)
    .filter((name) => name.endsWith(".yaml"))
    .sort();
  for (const file of files) {
    describe(file, () => {
      for (const story of readStories(readFileSync(join(FOLDER, file), "utf8"), file)) {
        for (const way of WAYS) {
          if (story.ways.includes(way)) it(`${story.title}, ${way}`, () => playStory(story, way));
          else it.skip(`${story.title}, ${way}: ${story.waysReason}`);
        }
      }
    });
  }
});
