/**
 * Prints the software bill of materials of the image in the CycloneDX format: the packages that the lock file settles,
 * without those that the image leaves out, and the base image. Needs no network; the same input gives the same output,
 * with the time of SOURCE_DATE_EPOCH if that is set.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { runNpm } from "./npm.ts";

const FOLDER = "node_modules/";

// Not with --omit: npm 11 leaves out what anything for development uses too, such as js-yaml.
const ARGUMENTS = [
  "sbom",
  "--sbom-format=cyclonedx",
  "--sbom-type=application",
  "--package-lock-only",
  "--offline",
];

const { out, error, status } = runNpm(ARGUMENTS);
if (status === 0) process.stdout.write(`${JSON.stringify(billOf(JSON.parse(out)), undefined, 2)}\n`);
else {
  process.stderr.write(`npm ${ARGUMENTS.join(" ")} failed: ${error}\n`);
  process.exitCode = 1;
}

/** References are `name@version`. */
interface Bill {
  readonly metadata: { readonly component: { readonly "bom-ref": string }; readonly timestamp?: string };
  readonly components: readonly { readonly "bom-ref": string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

function billOf(bill: Bill) {
  const { name } = JSON.parse(read("package.json"));
  const { component, timestamp: _, ...metadata } = bill.metadata;
  const inImage = new Set([component["bom-ref"], ...packagesOfImage()]);
  const components = [...bill.components.filter((each) => inImage.has(each["bom-ref"])), baseImage()];
  const dependencies = bill.dependencies
    .filter(({ ref }) => inImage.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => inImage.has(each)) }));
  const digest = createHash("sha256").update(JSON.stringify(components)).digest("hex");
  return {
    ...bill,
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    // npm calls it after the folder.
    metadata: { ...timeOfSource(), ...metadata, component: { ...component, name } },
    components,
    dependencies,
  };
}

/** `name@version` of what the Dockerfile's `npm ci --omit=dev --omit=optional` installs. */
function packagesOfImage(): readonly string[] {
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Readonly<Record<string, { version: string; dev?: true; optional?: true; devOptional?: true }>>;
  };
  return Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== "" && !dev && !optional && !devOptional)
    .map(([path, { version }]) => `${path.slice(path.lastIndexOf(FOLDER) + FOLDER.length)}@${version}`);
}

function read(name: string): string {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

function baseImage(): object {
  const image = /^ARG BASE_IMAGE=(\S+)$/m.exec(read("Dockerfile"))?.[1];
  if (image === undefined) throw new Error("the Dockerfile names no BASE_IMAGE");
  const [name, version] = image.split(/[:@](?=[^/]*$)/);
  return { "bom-ref": image, type: "container", name, version, scope: "required" };
}

function timeOfSource(): { readonly timestamp?: string } {
  const seconds = process.env["SOURCE_DATE_EPOCH"];
  return seconds === undefined ? {} : { timestamp: new Date(Number(seconds) * 1000).toISOString() };
}

/** RFC 9562 5.8: version 8 is for values of one's own making. */
function uuidOf(hex: string): string {
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join("-");
}
