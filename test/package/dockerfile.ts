/** Reads a Dockerfile into its stages; as much of the language as ours uses, and an error for the rest. */

export interface Stage {
  /** "" where the stage has no name. */
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

export interface Instruction {
  readonly keyword: Keyword;
  /** Without the keyword, on one line. */
  readonly text: string;
}

const KEYWORDS = ["CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "RUN", "USER", "WORKDIR"] as const;
export type Keyword = (typeof KEYWORDS)[number];

export function readDockerfile(text: string): readonly Stage[] {
  const defaults = new Map<string, string>();
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const line of logicalLines(text)) {
    const [, keyword, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (keyword === undefined || rest === undefined) throw new Error(`cannot be read: ${line}`);
    const stage = stages.at(-1);
    if (keyword === "ARG" && stage === undefined) {
      const [name, value] = rest.split("=");
      defaults.set(name!, value!);
    } else if (keyword === "ARG" && rest === "TARGETARCH") {
      // The builder sets it; `buildImage` does as well.
    } else if (keyword === "FROM") {
      const [, image, name] = /^(?:--platform=\S+ +)?(\S+)(?: +AS +(\S+))?$/.exec(rest) ?? [];
      if (image === undefined) throw new Error(`cannot be read: ${line}`);
      const base = image.replace(/^\$(\w+)$/, (_, variable) => defaults.get(variable) ?? "");
      stages.push({ name: name ?? "", base, instructions: [] });
    } else if (stage !== undefined && isKeyword(keyword)) {
      stage.instructions.push({ keyword, text: rest });
    } else throw new Error(`unexpected: ${line}`);
  }
  return stages;
}

/** `["a", "b"]`; the shell form would need a shell in the image. */
export function execForm(text: string): readonly string[] {
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words)) throw new Error(`not in exec form: ${text}`);
  return words.map(String);
}

/** Lines that end with a backslash go on; comments may stand between them. */
function logicalLines(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => !/^\s*(#|$)/.test(line));
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
}

function isKeyword(text: string): text is Keyword {
  return KEYWORDS.some((keyword) => keyword === text);
}
