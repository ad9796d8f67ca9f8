/** What the control plane says of problems and hosts: at which level, with which fields, and what it leaves out. */

import { expect } from "chai";
import { logCondition, logProblem, logSolved, problemReports } from "../src/app-log.ts";
import { type Problem, ProblemBook, problem } from "../src/mesh/problem.ts";
import type { ConditionChange } from "../src/registry/registry.ts";
import type { LogFields, Logger } from "../src/runtime.ts";
import { isHostName, parseHostName } from "../src/wire/host-name.ts";

describe("log of the control plane", () => {
  let lines: { level: string; fields: LogFields; message: string }[];
  const at = (level: string) => (fields: LogFields, message: string) =>
    lines.push({ level, fields, message });
  const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  beforeEach(() => {
    lines = [];
  });

  const entry = { kind: "ServiceEntry", namespace: "team", name: "a" } as const;
  const upstream = { kind: "Upstream", namespace: "", name: "10.0.0.1:53" } as const;

  it("warns of a problem, mentions a remark, and repeats no loop", () => {
    const found: readonly Problem[] = [
      problem("HostReserved", entry, "spec.hosts[0]", "Host x.svc is reserved."),
      problem("PortMismatch", entry, "spec.ports", "Port 80 maps to 8000."),
      problem("UpstreamWithoutClusterNames", upstream, "clusterUpstreams", "It knows none."),
      problem("UpstreamLoop", upstream, "upstreams", "It asks us."),
    ];
    for (const each of found) logProblem(logger, each);
    expect(lines.map(({ level, fields }) => [level, fields["component"], fields["object"]])).to.deep.equal([
      ["warn", "dns.registry", "ServiceEntry/team/a"],
      ["info", "dns.registry", "ServiceEntry/team/a"],
      ["warn", "dns.server", "Upstream/10.0.0.1:53"],
    ]);
    expect(lines[0]?.fields).to.include({ code: "HostReserved", path: "spec.hosts[0]" });
    expect(lines[0]?.fields["remedy"]).to.be.a("string");
  });

  it("says what is solved, since when it was and for how long; of remarks at the level debug", () => {
    const denied = { kind: "Pod", namespace: "", name: "" } as const;
    logSolved(logger, problem("AccessDenied", denied, "pods", "Not allowed."), 0, 65_400);
    logSolved(logger, problem("PortMismatch", entry, "spec.ports", "Port 80 maps to 8000."), 0, 1000);
    logSolved(logger, problem("UpstreamLoop", upstream, "upstreams", "It asks us."), 0, 1000);
    expect(lines.map(({ level, message }) => `${level} ${message}`)).to.deep.equal([
      "info no problem any more: Not allowed.",
      "debug no problem any more: Port 80 maps to 8000.",
    ]);
    expect(lines[0]?.fields).to.include({
      component: "dns.watch",
      object: "Pod",
      since: "1970-01-01T00:00:00.000Z",
      afterSeconds: 65,
    });
  });

  it("sums up what the first read finds, and tells each change after it", () => {
    const host = parseHostName("a.example.com");
    if (!isHostName(host)) throw new Error("no host");
    const change = (before: ConditionChange["before"], after: ConditionChange["after"]): ConditionChange => ({
      host,
      object: entry,
      before,
      after,
      isAnswered: after !== undefined,
      reason: "",
    });
    logCondition(logger, change(undefined, "ok"), false);
    logCondition(logger, change(undefined, "ok"), true);
    logCondition(logger, change("ok", "stale"), false);
    logCondition(logger, change("stale", undefined), true);
    logCondition(logger, { ...change("stale", undefined), isAnswered: true }, true);
    expect(lines.map(({ level, message }) => `${level} ${message}`)).to.deep.equal([
      "debug host a.example.com is ok",
      "info host a.example.com is ok",
      "warn host a.example.com is stale: upstream fails, so its last good addresses are answered; it is asked again by itself",
      "info host a.example.com is forwarded now: no entry answers it any more",
      "info host a.example.com is answered by another entry now",
    ]);
    expect(lines[0]?.fields).to.include({ reason: undefined, object: "ServiceEntry/team/a" });
  });

  it("shows problems with severity, remedy and age, whatever they are about", () => {
    const book = new ProblemBook(() => 1000);
    book.replace("one", [problem("UpstreamLoop", upstream, "upstreams", "It asks us.")]);
    expect(problemReports(book)).to.have.length(1);
    expect(problemReports(book)[0]).to.deep.include({
      code: "UpstreamLoop",
      severity: "error",
      object: upstream,
      sinceMs: 1000,
    });
  });
});
