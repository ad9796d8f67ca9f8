/**
 * Whether the time of an answer tells a client that a host exists which it may not see: names of such hosts and names
 * that nobody has, asked in turn over one socket. Both are forwarded, and no cache keeps them.
 */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Report } from "../support/performance-page.ts";
import { median, percentile } from "../support/statistics.ts";
import { makeQueryMessage } from "./messages.ts";
import { UNCACHED } from "./uncached.ts";
import { withWorkspace } from "./workspace.ts";

const HOSTS = 1000;
/** Each asks for every name once. */
const ROUNDS = 20;
const ANSWER_MS = 2000;

export function measureVisibility(isShort: boolean): Promise<Report> {
  return withWorkspace(async ({ folder, startServer }) => {
    const file = join(folder, "hidden.yaml");
    writeFileSync(file, Array.from({ length: HOSTS }, (_, index) => hiddenEntry(index)).join("---\n"));
    const { port } = await startServer(file);
    const socket = createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    try {
      const hidden: number[] = [];
      const absent: number[] = [];
      // The first round runs code that is not compiled yet.
      for (let round = 0; round <= (isShort ? 1 : ROUNDS); round += 1) {
        for (let index = 0; index < HOSTS; index += 1) {
          const [first, second] = index % 2 === 0 ? ([true, false] as const) : ([false, true] as const);
          for (const isHidden of [first, second]) {
            const us = await microseconds(socket, isHidden ? hiddenHost(index) : absentHost(index));
            if (round > 0) (isHidden ? hidden : absent).push(us);
          }
        }
      }
      return {
        title: "Hosts that a client may not see",
        text: `${INTRODUCTION}\n\n${table(hidden, absent)}`,
      };
    } finally {
      socket.close();
    }
  });
}

const INTRODUCTION = `Microseconds from a question to its answer over one UDP socket, one at a time, in turn for ${HOSTS.toLocaleString("en")} hosts that are
exported to another namespace only and for ${HOSTS.toLocaleString("en")} names as long as those that nobody has; ${ROUNDS} times each. All are forwarded.
Half against half: the same difference between the odd and the even questions for names that nobody has, which is noise.`;

function table(hidden: readonly number[], absent: readonly number[]): string {
  const row = (name: string, us: readonly number[]) =>
    `| ${name} | ${[0.1, 0.5, 0.9].map((share) => percentile(us, share).toFixed(1)).join(" | ")} |`;
  const half = (odd: number) => median(absent.filter((_, index) => index % 2 === odd));
  const difference = Math.abs(median(hidden) - median(absent));
  const noise = Math.abs(half(0) - half(1));
  return [
    "| | 10 % | median | 90 % |\n|---|---|---|---|",
    row("not to be seen", hidden),
    row("that nobody has", absent),
    `\nMedians differ by ${difference.toFixed(1)} us, half against half by ${noise.toFixed(1)} us.`,
  ].join("\n");
}

let id = 0;

async function microseconds(socket: Socket, host: string): Promise<number> {
  id = (id + 1) & 0xffff;
  const message = makeQueryMessage(host, id);
  const answered = once(socket, "message", { signal: AbortSignal.timeout(ANSWER_MS) });
  const start = performance.now();
  socket.send(message);
  await answered;
  return (performance.now() - start) * 1000;
}

function hiddenHost(index: number): string {
  return `${UNCACHED}hidden-${index}.example.org`;
}

function absentHost(index: number): string {
  return `${UNCACHED}absent-${index}.example.org`;
}

function hiddenEntry(index: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: hidden-${index}
  namespace: other
spec:
  hosts: ["${hiddenHost(index)}"]
  exportTo: ["."]
  ports: [{ number: 443, name: https, protocol: HTTPS }]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.1 }]
`;
}
