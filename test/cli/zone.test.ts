import { expect } from "chai";
import * as fc from "fast-check";
import { DEMO_ZONE } from "../../src/cli/demo-zone.ts";
import { answerFromZone, parseZone, type Zone } from "../../src/cli/zone.ts";
import { HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { encodeMessage, type Message } from "../../src/wire/message.ts";

function zoneOf(text: string): Zone {
  const zone = parseZone(text);
  if ("faults" in zone) throw new Error(JSON.stringify(zone.faults));
  return zone;
}

const zone = zoneOf(`
one.example 10 A 192.0.2.1   ; a comment
ONE.example. 10 A 192.0.2.2  # another
one.example 20 aaaa 2001:DB8::1
alias.example 5 CNAME one.example
far.example 5 CNAME gone.example
circle.example 5 CNAME circle.example
deep.below.example 5 A 192.0.2.3
`);

function ask(name: string, type: number, changes: Partial<Message> = {}): Message | undefined {
  const questions = [{ name, type, class: RecordClass.IN as number }];
  const query = { id: 7, flags: HeaderFlag.RD, questions, answers: [], authorities: [], additionals: [] };
  return answerFromZone(zone, { ...query, ...changes });
}

function shown(reply: Message | undefined): string[] | undefined {
  return reply?.answers.map(({ name, type, ttlSeconds, data }) => {
    const value = "address" in data ? data.address : "name" in data ? data.name : "?";
    return `${name} ${ttlSeconds} ${type} ${value}`;
  });
}

function rcodeOf(reply: Message | undefined): number | undefined {
  return reply && (reply.flags & HeaderFlag.RCODE) + 16 * (reply.edns?.extendedRcode ?? 0);
}

describe("zone of the stand-in", () => {
  it("answers the records of the type, like a resolver", () => {
    const reply = ask("One.Example", RecordType.A);
    expect(shown(reply)).to.deep.equal(["One.Example 10 1 192.0.2.1", "One.Example 10 1 192.0.2.2"]);
    expect(reply?.flags).to.equal(HeaderFlag.QR | HeaderFlag.RD | HeaderFlag.RA);
    expect(reply).to.deep.include({ id: 7, authorities: [] });
    expect(shown(ask("one.example", RecordType.AAAA))).to.deep.equal(["one.example 20 28 2001:db8::1"]);
    expect(shown(ask("one.example", RecordType.ANY))).to.have.length(3);
  });

  it("follows aliases, to an end too", () => {
    expect(shown(ask("alias.example", RecordType.AAAA))).to.deep.equal([
      "alias.example 5 5 one.example",
      "one.example 20 28 2001:db8::1",
    ]);
    expect(shown(ask("alias.example", RecordType.CNAME))).to.deep.equal(["alias.example 5 5 one.example"]);
    const gone = ask("far.example", RecordType.A);
    expect([rcodeOf(gone), shown(gone)]).to.deep.equal([Rcode.NXDOMAIN, ["far.example 5 5 gone.example"]]);
    expect(rcodeOf(ask("circle.example", RecordType.A))).to.equal(Rcode.SERVFAIL);
  });

  it("tells a name that is not there from a type that is not", () => {
    for (const [name, type, rcode] of [
      ["nowhere.example", RecordType.A, Rcode.NXDOMAIN],
      ["x.one.example", RecordType.A, Rcode.NXDOMAIN],
      ["deep.below.example", RecordType.AAAA, Rcode.NOERROR],
      ["below.example", RecordType.A, Rcode.NOERROR],
      ["alias.example", RecordType.TXT, Rcode.NOERROR],
    ] as const) {
      const reply = ask(name, type);
      expect(rcodeOf(reply), name).to.equal(rcode);
      expect(
        reply?.authorities.map((each) => [each.type, each.ttlSeconds]),
        name,
      ).to.deep.equal([[RecordType.SOA, 5]]);
    }
  });

  it("refuses what it does not understand, and drops responses", () => {
    const question = { name: "one.example", type: RecordType.A, class: RecordClass.IN };
    expect(ask("one.example", RecordType.A, { flags: HeaderFlag.QR })).to.equal(undefined);
    expect(rcodeOf(ask("one.example", RecordType.A, { flags: 4 << 11 }))).to.equal(Rcode.NOTIMP);
    expect(rcodeOf(ask("", 1, { questions: [] }))).to.equal(Rcode.FORMERR);
    expect(rcodeOf(ask("", 1, { questions: [question, question] }))).to.equal(Rcode.FORMERR);
    expect(rcodeOf(ask("", 1, { questions: [{ ...question, class: RecordClass.CH }] }))).to.equal(
      Rcode.REFUSED,
    );
    const edns = { size: 4096, version: 1, dnssecOk: true, extendedRcode: 0, options: [] };
    expect(rcodeOf(ask("one.example", RecordType.A, { edns }))).to.equal(Rcode.BADVERS);
  });

  it("has an OPT record in the reply if and only if the query had one", () => {
    const edns = { size: 4096, version: 0, dnssecOk: true, extendedRcode: 0, options: [] };
    expect(ask("one.example", RecordType.A, { edns })?.edns).to.deep.include({ size: 1232, dnssecOk: true });
    expect(ask("one.example", RecordType.A)).to.not.have.property("edns");
  });

  it("says what is wrong with each line", () => {
    const text =
      "a.example 5 A 192.0.2.1\na.example 5 A\n-.example 5 A 1.2.3.4\nb.example x A 1.2.3.4\nc.example 5 MX m.example\nd.example 5 AAAA 1.2.3.4\ne.example 5 CNAME 1.2.3.4\na.example 5 CNAME b.example\nf.example 5 A 1.2.3.4 5.6.7.8\n";
    const read = parseZone(text);
    const faults = "faults" in read ? read.faults : [];
    expect(faults.map(({ line }) => line)).to.deep.equal([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(faults[0]?.reason).to.include("name TTL TYPE value");
    expect(faults[3]?.reason).to.include("A, AAAA, CNAME");
  });

  it("makes a reply that can be encoded, for any name and type", () => {
    const name = fc.oneof(
      fc.constantFrom("one.example", "alias.example", "circle.example", "."),
      fc.domain(),
    );
    fc.assert(
      fc.property(
        name,
        fc.integer({ min: 0, max: 65_535 }),
        fc.integer({ min: 0, max: 65_535 }),
        (host, type, flags) => {
          const reply = ask(host, type, { flags });
          if (reply !== undefined) encodeMessage(reply);
        },
      ),
    );
  });

  it("knows every name that the examples ask upstream for", () => {
    const demo = zoneOf(DEMO_ZONE);
    for (const name of [
      "httpbin.default.svc.cluster.local",
      "kubernetes.default.svc.cluster.local",
      "httpbin.org",
      "backend1.example.com",
      "backend2.example.com",
      "backend3.example.com",
      "se.example.com",
    ]) {
      expect(demo.get(name), name).to.not.equal(undefined);
    }
    expect([...demo.keys()])
      .to.not.include("kmesh-fake.com")
      .and.not.include("static-service.example.com");
  });
});
