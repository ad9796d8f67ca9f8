/** How many calls into the kernel a packet costs, counted by strace: those of a batch are shared by its packets. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { mappedOctets, type SystemCalls } from "../../src/native/system-calls.ts";
import { question } from "../server/fixtures.ts";
import { freePort, Program } from "../support/program.ts";
import { LOOPBACK_ENDS, LOOPBACK_OCTETS, withSystemCalls } from "./fixtures.ts";

const PACKETS = 10_000;
const FLIGHT = 32;
/** Of epoll_wait, recvmmsg and sendmmsg together, with room for flights that arrive in pieces; dgram needs three. */
const MOST_CALLS_PER_PACKET = 0.5;
const COUNTED = ["epoll_wait", "recvmmsg", "sendmmsg", "recvmsg", "sendmsg", "sendto", "recvfrom"];
const ANSWERS_WITHIN_MS = 5000;
const ATTACHED_WITHIN_MS = 5000;

const ENTRY = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: own, namespace: team }
spec:
  hosts: [own.example.com]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.1 }]
`;

describe("calls into the kernel", () => {
  withSystemCalls((calls) => {
    const closers: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    it(`are at most ${MOST_CALLS_PER_PACKET} per packet, over ${PACKETS} in flights of ${FLIGHT}`, async function () {
      const folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-calls-"));
      closers.push(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, "own.yaml"), ENTRY);
      const port = await freePort();
      const program = new Program([
        "serve",
        `--source=${join(folder, "own.yaml")}`,
        `--listen=127.0.0.1:${port}`,
        "--upstreams=127.0.0.1:9",
        "--admin=127.0.0.1:0",
        "--api=127.0.0.1:0",
        "--udp=batch",
      ]);
      closers.push(() => program.end());
      await program.says(/"msg":"ready"/, 20_000);
      const { fly, close } = openClient(calls(), port);
      closers.push(close);
      await fly();
      const counts = join(folder, "counts");
      const strace = await attach(program.child.pid!, counts);
      if (typeof strace === "string") {
        process.stdout.write(`    skipped: ${strace}\n`);
        this.skip();
      }
      for (let packets = 0; packets < PACKETS; packets += FLIGHT) await fly();
      const ended = once(strace, "exit");
      strace.kill("SIGINT");
      await ended;
      const table = readFileSync(counts, "utf8");
      expect(countOf(table, "sendmmsg"), table).to.be.at.least(1);
      const all = COUNTED.reduce((sum, name) => sum + countOf(table, name), 0);
      expect(all / PACKETS, table).to.be.below(MOST_CALLS_PER_PACKET);
    }).timeout(60_000);
  });
});

/** A client that sends a flight at once; `fly` resolves when all of it is answered. */
function openClient(calls: SystemCalls, port: number) {
  const octets = mappedOctets(1);
  const memory = calls.mappedMemory(calls.map(octets), octets);
  const options = { isWildcard: false, reusePort: false, receiveBufferOctets: 1 << 20 };
  const fd = calls.listenUdp(memory, LOOPBACK_OCTETS, 0, options);
  const questions = calls.sendBatch(memory, fd, false);
  const answers = calls.receiveBatch(memory);
  const message = question("own.example.com", "A");
  const ends = { ...LOOPBACK_ENDS, port };
  return {
    async fly(): Promise<void> {
      for (let sent = 0; sent < FLIGHT; sent += 1) questions.put(ends, message, message.length);
      questions.flush();
      const deadlineMs = performance.now() + ANSWERS_WITHIN_MS;
      for (let received = 0; received < FLIGHT; ) {
        received += Math.max(0, answers.receive(fd, FLIGHT));
        if (performance.now() > deadlineMs) throw new Error(`${received} answers of ${FLIGHT}`);
        if (received < FLIGHT) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    close: () => calls.close(fd),
  };
}

/** Counts the calls of all threads from now on; or why that cannot be. */
async function attach(pid: number, file: string): Promise<ChildProcess | string> {
  const child = spawn("strace", ["-f", "-c", "-e", `trace=${COUNTED}`, "-o", file, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const { promise, resolve } = Promise.withResolvers<ChildProcess | string>();
  child.on("error", (error) => resolve(`strace cannot be run: ${error.message}`));
  child.once("exit", () => resolve(`strace may not look: ${said.trim()}`));
  child.stderr.on("data", (text) => {
    said += text;
    if (/attached/.test(said)) resolve(child);
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    resolve("strace does not begin");
  }, ATTACHED_WITHIN_MS);
  const result = await promise;
  clearTimeout(timer);
  return result;
}

/** In the fourth column of strace's table; the last has the name. */
function countOf(table: string, name: string): number {
  const row = table.split("\n").find((line) => line.trimEnd().endsWith(` ${name}`));
  return Number(row?.trim().split(/\s+/)[3] ?? 0);
}
