/** `completion`: a script for the shell that completes commands, options and their values. */

import { flagOf, SETTING_KEYS, type SettingKey, settingSpec } from "../config/settings.ts";
import { PROBLEMS } from "../mesh/problem.ts";
import { ACT_OPTIONS, LOG_LEVELS } from "./act.ts";
import { SEVERITIES } from "./check/finding.ts";
import { CHECK_FORMATS, CHECK_OPTIONS } from "./check.ts";
import { type CommandSpec, runCommand, UsageError } from "./command.ts";
import { COMMAND_SUMMARIES, type CommandName } from "./command-list.ts";
import { CONFIG_OPTIONS } from "./config.ts";
import { COREFILE_FORMS, COREFILE_OPTIONS } from "./corefile.ts";
import { DIFF_OPTIONS } from "./diff.ts";
import { DOCTOR_FORMATS, DOCTOR_OPTIONS, LIBCS } from "./doctor.ts";
import { FORMATS } from "./formats.ts";
import { HELP_OPTION, helpText } from "./help-text.ts";
import { HOST_STATES, HOSTS_OPTIONS } from "./hosts.ts";
import { INJECT_FORMS, INJECT_OPTIONS } from "./inject.ts";
import { LOOKUP_OPTIONS } from "./lookup.ts";
import { TYPE_BY_NAME } from "./lookup-reply.ts";
import { PROBLEMS_OPTIONS } from "./problems.ts";
import { type Output, processOutput } from "./usage.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

export const COMPLETION_HELP = helpText({
  usage: `completion ${SHELLS.join("|")}`,
  about: `Prints a script that completes commands, options and their values.
  bash  source <(serviceentry-dns completion bash)
  zsh   source <(serviceentry-dns completion zsh)   (after compinit)
  fish  serviceentry-dns completion fish | source`,
  options: [HELP_OPTION],
  status: "0 printed, 2 usage",
});

export const COMPLETION_OPTIONS = { help: { type: "boolean", default: false } } as const;

const SPEC: CommandSpec<typeof COMPLETION_OPTIONS> = {
  name: "completion",
  help: COMPLETION_HELP,
  options: COMPLETION_OPTIONS,
  words: [{ name: "SHELL" }],
};

export function runCompletion(argv: readonly string[], output: Output = processOutput): Promise<number> {
  return runCommand(SPEC, argv, output, async (_values, [word]) => {
    const shell = SHELLS.find((each) => each === word);
    if (shell === undefined) throw new UsageError(`${word} is not one of ${SHELLS.join(", ")}`);
    output.out({ bash: bashScript, zsh: zshScript, fish: fishScript }[shell](completions()));
    return 0;
  });
}

/** What may follow an option: these words, a file, or anything. */
export type Values = readonly string[] | "file" | "any" | "nothing";

export interface Completion {
  readonly command: CommandName;
  readonly summary: string;
  /** With the dashes. */
  readonly options: readonly { readonly name: string; readonly values: Values }[];
  /** What may stand alone. */
  readonly words: readonly string[];
}

type OptionTable = Readonly<Record<string, { readonly type: "string" | "boolean"; readonly short?: string }>>;

const FORMAT_VALUES = { output: FORMATS } as const;

/** Of each command its options, the values of some, and its words. */
const TABLE: Readonly<
  Record<
    CommandName,
    {
      readonly options: OptionTable;
      readonly values?: Readonly<Record<string, Values>>;
      readonly words?: readonly string[];
    }
  >
> = {
  serve: { options: { config: { type: "string" }, help: { type: "boolean" } }, values: { config: "file" } },
  demo: {
    options: {
      form: { type: "string" },
      "stand-in": { type: "string" },
      examples: { type: "string" },
      help: { type: "boolean" },
    },
    values: { form: ["static", "dns", "pods", "workload-entries"], examples: "file" },
  },
  lookup: { options: LOOKUP_OPTIONS, values: { type: [...TYPE_BY_NAME.keys()], output: ["table", "json"] } },
  check: {
    options: CHECK_OPTIONS,
    values: { filename: "file", config: "file", output: CHECK_FORMATS, "fail-on": SEVERITIES },
    words: Object.keys(PROBLEMS),
  },
  hosts: { options: HOSTS_OPTIONS, values: { ...FORMAT_VALUES, state: HOST_STATES } },
  problems: {
    options: PROBLEMS_OPTIONS,
    values: { ...FORMAT_VALUES, severity: SEVERITIES, "fail-on": SEVERITIES, code: Object.keys(PROBLEMS) },
  },
  diff: { options: DIFF_OPTIONS, values: { ...FORMAT_VALUES, nds: "file" } },
  doctor: {
    options: DOCTOR_OPTIONS,
    values: { output: DOCTOR_FORMATS, libc: LIBCS, "resolv-conf": "file" },
  },
  refresh: { options: ACT_OPTIONS, values: FORMAT_VALUES },
  cache: { options: ACT_OPTIONS, values: FORMAT_VALUES, words: ["flush"] },
  "log-level": { options: ACT_OPTIONS, values: FORMAT_VALUES, words: LOG_LEVELS },
  config: {
    options: { ...CONFIG_OPTIONS, config: { type: "string" } },
    values: { ...FORMAT_VALUES, config: "file" },
    words: ["print", ...SETTING_KEYS],
  },
  corefile: { options: COREFILE_OPTIONS, values: { form: COREFILE_FORMS } },
  inject: { options: INJECT_OPTIONS, values: { form: INJECT_FORMS } },
  completion: { options: COMPLETION_OPTIONS, words: SHELLS },
  "stand-in": {
    options: {
      listen: { type: "string" },
      zone: { type: "string" },
      "print-zone": { type: "boolean" },
      help: { type: "boolean" },
    },
    values: { zone: "file" },
  },
};

