/** No file descriptor is left (EMFILE), in a real process with a low limit: a fault of ours and not of upstream's. */

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect } from "chai";
import { PATIENCE_MS } from "../support/waiting.ts";
import type { WithoutFiles } from "./without-files.ts";

const OPEN_FILES = 64;

function runWithoutFiles(): WithoutFiles {
  const program = [process.execPath, resolve(import.meta.dirname, "without-files.ts")];
  const { stdout, stderr, status } = spawnSync(
    "sh",
    ["-c", `ulimit -n ${OPEN_FILES}; exec "$@"`, "sh", ...program],
    { encoding: "utf8", timeout: PATIENCE_MS },
  );
  expect(status, stderr).to.equal(0);
  return JSON.parse(stdout) as WithoutFiles;
}

describe("without a file descriptor", () => {
  it("sockets tell of it, upstream stays alive, and the first query afterwards is answered", () => {
    const { codes, errors, isUpMeanwhile, rcodeAfter } = runWithoutFiles();
    expect(codes).to.deep.equal(["EMFILE", "EMFILE"]);
    // Network error, as soon as the query's time is up.
    expect(new Set(errors)).to.deep.equal(new Set([23]));
    expect(isUpMeanwhile).to.equal(true);
    expect(rcodeAfter).to.equal(0);
  });
});
