import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { DEMO_ZONE } from "../../src/cli/demo-zone.ts";
import { runStandIn, STAND_IN_HELP, StandIn } from "../../src/cli/stand-in.ts";
import { parseZone, type Zone } from "../../src/cli/zone.ts";
import { HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/wire/message.ts";
import { CommandOutput } from "./command-output.ts";

const LOOPBACK = { address: parseIpAddress("127.0.0.1")!, port: 0 };

function query(name: string, type: number = RecordType.A, udpOctets?: number): Uint8Array {
  const edns = { size: udpOctets ?? 0, version: 0, dnssecOk: false, extendedRcode: 0, options: [] };
  return encodeMessage({
    ...{ id: 4242, flags: HeaderFlag.RD, questions: [{ name, type, class: 1 }] },
    ...{ answers: [], authorities: [], additionals: [], ...(udpOctets && { edns }) },
  });
}

function decoded(octets: Uint8Array): Message {
  const message = decodeMessage(octets);
  if ("fault" in message) throw new Error(message.fault);
  return message;
}

function addresses(message: Message): string[] {
  return message.answers.map(({ data }) => ("address" in data ? data.address : data.kind));
}

describe("StandIn", () => {
  let zone: Zone;
  let standIn: StandIn;
  let client: UdpSocket;

  beforeEach(async () => {
    const many = Array.from({ length: 60 }, (_, index) => `many.example 5 A 192.0.2.${index}`);
    const parsed = parseZone(["one.example 5 A 192.0.2.1", ...many].join("\n"));
    if ("faults" in parsed) throw new Error("faults");
    zone = parsed;
    standIn = new StandIn(() => zone);
    await standIn.listen(LOOPBACK);
    client = createSocket("udp4");
  });

  afterEach(async () => {
    client.close();
    await standIn.close();
  });

  async function overUdp(octets: Uint8Array): Promise<Buffer> {
    const reply = once(client, "message");
    client.send(octets, standIn.address.port, standIn.address.address);
    const [message] = await reply;
    return message;
  }

  async function overTcp(...parts: readonly Uint8Array[]): Promise<Buffer> {
    const connection = connect(standIn.address.port, standIn.address.address);
    const received: Buffer[] = [];
    connection.on("data", (chunk) => received.push(chunk));
    await once(connection, "connect");
    for (const part of parts) {
      connection.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    connection.end();
    await once(connection, "close");
    return Buffer.concat(received);
  }

  function framed(octets: Uint8Array): Buffer {
    return Buffer.concat([Uint8Array.of(octets.length >> 8, octets.length & 0xff), octets]);
  }

  it("answers over UDP", async () => {
    const reply = decoded(await overUdp(query("one.example")));
    expect(reply).to.include({ id: 4242, flags: HeaderFlag.QR | HeaderFlag.RD | HeaderFlag.RA });
    expect(addresses(reply)).to.deep.equal(["192.0.2.1"]);
  });

  it("fills a datagram with whole records, as many as fit, and says that there are more", async () => {
    for (const [size, limit, least] of [
      [undefined, 512, 29],
      [1232, 1232, 60],
      [100, 512, 28],
      [800, 800, 46],
    ] as const) {
      const octets = await overUdp(query("many.example", RecordType.A, size));
      const reply = decoded(octets);
      expect(octets.length).to.be.at.most(limit);
      expect(reply.answers.length, `${size}`).to.be.at.least(least);
      expect((reply.flags & HeaderFlag.TC) !== 0, `${size}`).to.equal(reply.answers.length < 60);
    }
  });

  it("answers over TCP: all records, several messages, cut anywhere", async () => {
    const two = Buffer.concat([framed(query("many.example")), framed(query("one.example"))]);
    const received = await overTcp(two.subarray(0, 1), two.subarray(1, 20), two.subarray(20));
    const first = received.readUInt16BE(0);
    expect(decoded(received.subarray(2, 2 + first)).answers.length).to.equal(60);
    expect(addresses(decoded(received.subarray(4 + first)))).to.deep.equal(["192.0.2.1"]);
  });

  it("says FORMERR to octets that are no query, and nothing to responses and scraps", async () => {
    const broken = query("one.example").slice(0, 20);
    const response = query("one.example");
    response[2]! |= HeaderFlag.QR >> 8;
    client.send(response, standIn.address.port, standIn.address.address);
    client.send(Uint8Array.of(1, 2, 3), standIn.address.port, standIn.address.address);
    const reply = decoded(await overUdp(broken));
    expect(reply.flags & HeaderFlag.RCODE).to.equal(Rcode.FORMERR);
    expect(reply.id).to.equal(4242);
  });

  it("takes a new zone at once", async () => {
    zone = new Map();
    expect(decoded(await overUdp(query("one.example"))).flags & HeaderFlag.RCODE).to.equal(Rcode.NXDOMAIN);
  });

  it("closes with a connection open, and listens on IPv6", async () => {
    const six = new StandIn(() => zone);
    await six.listen({ address: parseIpAddress("::1")!, port: 0 });
    const connection = connect(six.address.port, "::1");
    await once(connection, "connect");
    const closed = once(connection, "close");
    connection.on("error", () => {});
    await six.close();
    await closed;
  });
});

describe("stand-in", () => {
  let stop: AbortController;
  let output: CommandOutput;
  let folder: string;

  beforeEach(() => {
    stop = new AbortController();
    output = new CommandOutput();
    folder = mkdtempSync(join(tmpdir(), "stand-in-"));
  });

  afterEach(() => {
    stop.abort();
    rmSync(folder, { recursive: true });
  });

  it("prints where it listens, and ends when it is told to", async () => {
    const status = runStandIn(["--listen=127.0.0.1:0"], output, stop.signal);
    const [, port] = await output.printed(/answering \d+ names of the built-in zone on 127\.0\.0\.1:(\d+) /);
    const client = createSocket("udp4");
    client.send(query("se.example.com"), Number(port), "127.0.0.1");
    const [reply] = await once(client, "message");
    client.close();
    expect(addresses(decoded(reply))).to.deep.equal(["8.8.8.8"]);
    stop.abort();
    expect(await status).to.equal(0);
  });

  it("reads its zone file again, and keeps the last good zone", async () => {
    const file = join(folder, "zone.txt");
    writeFileSync(file, "a.example 5 A 192.0.2.1\n");
    const status = runStandIn(["--listen", "127.0.0.1:0", "--zone", file], output, stop.signal);
    await output.printed(/answering 1 names/);
    writeFileSync(`${file}.new`, "a.example 5 A 192.0.2.1\nb.example 5 A nonsense\n");
    renameSync(`${file}.new`, file);
    await output.printed(/keeping the last good zone.*line 2: nonsense/);
    writeFileSync(file, "a.example 5 A 192.0.2.1\nb.example 5 A 192.0.2.2\n");
    await output.printed(/again: 2 names/);
    stop.abort();
    expect(await status).to.equal(0);
  });

  it("has help, and its zone to be edited", async () => {
    expect(await runStandIn(["--help"], output)).to.equal(0);
    expect(await runStandIn(["--print-zone"], output)).to.equal(0);
    expect(output.text).to.equal(STAND_IN_HELP + DEMO_ZONE);
  });

  for (const [argv, message] of [
    [["--lisen", "127.0.0.1:0"], "--lisen; did you mean --listen?"],
    [["--listen", "0.0.0.0:53"], "--listen 0.0.0.0:53 is no loopback address"],
    [["--listen", "here"], "--listen here is not an IP address; write 127.0.0.1:1054"],
    [["--listen"], "--listen"],
    [["--zone", "/nowhere/zone.txt"], "--zone /nowhere/zone.txt"],
    [["more"], "more"],
  ] as const) {
    it(`exits 2 and names option and remedy: ${argv.join(" ")}`, async () => {
      expect(await runStandIn(argv, output)).to.equal(2);
      expect(output.errors)
        .to.match(/^stand-in: .*\n$/)
        .and.include(message);
      expect(output.errors).to.include("--help");
    });
  }

  it("exits 1 where the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    expect(await runStandIn(["--listen", `127.0.0.1:${port}`], output)).to.equal(1);
    expect(output.errors).to.include(`127.0.0.1:${port}`).and.include("EADDRINUSE").and.include("--listen");
    other.close();
  });
});
