/** How names are read as a host and a search suffix, and which of them Kubernetes can mean. */

import { expect } from "chai";
import fc from "fast-check";
import { NamePart } from "../../src/server/name-part.ts";
import {
  bareLabelCount,
  canKubernetesMean,
  endsWith,
  Reading,
  readingCount,
  searchSuffixes,
} from "../../src/server/search-suffix.ts";
import { nameToText } from "../../src/wire/name.ts";
import { makeQuery, makeRawQuery } from "../support/make-query.ts";
import { hostName } from "../table/samples.ts";

const SUFFIXES = searchSuffixes(hostName("cluster.local"), [
  hostName("corp.example"),
  hostName("eu.corp.example"),
  hostName("local"),
]);

/** The bare name of each reading that fits. */
function readings(name: string): Record<string, string> {
  const query = makeQuery(name);
  const part = new NamePart();
  const found: Record<string, string> = {};
  for (let reading = 0; reading < readingCount(SUFFIXES); reading += 1) {
    const labels = bareLabelCount(query, SUFFIXES, reading);
    if (labels <= 0) continue;
    part.take(query, 0, labels);
    const extra = SUFFIXES.extras[reading - Reading.FIRST_EXTRA];
    const kind = extra === undefined ? ["ns", "svc", "domain"][reading]! : nameToText(extra.octets);
    found[kind] = nameToText(part.name.slice(0, part.nameLength));
  }
  return found;
}

describe("search suffix", () => {
  it("is read in every way that the name allows", () => {
    expect(readings("db.example.team-a.svc.cluster.local")).to.deep.equal({
      ns: "db.example",
      svc: "db.example.team-a",
      domain: "db.example.team-a.svc",
      local: "db.example.team-a.svc.cluster",
    });
    expect(readings("db.example.cluster.local")).to.deep.equal({
      domain: "db.example",
      local: "db.example.cluster",
    });
    expect(readings("a.svc.cluster.local")).to.deep.equal({
      svc: "a",
      domain: "a.svc",
      local: "a.svc.cluster",
    });
    expect(readings("svc.cluster.local")).to.deep.equal({ domain: "svc", local: "svc.cluster" });
    expect(readings("a.pod.cluster.local")).to.deep.equal({ domain: "a.pod", local: "a.pod.cluster" });
    expect(readings("cluster.local")).to.deep.equal({ local: "cluster" });
    expect(readings("a.EU.corp.example")).to.deep.equal({ "eu.corp.example": "a", "corp.example": "a.eu" });
    expect(readings("corp.example")).to.deep.equal({});
    expect(readings("elsewhere.example")).to.deep.equal({});
    expect(readings(".")).to.deep.equal({});
  });

  it("takes a dot inside a label for no separator", () => {
    const name = makeRawQuery(["a.b", "svc.cluster", "local"]);
    expect(endsWith(name, SUFFIXES.domain)).to.equal(false);
    expect(bareLabelCount(name, SUFFIXES, Reading.NAMESPACE)).to.equal(0);
  });

  it("may be of Kubernetes' own names by the labels of the host and what its last one is", () => {
    const can = (
      name: string,
      reading: number,
      fields: { readonly isDelegated?: boolean; readonly isNamespace?: boolean } = {},
    ) => {
      const query = makeQuery(name);
      const labels = bareLabelCount(query, SUFFIXES, reading);
      expect(labels, name).to.be.above(0);
      const { isDelegated = false, isNamespace = false } = fields;
      return canKubernetesMean(query, SUFFIXES, reading, labels, isDelegated, isNamespace);
    };
    const { NAMESPACE, SERVICES, DOMAIN } = Reading;
    const LOCAL = Reading.FIRST_EXTRA + 2;
    const delegated = { isDelegated: true };
    expect(can("web.ns.svc.cluster.local", NAMESPACE)).to.equal(true);
    expect(can("web.ns.svc.cluster.local", NAMESPACE, delegated)).to.equal(true);
    expect(can("pod.web.ns.svc.cluster.local", NAMESPACE)).to.equal(true);
    expect(can("shop.com.ns.svc.cluster.local", NAMESPACE, delegated)).to.equal(false);
    expect(can("a.shop.internal.ns.svc.cluster.local", NAMESPACE)).to.equal(false);
    expect(can("_a._tcp.shop.com.ns.svc.cluster.local", NAMESPACE, delegated)).to.equal(true);
    expect(can("web.dev.svc.cluster.local", SERVICES)).to.equal(true);
    expect(can("web.dev.svc.cluster.local", SERVICES, delegated)).to.equal(false);
    expect(can("web.dev.svc.cluster.local", SERVICES, { ...delegated, isNamespace: true })).to.equal(true);
    expect(can("dev.svc.cluster.local", SERVICES, delegated)).to.equal(true);
    expect(can("a.web.dev.svc.cluster.local", SERVICES)).to.equal(true);
    expect(can("a.b.web.dev.svc.cluster.local", SERVICES, { isNamespace: true })).to.equal(false);
    expect(can("db.internal.cluster.local", DOMAIN)).to.equal(false);
    expect(can("db.cluster.local", DOMAIN)).to.equal(false);
    expect(can("a.b.c.d.svc.cluster.local", DOMAIN, delegated)).to.equal(true);
    expect(can("1-2-3-4.ns.pod.cluster.local", DOMAIN)).to.equal(true);
    expect(can("kubernetes.default.svc.cluster.local", LOCAL, delegated)).to.equal(true);
    expect(can("cluster.local", LOCAL)).to.equal(true);
    expect(can("db.cluster.local", LOCAL)).to.equal(false);
    expect(can("db.corp.example", Reading.FIRST_EXTRA + 1)).to.equal(false);
    expect(can("_db.corp.example", Reading.FIRST_EXTRA + 1)).to.equal(true);
  });
});

describe("part of a name", () => {
  it("is a name of its own, as if it had been asked (property)", () => {
    const label = fc.stringMatching(/^[a-z_][a-z0-9_]{0,9}$/);
    const cut = fc
      .array(label, { minLength: 1, maxLength: 12 })
      .chain((labels) =>
        fc
          .tuple(fc.nat(labels.length), fc.nat(labels.length))
          .map(([one, other]) => ({ labels, first: Math.min(one, other), end: Math.max(one, other) })),
      );
    const part = new NamePart();
    fc.assert(
      fc.property(cut, ({ labels, first, end }) => {
        part.take(makeRawQuery(labels), first, end);
        const expected = makeRawQuery(labels.slice(first, end));
        expect(part.labelCount).to.equal(expected.labelCount);
        expect(part.hasUnderscoreLabel).to.equal(expected.hasUnderscoreLabel);
        expect(part.name.slice(0, part.nameLength)).to.deep.equal(
          expected.name.slice(0, expected.nameLength),
        );
        expect([...part.labelStarts.slice(0, part.labelCount)]).to.deep.equal([
          ...expected.labelStarts.slice(0, expected.labelCount),
        ]);
      }),
    );
  });
});