/** The demo has its own source and upstream. */
const NOT_OF_DEMO: ReadonlySet<SettingKey> = new Set(["source", "upstreams", "clusterUpstreams"]);

function settingsOf(command: CommandName): readonly SettingKey[] {
  if (command === "serve" || command === "config") return SETTING_KEYS;
  return command === "demo" ? SETTING_KEYS.filter((key) => !NOT_OF_DEMO.has(key)) : [];
}

export function completions(): readonly Completion[] {
  return (Object.keys(COMMAND_SUMMARIES) as CommandName[]).map((command) => {
    const { options, values = {}, words = [] } = TABLE[command];
    const own = Object.entries(options).flatMap(([name, { type, short }]) => {
      const follows: Values = type === "boolean" ? "nothing" : (values[name] ?? "any");
      const long = { name: `--${name}`, values: follows };
      return short === undefined ? [long] : [long, { name: `-${short}`, values: follows }];
    });
    const settings = settingsOf(command).map((key) => ({ name: flagOf(key), values: settingValues(key) }));
    return { command, summary: COMMAND_SUMMARIES[command], options: [...own, ...settings], words };
  });
}

function settingValues(key: SettingKey): Values {
  const spec = settingSpec(key);
  if (spec.kind === "boolean") return "nothing";
  if (spec.kind === "choice") return spec.values;
  return spec.kind === "source" ? "file" : "any";
}

const PROGRAM = "serviceentry-dns";
const GLOBAL_OPTIONS = ["--help", "--version"];

function bashScript(all: readonly Completion[]): string {
  const cases = all.map(({ command, options, words }) => {
    const values = options.flatMap(({ name, values: follows }) => {
      if (follows === "any" || follows === "nothing") return [];
      const reply =
        follows === "file"
          ? "compopt -o default; COMPREPLY=()"
          : `COMPREPLY=($(compgen -W "${follows.join(" ")}" -- "$current"))`;
      return [`        ${name}) ${reply}; return ;;`];
    });
    const anything = options.filter((option) => option.values === "any").map(({ name }) => name);
    const noWords = anything.length === 0 ? [] : [`        ${anything.join("|")}) COMPREPLY=(); return ;;`];
    const both = [...options.map(({ name }) => name), ...words].join(" ");
    return [
      `    ${command})`,
      ...(values.length + noWords.length === 0
        ? []
        : ['      case "$previous" in', ...values, ...noWords, "      esac"]),
      `      COMPREPLY=($(compgen -W "${both}" -- "$current"))`,
      "      ;;",
    ].join("\n");
  });
  return `# Completion of ${PROGRAM} for bash: source <(${PROGRAM} completion bash)
_serviceentry_dns() {
  local current previous command
  current="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD-1]}"
  command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...all.map(({ command }) => command), ...GLOBAL_OPTIONS].join(" ")}" -- "$current"))
    return
  fi
  case "$command" in
${cases.join("\n")}
  esac
}
complete -F _serviceentry_dns ${PROGRAM}
`;
}

function zshScript(all: readonly Completion[]): string {
  const commands = all.map(({ command, summary }) => `    ${zshQuoted(`${command}:${summary}`)}`);
  const cases = all.map(({ command, options, words }) => {
    const specs = options.map(({ name, values }) => {
      const what =
        values === "nothing"
          ? ""
          : values === "file"
            ? ":file:_files"
            : values === "any"
              ? ":value: "
              : `:value:(${values.join(" ")})`;
      return `      ${zshQuoted(`*${name}${what}`)}`;
    });
    const rest = words.length === 0 ? [] : [`      ${zshQuoted(`*:word:(${words.join(" ")})`)}`];
    return `    ${command}) _arguments -S \\\n${[...specs, ...rest].join(" \\\n")} ;;`;
  });
  return `#compdef ${PROGRAM}
# Completion of ${PROGRAM} for zsh: source <(${PROGRAM} completion zsh)
_serviceentry_dns() {
  local -a commands
  commands=(
${commands.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
# As a file of the fpath it is run at the first completion; sourced, it only says what it is for.
if [[ "$funcstack[1]" == _serviceentry_dns ]]; then
  _serviceentry_dns "$@"
else
  compdef _serviceentry_dns ${PROGRAM}
fi
`;
}

function fishScript(all: readonly Completion[]): string {
  const lines = all.flatMap(({ command, summary, options, words }) => {
    const first = `complete -c ${PROGRAM} -n __fish_use_subcommand -f -a ${command} -d ${fishQuoted(summary)}`;
    const here = `complete -c ${PROGRAM} -n '__fish_seen_subcommand_from ${command}'`;
    const ofOptions = options.map(({ name, values }) => {
      const flag = name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
      if (values === "nothing") return `${here} -f ${flag}`;
      if (values === "file") return `${here} -r -F ${flag}`;
      return values === "any"
        ? `${here} -x ${flag}`
        : `${here} -x ${flag} -a ${fishQuoted(values.join(" "))}`;
    });
    return [
      first,
      ...ofOptions,
      ...(words.length === 0 ? [] : [`${here} -f -a ${fishQuoted(words.join(" "))}`]),
    ];
  });
  return `# Completion of ${PROGRAM} for fish: ${PROGRAM} completion fish | source\n${lines.join("\n")}\n`;
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
