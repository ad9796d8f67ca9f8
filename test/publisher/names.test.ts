import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { publishedPorts, serviceName, sliceName } from "../../src/publisher/names.ts";
import { host, port } from "./fixture.ts";

describe("names of published objects", () => {
  it("spell the host, and tell apart what the spelling does not", () => {
    const hash = createHash("sha256").update("default/fake/kmesh-fake.com").digest("hex").slice(0, 10);
    expect(serviceName("default", "fake", host("kmesh-fake.com"))).to.equal(`se-kmesh-fake-com-${hash}`);
    expect(serviceName("default", "p", host("1password.com"))).to.match(/^se-1password-com-[0-9a-f]{10}$/);
    const names = ["a.b-c.example", "a-b.c.example", "a.b.c.example"].map((each) =>
      serviceName("d", "e", host(each)),
    );
    expect(new Set(names).size).to.equal(3);
    expect(serviceName("a", "b", host("x.example"))).not.to.equal(serviceName("b", "a", host("x.example")));
  });

  it("are names of Services whatever the host is", () => {
    const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(
        fc.array(label, { minLength: 1, maxLength: 8 }),
        fc.string(),
        fc.string(),
        (labels, namespace, entry) => {
          const name = serviceName(namespace, entry, labels.join(".") as ReturnType<typeof host>);
          expect(name).to.match(/^[a-z]([a-z0-9-]*[a-z0-9])$/);
          expect(name.length).to.be.at.most(54);
        },
      ),
    );
    const long = serviceName("d", "e", host(`${"a".repeat(39)}.${"b".repeat(60)}.example`));
    expect(long).to.match(/^se-a{39}-[0-9a-f]{10}$/);
  });

  it("of slices are the first that are free in their family", () => {
    const taken = new Set(["se-a-v4-0", "se-a-v4-1"]);
    expect(sliceName("se-a", "IPv4", (name) => taken.has(name))).to.equal("se-a-v4-2");
    expect(sliceName("se-a", "IPv6", (name) => taken.has(name))).to.equal("se-a-v6-0");
  });
});

describe("published ports", () => {
  const names = (...ports: Parameters<typeof port>[]) =>
    publishedPorts(ports.map((each) => port(...each))).map(({ name }) => name);

  it("are lower case, with a dash for what a label does not take", () => {
    expect(names([80, "HTTP_Web"], [443, "tls.main"], [9000, "grpc-a"])).to.deep.equal([
      "http-web",
      "tls-main",
      "grpc-a",
    ]);
  });

  it("have their number for a name where theirs is none, or somebody else's", () => {
    expect(names([80, ""], [81, "-x"], [82, "web"], [83, "WEB"], [84, "a".repeat(64)])).to.deep.equal([
      "p80",
      "p81",
      "web",
      "p83",
      "p84",
    ]);
    expect(names([443, "p80"], [80, "_"])).to.deep.equal(["p80", "p80-2"]);
  });

  it("say the protocol in Kubernetes' words", () => {
    const said = (protocol: string) => {
      const { protocol: transport, appProtocol } = publishedPorts([port(1, "a", protocol)])[0]!;
      return `${transport} ${appProtocol}`;
    };
    expect(
      ["HTTP", "http", "HTTP2", "GRPC", "HTTPS", "TLS", "TCP", "MONGO", "UDP", "udp"].map(said),
    ).to.deep.equal([
      "TCP http",
      "TCP http",
      "TCP kubernetes.io/h2c",
      "TCP grpc",
      "TCP https",
      "TCP ",
      "TCP ",
      "TCP ",
      "UDP ",
      "UDP ",
    ]);
  });

  it("are always different and always labels", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.tuple(
            fc.integer({ min: 1, max: 65535 }),
            fc.oneof(fc.string(), fc.constantFrom("p80", "P80", "p80-2", "http")),
          ),
          { selector: ([number]) => number, maxLength: 12 },
        ),
        (ports) => {
          const made = names(...ports);
          expect(new Set(made).size).to.equal(ports.length);
          for (const name of made) expect(name).to.match(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        },
      ),
    );
  });
});
