/** Who asks: known pods, forwarders, and what unknown clients tell of themselves. */

import { expect } from "chai";
import { Asker, type AskerSettings, Askers } from "../../src/server/asker.ts";
import { SuffixNamespaces } from "../../src/server/suffix-namespaces.ts";
import { CLIENT_CLASSES } from "../../src/table/host-record.ts";
import { parseIpPrefix } from "../../src/wire/ip-address.ts";
import { makeQuery } from "../support/make-query.ts";
import { ip } from "../table/samples.ts";
import { clientIndexOf, namespaceFacts, pod } from "./fixtures.ts";

const SETTINGS: AskerSettings = { suffixView: true, trustedForwarders: [] };

const CLIENTS = clientIndexOf(
  [
    pod("10.0.0.1", "team-a", {
      clientClass: "sidecar",
      locality: { network: "", region: "eu", zone: "eu-1", subzone: "", node: "n1" },
    }),
    { address: ip("10.0.0.2"), client: "ambiguous" },
    { address: ip("10.0.0.3"), client: "forwarder" },
  ],
  namespaceFacts("team-a"),
  namespaceFacts("team-b"),
);

function askers(settings: Partial<AskerSettings> = {}) {
  const passedOn: string[] = [];
  const onTold = (address: string, namespace: Uint8Array) =>
    passedOn.push(`${address} ${Buffer.from(namespace).toString()}`);
  const all = new Askers(CLIENTS, { ...SETTINGS, ...settings }, onTold);
  const asker = new Asker();
  const who = (address: string, nowMs = 0) => {
    all.identify({ address }, nowMs, asker);
    const { isPod, namespace, clientClass, mayTellNamespace } = asker;
    return {
      isPod,
      namespace: namespace === null ? null : Buffer.from(namespace).toString(),
      clientClass: CLIENT_CLASSES[clientClass],
      mayTellNamespace,
    };
  };
  const tell = (address: string, name: string, label: number, nowMs = 0) =>
    all.tell(address, makeQuery(name), label, nowMs);
  return { all, asker, who, tell, passedOn };
}

const UNKNOWN = { isPod: false, namespace: null, clientClass: "unknown" };
const MAY_TELL = { ...UNKNOWN, mayTellNamespace: true };
const NOBODY = { ...UNKNOWN, mayTellNamespace: false };

