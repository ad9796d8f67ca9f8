import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import { createCaresLookup, formatServer, type LookupResult } from "../../src/refresher/lookup.ts";
import { HeaderFlag, Rcode, RecordType } from "../../src/wire/constants.ts";
import type { HostName } from "../../src/wire/host-name.ts";
import type { Family } from "../../src/wire/ip-address.ts";
import { address, type Behaviour, cname, LoopbackServer, reply } from "./loopback-server.ts";

describe("a lookup through c-ares", () => {
  const server = new LoopbackServer();
  const lookup = createCaresLookup();
  before(() => server.start());
  after(() => server.close());
  beforeEach(() => {
    server.asked.length = 0;
  });

  const ask = (
    name: string,
    family: Family = "A",
    signal = new AbortController().signal,
  ): Promise<LookupResult> =>
    lookup(name as HostName, family, { address: "127.0.0.1", port: server.port }, signal);
  const behave = (behaviour: Behaviour) => {
    server.behaviour = behaviour;
  };

  it("gives the addresses sorted, none twice, with the smallest TTL", async () => {
    behave((asked, send) =>
      send(
        reply(asked, Rcode.NOERROR, [
          address("a.example", "192.0.2.9", 60),
          address("a.example", "192.0.2.10", 17),
          address("a.example", "192.0.2.9", 60),
        ]),
      ),
    );
    expect(await ask("a.example")).to.deep.equal({
      kind: "addresses",
      addresses: ["192.0.2.10", "192.0.2.9"],
      ttlSeconds: 17,
    });
  });

  it("writes IPv6 addresses in their canonical form and leaves out mapped IPv4 ones", async () => {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1);
    behave((asked, send) =>
      send(
        reply(asked, Rcode.NOERROR, [
          address("a.example", "2001:db8:0:0:0:0:0:1", 60),
          { ...address("a.example", "::", 60), data: { kind: "raw", octets: mapped } },
        ]),
      ),
    );
    expect(await ask("a.example", "AAAA")).to.deep.equal({
      kind: "addresses",
      addresses: ["2001:db8::1"],
      ttlSeconds: 60,
    });
  });

  it("gives at most 256 addresses, the same ones in whatever order they come", async () => {
    const texts = Array.from({ length: 300 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
    const results: LookupResult[] = [];
    for (const order of [texts, texts.toReversed()]) {
      behave((asked, send) =>
        send(
          reply(
            asked,
            Rcode.NOERROR,
            order.map((text) => address("a.example", text, 60)),
          ),
        ),
      );
      results.push(await ask("a.example"));
    }
    const [first, second] = results;
    expect(first).to.deep.equal(second);
    expect(first?.kind === "addresses" && first.addresses.length).to.equal(256);
  });

  it("tells NXDOMAIN from NODATA", async () => {
    behave((asked, send) => send(reply(asked, Rcode.NXDOMAIN)));
    expect(await ask("gone.example")).to.deep.equal({ kind: "denied", by: "nxdomain" });
    behave((asked, send) => send(reply(asked, Rcode.NOERROR)));
    expect(await ask("v4only.example", "AAAA")).to.deep.equal({ kind: "denied", by: "nodata" });
  });

  for (const [rcode, failure] of [
    ["SERVFAIL", "servfail"],
    ["REFUSED", "refused"],
    ["FORMERR", "formerr"],
    ["NOTIMP", "notimp"],
  ] as const) {
    it(`reports ${rcode}, asking once only`, async () => {
      behave((asked, send) => send(reply(asked, Rcode[rcode])));
      expect(await ask("a.example")).to.deep.equal({ kind: "failed", failure });
      expect(server.asked).to.have.length(1);
    });
  }

  it("reports a reply whose records are cut off", async () => {
    behave((asked, send) => {
      const octets = reply(asked, Rcode.NOERROR, [address("a.example", "192.0.2.1", 60)]);
      send(octets.subarray(0, octets.length - 2));
    });
    expect(await ask("a.example")).to.deep.equal({ kind: "failed", failure: "badresp" });
  });

  it("reports a closed port as a failure of the network, at once", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    await new Promise<void>((done) => socket.close(done));
    const result = await lookup(
      "a.example" as HostName,
      "A",
      { address: "127.0.0.1", port },
      new AbortController().signal,
    );
    expect(result).to.deep.equal({ kind: "failed", failure: "network" });
  });

  for (const ttl of [0, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1]) {
    it(`counts a TTL of ${ttl} as 5 s`, async () => {
      behave((asked, send) => send(reply(asked, Rcode.NOERROR, [address("a.example", "192.0.2.1", ttl)])));
      expect(await ask("a.example")).to.include({ ttlSeconds: 5 });
    });
  }

  it("takes the largest TTL that there is as it is", async () => {
    behave((asked, send) =>
      send(reply(asked, Rcode.NOERROR, [address("a.example", "192.0.2.1", 2 ** 31 - 1)])),
    );
    expect(await ask("a.example")).to.include({ ttlSeconds: 2 ** 31 - 1 });
  });

  it("does not cache", async () => {
    let last = 0;
    behave((asked, send) => {
      last += 1;
      send(reply(asked, Rcode.NOERROR, [address("a.example", `192.0.2.${last}`, 3600)]));
    });
    expect(await ask("a.example")).to.deep.include({ addresses: ["192.0.2.1"] });
    expect(await ask("a.example")).to.deep.include({ addresses: ["192.0.2.2"] });
  });

  it("asks for the name alone, on no search list, without EDNS, each time from another port", async () => {
    behave((asked, send) => send(reply(asked, Rcode.NXDOMAIN)));
    for (const name of ["single", "a.example", "_srv.under_score.example", "localhost"]) await ask(name);
    expect(server.asked.map(({ name }) => name)).to.deep.equal([
      "single",
      "a.example",
      "_srv.under_score.example",
      "localhost",
    ]);
    expect(server.asked.every(({ message }) => message.edns === undefined)).to.equal(true);
    for (let count = 0; count < 40; count += 1) await ask("a.example");
    const ports = new Set(server.asked.map(({ port }) => port));
    expect(ports.size).to.be.greaterThan(30);
  });

  it("ignores forged replies and takes the true one that comes behind them", async () => {
    const stranger = createSocket("udp4");
    behave((asked, send) => {
      const forged = [address("a.example", "198.51.100.66", 60)];
      stranger.send(reply(asked, Rcode.NOERROR, forged), asked.port, "127.0.0.1");
      send(reply(asked, Rcode.NOERROR, forged, { id: asked.message.id ^ 1 }));
      send(
        reply(asked, Rcode.NOERROR, forged, {
          questions: [{ ...asked.message.questions[0]!, name: "b.example" }],
        }),
      );
      send(
        reply(asked, Rcode.NOERROR, forged, {
          questions: [{ ...asked.message.questions[0]!, type: RecordType.TXT }],
        }),
      );
      setTimeout(() => send(reply(asked, Rcode.NOERROR, [address("a.example", "192.0.2.1", 60)])), 80);
    });
    expect(await ask("a.example")).to.deep.include({ addresses: ["192.0.2.1"] });
    stranger.close();
  });

  it("asks again over TCP when the reply is truncated", async () => {
    behave((asked, send) => {
      if (asked.transport === "udp") {
        send(reply(asked, Rcode.NOERROR, [], { flags: HeaderFlag.QR | HeaderFlag.RA | HeaderFlag.TC }));
      } else {
        const all = Array.from({ length: 200 }, (_, at) => address("a.example", `192.0.2.${at}`, 60));
        send(reply(asked, Rcode.NOERROR, all));
      }
    });
    const result = await ask("a.example");
    expect(result.kind === "addresses" && result.addresses.length).to.equal(200);
    expect(server.asked.map(({ transport }) => transport)).to.deep.equal(["udp", "tcp"]);
  });

  it("takes addresses behind a CNAME, with the CNAME's TTL where it is the smallest", async () => {
    behave((asked, send) =>
      send(
        reply(asked, Rcode.NOERROR, [
          cname("a.example", "b.example", 7),
          address("b.example", "192.0.2.1", 60),
        ]),
      ),
    );
    expect(await ask("a.example")).to.deep.equal({
      kind: "addresses",
      addresses: ["192.0.2.1"],
      ttlSeconds: 7,
    });
  });

  describe("where upstream gives a CNAME and no address", () => {
    /** `n0` -> `n1` -> ... -> `n<length>`, which has an address in family A. */
    const chain =
      (length: number): Behaviour =>
      (asked, send) => {
        const at = Number(/^n(\d+)\./.exec(asked.name)![1]);
        if (at < length) send(reply(asked, Rcode.NOERROR, [cname(asked.name, `n${at + 1}.example`)]));
        else if (asked.type !== RecordType.A) send(reply(asked, Rcode.NOERROR));
        else send(reply(asked, Rcode.NOERROR, [address(asked.name, "192.0.2.1", 60)]));
      };

    it("follows it", async () => {
      behave(chain(1));
      expect(await ask("n0.example")).to.deep.include({ addresses: ["192.0.2.1"] });
    });

    it("follows eight, one after the other, and no ninth", async () => {
      behave(chain(8));
      expect(await ask("n0.example")).to.deep.include({ addresses: ["192.0.2.1"] });
      behave(chain(9));
      expect(await ask("n0.example")).to.deep.equal({ kind: "failed", failure: "badresp" });
    });

    it("ends on a loop", async () => {
      behave((asked, send) => send(reply(asked, Rcode.NOERROR, [cname(asked.name, asked.name)])));
      expect(await ask("n0.example")).to.deep.equal({ kind: "failed", failure: "badresp" });
    });

    it("denies the family that the target lacks", async () => {
      behave(chain(2));
      expect(await ask("n0.example", "AAAA")).to.deep.equal({ kind: "denied", by: "nodata" });
    });

    it("denies the name whose target does not exist", async () => {
      behave((asked, send) =>
        send(
          asked.name === "a.example"
            ? reply(asked, Rcode.NOERROR, [cname("a.example", "gone.example")])
            : reply(asked, Rcode.NXDOMAIN),
        ),
      );
      expect(await ask("a.example")).to.deep.equal({ kind: "denied", by: "nxdomain" });
    });
  });

  it("ends when it is aborted, before and while it asks", async () => {
    behave(() => {});
    const abort = new AbortController();
    const result = ask("a.example", "A", abort.signal);
    abort.abort();
    await result;
    expect((await ask("a.example", "A", abort.signal)).kind).to.equal("failed");
    // The second one was not even sent.
    expect(server.asked.length).to.be.lessThan(2);
  });

  it("accepts a reply after 2.5 s behind fifty fast ones, and ends by itself where none comes", async () => {
    behave((asked, send) => {
      const answer = () => send(reply(asked, Rcode.NOERROR, [address(asked.name, "192.0.2.1", 60)]));
      if (asked.name === "fast.example") answer();
      else if (asked.name === "slow.example") setTimeout(answer, 2500);
    });
    const silent = ask("silent.example");
    // Whatever is kept of one question for the next one: at any point of it the slow one may come.
    const slow = await Promise.all(
      Array.from({ length: 8 }, async (_, more) => {
        const own = createCaresLookup();
        const asked = (name: string) =>
          own(
            name as HostName,
            "A",
            { address: "127.0.0.1", port: server.port },
            new AbortController().signal,
          );
        for (let count = 0; count < 50 + more; count += 1) await asked("fast.example");
        return await asked("slow.example");
      }),
    );
    for (const each of slow) expect(each).to.deep.include({ addresses: ["192.0.2.1"] });
    expect(await silent).to.deep.equal({ kind: "failed", failure: "timeout" });
  });
});

describe("formatServer", () => {
  it("puts IPv6 into brackets", () => {
    expect(formatServer({ address: "192.0.2.1", port: 53 })).to.equal("192.0.2.1:53");
    expect(formatServer({ address: "2001:db8::53", port: 5353 })).to.equal("[2001:db8::53]:5353");
  });
});
