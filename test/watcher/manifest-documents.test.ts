import { expect } from "chai";
import * as fc from "fast-check";
import { cutDocuments, type ManifestFormat, readDocument } from "../../src/watcher/manifest-documents.ts";
import { processorMs } from "../support/waiting.ts";

function read(text: string, format: ManifestFormat = "yaml") {
  return cutDocuments(text, format).map((document) => {
    const content = readDocument(document, format);
    return content.fault === undefined
      ? content.objects.map(({ raw }) => raw)
      : { line: document.line + content.fault.line, reason: content.fault.reason };
  });
}

function hashOf(text: string): string | undefined {
  return readDocument(cutDocuments(text, "yaml")[0]!, "yaml").objects?.[0]?.contentHash;
}

describe("manifest documents", () => {
  it("cuts at document markers and nowhere else", () => {
    expect(read("a: 1\n---\nb: |\n  x\n   ---\n  y\n--- # comment\nc: '---'\n")).to.deep.equal([
      [{ a: 1 }],
      [{ b: "x\n ---\ny\n" }],
      [{ c: "---" }],
    ]);
    expect(read("a: ---x\n----\n").length).to.equal(1);
    expect(read("---\r\na: 1\r\n---\r\nb: 2\r\n")).to.deep.equal([[{ a: 1 }], [{ b: 2 }]]);
    expect(read("\ufeffa: 1\n---")).to.deep.equal([[{ a: 1 }], []]);
    expect(cutDocuments("---\na: 1\n---\nb: 1\n", "yaml")).to.deep.equal([
      { line: 2, source: "a: 1\n" },
      { line: 4, source: "b: 1\n" },
    ]);
  });

  it("keeps directives with the document that they introduce", () => {
    expect(read("%YAML 1.2\n---\na: 1\n---\nb: 2\n")).to.deep.equal([[{ a: 1 }], [{ b: 2 }]]);
  });

  it("passes over empty documents", () => {
    expect(read("")).to.deep.equal([]);
    expect(read("---\n---\n# nothing\n---\na: 1\n").flat()).to.deep.equal([{ a: 1 }]);
    expect(read("", "json")).to.deep.equal([[]]);
  });

  it("unrolls lists, and gives the items of a typed list their kind", () => {
    const list = { apiVersion: "v1", kind: "List", items: [{ kind: "Pod" }, "no object", { kind: "Node" }] };
    expect(read(JSON.stringify(list), "json")).to.deep.equal([[{ kind: "Pod" }, { kind: "Node" }]]);
    const typed =
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntryList\nitems:\n- metadata: {name: a}\n";
    expect(read(typed)).to.deep.equal([
      [{ apiVersion: "networking.istio.io/v1", kind: "ServiceEntry", metadata: { name: "a" } }],
    ]);
  });

  it("ends at a list that contains itself", () => {
    const [fault] = read("&list\nkind: List\nitems:\n- *list\n");
    expect(fault).to.include({ reason: "lists are nested too deeply" });
  });

  it("counts the line of a fault in the file", () => {
    expect(read("a: 1\n---\nb: 1\nc: [1,\n---\nd: 1\n")).to.deep.include({
      line: 4,
      reason: "deficient indentation",
    });
    expect(read("# x\n\n---\na: 1\n\tb: 2\n")[1]).to.include({ line: 5 });
    expect(read("a: 1\na: 2\n")[0]).to.include({ line: 2, reason: "duplicated mapping key" });
    expect(read("a: 1\n---\n- x\n")[1]).to.deep.equal({
      line: 3,
      reason: "a document is a mapping of fields",
    });
  });

  for (const [text, line] of [
    ['{"a": 1,\n "b":}', 2],
    ['{\n"a": 1,\n}', 3],
    ['{\n"a": {\n"b": [1, 2\n', 3],
    ['{"a": 1}\n{"b": 2}', 2],
    ['{\n "a": tru,\n "b": 1,\n "c": 2\n}', 2],
    ["{a: 1}", 1],
  ] as const) {
    it(`is strict with JSON and finds the line: ${JSON.stringify(text)}`, () => {
      const [fault] = read(text, "json");
      expect(fault).to.include({ line });
      expect(fault).to.have.property("reason").that.does.not.include("position");
    });
  }

  it("hashes content, not spelling", () => {
    expect(hashOf("a: {b: 'x'}\n# comment\n")).to.equal(hashOf("---\na:\n    b: x\n"));
    expect(hashOf("a: {b: x}")).to.not.equal(hashOf("a: {b: y}"));
  });

  it("is not blown up by anchors", () => {
    let text = 'a0: &a0 ["x"]\n';
    for (let depth = 1; depth < 40; depth += 1) {
      const alias = `*a${depth - 1}`;
      text += `a${depth}: &a${depth} [${Array(9).fill(alias).join(", ")}]\n`;
    }
    const startMs = processorMs();
    expect(hashOf(text)).to.be.a("string");
    expect(processorMs() - startMs).to.be.below(1000);
  });

  it("never throws, and loses no line", () => {
    const piece = fc.constantFrom(
      "---\n",
      "a: 1\n",
      "- x\n",
      "{",
      "}\n",
      "\t",
      "%Y\n",
      "...\n",
      "&a *a\n",
      "'",
      "\n",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((each) => each.join("")),
        ),
        (text) => {
          for (const format of ["yaml", "json"] as const) {
            const documents = cutDocuments(text, format);
            const lines = text.replace(/^\ufeff/, "").split("\n");
            for (const document of documents) {
              expect(lines[document.line - 1]).to.equal(document.source.split("\n")[0]);
              const { fault } = readDocument(document, format);
              if (fault !== undefined) {
                expect(fault.line).to.be.within(0, Math.max(0, document.source.split("\n").length - 1));
              }
            }
          }
        },
      ),
    );
  });
});
