/** `doctor`: what it makes of a resolver file, and of servers on loopback that behave and misbehave. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type FileContext, fileChecks } from "../../src/cli/doctor/file-checks.ts";
import { readResolverFile } from "../../src/cli/doctor/resolver-file.ts";
import { DOCTOR_HELP, runDoctor } from "../../src/cli/doctor.ts";
import { EdnsOption, HeaderFlag, Rcode, RecordClass, RecordType } from "../../src/wire/constants.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message, type ResourceRecord } from "../../src/wire/message.ts";
import { freePort, Program } from "../support/program.ts";
import { type Received, ScriptedUpstream } from "../support/scripted-upstream.ts";
import { CommandOutput } from "./command-output.ts";

const OURS = "10.96.0.53";
const COREDNS = "10.96.0.10";
const SEARCH = "search shop.svc.cluster.local svc.cluster.local cluster.local\n";

/** `id status` of what the file alone tells. */
function judged(text: string, context: Partial<FileContext> = {}): readonly string[] {
  const checks = fileChecks(readResolverFile(text), {
    isOurs: (address) => address === OURS,
    libc: "glibc",
    clusterDomain: "cluster.local",
    namespace: "shop",
    ...context,
  });
  return checks.filter(({ status }) => status !== "ok").map(({ id, status }) => `${id} ${status}`);
}

describe("doctor: the resolver file", () => {
  const OPTIONS = "options ndots:5 timeout:2 attempts:3\n";
  const cases: readonly [
    title: string,
    text: string,
    context: Partial<FileContext>,
    expected: readonly string[],
  ][] = [
    ["is fine with us alone", `nameserver ${OURS}\n${SEARCH}${OPTIONS}`, {}, []],
    [
      "shows our address appended by ClusterFirst",
      `nameserver ${COREDNS}\nnameserver ${OURS}\n${SEARCH}${OPTIONS}`,
      {},
      ["nameservers fault"],
    ],
    ["shows that nobody asks us", `nameserver ${COREDNS}\n${SEARCH}${OPTIONS}`, {}, ["nameservers fault"]],
    [
      "is broken for musl with CoreDNS behind us",
      `nameserver ${OURS}\nnameserver ${COREDNS}\n${SEARCH}${OPTIONS}`,
      { libc: "musl" },
      ["nameservers fault"],
    ],
    [
      "is doubtful for glibc with CoreDNS behind us",
      `nameserver ${OURS}\nnameserver ${COREDNS}\n${SEARCH}${OPTIONS}`,
      {},
      ["nameservers warning"],
    ],
    [
      "is broken where servers are asked in turn",
      `nameserver ${OURS}\nnameserver ${COREDNS}\n${SEARCH}options ndots:5 rotate\n`,
      {},
      ["nameservers fault"],
    ],
    ["lacks a search path", `nameserver ${OURS}\n${OPTIONS}`, {}, ["search warning"]],
    [
      "lacks the namespace in its search path",
      `nameserver ${OURS}\nsearch svc.cluster.local cluster.local.\n${OPTIONS}`,
      {},
      ["search warning"],
    ],
    [
      "lacks nothing where the namespace is not known",
      `nameserver ${OURS}\nsearch svc.cluster.local Cluster.Local.\n${OPTIONS}`,
      { namespace: undefined },
      [],
    ],
    ["has ndots 1", `nameserver ${OURS}\n${SEARCH}options ndots:1\n`, {}, ["ndots warning"]],
    ["has ndots 1 by saying nothing", `nameserver ${OURS}\n${SEARCH}`, {}, ["ndots warning"]],
    [
      "gives up too soon",
      `nameserver ${OURS}\n${SEARCH}options ndots:5 timeout:1 attempts:1\n`,
      {},
      ["timeout warning"],
    ],
    ["asks over TCP alone", `nameserver ${OURS}\n${SEARCH}options ndots:5 use-vc\n`, {}, ["use-vc warning"]],
    ["names nobody", `# empty\n${SEARCH}${OPTIONS}`, {}, ["nameservers fault"]],
    [
      "names what is none",
      `nameserver dns\nnameserver ${OURS}\n${SEARCH}${OPTIONS}`,
      {},
      ["nameserver-readable warning"],
    ],
    [
      "names more than are asked",
      `${`nameserver ${OURS}\n`.repeat(4)}${SEARCH}${OPTIONS}`,
      {},
      ["nameserver-count warning"],
    ],
  ];
  for (const [title, text, context, expected] of cases) {
    it(title, () => expect(judged(text, context)).to.deep.equal(expected));
  }

  it("is read as the C library does", () => {
    const file = readResolverFile(
      "nameserver fe80::1%eth0 ; link\ndomain a.b\nsearch C.d. e.f # last wins\noptions ndots:3 edns0\noptions ndots:4\n",
    );
    expect(file.nameservers).to.deep.equal(["fe80::1"]);
    expect(file.searches).to.deep.equal(["c.d", "e.f"]);
    expect([...file.options]).to.deep.equal([
      ["ndots", "4"],
      ["edns0", ""],
    ]);
  });
});

