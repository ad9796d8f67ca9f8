import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect } from "chai";
import { exchange } from "../../src/cli/exchange.ts";
import { LOOKUP_HELP, runLookup } from "../../src/cli/lookup.ts";
import { StandIn } from "../../src/cli/stand-in.ts";
import { parseZone } from "../../src/cli/zone.ts";
import { EdnsOption, HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/wire/message.ts";
import { quiet } from "../support/waiting.ts";
import { CommandOutput } from "./command-output.ts";

const LOOPBACK = parseIpAddress("127.0.0.1")!;

describe("lookup", () => {
  let standIn: StandIn;
  let server: string;
  let output: CommandOutput;

  before(async () => {
    const many = Array.from({ length: 100 }, (_, index) => `many.example 5 A 192.0.2.${index}`);
    const text = `both.example 5 A 192.0.2.1\nboth.example 5 AAAA 2001:db8::1\nfour.example 5 A 192.0.2.4\nalias.example 5 CNAME four.example`;
    const zone = parseZone([text, ...many].join("\n"));
    if ("faults" in zone) throw new Error("faults");
    standIn = new StandIn(() => zone);
    await standIn.listen({ address: LOOPBACK, port: 0 });
    server = `127.0.0.1:${standIn.address.port}`;
  });

  after(() => standIn.close());

  beforeEach(() => {
    output = new CommandOutput();
  });

  async function json(...argv: readonly string[]) {
    const status = await runLookup([...argv, "--server", server, "-o", "json"], output);
    return { status, ...JSON.parse(output.text) };
  }

  it("asks for both families and exits 0", async () => {
    expect(await runLookup(["Both.Example.", "--server", server], output)).to.equal(0);
    expect(output.text).to.match(
      /^NAME +TYPE +TTL +ADDRESS\nboth\.example +A +5 +192\.0\.2\.1\nboth\.example +AAAA +5 +2001:db8::1\n\n/,
    );
    expect(output.text).to.match(
      /\nA: answered with 1 record, not authoritative \(127\.0\.0\.1:\d+, udp, [\d.]+ ms\)\n/,
    );
    expect(output.errors).to.equal("");
  });

  it("exits 0 where one family is there, and says what the other lacks", async () => {
    expect(await runLookup(["four.example", "--server", server], output)).to.equal(0);
    expect(output.text).to.include("AAAA: NODATA: four.example exists and has no AAAA record");
  });

  it("exits 1 for a denial, with its reason", async () => {
    expect(await runLookup(["none.example", "--server", server], output)).to.equal(1);
    expect(output.text).to.include("A: NXDOMAIN: none.example does not exist").and.not.include("TTL");
    expect(await runLookup(["four.example", "--type", "AAAA", "--server", server], output)).to.equal(1);
  });

  it("has a form for scripts", async () => {
    const { status, ...value } = await json("alias.example", "--type=a,TXT", "--tcp");
    expect(status).to.equal(0);
    for (const reply of value.replies) {
      expect(reply.timeMs).to.be.a("number");
      delete reply.timeMs;
    }
    const common = { transport: "tcp", failure: null, authoritative: false, truncated: false, ede: [] };
    const alias = { name: "alias.example", type: "CNAME", ttl: 5, data: "four.example" };
    expect(value).to.deep.equal({
      host: "alias.example",
      server,
      replies: [
        {
          ...common,
          type: "A",
          status: "NOERROR",
          answers: [alias, { name: "four.example", type: "A", ttl: 5, data: "192.0.2.4" }],
        },
        { ...common, type: "TXT", status: "NODATA", answers: [alias] },
      ],
    });
  });

  it("asks again over TCP where the reply was cut off", async () => {
    const { replies } = await json("many.example", "--type=A");
    expect(replies[0]).to.include({ transport: "tcp", truncated: false });
    expect(replies[0].answers.length).to.equal(100);
  });

  it("exits 3 where nobody listens", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as { port: number };
    closed.close();
    await once(closed, "close");
    for (const more of [[], ["--tcp"]]) {
      expect(await runLookup(["a.example", "--server", `127.0.0.1:${port}`, ...more], output)).to.equal(3);
      expect(output.text).to.include(`no reply: nobody listens on 127.0.0.1:${port}`);
    }
  });

  it("has help", async () => {
    expect(await runLookup(["--help"], output)).to.equal(0);
    expect(output.text).to.equal(LOOKUP_HELP);
  });

  for (const [argv, message] of [
    [[], "there is no HOST"],
    [["a.example", "b.example"], "one HOST too many: b.example"],
    [["a.example", "--sever", "127.0.0.1"], "there is no option --sever; did you mean --server?"],
    [["a.example", "--namespaces", "x"], "there is no option --namespaces; did you mean --namespace?"],
    [["a.example", "--api", "http://"], "--api http:// is no URL"],
    [["a.example", "--type", "AAA"], "--type AAA is no record type; did you mean AAAA?"],
    [["a.example", "--type", "70000"], "--type 70000 is no record type"],
    [["a.example", "--server", "dns.example"], "--server dns.example is not an IP address; write ADDR:PORT"],
    [["a.example", "--server", "127.0.0.1:0"], "port 0"],
    [["a.example", "-o", "yaml"], "--output yaml is neither table nor json"],
    [["a..example"], 'HOST "a..example" has an empty label'],
    [["192.0.2.1"], 'HOST "192.0.2.1" is an IP address'],
    [["a.example", "-x"], "-x"],
  ] as const) {
    it(`exits 2: ${argv.join(" ")}`, async () => {
      expect(await runLookup(argv, output)).to.equal(2);
      expect(output.errors)
        .to.match(/^lookup: .*serviceentry-dns lookup --help\.\n$/)
        .and.include(message);
      expect(output.text).to.equal("");
    });
  }
});

