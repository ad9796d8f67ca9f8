/** Stories of the engine about `service.ns`, asked as it is: two questions upstream, one answer. */

import { expect } from "chai";
import { type EngineSettings, LATER } from "../../src/server/engine.ts";
import { HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import type { ResourceRecord } from "../../src/wire/message.ts";
import { addresses, ip, record, set } from "../table/samples.ts";
import {
  addressesOf,
  answersOf,
  ENGINE_SETTINGS,
  FakeClient,
  namespaceFacts,
  question,
  rcodeOf,
  Stage,
  upstreamReply,
} from "./fixtures.ts";

const V4 = addresses("192.0.2.1");

describe("engine: short forms of services", () => {
  const SHORT = "kubernetes.default";
  const FULL = "kubernetes.default.svc.cluster.local";

  function shortStage(settings: Partial<EngineSettings> = {}): Stage {
    const stage = Stage.with(settings);
    stage.know([], namespaceFacts("default"));
    return stage;
  }

  /** The reply to the question for the name, of those that were forwarded. */
  function replyTo(stage: Stage, name: string, fields: Parameters<typeof upstreamReply>[1]): void {
    const asked = stage.forwarder.asked.find(({ message }) => nameOf(message) === name)!;
    const reply = upstreamReply(asked.message, fields);
    asked.client.send(reply, reply.length);
  }

  const a = (name: string, address: string, ttlSeconds = 20): ResourceRecord => ({
    name,
    type: RecordType.A,
    class: 1,
    ttlSeconds,
    data: { kind: "A", address: ip(address) },
  });

  function nameOf(message: Uint8Array): string {
    const labels: string[] = [];
    for (let at = 12; message[at] !== 0; at += 1 + message[at]!) {
      labels.push(Buffer.from(message.subarray(at + 1, at + 1 + message[at]!)).toString());
    }
    return labels.join(".");
  }

  it("ask for both names at once and answer with the full one where the short one is denied", () => {
    for (const first of [SHORT, FULL]) {
      const stage = shortStage();
      const client = new FakeClient();
      expect(stage.ask(question("Kubernetes.default", "A", { id: 77, edns: {} }), client)).to.equal(null);
      expect(stage.forwarder.asked.map(({ message }) => nameOf(message))).to.deep.equal([
        "Kubernetes.default",
        FULL,
      ]);
      const replies: Record<string, () => void> = {
        [SHORT]: () => replyTo(stage, "Kubernetes.default", { rcode: Rcode.NXDOMAIN }),
        [FULL]: () => replyTo(stage, FULL, { answers: [a(FULL, "10.96.0.1"), a(FULL, "10.96.0.2", 5)] }),
      };
      replies[first]!();
      expect(client.replies).to.deep.equal([]);
      expect(stage.metric("in_flight")).to.equal(1);
      replies[first === SHORT ? FULL : SHORT]!();
      const [reply] = client.replies;
      expect([reply!.id, rcodeOf(reply!)]).to.deep.equal([77, Rcode.NOERROR]);
      expect(answersOf(reply!)).to.deep.equal([
        `Kubernetes.default CNAME ${FULL}`,
        `${FULL} A 10.96.0.1`,
        `${FULL} A 10.96.0.2`,
      ]);
      expect(reply!.answers.map(({ ttlSeconds }) => ttlSeconds)).to.deep.equal([5, 20, 5]);
      expect(reply!.flags & (HeaderFlag.AA | HeaderFlag.RA | HeaderFlag.RD)).to.equal(
        HeaderFlag.RA | HeaderFlag.RD,
      );
      expect(reply!.edns?.size).to.equal(1232);
      expect(stage.metric("in_flight")).to.equal(0);
      expect(stage.metric("responses_total", "NOERROR", "forward")).to.equal(1);
    }
  });

  it("answer with what the short name has, at once", () => {
    const stage = shortStage();
    const client = new FakeClient();
    stage.ask(question(SHORT, "A"), client);
    replyTo(stage, SHORT, {});
    expect(client.replies.map(answersOf)).to.deep.equal([[]]);
    replyTo(stage, FULL, { answers: [a(FULL, "10.96.0.1")] });
    expect(client.replies.length).to.equal(1);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("relay the short name's denial where there is no full name either", () => {
    for (const rcode of [Rcode.NXDOMAIN, Rcode.SERVFAIL]) {
      const stage = shortStage();
      const client = new FakeClient();
      stage.ask(question(SHORT, "A"), client);
      replyTo(stage, FULL, { rcode });
      replyTo(stage, SHORT, { rcode: Rcode.NXDOMAIN });
      expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
      expect(stage.metric("responses_total", "NXDOMAIN", "forward")).to.equal(1);
    }
  });

  it("know a full name without addresses of the family, and what an alias leads to", () => {
    const stage = shortStage();
    const [none, alias] = [new FakeClient(), new FakeClient()];
    stage.ask(question(SHORT, "AAAA"), none);
    replyTo(stage, SHORT, { rcode: Rcode.NXDOMAIN });
    replyTo(stage, FULL, {});
    expect(none.replies.map(answersOf)).to.deep.equal([[`${SHORT} CNAME ${FULL}`]]);
    stage.forwarder.asked.length = 0;
    stage.ask(question("ext.default.svc", "A"), alias);
    replyTo(stage, "ext.default.svc", { rcode: Rcode.NXDOMAIN });
    const target = {
      name: "ext.default.svc.cluster.local",
      type: RecordType.CNAME,
      class: 1,
      ttlSeconds: 30,
    };
    replyTo(stage, "ext.default.svc.cluster.local", {
      answers: [{ ...target, data: { kind: "name", name: "x.example" } }, a("x.example", "192.0.2.7")],
    });
    expect(alias.replies.map(answersOf)).to.deep.equal([
      ["ext.default.svc CNAME ext.default.svc.cluster.local", "ext.default.svc.cluster.local A 192.0.2.7"],
    ]);
  });

  it("cut what a UDP client cannot take, and say so", () => {
    const many = Array.from({ length: 100 }, (_, index) => a(FULL, `10.0.0.${index}`));
    const ask = (transport: "udp" | "tcp") => {
      const stage = shortStage();
      const client = new FakeClient(transport);
      stage.ask(question(SHORT, "A"), client);
      replyTo(stage, SHORT, { rcode: Rcode.NXDOMAIN });
      replyTo(stage, FULL, { answers: many });
      return client.replies[0]!;
    };
    const udp = ask("udp");
    expect(udp.flags & HeaderFlag.TC).to.equal(HeaderFlag.TC);
    // 512 - header 12 - question 24 - CNAME (12 + 39) = 425: 26 records of 16 octets.
    expect(udp.answers.length).to.equal(1 + Math.floor((512 - 12 - 24 - 12 - (FULL.length + 2)) / 16));
    expect(ask("tcp").answers.length).to.equal(101);
  });

  it("take what the cache has of either name", () => {
    const stage = shortStage();
    const caches = (cached: Readonly<Record<string, Parameters<typeof upstreamReply>[1]>>) => {
      stage.forwarder.asked.length = 0;
      stage.forwarder.cached = (message) => upstreamReply(message, cached[nameOf(message)]!);
    };
    caches({ [SHORT]: {} });
    expect(rcodeOf(stage.answer(question(SHORT, "A")))).to.equal(Rcode.NOERROR);
    expect(stage.forwarder.asked.length).to.equal(1);
    expect(stage.metric("responses_total", "NOERROR", "cache")).to.equal(1);
    caches({ [SHORT]: { rcode: Rcode.NXDOMAIN }, [FULL]: { answers: [a(FULL, "10.96.0.1")] } });
    const client = new FakeClient();
    const message = question(SHORT, "A");
    expect(stage.engine.handle(message, message.length, client)).to.equal(LATER);
    expect(client.replies.map((reply) => answersOf(reply).length)).to.deep.equal([2]);
    expect(stage.metric("in_flight")).to.equal(0);
  });

  it("survive a reply for the full name that cannot be read", () => {
    const stage = shortStage();
    const client = new FakeClient();
    stage.ask(question(SHORT, "A"), client);
    replyTo(stage, SHORT, { rcode: Rcode.NXDOMAIN });
    const broken = new Uint8Array(40).fill(0xc0);
    broken.set([0, 0, 0x80, 0], 0);
    stage.forwarder.asked[1]!.client.send(broken, broken.length);
    expect(client.replies.map(rcodeOf)).to.deep.equal([Rcode.NXDOMAIN]);
    expect(stage.faults).to.deep.equal([]);
  });

  it("are plain names where the setting is off or a host of ours has the name", () => {
    const off = shortStage({ shortServiceNames: false });
    off.ask(question(SHORT, "A"));
    expect(off.forwarder.asked.length).to.equal(1);
    off.engine.updateSettings(ENGINE_SETTINGS);
    off.ask(question(SHORT, "A"));
    expect(off.forwarder.asked.length).to.equal(3);
    off.apply(...set(record(SHORT, V4)));
    expect(addressesOf(off.answer(question(SHORT, "A")))).to.deep.equal(["192.0.2.1"]);
  });
});