/** Soon enough where nothing comes; else it is waited for an answer as long as it takes. */
const SILENT = "--timeout=1";

describe("doctor", () => {
  let folder: string;
  let output: CommandOutput;
  let server: ScriptedUpstream;
  let resolvConf: string;
  /** Where nobody listens. */
  let nowhere: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "doctor-"));
    resolvConf = join(folder, "resolv.conf");
    writeFileSync(resolvConf, `nameserver 127.0.0.1\n${SEARCH}options ndots:5\n`);
    output = new CommandOutput();
    server = new ScriptedUpstream();
    await server.start();
    nowhere = `127.0.0.1:${await freePort()}`;
  });

  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  interface Behaviour {
    readonly answer?: (query: Message, received: Received) => Partial<Message> | null;
    readonly id?: string;
  }

  /** Answers own.example and the cluster's names, has 60 records for large.example, and says who it is. */
  function behave({ answer = () => ({}), id = "serviceentry-dns-7d9f" }: Behaviour = {}): void {
    server.script = (received) => {
      const query = decodeMessage(received.message);
      if ("fault" in query) return;
      const changes = answer(query, received);
      if (changes === null) return;
      const reply: Message = { ...ordinary(query, id), ...changes };
      const octets = encodeMessage(reply);
      const limit = query.edns?.size ?? 512;
      if (received.transport === "tcp" || octets.length <= limit) received.reply(octets);
      else received.reply(encodeMessage({ ...reply, flags: reply.flags | HeaderFlag.TC, answers: [] }));
    };
  }

  function ordinary(query: Message, id: string): Message {
    const [question] = query.questions;
    const { name, type } = question!;
    const base = {
      id: query.id,
      flags: HeaderFlag.QR | HeaderFlag.RD | HeaderFlag.RA,
      questions: query.questions,
      answers: [] as ResourceRecord[],
      authorities: [],
      additionals: [],
      ...(query.edns === undefined
        ? {}
        : { edns: { ...query.edns, options: [{ code: EdnsOption.NSID, data: Buffer.from(id) }] } }),
    };
    if (question!.class === RecordClass.CH)
      return {
        ...base,
        answers: [{ name, type, class: RecordClass.CH, ttlSeconds: 0, data: { kind: "TXT", strings: [id] } }],
      };
    const a = (last: number): ResourceRecord => ({
      name,
      type: RecordType.A,
      class: RecordClass.IN,
      ttlSeconds: 30,
      data: { kind: "A", address: parseIpAddress(`10.0.0.${last}`)! },
    });
    if (type !== RecordType.A) return base;
    return {
      ...base,
      answers: name === "large.example" ? Array.from({ length: 60 }, (_, at) => a(at)) : [a(1)],
    };
  }

  async function examine(...argv: string[]) {
    const { port } = server.address;
    const status = await runDoctor(
      [
        `--resolv-conf=${resolvConf}`,
        `--server=127.0.0.1:${port}`,
        `--nowhere=${nowhere}`,
        "--own=own.example",
        "--large=large.example/A",
        "--timeout=20",
        "--libc=musl",
        "-n",
        "shop",
        "-o",
        "json",
        ...argv,
      ],
      output,
    );
    const { checks } = JSON.parse(output.text) as {
      checks: { id: string; status: string; message: string; remedy: string }[];
    };
    const of = (id: string) => checks.find((each) => each.id === id);
    return {
      status,
      of,
      // A busy machine may well be slow.
      bad: checks
        .filter((each) => each.status !== "ok" && each.id !== "latency")
        .map((each) => `${each.id} ${each.status}`),
    };
  }

  it("finds nothing broken at a server that does everything", async () => {
    behave();
    const { status, bad, of } = await examine();
    expect(bad).to.deep.equal([]);
    expect(status).to.equal(0);
    expect(of("large-answer")!.message).to.match(/cut off at \d+ octets over UDP, 991 whole over TCP/);
    expect(of("identity")!.message).to.match(/is serviceentry-dns \(serviceentry-dns-7d9f\)/);
  });

  it("sees that TCP is closed", async () => {
    behave({ answer: (_, { transport }) => (transport === "tcp" ? null : {}) });
    const { status, bad, of } = await examine(SILENT);
    expect(status).to.equal(1);
    expect(bad).to.include("tcp fault").and.include("large-answer fault");
    expect(of("tcp")!.message).to.match(/over UDP it does/);
    expect(of("tcp")!.remedy).to.match(/NetworkPolic/);
  });

  it("sees that UDP is lost", async () => {
    behave({ answer: (_, { transport }) => (transport === "udp" ? null : {}) });
    // Nothing at all is to come, so that it may be short.
    const { bad, of } = await examine("--timeout=0.2");
    expect(bad).to.include("udp fault");
    expect(of("latency")).to.include({ status: "fault" });
  });

  it("sees that nobody listens, and asks no further", async () => {
    await server.stop();
    const { status, of } = await examine();
    await server.start();
    expect(status).to.equal(1);
    expect(of("udp")!.message).to.match(/nobody listens on 127\.0\.0\.1:\d+/);
    expect(of("latency")).to.equal(undefined);
  });

  it("sees a family that is denied though the other is there", async () => {
    behave({
      answer: ({ questions: [question] }) =>
        question!.type === RecordType.AAAA ? { flags: HeaderFlag.QR | Rcode.NXDOMAIN } : {},
    });
    const { bad, of } = await examine();
    expect(bad).to.deep.equal(["families fault"]);
    expect(of("families")!.message).to.match(/AAAA with NXDOMAIN: musl fails/);
  });

  it("sees an own name that does not exist for this client", async () => {
    behave({
      answer: ({ questions: [question] }) =>
        question!.name === "own.example" && question!.class === RecordClass.IN
          ? { flags: HeaderFlag.QR | Rcode.NXDOMAIN, answers: [] }
          : {},
    });
    const { of } = await examine();
    expect(of("own-name")).to.include({ status: "fault" });
    expect(of("own-name")!.remedy).to.match(/exportTo/);
  });

  it("sees that forwarded names fail", async () => {
    behave({
      answer: ({ questions: [question] }) =>
        question!.name.endsWith("cluster.local")
          ? { flags: HeaderFlag.QR | Rcode.SERVFAIL, answers: [] }
          : {},
    });
    const { bad, of } = await examine();
    expect(bad).to.deep.equal(["forwarded-name fault"]);
    expect(of("forwarded-name")!.remedy).to.match(/upstreams/);
  });

  it("sees replies that are cut without saying so, and large ones that get lost", async () => {
    const isLarge = ({ questions: [question] }: Message) => question!.name === "large.example";
    behave({
      answer: (query, { transport }) => (isLarge(query) && transport === "udp" ? { answers: [] } : {}),
    });
    expect((await examine()).of("large-answer")!.message).to.match(/without being marked as cut off/);
    output = new CommandOutput();
    behave({
      answer: (query, { transport }) =>
        isLarge(query) && transport === "udp" && query.edns !== undefined ? null : {},
    });
    expect((await examine(SILENT)).of("large-answer")!.remedy).to.match(/MTU/);
  });

  it("sees that it is slow", async () => {
    server.script = () => {};
    behave();
    const answer = server.script;
    server.script = (received) => void setTimeout(() => answer(received), 130);
    const { bad, of } = await examine();
    expect(bad).to.deep.equal([]);
    expect(of("latency")!.status).to.be.oneOf(["warning", "fault"]);
  });

  it("sees that a mesh answers in the place of every server", async () => {
    behave();
    const { port } = server.address;
    const { status, bad, of } = await examine(`--nowhere=127.0.0.1:${port}`);
    expect(status).to.equal(1);
    expect(bad).to.deep.equal(["capture fault"]);
    expect(of("capture")!.remedy).to.match(/ambient\.istio\.io\/dns-capture/);
  });

  it("sees that another server answers at the address", async () => {
    behave({ id: "coredns-5d78c9869d-x2x4z" });
    const { bad, of } = await examine();
    expect(bad).to.deep.equal(["identity warning"]);
    expect(of("identity")!.message).to.match(/calls itself coredns-/);
  });

  it("prints for people, with a remedy under what is wrong", async () => {
    behave();
    writeFileSync(resolvConf, `nameserver 127.0.0.9\nnameserver 127.0.0.1\n`);
    const { port } = server.address;
    const argv = [
      `--resolv-conf=${resolvConf}`,
      `--server=127.0.0.1:${port}`,
      `--nowhere=${nowhere}`,
      "--large=large.example",
      "--timeout=20",
    ];
    expect(await runDoctor(argv, output)).to.equal(1);
    expect(output.text).to.match(/^FAULT {4}nameservers +127\.0\.0\.9 is asked before 127\.0\.0\.1/m);
    expect(output.text).to.match(/^ +-> set dnsPolicy: None/m);
    expect(output.text).to.match(/^skipped {2}own-name +name a host of an entry with --own HOST$/m);
    expect(output.text).to.match(/1 broken, \d doubtful, asked 127\.0\.0\.1:\d+\n$/);
  });

  it("says what is wrong with its words, and with a file that is not there", async () => {
    for (const [argv, fault] of [
      [["--timeout=0"], /--timeout 0 is no number/],
      [["--libc=uclibc"], /--libc uclibc is not one of musl, glibc/],
      [["--large=a.example/MXX"], /did you mean MX\?/],
      [["--server=dns"], /--server dns is not an IP address/],
      [["--own=a b"], /--own "a b"/],
      [["-o", "yaml"], /not one of text, json/],
    ] as const) {
      expect(await runDoctor(argv, output)).to.equal(2);
      expect(output.errors).to.match(fault);
    }
    expect(await runDoctor(["--help"], output)).to.equal(0);
    expect(output.text).to.equal(DOCTOR_HELP);
    output = new CommandOutput();
    behave();
    const { of } = await examine("--resolv-conf=/no/such/file");
    expect(of("resolv-conf")).to.include({ status: "fault" });
  });

  it("finds our own server in order", async () => {
    const [dns, admin, apiPort] = await Promise.all([freePort(), freePort(), freePort()]);
    const many = Array.from({ length: 60 }, (_, at) => `{ address: 10.1.0.${at + 1} }`).join(", ");
    const ports = "ports: [{ number: 80, name: http, protocol: HTTP }]";
    writeFileSync(
      join(folder, "entries.yaml"),
      ["own", "large"]
        .map(
          (name) =>
            `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: ${name} }\nspec: { hosts: [${name}.example], ${ports}, resolution: STATIC, endpoints: [${name === "own" ? "{ address: 10.0.0.1 }" : many}] }\n`,
        )
        .join("---\n"),
    );
    behave({ id: "coredns" });
    const { port } = server.address;
    const program = new Program([
      "serve",
      `--source=${join(folder, "entries.yaml")}`,
      `--upstreams=127.0.0.1:${port}`,
      `--listen=127.0.0.1:${dns}`,
      `--admin=127.0.0.1:${admin}`,
      `--api=127.0.0.1:${apiPort}`,
      "--server-id=serviceentry-dns-test",
    ]);
    try {
      await program.says(/"msg":"ready"/);
      const status = await runDoctor(
        [
          `--resolv-conf=${resolvConf}`,
          `--server=127.0.0.1:${dns}`,
          `--nowhere=${nowhere}`,
          "--own=own.example",
          "--large=large.example/A",
          "--timeout=20",
          "-n",
          "shop",
          "-o",
          "json",
        ],
        output,
      );
      const { checks } = JSON.parse(output.text);
      const isBad = ({ id, status }: { id: string; status: string }) => status !== "ok" && id !== "latency";
      expect(checks.filter(isBad)).to.deep.equal([]);
      expect(checks.find(({ id }: { id: string }) => id === "latency").message).to.match(/, 0 of 5 lost$/);
      expect(status).to.equal(0);
    } finally {
      await program.end();
    }
  });
});
