/** Stories of the engine about who asks and with which suffix: clients come and go, upstream denies, hosts wait. */

import { expect } from "chai";
import type { FamilyAnswer, HostRecord } from "../../src/table/host-record.ts";
import { ExtendedError, HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import type { Message } from "../../src/wire/message.ts";
import {
  addresses,
  forEveryClass,
  hostName,
  hostOf,
  record,
  remove,
  set,
  variant,
  viewOf,
} from "../table/samples.ts";
import {
  addressesOf,
  answersOf,
  extendedErrorOf,
  FakeClient,
  namespaceFacts,
  pod,
  question,
  rcodeOf,
  Stage,
  upstreamReply,
} from "./fixtures.ts";

const EMPTY: FamilyAnswer = { kind: "empty" };
const V4 = addresses("192.0.2.1");
const KEEPALIVE = { code: 11, data: new Uint8Array() };

function delegated(host: HostRecord): HostRecord {
  return { ...host, isDelegated: true };
}

function soaOwners(message: Message): string[] {
  return message.authorities.filter(({ type }) => type === RecordType.SOA).map(({ name }) => name);
}

const at = (address: string) => new FakeClient("udp", address);

describe("engine: views of clients", () => {
  const HOSTS = set(
    hostOf("own.example", viewOf(["team-a"], "192.0.2.1"), viewOf(["team-b"], "192.0.2.2")),
    delegated(hostOf("private.com", viewOf(["team-a"], "192.0.2.3"))),
  );

  it("answers each pod from its namespace's view and forwards what others see, octet by octet", () => {
    const stage = Stage.synced(...HOSTS);
    stage.know([pod("10.0.0.1", "team-a"), pod("10.0.0.2", "team-b"), pod("10.0.0.3", "team-c")]);
    const ask = question("own.example", "A");
    expect(addressesOf(stage.answer(ask, at("10.0.0.1")))).to.deep.equal(["192.0.2.1"]);
    expect(addressesOf(stage.answer(ask, at("10.0.0.2")))).to.deep.equal(["192.0.2.2"]);
    const other = at("10.0.0.3");
    const unusual = question("OWN.example", "A", {
      flags: HeaderFlag.RD | HeaderFlag.Z,
      edns: { version: 1 },
    });
    expect(stage.ask(unusual, other)).to.equal(null);
    expect(stage.forwarder.asked.map(({ message }) => message)).to.deep.equal([unusual]);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(other.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
    expect(stage.metric("responses_total", "NXDOMAIN", "forward")).to.equal(1);
    expect(stage.metric("clients")).to.equal(3);
    expect(stage.metric("clients_unknown_total")).to.equal(0);
  });

  it("hands those who see a host nothing of what the cache holds for others", () => {
    const stage = Stage.synced(...HOSTS);
    stage.know([pod("10.0.0.1", "team-a"), pod("10.0.0.3", "team-c")]);
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    const ask = question("own.example", "A");
    expect(rcodeOf(stage.answer(ask, at("10.0.0.3")))).to.equal(Rcode.NXDOMAIN);
    expect(addressesOf(stage.answer(ask, at("10.0.0.1")))).to.deep.equal(["192.0.2.1"]);
    expect(rcodeOf(stage.answer(ask, at("10.0.0.3")))).to.equal(Rcode.NXDOMAIN);
  });

  it("follows an address to its next pod", () => {
    const stage = Stage.synced(...HOSTS);
    const ask = question("own.example", "A");
    stage.know([pod("10.0.0.1", "team-a")]);
    stage.know([pod("10.0.0.1", "team-b")]);
    expect(addressesOf(stage.answer(ask, at("10.0.0.1")))).to.deep.equal(["192.0.2.2"]);
    stage.know([{ ...pod("10.0.0.1", "team-b"), client: null }]);
    expect(stage.ask(ask, at("10.0.0.1"))).to.equal(null);
    expect(stage.metric("clients")).to.equal(0);
    expect(stage.metric("clients_unknown_total")).to.equal(1);
  });

  it("gives a class its own variant, and forwards for a class without one", () => {
    const view = {
      visibleTo: "all",
      variants: [variant(V4), variant(addresses("240.240.0.1"), EMPTY, { source: "virtual" })],
      choices: { ...forEveryClass(null), sidecar: 0, redirectedIpv4: 1 },
      ports: [],
    } as const;
    const stage = Stage.synced(...set(hostOf("own.example", view)));
    stage.know([
      pod("10.0.0.1", "a", { clientClass: "sidecar" }),
      pod("10.0.0.2", "a", { clientClass: "redirectedIpv4" }),
      pod("10.0.0.3", "a", { clientClass: "outside" }),
    ]);
    const ask = question("own.example", "A");
    expect(addressesOf(stage.answer(ask, at("10.0.0.1")))).to.deep.equal(["192.0.2.1"]);
    expect(addressesOf(stage.answer(ask, at("10.0.0.2")))).to.deep.equal(["240.240.0.1"]);
    expect(stage.metric("responses_total", "NOERROR", "virtual")).to.equal(1);
    expect(stage.ask(ask, at("10.0.0.3"))).to.equal(null);
  });

  it("prefers the addresses near the pod", () => {
    const [near, far] = ["eu-1", "us-1"].map((zone) => ({
      network: "",
      region: "",
      zone,
      subzone: "",
      node: "",
    }));
    const localities = [far!, near!];
    const answer: FamilyAnswer = { ...addresses("192.0.2.1", "192.0.2.2"), localities } as FamilyAnswer;
    const stage = Stage.with(
      {},
      ...set(record("own.example", answer, EMPTY, { distribution: "PreferSameZone" })),
    );
    stage.know([pod("10.0.0.1", "a", { locality: near! })]);
    const ask = question("own.example", "A");
    expect(addressesOf(stage.answer(ask, at("10.0.0.1")))).to.deep.equal(["192.0.2.2"]);
    expect(addressesOf(stage.answer(ask, at("10.0.0.9"))).length).to.equal(2);
  });

  it("learns an unknown client's namespace from its search suffix, for 30 s", () => {
    const stage = Stage.synced(...HOSTS);
    const client = at("10.0.0.9");
    const bare = question("private.com", "A");
    expect(stage.ask(bare, client)).to.equal(null);
    stage.answer(question("private.com.team-a.svc.cluster.local", "A"), client);
    expect(addressesOf(stage.answer(bare, client))).to.deep.equal(["192.0.2.3"]);
    expect(stage.ask(bare, at("10.0.0.8"))).to.equal(null);
    stage.clock.advance(29_999);
    expect(addressesOf(stage.answer(bare, client))).to.deep.equal(["192.0.2.3"]);
    stage.clock.advance(1);
    expect(stage.ask(bare, client)).to.equal(null);
    // As soon as the pod is known, that alone counts.
    stage.answer(question("private.com.team-a.svc.cluster.local", "A"), client);
    stage.know([pod("10.0.0.9", "team-b")]);
    expect(stage.ask(bare, client)).to.equal(null);
  });

  it("learns it too where upstream's NXDOMAIN shows that the name was no service", () => {
    const stage = Stage.synced(...set(hostOf("db.internal", viewOf(["team-a"], "192.0.2.1"))));
    const client = at("10.0.0.9");
    stage.ask(question("db.internal.team-a.svc.cluster.local", "A"), client);
    expect(stage.ask(question("db.internal", "A"), client)).to.equal(null);
    stage.forwarder.asked.pop();
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(addressesOf(stage.answer(question("db.internal", "A"), client))).to.deep.equal(["192.0.2.1"]);
  });

  it("applies clients in their order with hosts, at most 100 in one step", () => {
    const stage = new Stage();
    const pods = Array.from({ length: 241 }, (_, index) => pod(`10.1.${index >> 8}.${index & 255}`, "a"));
    const sizes: number[] = [];
    const step = stage.engine.step.bind(stage.engine);
    stage.engine.step = () => {
      const isMore = step();
      sizes.push(stage.clients.size);
      return isMore;
    };
    stage.know(pods);
    expect(sizes).to.deep.equal([100, 200, 241]);
  });
});

describe("engine: search suffixes", () => {
  it("answers with a CNAME to the bare host and its records, and counts them apart", () => {
    const stage = Stage.with(
      {},
      ...set(delegated(record("shop.com", V4)), delegated(record("*.shop.com", V4))),
    );
    const reply = stage.answer(question("Shop.com.default.svc.cluster.local", "A"));
    expect(answersOf(reply)).to.deep.equal([
      "Shop.com.default.svc.cluster.local CNAME Shop.com",
      "Shop.com A 192.0.2.1",
    ]);
    const missing = stage.answer(question("a.shop.com.default.svc.cluster.local", "AAAA"));
    expect(answersOf(missing)).to.deep.equal(["a.shop.com.default.svc.cluster.local CNAME a.shop.com"]);
    expect(rcodeOf(missing)).to.equal(Rcode.NOERROR);
    expect(soaOwners(missing)).to.deep.equal(["shop.com"]);
    expect(stage.metric("responses_total", "NOERROR", "suffix")).to.equal(2);
    expect(stage.forwarder.asked).to.deep.equal([]);
    expect(answersOf(stage.answer(question("shop.com", "A")))).to.deep.equal(["shop.com A 192.0.2.1"]);
  });

  it("says NXDOMAIN where a CNAME is not wanted", () => {
    const stage = Stage.with({ suffixAnswer: "nxdomain" }, ...set(delegated(record("shop.com", V4))));
    const reply = stage.answer(question("shop.com.default.svc.cluster.local", "A"));
    expect([rcodeOf(reply), reply.answers.length, soaOwners(reply).length]).to.deep.equal([
      Rcode.NXDOMAIN,
      0,
      1,
    ]);
    expect(stage.metric("responses_total", "NXDOMAIN", "suffix")).to.equal(1);
  });

  it("holds a question with the bare host, and releases it with that", () => {
    const stage = new Stage();
    const pending: FamilyAnswer = { kind: "pending", untilMs: stage.clock.nowMs() + 2500 };
    stage.apply(...set(delegated(record("shop.com", pending, pending))));
    const client = new FakeClient();
    expect(stage.ask(question("shop.com.default.svc.cluster.local", "A"), client)).to.equal(null);
    stage.apply(...set(delegated(record("shop.com", V4))));
    expect(client.replies.map(answersOf)).to.deep.equal([
      ["shop.com.default.svc.cluster.local CNAME shop.com", "shop.com A 192.0.2.1"],
    ]);
    expect([stage.metric("in_flight"), stage.clock.timers]).to.deep.equal([0, 0]);
  });

  it("decides about a held query from scratch: its client may see something else by then", () => {
    const stage = new Stage();
    const pending: FamilyAnswer = { kind: "pending", untilMs: stage.clock.nowMs() + 2500 };
    const waiting = { ...viewOf("all", "192.0.2.1"), variants: [variant(pending, EMPTY)] };
    stage.apply(...set(hostOf("own.example", waiting)));
    stage.engine.setSynced();
    stage.know([pod("10.0.0.1", "team-a"), pod("10.0.0.2", "team-b")]);
    const [a, b] = [at("10.0.0.1"), at("10.0.0.2")];
    for (const client of [a, b]) expect(stage.ask(question("own.example", "A"), client)).to.equal(null);
    stage.apply(...set(hostOf("own.example", viewOf(["team-a"], "192.0.2.7"))));
    expect(a.replies.map(addressesOf)).to.deep.equal([["192.0.2.7"]]);
    expect(b.replies).to.deep.equal([]);
    expect(stage.forwarder.asked.length).to.equal(1);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(b.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("makes NODATA behind the CNAME of a denial of other types", () => {
    const stage = Stage.synced(...set(delegated(record("shop.com", V4))));
    const client = new FakeClient();
    stage.ask(question("shop.com.default.svc.cluster.local", "MX"), client);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NOERROR]);
    expect(answersOf(client.replies[0]!)).to.deep.equal([
      "shop.com.default.svc.cluster.local CNAME shop.com",
    ]);
  });

  it("follows a namespace's own wish", () => {
    const stage = Stage.synced(...set(delegated(record("shop.com", V4))));
    stage.know([pod("10.0.0.1", "cilium")], namespaceFacts("cilium", { suffixAnswer: "nxdomain" }));
    const ask = question("shop.com.cilium.svc.cluster.local", "A");
    expect(rcodeOf(stage.answer(ask, at("10.0.0.1")))).to.equal(Rcode.NXDOMAIN);
    stage.know([], namespaceFacts("cilium"));
    expect(rcodeOf(stage.answer(ask, at("10.0.0.1")))).to.equal(Rcode.NOERROR);
  });
});

describe("engine: names that Kubernetes can mean", () => {
  const NAME = "db.internal.default.svc.cluster.local";

  it("are ours only when upstream says NXDOMAIN", () => {
    const stage = Stage.synced(...set(record("db.internal", V4)));
    const client = new FakeClient();
    const asked = question(NAME, "A", { edns: { dnssecOk: true } });
    stage.ask(asked, client);
    expect(stage.forwarder.asked.map(({ message }) => message)).to.deep.equal([asked]);
    // Another query in between must not get into it.
    stage.answer(question("db.internal", "A"));
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(answersOf)).to.deep.equal([
      [`${NAME} CNAME db.internal`, "db.internal A 192.0.2.1"],
    ]);
    expect(stage.metric("responses_total", "NOERROR", "suffix")).to.equal(1);
    expect(stage.metric("responses_total", "NXDOMAIN", "forward")).to.equal(0);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("are upstream's whatever else it says", () => {
    const stage = Stage.synced(...set(record("db.internal", V4)));
    for (const rcode of [Rcode.NOERROR, Rcode.SERVFAIL, Rcode.REFUSED]) {
      const client = new FakeClient();
      stage.ask(question(NAME, "A"), client);
      stage.forwarder.reply({ rcode });
      expect(client.replies.map((reply) => [rcodeOf(reply), reply.answers.length])).to.deep.equal([
        [rcode, 0],
      ]);
    }
  });

  it("are decided by the NXDOMAIN in the cache as well", () => {
    const stage = Stage.synced(...set(record("db.internal", V4)));
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    expect(answersOf(stage.answer(question(NAME, "A"))).length).to.equal(2);
    const mail = stage.answer(question(NAME, "MX"));
    expect([rcodeOf(mail), answersOf(mail).length, soaOwners(mail).length]).to.deep.equal([0, 1, 1]);
    expect(stage.forwarder.asked.length).to.equal(2);
    stage.forwarder.cached = (message) => upstreamReply(message, {});
    expect(answersOf(stage.answer(question(NAME, "A")))).to.deep.equal([]);
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.SERVFAIL });
    expect(rcodeOf(stage.answer(question(NAME, "A")))).to.equal(Rcode.SERVFAIL);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("wait for a pending host after the NXDOMAIN, and do not ask again", () => {
    const stage = new Stage();
    const pending: FamilyAnswer = { kind: "pending", untilMs: stage.clock.nowMs() + 2500 };
    stage.apply(...set(record("db.internal", pending, pending)));
    const [late, cached, never] = [new FakeClient(), new FakeClient(), new FakeClient()];
    stage.ask(question(NAME, "A"), late);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    stage.forwarder.cached = (message) => upstreamReply(message, { rcode: Rcode.NXDOMAIN });
    expect(stage.ask(question(NAME, "A"), cached)).to.equal(null);
    expect(stage.ask(question(NAME, "AAAA", { edns: {} }), never)).to.equal(null);
    expect(stage.metric("in_flight")).to.equal(3);
    stage.clock.advance(100);
    stage.apply(...set(record("db.internal", V4, pending)));
    for (const client of [late, cached]) {
      expect(client.replies.map((reply) => answersOf(reply).length)).to.deep.equal([2]);
    }
    expect(never.replies).to.deep.equal([]);
    stage.apply(...set(record("db.internal", pending, pending)));
    stage.clock.advance(2400);
    expect(never.replies.map(rcodeOf)).to.deep.equal([Rcode.SERVFAIL]);
    expect(extendedErrorOf(never.replies[0]!)![0]).to.equal(ExtendedError.NOT_READY);
    expect(stage.forwarder.asked.length).to.equal(3);
    expect([stage.metric("in_flight"), stage.clock.timers]).to.deep.equal([0, 0]);
  });

  it("get upstream's NXDOMAIN where the host is gone by then", () => {
    const stage = Stage.synced(...set(record("db.internal", V4)));
    const client = new FakeClient();
    stage.ask(question(NAME, "A"), client);
    stage.apply(...remove("db.internal"));
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
  });

  it("do not say that nothing waits while one goes on to wait for its host", async () => {
    const stage = new Stage();
    const pending: FamilyAnswer = { kind: "pending", untilMs: stage.clock.nowMs() + 2500 };
    stage.apply(...set(record("db.internal", pending, pending)));
    stage.ask(question(NAME, "A"));
    let isIdle = false;
    const idle = stage.engine.idle().then(() => {
      isIdle = true;
    });
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    await Promise.resolve();
    await Promise.resolve();
    expect(isIdle).to.equal(false);
    stage.apply(...set(record("db.internal", V4)));
    await idle;
  });

  it("are refused where the one who asks is upstream itself", () => {
    const stage = Stage.with({ refuse: true }, ...set(record("db.internal", V4)));
    stage.know([], namespaceFacts("default"));
    expect(rcodeOf(stage.answer(question(NAME, "A")))).to.equal(Rcode.REFUSED);
    expect(rcodeOf(stage.answer(question("kubernetes.default", "A")))).to.equal(Rcode.REFUSED);
    expect(stage.forwarder.asked).to.deep.equal([]);
  });

  it("are a host's that stands in for a service that Kubernetes lacks", () => {
    const host = { ...record("db.vms.svc.cluster.local", V4), isFallback: true };
    const stage = Stage.synced(...set(host));
    const [own, real] = [new FakeClient(), new FakeClient()];
    stage.ask(question("db.vms.svc.cluster.local", "A"), own);
    stage.forwarder.reply({ rcode: Rcode.NXDOMAIN });
    expect(own.replies.map(answersOf)).to.deep.equal([["db.vms.svc.cluster.local A 192.0.2.1"]]);
    stage.ask(question("db.vms.svc.cluster.local", "AAAA"), real);
    stage.forwarder.reply({});
    expect(real.replies.map(soaOwners)).to.deep.equal([[]]);
    expect(stage.metric("responses_total", "NOERROR", "static")).to.equal(1);
  });
});

describe("engine: what else a host says", () => {
  const HTTP = {
    name: "http",
    transport: "tcp",
    targets: [{ port: 8080, target: null, weight: 0 }],
  } as const;

  it("answers SRV with the port, the host and its addresses", () => {
    const stage = Stage.synced(...set(record("*.own.example", V4, EMPTY, {}, { ports: [HTTP] })));
    const reply = stage.answer(question("_http._tcp.a.own.example", "SRV"));
    expect(reply.answers.map(({ data }) => data)).to.deep.equal([
      { kind: "SRV", priority: 0, weight: 0, port: 8080, target: "a.own.example" },
    ]);
    expect(reply.additionals.map(({ name }) => name)).to.deep.equal(["a.own.example"]);
    expect(stage.metric("responses_total", "NOERROR", "static")).to.equal(1);
    stage.ask(question("_grpc._tcp.a.own.example", "SRV"));
    expect(stage.forwarder.asked.length).to.equal(1);
  });

  it("answers PTR for a reverse name", () => {
    const reverse = record(
      "1.0.240.240.in-addr.arpa",
      EMPTY,
      EMPTY,
      { source: "virtual" },
      {
        pointer: hostName("own.example"),
      },
    );
    const stage = Stage.synced(...set(reverse));
    const reply = stage.answer(question("1.0.240.240.in-addr.arpa", "PTR"));
    expect(reply.answers.map(({ data }) => data)).to.deep.equal([{ kind: "name", name: "own.example" }]);
    expect(stage.metric("responses_total", "NOERROR", "virtual")).to.equal(1);
  });

  it("explains a host to a known pod", () => {
    const why = "because ".repeat(60);
    const stage = Stage.with({ explainTxt: true }, ...set(record("own.example", V4, EMPTY, {}, { why })));
    stage.know([pod("10.0.0.1", "a")]);
    const ask = question("_why.own.example", "TXT", { edns: {} });
    const { data, ttlSeconds } = stage.answer(ask, at("10.0.0.1")).answers[0]!;
    expect(data.kind === "TXT" && data.strings.join("")).to.equal(why);
    expect(ttlSeconds).to.equal(0);
    expect(stage.ask(ask, at("10.0.0.2"))).to.equal(null);
  });
});

describe("engine: the end is near", () => {
  it("tells TCP clients to close their connections, asked or not, in answers of both kinds", () => {
    const stage = Stage.synced(...set(record("own.example", V4)));
    stage.engine.endConnections();
    const options = (name: string, transport: "udp" | "tcp", asks: boolean) => {
      const client = new FakeClient(transport);
      const ask = question(name, "A", { edns: { options: asks ? [KEEPALIVE] : [] } });
      const reply = stage.ask(ask, client);
      if (reply !== null) return reply.edns?.options;
      stage.forwarder.reply({
        edns: { size: 1232, version: 0, dnssecOk: false, extendedRcode: 0, options: [] },
      });
      return client.replies[0]!.edns?.options;
    };
    const close = [{ code: 11, data: Uint8Array.of(0, 0) }];
    for (const name of ["own.example", "fwd.example"]) {
      expect(options(name, "tcp", true), name).to.deep.equal(close);
      expect(options(name, "tcp", false), name).to.deep.equal(close);
      expect(options(name, "udp", true), name).to.deep.equal([]);
    }
    const plain = new FakeClient("tcp");
    expect(stage.answer(question("own.example", "A"), plain).edns).to.equal(undefined);
  });
});
