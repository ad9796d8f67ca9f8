/** A loop as it happens: the program, and an upstream that forwards everything to it. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Rcode } from "../../src/wire/constants.ts";
import { addresses, ask } from "../support/ask.ts";
import { freePort, Program } from "../support/program.ts";
import { ScriptedUpstream } from "../support/scripted-upstream.ts";
import { PATIENCE_MS, untilEqual } from "../support/waiting.ts";

/** Of a query that upstream does not answer. */
const DEADLINE_MS = 4_500;

const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own }
spec:
  hosts: [own.example]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.7 }]
`;

/** Asks the port what the upstream was asked, with an ID of its own, and hands the reply back. */
async function forwardTo(port: number, message: Buffer, reply: (octets: Buffer) => void): Promise<void> {
  const socket = createSocket("udp4");
  socket.send(message, port, "127.0.0.1");
  try {
    const [octets] = (await once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) })) as [
      Buffer,
    ];
    reply(octets);
  } catch {
    // No reply, as upstreams do.
  } finally {
    socket.close();
  }
}

describe("the program with an upstream that forwards to it", () => {
  it("says so, answers its own names, fails the others at once, and lives", async () => {
    const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
    writeFileSync(join(folder, "own.yaml"), ENTRY);
    const [dns, admin, api] = await Promise.all([freePort(), freePort(), freePort()]);
    const upstream = new ScriptedUpstream(
      ({ message, reply }) => void forwardTo(dns, message, (octets) => reply(octets)),
    );
    await upstream.start();
    const program = new Program([
      "serve",
      `--source=${folder}`,
      `--listen=127.0.0.1:${dns}`,
      `--admin=127.0.0.1:${admin}`,
      `--api=127.0.0.1:${api}`,
      `--upstreams=127.0.0.1:${upstream.address.port}`,
    ]);
    try {
      const [line] = await program.says(/.*hands our queries back.*/);
      expect(line).to.include(`127.0.0.1:${upstream.address.port}`);
      // It may notice before it knows its own names, and is not ready then as long as the loop lasts.
      await untilEqual(() => addresses(dns, "own.example").catch(() => []), ["192.0.2.7"]);
      for (const transport of ["udp", "tcp"] as const) {
        const startedMs = performance.now();
        expect((await ask(dns, "www.example.org", { transport })).flags & 15).to.equal(Rcode.SERVFAIL);
        // Far sooner on a machine with nothing else to do; whoever goes round in a loop takes all of the time.
        expect(performance.now() - startedMs).to.be.below(DEADLINE_MS);
      }
      const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
      expect(metrics).to.match(/^serviceentry_dns_upstream_looping\{to="127\.0\.0\.1:\d+"\} 1$/m);
      expect(program.hasEnded).to.equal(false);
    } finally {
      await program.end();
      await upstream.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
