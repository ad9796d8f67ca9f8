/** From the path of a problem to a place in the text. */

import { expect } from "chai";
import { Locator } from "../../../src/cli/check/locate.ts";
import { readSources } from "../../../src/cli/check/sources.ts";
import { processorMs } from "../../support/waiting.ts";

/** Of the object `ordinal` of the text: line, column and what is marked. */
async function located(text: string, path: string, message = "", ordinal = 0): Promise<string> {
  const sources = await readSources(["-"], { stdin: async () => text, onRead: () => {} });
  if ("fault" in sources) throw new Error(sources.fault);
  const object = sources.objects[ordinal];
  if (object === undefined) throw new Error("no such object");
  const { line, column, length, text: whole } = new Locator().locate(object, path, message);
  return `${line}:${column} ${whole.slice(column - 1, column - 1 + length)}`;
}

const TEXT = `# a comment
apiVersion: v1
kind: Thing
metadata:
  name: one
  annotations:
    "example.com/a.b": "x"
spec:
  hosts:
  - a.example.com
  - B.example.com.
  ports: [{ number: 80 }, { number: 443, name: tls }]
`;

describe("check: places", () => {
  const cases: readonly [path: string, message: string, expected: string][] = [
    ["spec.hosts[1]", "", "11:5 B.example.com."],
    ["spec.ports[1].name", "", "12:48 tls"],
    ['metadata.annotations["example.com/a.b"]', "", '7:24 "x"'],
    ["", "", "2:1 apiVersion: v1"],
    ["metadata.name", "", "5:9 one"],
    // A list is meant by its key, or by what the message names of it, however it is spelled.
    ["spec.hosts", "nothing of it", "9:3 hosts"],
    ["spec.hosts", "Host b.example.com is reserved.", "11:5 B.example.com."],
    ["spec.ports", "Port 443 (tls) is odd.", "12:37 443"],
    // What is not there is shown at the nearest that is.
    ["spec.hosts[7]", "", "9:3 hosts"],
    ["spec.endpoints[0].address", "", "8:1 spec"],
    ["status.addresses[0]", "", "2:1 apiVersion: v1"],
  ];
  for (const [path, message, expected] of cases) {
    it(`${path || "the object"} ${message}`, async () => {
      expect(await located(TEXT, path, message)).to.equal(expected);
    });
  }

  it("count the lines of the file, not of the document", async () => {
    const text = `---\n# first\nkind: A\n---\nkind: B\nspec:\n  x: 1\n--- # third\nkind: C\nspec:\n  x: 2\n`;
    expect(await located(text, "spec.x", "", 1)).to.equal("7:6 1");
    expect(await located(text, "spec.x", "", 2)).to.equal("11:6 2");
  });

  it("find the items of lists, also of typed ones", async () => {
    const text = `kind: List\nitems:\n- kind: A\n  x: 1\n- kind: BList\n  items:\n  - x: 2\n  - x: 3\n- kind: C\n  x: 4\n`;
    expect(await located(text, "x", "", 2)).to.equal("8:8 3");
    expect(await located(text, "x", "", 3)).to.equal("10:6 4");
  });

  it("work in JSON, with tabs and on one line", async () => {
    const json = '{\n\t"kind": "A",\n\t"spec": {"hosts": ["a", "b"]}\n}\n';
    expect(await located(json, "spec.hosts[1]")).to.equal('3:26 "b"');
    expect(await located(JSON.stringify(JSON.parse(json)), "spec.hosts[1]")).to.equal('1:34 "b"');
  });

  it("follow aliases to where they stand, and end where an alias contains itself", async () => {
    const text = "kind: A\nspec: &s\n  hosts: &h [a, b]\n  again: *h\n  self: [*s]\n";
    expect(await located(text, "spec.again")).to.equal("4:10 *h");
    expect(await located(text, "spec", "nothing.of.it")).to.equal("2:1 spec");
  });

  it("do not follow aliases that multiply", async () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const inner = level === 0 ? "x" : `*l${level - 1}`;
      return `  l${level}: &l${level} [${Array.from({ length: 9 }, () => inner).join(", ")}]`;
    });
    const text = `kind: A\nspec:\n${levels.join("\n")}\n`;
    const startMs = processorMs();
    await located(text, "spec.l8", "nothing.of.it");
    expect(processorMs() - startMs).to.be.lessThan(2000);
  });

  it("take line ends of Windows", async () => {
    expect(await located("kind: A\r\nspec:\r\n  x: yes it is\r\n", "spec.x")).to.equal("3:6 yes it is");
  });
});
