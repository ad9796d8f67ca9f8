/** What is explained, by hand: each kind of match, mode and decision, in the words that a writer of entries reads. */

import { expect } from "chai";
import type { Pod } from "../../src/mesh/objects.ts";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { entry, host, namespaceObject, pod, workloadEntry } from "../registry/support.ts";
import { ExplainedWorld, stepText } from "./explained-world.ts";

const fixed = (
  namespace: string,
  name: string,
  hosts: readonly string[],
  address: string,
  given: object = {},
) => entry({ name, namespace, hosts, resolution: "STATIC", endpoints: [{ address }], ...given });

const meshPod = (name: string, namespace: string, address: string, meshMode: Pod["meshMode"]): Pod => ({
  ...pod({ name, namespace, ips: [address] }),
  meshMode,
});

const lastText = (explained: { readonly steps: readonly { readonly text: string }[] }) =>
  explained.steps.at(-1)?.text;

describe("explain", () => {
  it("finds an exact host, says who wins and why the others lose", () => {
    const world = new ExplainedWorld();
    world.put(
      fixed("team-a", "old", ["api.example"], "192.0.2.1", { created: "2020-01-01T00:00:00Z" }),
      fixed("team-b", "young", ["api.example"], "192.0.2.2", { created: "2021-01-01T00:00:00Z" }),
      fixed("team-c", "hidden", ["api.example"], "192.0.2.3", { exportTo: ["."] }),
      fixed("team-d", "nobody", ["api.example"], "192.0.2.4", { exportTo: ["~"] }),
    );
    const explained = world.explained("API.example.");
    const { steps, problems, addresses, ...rest } = explained;
    expect(rest).to.deep.equal({
      name: "api.example",
      type: "A",
      namespace: null,
      client: {
        kind: "unknown",
        address: null,
        pod: null,
        namespace: null,
        namespaceFrom: null,
        class: "unknown",
      },
      match: "exact",
      host: "api.example",
      decision: "answer",
      mode: "auto",
      modeReason: "by the setting answer; there is no virtual address, so real addresses are given",
      object: { kind: "ServiceEntry", namespace: "team-a", name: "old" },
      losers: [
        {
          kind: "ServiceEntry",
          namespace: "team-b",
          name: "young",
          reason: "ServiceEntry team-a/old is older",
        },
        {
          kind: "ServiceEntry",
          namespace: "team-c",
          name: "hidden",
          reason: "only team-c may see it (exportTo, or hostPolicy), and the client's namespace is not known",
        },
        {
          kind: "ServiceEntry",
          namespace: "team-d",
          name: "nobody",
          reason: "nobody may see it (exportTo, or hostPolicy)",
        },
      ],
    });
    expect(addresses).to.deep.equal([
      {
        address: "192.0.2.1",
        source: "static",
        target: null,
        state: "fresh",
        expiresAt: null,
        nextRefresh: null,
        lastError: null,
      },
    ]);
    expect(steps.map(({ title }) => title)).to.deep.equal([
      "client",
      "exact host",
      "entry",
      "answer mode",
      "decision",
    ]);
    expect(steps[1]).to.deep.equal({
      title: "exact host",
      text: "api.example is answered for this client by ServiceEntry team-a/old.",
      result: "settled",
    });
    expect(lastText(explained)).to.equal("Answered with 1 address (static, authoritative).");
    expect(problems.map(({ code, object }) => `${code} ${object.name}`)).to.deep.equal([
      "HostConflict young",
    ]);

    const own = world.explained({ name: "api.example", namespace: "team-c" });
    expect([own.namespace, own.object?.name, own.client.namespaceFrom]).to.deep.equal([
      "team-c",
      "hidden",
      "suffix",
    ]);
    expect(own.losers[0]?.reason).to.equal("ServiceEntry team-c/hidden is of the client's own namespace");
    expect(own.losers.at(-1)?.reason).to.equal("nobody may see it (exportTo, or hostPolicy)");
  });

  it("finds a wildcard behind an exact host that the client does not see", () => {
    const world = new ExplainedWorld();
    world.put(
      fixed("team-a", "wide", ["*.shop.example"], "192.0.2.1"),
      fixed("team-b", "own", ["a.shop.example"], "192.0.2.2", { exportTo: ["."] }),
    );
    const { match, host: found, object, steps, addresses } = world.explained("a.shop.example");
    expect([match, found, object?.name, addresses.length]).to.deep.equal([
      "wildcard",
      "*.shop.example",
      "wide",
      1,
    ]);
    expect(steps.slice(1, 3)).to.deep.equal([
      {
        title: "exact host",
        text: "No entry answers a.shop.example for this client (ServiceEntry team-b/own: only team-b may see it (exportTo, or hostPolicy), and the client's namespace is not known).",
        result: "next",
      },
      {
        title: "wildcard hosts",
        text: "*.shop.example is answered for this client by ServiceEntry team-a/wide.",
        result: "settled",
      },
    ]);
    const challenge = world.explained({ name: "_acme-challenge.shop.example", type: "TXT" });
    expect([challenge.match, challenge.decision]).to.deep.equal(["none", "forward"]);
    expect(stepText(challenge, "wildcard hosts")).to.include("begins with _");
  });

  describe("with a search suffix", () => {
    const world = new ExplainedWorld();
    world.put(
      fixed("team-a", "api", ["api.corp.example.com"], "192.0.2.1"),
      fixed("team-a", "private", ["db.corp.example.com"], "192.0.2.2", { exportTo: ["."] }),
      fixed("team-a", "short", ["db.internal"], "192.0.2.3"),
      meshPod("web", "team-b", "10.0.0.2", "none"),
      namespaceObject("team-a"),
      namespaceObject("team-b"),
    );

    it("says which host and which suffix", () => {
      const explained = world.explained("api.corp.example.com.team-b.svc.cluster.local");
      expect([explained.match, explained.host, explained.decision, explained.namespace]).to.deep.equal([
        "suffix",
        "api.corp.example.com",
        "answer",
        "team-b",
      ]);
      expect(stepText(explained, "search suffix")).to.equal(
        "Read as api.corp.example.com with the search suffix team-b.svc.cluster.local: api.corp.example.com is " +
          "answered for this client by ServiceEntry team-a/api. Kubernetes cannot mean the name. The answer begins " +
          "with a CNAME to api.corp.example.com.",
      );
      expect(explained.object?.name).to.equal("api");
    });

    it("takes the namespace that the suffix says for the views", () => {
      const seen = world.explained("db.corp.example.com.team-a.svc.cluster.local");
      expect([seen.match, seen.namespace, seen.object?.name]).to.deep.equal(["suffix", "team-a", "private"]);
      const unseen = world.explained("db.corp.example.com.team-b.svc.cluster.local");
      expect([unseen.match, unseen.decision]).to.deep.equal(["none", "forward"]);
      expect(stepText(unseen, "search suffix")).to.include("only team-a may see it");
    });

    it("does not read another namespace's suffix for a pod", () => {
      const explained = world.explained({
        name: "api.corp.example.com.team-a.svc.cluster.local",
        pod: "team-b/web",
      });
      expect([explained.match, explained.decision]).to.deep.equal(["none", "forward"]);
      expect(stepText(explained, "search suffix")).to.include(
        "that is the suffix of the namespace team-a, and the client is in team-b, so it is not read so",
      );
    });

    it("says that upstream is asked first where Kubernetes could mean the name, and what follows", () => {
      const explained = world.explained("db.internal.team-b.svc.cluster.local");
      expect([explained.match, explained.decision, explained.addresses.length]).to.deep.equal([
        "suffix",
        "upstream-first",
        1,
      ]);
      expect(lastText(explained)).to.equal(
        "Upstream is asked first, and what it says is relayed. Where it says NXDOMAIN: Answered with 1 address (static, authoritative).",
      );
    });

    it("follows suffixAnswer", () => {
      const outcome = (suffixAnswer: "nxdomain" | "forward") => {
        const other = new ExplainedWorld({ server: { suffixAnswer } });
        other.put(fixed("team-a", "api", ["api.corp.example.com"], "192.0.2.1"));
        return other.explained("api.corp.example.com.team-b.svc.cluster.local");
      };
      const denied = outcome("nxdomain");
      expect([denied.match, denied.decision]).to.deep.equal(["suffix", "nxdomain"]);
      expect(stepText(denied, "search suffix")).to.include("suffixAnswer is nxdomain");
      const passed = outcome("forward");
      expect([passed.match, passed.decision]).to.deep.equal(["none", "forward"]);
      expect(stepText(passed, "search suffix")).to.include("Hosts with a suffix are forwarded");
    });
  });

  it("knows short names of Services, and says why one is none", () => {
    const world = new ExplainedWorld();
    world.put(namespaceObject("default"));
    const explained = world.explained("kubernetes.default");
    expect([explained.match, explained.decision, explained.host]).to.deep.equal([
      "short",
      "short-form",
      null,
    ]);
    expect(stepText(explained, "short name")).to.include("the Service kubernetes in the Namespace default");
    const other = world.explained("kubernetes.nowhere");
    expect([other.match, other.decision]).to.deep.equal(["none", "forward"]);
    expect(stepText(other, "short name")).to.include("there is no such Namespace");
    const off = new ExplainedWorld({ server: { shortServiceNames: false } });
    off.put(namespaceObject("default"));
    expect(stepText(off.explained("kubernetes.default"), "short name")).to.include(
      "shortServiceNames is off",
    );
  });

  describe("answer modes", () => {
    const world = new ExplainedWorld();
    const virtual = { addresses: ["10.96.1.1"], resolution: "DNS", endpoints: [{ address: "192.0.2.1" }] };
    world.put(
      entry({ name: "auto", namespace: "a", hosts: ["auto.example"], ...virtual }),
      entry({
        name: "forced",
        namespace: "a",
        hosts: ["forced.example"],
        ...virtual,
        annotations: { "serviceentry-dns.io/answer": "virtual" },
      }),
      entry({ name: "real", namespace: "real", hosts: ["real.example"], ...virtual }),
      entry({
        name: "allocated",
        namespace: "a",
        hosts: ["only.example"],
        resolution: "DYNAMIC_DNS",
        status: { addresses: [{ value: "240.240.0.1", host: "only.example" }] },
      }),
      namespaceObject("real", "resolved"),
      meshPod("plain", "a", "10.0.0.1", "none"),
      meshPod("sidecar", "a", "10.0.0.2", "sidecar"),
      meshPod("mesh", "a", "10.0.0.3", "redirected"),
    );
    const of = (name: string, pod?: string) => {
      const { mode, modeReason, addresses, decision, client } = world.explained({ name, pod });
      return { mode, reason: modeReason ?? "", address: addresses[0]?.address ?? null, decision, client };
    };

    it("say who chose them and what they give each kind of client", () => {
      const unknown = of("auto.example");
      expect([unknown.mode, unknown.address]).to.deep.equal(["auto", "192.0.2.1"]);
      expect(unknown.reason)
        .to.include("by the setting answer")
        .and.include("only where no names are resolved");
      const plain = of("auto.example", "a/plain");
      expect([plain.address, plain.reason]).to.deep.equal([
        "192.0.2.1",
        "by the setting answer; a pod outside the mesh gets real addresses",
      ]);
      const sidecar = of("auto.example", "a/sidecar");
      expect(sidecar.address).to.equal("192.0.2.1");
      expect(sidecar.reason).to.include("the pod's sidecar resolves the host through this server");
      const mesh = of("auto.example", "a/mesh");
      expect([mesh.address, mesh.client.class]).to.deep.equal(["10.96.1.1", "redirectedIpv4"]);
      expect(mesh.reason).to.include("the node's data plane takes the pod's traffic");
    });

    it("by annotation of the entry and of its Namespace", () => {
      const forced = of("forced.example");
      expect([forced.mode, forced.address]).to.deep.equal(["virtual", "10.96.1.1"]);
      expect(forced.reason).to.include("by the entry's annotation serviceentry-dns.io/answer");
      const real = of("real.example", "a/mesh");
      expect([real.mode, real.address]).to.deep.equal(["resolved", "192.0.2.1"]);
      expect(real.reason).to.include("by its Namespace's annotation serviceentry-dns.io/answer");
    });

    it("say why a host that is seen is forwarded all the same", () => {
      expect(of("only.example", "a/mesh").address).to.equal("240.240.0.1");
      const plain = of("only.example", "a/plain");
      expect(plain.decision).to.equal("forward");
      expect(plain.reason)
        .to.include("is of use inside the mesh only, and the pod is outside")
        .and.include("DYNAMIC_DNS");
      const explained = world.explained({ name: "only.example", pod: "a/plain" });
      expect([explained.match, explained.object]).to.deep.equal(["exact", null]);
      expect(lastText(explained)).to.include("only.example is seen by the client, but not for its kind");
    });
  });

  describe("hosts that upstream resolves", () => {
    const world = new ExplainedWorld();
    const up = host("up.example");
    world.put(
      entry({
        name: "named",
        namespace: "a",
        hosts: ["api.example"],
        resolution: "DNS",
        endpoints: [{ address: "up.example" }],
      }),
      entry({ name: "itself", namespace: "a", hosts: ["itself.example"], resolution: "DNS" }),
    );
    const error = { code: "timeout", message: "192.0.2.53:53 gave no reply within 4.5 s", sinceMs: 990_000 };

    it("say age, expiry, next refresh and last error of each address", () => {
      world.resolve("up.example", { stale: ["192.0.2.7"] });
      world.described.set(up, {
        A: { answeredAtMs: 900_000, nextRefreshMs: 1_030_000, lastError: error },
        AAAA: { answeredAtMs: 900_000, nextRefreshMs: null, lastError: null },
      });
      const { addresses, steps } = world.explained("api.example");
      const now = world.world.clock.nowMs();
      expect(addresses).to.deep.equal([
        {
          address: "192.0.2.7",
          source: "resolved",
          target: "up.example",
          state: "stale",
          age: Math.floor((now - 900_000) / 1000),
          expiresAt: null,
          nextRefresh: new Date(1_700_000_000_000 + 1_030_000).toISOString(),
          lastError: {
            code: "timeout",
            message: error.message,
            since: new Date(1_700_000_000_000 + 990_000).toISOString(),
          },
        },
      ]);
      const names = steps.find(({ title }) => title === "upstream names")?.text;
      expect(names).to.include(
        "up.example A: last good addresses, because refreshes fail; 192.0.2.53:53 gave no reply",
      );
      expect(names).to.include("up.example AAAA: upstream says that there is none, being asked now.");
    });

    it("say NODATA and what the host has instead", () => {
      const explained = world.explained({ name: "api.example", type: "AAAA" });
      expect([explained.decision, explained.addresses.length]).to.deep.equal(["nodata", 0]);
      expect(lastText(explained)).to.include("has A addresses but no AAAA");
    });

    it("say why nothing is known, and when it is tried again", () => {
      const broken = new ExplainedWorld();
      broken.put(
        entry({
          name: "named",
          namespace: "a",
          hosts: ["api.example"],
          resolution: "DNS",
          endpoints: [{ address: "up.example" }],
        }),
      );
      expect(broken.explained("api.example").decision).to.equal("hold");
      expect(lastText(broken.explained("api.example"))).to.match(
        /^The first lookup of api\.example is under way: a query waits up to 2\.\d s/,
      );
      broken.resolve("up.example", { failed: "timeout" }, { failed: "timeout" });
      const dueAtMs = broken.world.clock.nowMs() + 12_000;
      broken.described.set(up, {
        A: { nextRefreshMs: dueAtMs, lastError: error },
        AAAA: { nextRefreshMs: dueAtMs + 5000, lastError: error },
      });
      const failed = broken.explained("api.example");
      expect([failed.match, failed.decision, failed.object?.name]).to.deep.equal([
        "exact",
        "servfail",
        "named",
      ]);
      expect(lastText(failed)).to.match(
        /^SERVFAIL: up\.example: no reply from upstream\. It is tried again in 12 s \(2023-11-14T/,
      );
      expect(stepText(failed, "upstream names")).to.include(
        `up.example A: not resolved; ${error.message} since`,
      );
    });

    it("say that what upstream denies, or must sign, is passed on", () => {
      const denied = new ExplainedWorld();
      denied.world.resolutions.set(host("itself.example"), {
        A: { state: "denied", by: "nxdomain" },
        AAAA: { state: "denied", by: "nxdomain" },
      });
      denied.put(entry({ name: "itself", namespace: "a", hosts: ["itself.example"], resolution: "DNS" }));
      const passed = denied.explained("itself.example");
      expect([passed.match, passed.decision, passed.object?.name]).to.deep.equal([
        "exact",
        "forward",
        "itself",
      ]);
      expect(lastText(passed)).to.include("so its own reply is passed on");
      const signed = world.explained({ name: "itself.example", dnssecOk: true });
      expect(signed.decision).to.equal("forward");
      expect(lastText(signed)).to.include("the client wants signatures (DO)");
    });
  });

  it("says ports that DNS cannot remap, in steps and problems", () => {
    const world = new ExplainedWorld();
    const ports = [{ number: 80, name: "http", protocol: "HTTP" }];
    world.put(
      entry({
        name: "fake",
        namespace: "a",
        hosts: ["kmesh-fake.com"],
        ports,
        resolution: "STATIC",
        endpoints: [{ address: "192.0.2.1", ports: { http: 8000 } }],
      }),
      entry({
        name: "selecting",
        namespace: "a",
        hosts: ["vm.example"],
        ports,
        resolution: "STATIC",
        workloadSelector: { labels: { app: "vm" } },
      }),
      workloadEntry({
        name: "vm1",
        namespace: "a",
        address: "192.0.2.9",
        labels: { app: "vm" },
        ports: { http: 8080 },
      }),
    );
    const explained = world.explained("kmesh-fake.com");
    expect(stepText(explained, "ports")).to.equal(
      "Port 80 (http) is port 8000 at spec.endpoints[0]. DNS gives addresses and cannot remap ports: clients must use " +
        "the endpoint's port, or go through a mesh.",
    );
    const [mismatch] = explained.problems;
    expect([mismatch?.code, mismatch?.object.name, mismatch?.severity]).to.deep.equal([
      "PortMismatch",
      "fake",
      "info",
    ]);
    const selected = world.explained("vm.example");
    expect(stepText(selected, "ports")).to.include("a/vm1: Port 80 (http) of selecting is port 8080 here.");
    expect(selected.addresses[0]).to.include({ source: "workload", target: "WorkloadEntry a/vm1" });
  });

  it("explains services, reverse names, explanations and types that upstream knows", () => {
    const world = new ExplainedWorld({ registry: { explainTxt: true } });
    world.put(
      fixed("a", "e", ["api.example"], "192.0.2.1", {
        addresses: ["240.240.0.1"],
        ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      }),
      meshPod("web", "a", "10.0.0.1", "none"),
    );
    const service = world.explained({ name: "_http._tcp.api.example", type: "srv" });
    expect([service.match, service.host, service.decision]).to.deep.equal(["exact", "api.example", "answer"]);
    const missing = world.explained({ name: "_grpc._tcp.api.example", type: "SRV" });
    expect([missing.match, missing.decision]).to.deep.equal(["none", "forward"]);
    expect(stepText(missing, "service name")).to.include("has no named port of that kind");
    const pointer = world.explained({ name: "1.0.240.240.in-addr.arpa", type: "PTR" });
    expect([pointer.match, pointer.decision, pointer.object?.name]).to.deep.equal(["exact", "answer", "e"]);
    expect(lastText(pointer)).to.include("the address stands for api.example");
    const why = world.explained({ name: "_why.api.example", type: "TXT", pod: "a/web" });
    expect([why.match, why.decision]).to.deep.equal(["exact", "answer"]);
    expect(world.explained({ name: "_why.api.example", type: "TXT" }).decision).to.equal("forward");
    expect(world.explained({ name: "api.example", type: "MX" }).decision).to.equal("forward-else-nodata");
    expect(world.explained({ name: "api.example", type: "TYPE65" }).decision).to.equal("nodata");
    expect(lastText(world.explained({ name: "api.example", type: "65" }))).to.include("relayHttps is off");
  });

  describe("what is not ours", () => {
    it("says who claims it in vain", () => {
      const world = new ExplainedWorld({
        registry: { hostsPerNamespace: 1, excludeSelectors: [{ matchLabels: { old: "yes" } }] },
      });
      world.put(
        namespaceObject("team-b"),
        fixed("a", "reserved", ["web.team-b"], "192.0.2.1"),
        fixed("b", "many", ["one.example", "two.example"], "192.0.2.1"),
        fixed("c", "excluded", ["old.example"], "192.0.2.1", { labels: { old: "yes" } }),
        fixed("c", "cluster", ["x.cluster.local"], "192.0.2.1"),
        entry({ name: "empty", namespace: "d", hosts: ["empty.example"], resolution: "STATIC" }),
      );
      const reasons = (name: string) => world.explained(name).losers.map(({ reason }) => reason);
      expect(reasons("web.team-b")).to.deep.equal([
        "host web.team-b is how a Service of the namespace team-b is called",
      ]);
      expect(reasons("two.example")).to.deep.equal([
        "it is beyond the hosts per namespace (hostsPerNamespace)",
      ]);
      expect(reasons("old.example")).to.deep.equal([
        "the setting excludeSelectors takes no entry with its labels",
      ]);
      expect(reasons("empty.example")[0]).to.include(
        "resolution STATIC has neither endpoints nor a workloadSelector",
      );
      const cluster = world.explained("x.cluster.local");
      expect([cluster.match, cluster.decision]).to.deep.equal(["none", "forward"]);
      expect(stepText(cluster, "cluster domain")).to.include("lies in the reserved cluster.local");
      expect(cluster.problems.map(({ code }) => code)).to.deep.equal(["HostReserved"]);
    });

    it("is refused where nothing is forwarded", () => {
      const world = new ExplainedWorld({ server: { refuse: true } });
      const { decision, match } = world.explained("other.example");
      expect([decision, match]).to.deep.equal(["refuse", "none"]);
      expect(lastText(world.explained("other.example"))).to.match(
        /^REFUSED, because what is not ours is not forwarded/,
      );
    });

    it("is not known before the first sync", () => {
      const world = new ExplainedWorld({ isSynced: false });
      expect(world.explained("other.example").decision).to.equal("hold");
      expect(stepText(world.explained("other.example"), "first sync")).to.include("not all read yet");
    });
  });

  describe("who asks", () => {
    const world = new ExplainedWorld();
    const node = parseNode({
      metadata: { name: "n1", uid: "u", resourceVersion: "1" },
      status: { addresses: [{ type: "InternalIP", address: "10.9.0.1" }] },
    }).value!;
    world.put(
      node,
      namespaceObject("a"),
      meshPod("web", "a", "10.0.0.1", "sidecar"),
      pod({ name: "starting", namespace: "a", ips: [] }),
      pod({ name: "one", namespace: "a", ips: ["10.0.0.7"] }),
      pod({ name: "two", namespace: "b", ips: ["10.0.0.7"] }),
    );
    const who = (question: object) => world.explained({ name: "x.example", ...question });

    it("is told by pod or address", () => {
      const client = {
        kind: "pod",
        address: "10.0.0.1",
        pod: "a/web",
        namespace: "a",
        namespaceFrom: "pod",
        class: "sidecar",
      };
      expect(who({ pod: "a/web" }).client).to.deep.equal(client);
      expect(who({ address: "10.0.0.1" }).client).to.deep.equal(client);
      expect(stepText(who({ pod: "a/web" }), "client")).to.equal(
        "The pod a/web at 10.0.0.1 has a sidecar; it sees what the namespace a sees.",
      );
    });

    it("is not known behind a Node, at a shared address, or where the pod has no address", () => {
      expect(who({ address: "10.9.0.1", namespace: "a" }).client).to.include({
        kind: "forwarder",
        namespace: null,
      });
      expect(who({ address: "10.0.0.7" }).client).to.include({ kind: "ambiguous", namespace: null });
      const starting = who({ pod: "a/starting" });
      expect(starting.client).to.include({
        kind: "unknown",
        pod: "a/starting",
        namespace: "a",
        namespaceFrom: "suffix",
      });
      expect(stepText(starting, "client")).to.include("has no address of its own");
    });

    it("tells no namespace where suffixView is off", () => {
      const other = new ExplainedWorld({ server: { suffixView: false } });
      const explained = other.explained({ name: "x.example", namespace: "a" });
      expect(explained.namespace).to.equal(null);
      expect(stepText(explained, "client")).to.include("suffixView is off");
    });

    for (const [question, fault] of [
      [{ name: "a..b" }, 'name "a..b" has an empty label'],
      [{ name: "a.example", type: "AAB" }, "type AAB is no record type"],
      [{ name: "a.example", type: "0" }, "type 0 is no record type"],
      [{ name: "a.example", type: "AXFR" }, "type AXFR is for servers among each other"],
      [{ name: "a.example", namespace: "No!" }, 'namespace "No!" is no name of a Namespace'],
      [{ name: "a.example", pod: "web" }, 'pod "web" is not NAMESPACE/NAME'],
      [{ name: "a.example", pod: "a/gone" }, "no pod a/gone is known"],
      [{ name: "a.example", pod: "a/web", namespace: "b" }, "pod a/web is not in the namespace b"],
      [{ name: "a.example", pod: "a/web", address: "10.0.0.1" }, "give one"],
      [{ name: "a.example", address: "10.0.0" }, 'address "10.0.0" is no IP address'],
    ] as const) {
      it(`says what is wrong: ${fault}`, () => {
        expect(world.fault(question)).to.include(fault);
      });
    }
  });
});
