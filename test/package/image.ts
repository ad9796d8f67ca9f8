/**
 * Builds an image's file system without a container engine: every stage is a folder, COPY copies between them, and
 * RUN runs in them. What a stage inherits from its base image is not there; node and npm are this machine's.
 */

import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "../support/program.ts";
import { runCommand } from "./command.ts";
import { execForm, type Instruction, type Stage } from "./dockerfile.ts";

export interface Image {
  /** The folder that is `/` in the image, without what the base image has. */
  readonly root: string;
  readonly workingDirectory: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
}

export interface ImageOptions {
  readonly stages: readonly Stage[];
  /** An empty folder for all of it. */
  readonly folder: string;
  /** Where `npm ci` takes packages from: the registry as in a build, or this checkout's node_modules. */
  readonly packages: "registry" | "checkout";
}

/** The image of the last stage. */
export function buildImage({ stages, folder, packages }: ImageOptions): Image {
  const context = join(folder, "context");
  copyContext(context);
  const roots = new Map<string, string>();
  let image: Image | undefined;
  for (const [position, { name, instructions }] of stages.entries()) {
    const root = join(folder, `stage-${position}`);
    mkdirSync(root);
    roots.set(name, root);
    let built: Image = { root, workingDirectory: "/", entrypoint: [], command: [], user: "" };
    for (const instruction of instructions) {
      built = apply(
        instruction,
        built,
        (from) => (from === undefined ? context : roots.get(from)!),
        packages,
      );
    }
    image = built;
  }
  return image!;
}

/** What `.dockerignore` lets through: it excludes everything and names the exceptions. */
export function contextPaths(): readonly string[] {
  const lines = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
  const [all, ...exceptions] = lines.filter((line) => !/^(#|$)/.test(line));
  if (all !== "*" || !exceptions.every((line) => /^![\w./-]+$/.test(line))) {
    throw new Error(".dockerignore is more than * and exceptions");
  }
  return exceptions.map((line) => line.slice(1));
}

/** Of the packages that may be missing, those that an image for this processor has. */
const OPTIONAL_IN_IMAGE = ["node_modules/koffi", `node_modules/@koromix/koffi-linux-${process.arch}`];

/** Packages of a lock file, as paths that begin with node_modules/. */
export function lockedPackages(lockFile: string, which: "production" | "all"): readonly string[] {
  const { packages } = JSON.parse(readFileSync(lockFile, "utf8")) as {
    packages: Readonly<Record<string, { dev?: true; optional?: true; devOptional?: true }>>;
  };
  return Object.entries(packages)
    .filter(([path]) => path !== "")
    .filter(
      ([path, { dev, optional, devOptional }]) =>
        which === "all" || (!dev && (OPTIONAL_IN_IMAGE.includes(path) || !(optional || devOptional))),
    )
    .map(([path]) => path);
}

/** In the words of the image's builder. */
const TARGETARCH = process.arch === "x64" ? "amd64" : process.arch;

function copyContext(target: string): void {
  for (const path of contextPaths()) cpSync(join(ROOT, path), join(target, path), { recursive: true });
}

function apply(
  { keyword, text }: Instruction,
  image: Image,
  sourceRoot: (stage: string | undefined) => string,
  packages: ImageOptions["packages"],
): Image {
  const directory = join(image.root, image.workingDirectory);
  switch (keyword) {
    case "WORKDIR":
      mkdirSync(join(image.root, text), { recursive: true });
      return { ...image, workingDirectory: text };
    case "COPY": {
      const [, from, paths] = /^(?:--from=(\S+) +)?(.*)$/.exec(text)!;
      const words = paths!.split(/ +/);
      copy(
        words.slice(0, -1).map((path) => join(sourceRoot(from), path)),
        join(directory, words.at(-1)!),
        words.at(-1)!.endsWith("/"),
      );
      return image;
    }
    case "RUN":
      if (packages === "checkout" && text.startsWith("npm ci ")) installFromCheckout(text, directory);
      else runCommand(directory, "/bin/sh", "-c", `TARGETARCH=${TARGETARCH}; ${text}`);
      return image;
    case "ENTRYPOINT":
      return { ...image, entrypoint: execForm(text) };
    case "CMD":
      return { ...image, command: execForm(text) };
    case "USER":
      return { ...image, user: text };
    case "ENV":
    case "EXPOSE":
    case "LABEL":
      return image;
  }
}

/** As COPY does: of a folder its content, into a target that ends with a slash by name. */
function copy(sources: readonly string[], target: string, isIntoFolder: boolean): void {
  for (const source of sources) {
    if (!existsSync(source)) throw new Error(`COPY: there is no ${source}`);
    cpSync(source, isIntoFolder ? join(target, basename(source)) : target, { recursive: true });
  }
}

function installFromCheckout(command: string, directory: string): void {
  const modules = join(ROOT, "node_modules");
  if (!command.includes("--omit")) {
    symlinkSync(modules, join(directory, "node_modules"));
    return;
  }
  for (const path of lockedPackages(join(directory, "package-lock.json"), "production")) {
    const own = join(ROOT, path);
    // What is nested in it is in the lock file too.
    const filter = (each: string) => each !== join(own, "node_modules");
    cpSync(own, join(directory, path), { recursive: true, filter });
  }
}
