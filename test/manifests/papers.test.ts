/** What the papers on operation and security name is there: files, settings, components, commands, rights. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { SETTING_KEYS } from "../../src/config/settings.ts";
import { ROOT } from "../support/program.ts";
import { baseObject, MANIFESTS } from "./base-objects.ts";

const PAPERS = [
  "SECURITY.md",
  "manifests/README.md",
  ...["hardening", "injection", "monitoring", "threat-model"].map((name) => `docs/${name}.md`),
  ...readdirSync(join(ROOT, "docs/runbooks")).map((name) => `docs/runbooks/${name}`),
];

const texts = PAPERS.map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

describe("the papers on operation and security", () => {
  it("link and name files that are there", () => {
    for (const { path, text } of texts) {
      for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g))
        expect(existsSync(join(ROOT, dirname(path), target!)), `${path}: ${target}`).to.equal(true);
      for (const [target] of text.matchAll(
        /(?<!serviceentry-dns\/)\b(?:manifests|scripts|docs)\/[\w./-]*\w/g,
      ))
        expect(existsSync(join(ROOT, target)), `${path}: ${target}`).to.equal(true);
    }
  });

  it("name settings that there are", () => {
    const keys: readonly string[] = SETTING_KEYS;
    // Of Kubernetes, of tools and of our other files.
    const others =
      /^(nameservers|searches|options|ndots|timeout|attempts|extraSearches|dnsConfig|dnsPolicy|clusterIP|allow|deny)$/;
    const fields =
      /^(exportTo|workloadSelector|namespaceSelector|validationActions|toFQDNs|lastError|allowAddresses|maxVisibility)$/;
    for (const { path, text } of texts) {
      const prose = text.replaceAll(/^```.*?^```/gms, "");
      for (const [, word] of prose.matchAll(/`([a-z]+(?:[A-Z]\w+)+)(?:: [^`]*)?`/g)) {
        if (others.test(word!) || fields.test(word!)) continue;
        expect(keys, `${path}: ${word}`).to.include(word);
      }
    }
  });

  it("name components that there are, and each component is named somewhere", () => {
    const components = readdirSync(join(MANIFESTS, "components"));
    const pages = [...PAPERS, "docs/kubernetes.md"]
      .map((path) => readFileSync(join(ROOT, path), "utf8"))
      .join("\n");
    for (const component of components)
      expect(pages, component).to.match(new RegExp(`[\`/]${component}[\`/\\s]`));
  });

  it("SECURITY.md says what the base allows", () => {
    const { text } = texts.find(({ path }) => path === "SECURITY.md")!;
    const [, reads] = /read ([\w, ]+); write Events/.exec(text)!;
    const plural = (resource: string) => reads!.toLowerCase().split(", ").includes(resource);
    const read = baseObject("ClusterRole").rules!.filter(({ verbs }) => verbs.includes("list"));
    const resources = read.flatMap((rule) => rule.resources!);
    for (const resource of resources) expect(plural(resource), resource).to.equal(true);
    const { ports } = baseObject("Deployment").spec!.template.spec!.containers[0]!;
    for (const { containerPort } of ports!) expect(text).to.include(String(containerPort));
  });

  it("threat-model.md has a row for each port", () => {
    const { text } = texts.find(({ path }) => path === "docs/threat-model.md")!;
    const { ports } = baseObject("Deployment").spec!.template.spec!.containers[0]!;
    for (const port of new Set(ports!.map(({ containerPort }) => containerPort)))
      expect(text).to.match(new RegExp(`^\\| ${port} `, "m"));
  });

  it("name commands of kubectl on objects that are there", () => {
    for (const { path, text } of texts) {
      for (const [, kind, name] of text.matchAll(
        /(?:edit|patch|describe|restart|scale|get) (configmap|deployment|service) ([a-z-]+)/g,
      )) {
        const known = ["serviceentry-dns", "serviceentry-dns-injection", "serviceentry-dns-hosts"];
        expect(known, `${path}: ${kind}`).to.include(name);
      }
    }
  });
});
