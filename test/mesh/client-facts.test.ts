/** What Pods, Nodes and Namespaces say of who asks, and where. */

import { expect } from "chai";
import fc from "fast-check";
import { CLIENT_LABELS, isClientPod, toClientPod } from "../../src/mesh/client-pod.ts";
import type { Pod } from "../../src/mesh/objects.ts";
import { parseNamespace } from "../../src/mesh/parse-namespace.ts";
import { parseNode } from "../../src/mesh/parse-node.ts";
import { parsePod } from "../../src/mesh/parse-pod.ts";

const pod = (metadata: object, rest: object = {}): Pod =>
  parsePod({ metadata: { name: "p", namespace: "n", ...metadata }, ...rest }).value!;

describe("parsePod as a client", () => {
  const modes: readonly (readonly [annotations: object, mode: string])[] = [
    [{}, "none"],
    [{ "sidecar.istio.io/status": "{}" }, "sidecar"],
    [{ "ambient.istio.io/redirection": "enabled" }, "redirected"],
    [{ "kmesh.net/redirection": "enabled" }, "redirected"],
    [{ "ambient.istio.io/redirection": "disabled" }, "none"],
    [{ "kmesh.net/redirection": "Enabled" }, "none"],
    [{ "ambient.istio.io/redirection": true }, "none"],
    [{ "sidecar.istio.io/inject": "true" }, "none"],
    [{ "sidecar.istio.io/status": "{}", "ambient.istio.io/redirection": "enabled" }, "sidecar"],
  ];
  for (const [annotations, mode] of modes)
    it(`${JSON.stringify(annotations)} is ${mode}`, () => {
      expect(pod({ annotations }).meshMode).to.equal(mode);
    });

  it("knows when it was started and that it is on its way out", () => {
    expect(pod({}, { status: { startTime: "2026-01-01T00:00:00Z" } })).to.include({
      startedAtMs: Date.UTC(2026, 0, 1),
      isDeleting: false,
    });
    expect(pod({ deletionTimestamp: "2026-01-01T00:00:00Z" })).to.include({
      startedAtMs: undefined,
      isDeleting: true,
    });
  });
});

describe("toClientPod", () => {
  const share = (text: string) => text;
  const keptFields = [
    "ref",
    "resourceVersion",
    "ips",
    "meshMode",
    "isTerminal",
    "isDeleting",
    "isReady",
    "usesHostNetwork",
    "nodeName",
  ] as const;

  it("keeps what clients are told apart by, of any pod", () => {
    const annotation = fc.constantFrom("sidecar.istio.io/status", "kmesh.net/redirection", "other");
    const moment = fc.constantFrom(undefined, "2026-01-01T00:00:00Z", "2030-06-01T12:30:01Z");
    const any = fc.record({
      annotations: fc.dictionary(annotation, fc.constant("enabled")),
      labels: fc.dictionary(fc.constantFrom("app", ...CLIENT_LABELS), fc.constantFrom("a", "kube-dns")),
      resourceVersion: fc.constantFrom("", "0", "007", "12", "4294967297", "12345678901234567890", "a1"),
      deletionTimestamp: moment,
      creationTimestamp: moment,
      startTime: moment,
      phase: fc.constantFrom("Running", "Failed", "Pending"),
      podIPs: fc.subarray([{ ip: "10.0.0.1" }, { ip: "fd00::1" }]),
      hostNetwork: fc.boolean(),
      isReady: fc.boolean(),
    });
    fc.assert(
      fc.property(any, ({ startTime, phase, podIPs, hostNetwork, isReady, ...metadata }) => {
        const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
        const status = { startTime, phase, podIPs, conditions };
        const whole = pod(metadata, { spec: { hostNetwork, nodeName: "n1" }, status });
        const kept = toClientPod(whole, share);
        for (const name of keptFields) expect(kept[name], name).to.deep.equal(whole[name]);
        for (const name of CLIENT_LABELS) expect(kept.labels[name], name).to.equal(whole.labels[name]);
        expect(kept.startedAtMs).to.equal(whole.startedAtMs ?? whole.createdAtMs);
      }),
    );
  });

  it("drops the labels that only selectors read, and is told from the whole pod by its uid", () => {
    const whole = pod({ uid: "u-1", labels: { app: "a" } });
    const kept = toClientPod(whole, share);
    expect(kept.labels).to.deep.equal({});
    expect([whole.uid, kept.uid]).to.deep.equal(["u-1", ""]);
    expect([whole, kept].map(isClientPod)).to.deep.equal([false, true]);
  });
});

describe("parseNode", () => {
  const labels = (each: object) => parseNode({ metadata: { name: "n", labels: each } }).value!;

  it("knows the older labels, and prefers the new ones", () => {
    expect(
      labels({
        "failure-domain.beta.kubernetes.io/region": "old-r",
        "failure-domain.beta.kubernetes.io/zone": "old-z",
        "topology.kubernetes.io/zone": "z",
        "topology.istio.io/subzone": "s",
      }),
    ).to.include({ region: "old-r", zone: "z", subzone: "s" });
    expect(labels({ app: "x" })).to.include({ region: "", zone: "", subzone: "" });
  });

  it("keeps no other label: a node has dozens", () => {
    expect(labels({ app: "x" }).labels).to.deep.equal({});
  });

  it("takes internal and external addresses, and no names that look like one", () => {
    const addresses = [
      { type: "InternalIP", address: "10.0.0.1" },
      { type: "InternalIP", address: "FD00::1" },
      { type: "ExternalIP", address: "192.0.2.1" },
      { type: "Hostname", address: "10.9.9.9" },
      { type: "InternalDNS", address: "n.internal" },
      { type: "InternalIP", address: "10.0.0.1" },
    ];
    const { value } = parseNode({ metadata: { name: "n" }, status: { addresses } });
    expect(value?.ips).to.deep.equal(["10.0.0.1", "fd00::1", "192.0.2.1"]);
  });
});

describe("parseNamespace", () => {
  const read = (annotations: object) => parseNamespace({ metadata: { name: "n", annotations } });

  it("keeps what it says for its entries and its pods", () => {
    const { value, problems } = read({
      "serviceentry-dns.io/answer": "virtual",
      "serviceentry-dns.io/suffix-answer": "nxdomain",
      "networking.istio.io/traffic-distribution": "PREFERsameZone",
    });
    expect(problems).to.deep.equal([]);
    expect(value).to.include({
      answer: "virtual",
      suffixAnswer: "nxdomain",
      trafficDistribution: "PreferSameZone",
    });
    expect(read({}).value).to.include({ suffixAnswer: undefined, trafficDistribution: undefined });
  });

  it("reports a word that is none; a distribution counts as Any then", () => {
    const { value, problems } = read({
      "serviceentry-dns.io/suffix-answer": "refuse",
      "networking.istio.io/traffic-distribution": "PreferNear",
    });
    expect(value).to.include({ suffixAnswer: undefined, trafficDistribution: "Any" });
    expect(problems.map(({ code, path }) => `${code} ${path}`)).to.deep.equal([
      'AnnotationInvalid metadata.annotations["serviceentry-dns.io/suffix-answer"]',
      'AnnotationInvalid metadata.annotations["networking.istio.io/traffic-distribution"]',
    ]);
    expect(read({ "networking.istio.io/traffic-distribution": "any" })).to.deep.include({ problems: [] });
  });
});