describe("lookup of a strange server", () => {
  let socket: UdpSocket;
  let output: CommandOutput;

  beforeEach(async () => {
    output = new CommandOutput();
    socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
  });

  afterEach(() => {
    socket.close();
  });

  /** Sends these octets back to each query. */
  function answering(reply: (query: Message, octets: Buffer) => readonly Uint8Array[]): void {
    socket.on("message", (octets: Buffer, sender: RemoteInfo) => {
      const query = decodeMessage(octets);
      if ("fault" in query) throw new Error(query.fault);
      for (const each of reply(query, octets)) socket.send(each, sender.port, sender.address);
    });
  }

  function run(...argv: readonly string[]): Promise<number> {
    return runLookup(
      ["a.example", "--type=A", `--server=127.0.0.1:${socket.address().port}`, ...argv],
      output,
    );
  }

  it("prints what it says of its failure", async () => {
    const text = Buffer.from("\0\x16no upstream \x1b[2J");
    answering((query) => [
      encodeMessage({
        ...query,
        flags: HeaderFlag.QR | HeaderFlag.AA | Rcode.SERVFAIL,
        edns: { ...query.edns!, options: [{ code: EdnsOption.EDE, data: text }] },
      }),
    ]);
    expect(await run()).to.equal(1);
    expect(output.text).to.include("A: SERVFAIL");
    expect(output.text).to.include("extended error 22 (no reachable authority): no upstream \\u{1b}[2J");
  });

  it("shows authority and the data of any type", async () => {
    answering((query) => [
      encodeMessage({
        ...query,
        flags: HeaderFlag.QR | HeaderFlag.AA,
        questions: [{ name: "A.example", type: RecordType.HTTPS, class: 1 }],
        answers: [
          {
            name: "a.example",
            type: RecordType.HTTPS,
            class: 1,
            ttlSeconds: 1,
            data: { kind: "raw", octets: Uint8Array.of(0, 1) },
          },
        ],
      }),
    ]);
    const argv = ["a.example", "--type=TYPE65", `--server=127.0.0.1:${socket.address().port}`];
    expect(await runLookup(argv, output)).to.equal(0);
    expect(output.text).to.include("HTTPS  1    \\# 2 0001").and.include("record, authoritative");
  });

  it("believes no reply to another question, with another ID, or without the response bit", async () => {
    answering((query) => {
      const flags = HeaderFlag.QR | Rcode.NXDOMAIN;
      const other = [{ name: "b.example", type: RecordType.A, class: 1 }];
      return [
        Uint8Array.of(1),
        encodeMessage({ ...query, flags, id: query.id ^ 1 }),
        encodeMessage({ ...query, flags, questions: other }),
        encodeMessage({ ...query, flags: Rcode.NXDOMAIN }),
        encodeMessage({ ...query, flags: HeaderFlag.QR | Rcode.REFUSED }),
      ];
    });
    expect(await run()).to.equal(1);
    expect(output.text).to.include("A: REFUSED");
  });

  it("gives up after its time, and has asked more than once by then", async () => {
    let queries = 0;
    socket.on("message", () => (queries += 1));
    const to = { address: LOOPBACK, port: socket.address().port };
    const result = await exchange(to, { name: "a.example", type: RecordType.A }, "udp", 1700);
    expect(result.failure).to.equal("no reply within 1.7 s");
    await quiet();
    expect(queries).to.equal(2);
  });

  it("ends with a server that closes the connection", async () => {
    const closing = createServer((connection) => connection.end()).listen(0, "127.0.0.1");
    await once(closing, "listening");
    const { port } = closing.address() as { port: number };
    const to = { address: LOOPBACK, port };
    const result = await exchange(to, { name: "a.example", type: RecordType.A }, "tcp");
    expect(result.failure).to.equal("the server closed the connection without a reply");
    closing.close();
  });
});