describe("asker", () => {
  it("is a known pod with its namespace, class and place", () => {
    const { who, asker } = askers();
    const expected = { isPod: true, namespace: "team-a", clientClass: "sidecar", mayTellNamespace: false };
    expect(who("10.0.0.1")).to.deep.equal(expected);
    expect(who("::ffff:10.0.0.1")).to.deep.equal(expected);
    expect(asker.locality).to.be.instanceOf(Uint32Array);
    expect(who("10.0.0.9")).to.deep.equal(MAY_TELL);
    expect(asker.locality).to.equal(null);
  });

  it("is nobody behind a forwarder or an address of several, whatever the query tells", () => {
    const { who, tell } = askers();
    for (const address of ["10.0.0.2", "10.0.0.3"]) {
      tell(address, "a.b.c.team-b.svc.cluster.local", 3);
      expect(who(address)).to.deep.equal(NOBODY);
    }
  });

  it("is nobody behind an address that the settings name, even a pod", () => {
    const { who, all } = askers({ trustedForwarders: [parseIpPrefix("10.0.0.0/31")!] });
    expect(who("10.0.0.1")).to.deep.equal(NOBODY);
    expect(who("10.0.0.0")).to.deep.equal(NOBODY);
    expect(who("10.0.0.9")).to.deep.equal(MAY_TELL);
    all.updateSettings(SETTINGS);
    expect(who("10.0.0.1").isPod).to.equal(true);
  });

  it("keeps for 30 s the namespace that its search suffix told", () => {
    const { who, tell } = askers();
    tell("10.0.0.9", "a.b.c.team-b.svc.cluster.local", 3, 1000);
    expect(who("10.0.0.9", 30_999).namespace).to.equal("team-b");
    expect(who("10.0.0.8", 2000).namespace).to.equal(null);
    expect(who("10.0.0.9", 31_000).namespace).to.equal(null);
  });

  it("believes nothing of a suffix where the setting is off, and forgets what was told", () => {
    const { who, tell, all } = askers();
    tell("10.0.0.9", "a.b.c.team-b.svc.cluster.local", 3);
    all.updateSettings({ ...SETTINGS, suffixView: false });
    expect(who("10.0.0.9")).to.deep.equal(NOBODY);
    all.updateSettings(SETTINGS);
    expect(who("10.0.0.9")).to.deep.equal(MAY_TELL);
  });

  it("passes on to other threads what is new, and every 10 s what is told again", () => {
    const { tell, all, passedOn } = askers();
    const other = askers();
    for (const atMs of [0, 1, 9_999, 10_000, 10_001])
      tell("10.0.0.9", "a.b.c.team-b.svc.cluster.local", 3, atMs);
    expect(passedOn).to.deep.equal(["10.0.0.9 team-b", "10.0.0.9 team-b"]);
    tell("10.0.0.9", "a.b.c.team-a.svc.cluster.local", 3, 10_002);
    tell("10.0.0.9", "a.b.c.nowhere.svc.cluster.local", 3, 10_003);
    expect(passedOn.slice(2)).to.deep.equal(["10.0.0.9 team-a"]);

    all.hear("10.0.0.8", Buffer.from("team-a"), 20_000);
    tell("10.0.0.8", "a.b.c.team-a.svc.cluster.local", 3, 20_001);
    expect(passedOn).to.have.length(3);

    other.all.hear("10.0.0.9", Buffer.from("team-b"), 0);
    expect(other.who("10.0.0.9", 29_999).namespace).to.equal("team-b");
    expect(other.who("10.0.0.9", 30_000).namespace).to.equal(null);
    expect(other.passedOn).to.deep.equal([]);
    other.all.updateSettings({ ...SETTINGS, suffixView: false });
    other.all.hear("10.0.0.9", Buffer.from("team-b"), 0);
    other.all.updateSettings(SETTINGS);
    expect(other.who("10.0.0.9").namespace).to.equal(null);
  });

  it("passes on no more than 100 a second, whatever clients tell", () => {
    const { tell, passedOn } = askers();
    for (let index = 0; index < 1000; index += 1)
      tell("10.0.0.9", `a.b.c.team-${index % 2 === 0 ? "a" : "b"}.svc.cluster.local`, 3, 5000 + index / 2);
    expect(passedOn).to.have.length(100);
    tell("10.0.0.8", "a.b.c.team-a.svc.cluster.local", 3, 6000);
    expect(passedOn).to.have.length(101);
  });

  it("believes the name of a Namespace over what was told, any other only where nothing was", () => {
    const { who, tell } = askers();
    tell("10.0.0.9", "a.b.c.nowhere.svc.cluster.local", 3);
    expect(who("10.0.0.9").namespace).to.equal("nowhere");
    tell("10.0.0.9", "a.b.c.team-b.svc.cluster.local", 3, 1000);
    expect(who("10.0.0.9", 1000).namespace).to.equal("team-b");
    // The search list goes on with `svc.cluster.local`: what stands before it is the end of the host.
    tell("10.0.0.9", "a.b.c.example.svc.cluster.local", 3, 2000);
    expect(who("10.0.0.9", 2000).namespace).to.equal("team-b");
    tell("10.0.0.9", "a.b.c.example.svc.cluster.local", 3, 31_000);
    expect(who("10.0.0.9", 31_000).namespace).to.equal("example");
  });
});

describe("namespaces of suffixes", () => {
  it("stay few, however many addresses ask, and the newest are kept", () => {
    const told = new SuffixNamespaces();
    const octets = Buffer.from("team");
    for (let index = 0; index < 10_000; index += 1) told.tell(`a${index}`, octets, 0, 4, true, 0);
    expect(told.size).to.equal(4096);
    expect(told.find("a9999", 1)).to.deep.equal(Uint8Array.from(octets));
    expect(told.find("a0", 1)).to.equal(null);
  });

  it("keep octets of their own", () => {
    const told = new SuffixNamespaces();
    const octets = Uint8Array.from(Buffer.from("xteam"));
    told.tell("a", octets, 1, 4, true, 0);
    octets.fill(0);
    expect(Buffer.from(told.find("a", 1)!).toString()).to.equal("team");
  });
});
