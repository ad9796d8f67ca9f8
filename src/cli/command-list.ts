/** Every command with one line about it, in the order of the help. */

export const COMMAND_SUMMARIES = {
  serve: "answer the hosts of a cluster, or of a folder of manifests",
  demo: "everything on this machine, without a cluster",
  lookup: "ask a server for a host and explain the answer",
  check: "lint ServiceEntries, WorkloadEntries and pods' dnsConfig in files",
  hosts: "list the hosts that a running server knows, with what answers them",
  problems: "list what a running server found wrong, with what to do",
  diff: "compare our answers with CoreDNS's or istiod's, host by host",
  doctor: "inside a pod or on a node: why do names not resolve here?",
  refresh: "have a running server ask upstream again for a host",
  cache: "have a running server forget what it cached for a name",
  "log-level": "have a running server log more or less",
  config: "print the settings in force and where each comes from",
  corefile: "print what CoreDNS needs to ask us",
  inject: "print what makes pods ask us",
  completion: "print a shell's completion of all this",
  "stand-in": "the demo's stand-in for CoreDNS: answers a zone file",
} as const;

export type CommandName = keyof typeof COMMAND_SUMMARIES;

/** The list of the help; ends with a newline. */
export function commandList(): string {
  const width = Math.max(...Object.keys(COMMAND_SUMMARIES).map((name) => name.length));
  return Object.entries(COMMAND_SUMMARIES)
    .map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}\n`)
    .join("");
}
