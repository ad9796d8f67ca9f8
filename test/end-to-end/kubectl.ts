/**
 * `kubectl` as far as the guides use it, so that their commands run as they are written. Objects live in a folder, or
 * in a real API server whose own kubectl gets them; `exec` and `run` go into pods of network namespaces. The
 * variable STATE_VARIABLE names a file with a State.
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { STATE_VARIABLE, type State } from "./state.ts";

interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly podIP?: string;
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

const state: State = JSON.parse(readFileSync(process.env[STATE_VARIABLE]!, "utf8"));
const [verb, ...words] = process.argv.slice(2);
const end = words.indexOf("--");
const inner = end < 0 ? [] : words.slice(end + 1);
const { values, positionals } = parseArgs({
  args: end < 0 ? words : words.slice(0, end),
  allowPositionals: true,
  strict: false,
  options: {
    namespace: { type: "string", short: "n" },
    selector: { type: "string", short: "l" },
    filename: { type: "string", short: "f" },
    container: { type: "string", short: "c" },
    output: { type: "string", short: "o" },
    tail: { type: "string" },
    image: { type: "string" },
    stdin: { type: "boolean", short: "i" },
    tty: { type: "boolean", short: "t" },
  },
});
const namespace = String(values["namespace"] ?? "default");
process.exitCode = await execute();

function execute(): number | Promise<number> {
  switch (verb) {
    case "exec":
      return run(podNamed(positionals[0]!.replace("deploy/", "")), inner);
    case "run":
      // The image is what its shell finds: the commands of busybox, and curl.
      return run(podNamed(positionals[0]!), ["env", `PATH=${state.busyboxFolder}`, ...inner]);
    case "logs":
      process.stdout.write(
        readFileSync(state.log, "utf8")
          .split("\n")
          .slice(-Number(values["tail"] ?? 1000))
          .join("\n"),
      );
      return 0;
    case "apply":
      return apply(readFileSync(0, "utf8"));
    default:
      return state.kubectl === undefined ? inFolder(state.objects) : run(state.kubectl, [verb!, ...words]);
  }
}

function run([file, ...before]: readonly string[], args: readonly string[], input?: string): number {
  const stdin = input === undefined ? "inherit" : "pipe";
  return (
    spawnSync(file!, [...before, ...args], {
      stdio: [stdin, "inherit", "inherit"],
      ...(input === undefined ? {} : { input }),
    }).status ?? 1
  );
}

function podNamed(name: string): readonly string[] {
  const pod = Object.entries(state.pods).find(([each]) => each === name || each.startsWith(`${name}-`));
  if (pod === undefined) return fail(`pods "${name}" not found`);
  return pod[1];
}

/** Only here must YAML be understood, and most commands are not this one. */
async function apply(text: string): Promise<number> {
  const { loadAll } = await import("js-yaml");
  if (state.kubectl !== undefined) {
    const how = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    const withStatus = (loadAll(text) as ApiObject[]).filter(({ status }) => status !== undefined);
    const status = run(state.kubectl, how, text);
    if (status !== 0 || withStatus.length === 0) return status;
    const list = { apiVersion: "v1", kind: "List", items: withStatus };
    return run(state.kubectl, [...how, "--subresource=status"], JSON.stringify(list));
  }
  for (const object of loadAll(text) as ApiObject[]) {
    const { name, namespace = "default" } = object.metadata;
    writeFileSync(fileOf(object.kind, namespace, name), JSON.stringify(object));
    process.stdout.write(`${object.kind.toLowerCase()}/${name} applied\n`);
  }
  return 0;
}

function inFolder(folder: string): number | Promise<number> {
  const kind = (positionals[0] ?? "").replace(/s$/, "");
  const name = positionals[1];
  if (verb === "create") {
    return apply(JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }));
  }
  const objects = readdirSync(folder)
    .map((file): ApiObject => JSON.parse(readFileSync(join(folder, file), "utf8")))
    .filter((each) => each.kind.toLowerCase() === kind)
    .filter((each) => (each.metadata.namespace ?? "default") === namespace)
    .filter((each) => name === undefined || each.metadata.name === name)
    .filter((each) => hasLabels(each, String(values["selector"] ?? "")));
  if (name !== undefined && objects.length === 0) return fail(`${kind} "${name}" not found`);
  for (const object of objects) {
    if (verb === "delete") rmSync(fileOf(object.kind, namespace, object.metadata.name));
    const { podIP, phase, conditions } = object.status ?? {};
    const ready = conditions?.find(({ type }) => type === "Ready")?.status === "True" ? "1/1" : "0/1";
    const columns = kind === "pod" ? [ready, phase, podIP] : [];
    process.stdout.write(
      verb === "describe"
        ? `${JSON.stringify(object, null, 2)}\n`
        : `${[object.metadata.name, ...columns, verb === "delete" ? "deleted" : ""].join("   ")}\n`,
    );
  }
  return 0;
}

function hasLabels({ metadata }: ApiObject, selector: string): boolean {
  return selector
    .split(",")
    .filter((each) => each !== "")
    .every((each) => {
      const [label, value] = each.split("=");
      return metadata.labels?.[label!] === value;
    });
}

function fileOf(kind: string, namespace: string, name: string): string {
  return join(state.objects, `${namespace}.${kind}.${name}.json`);
}

function fail(message: string): never {
  process.stderr.write(`Error from server (NotFound): ${message}\n`);
  process.exit(1);
}
