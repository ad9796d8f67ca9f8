/**
 * A flood of hostile packets, 10,000 a second for a minute, and 100 good queries a second meanwhile, on the running
 * program over loopback. `--seconds N` for a shorter one. Prints each figure next to its goal; exit 1 on a miss.
 */

import { type ChildProcess, fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { HOSTILE, withId } from "../../test/hostile/messages.ts";
import { type Figure, figureTable } from "../support/performance-page.ts";
import { percentile } from "../support/statistics.ts";
import { ask, sleep } from "./asker.ts";
import { OWN_HOST, withProgram } from "./program.ts";
import { startUpstream } from "./upstream.ts";

const HOSTILE_PER_SECOND = 10_000;
const GOOD_PER_SECOND = 100;
const GOAL_MS = 10;
const DEFAULT_SECONDS = 60;
/** Starts sooner and ends later than the good queries. */
const MARGIN_SECONDS = 1;
const TICK_MS = 2;
/** Larger ones are cut into fragments on a real network. */
const MAX_PACKET_OCTETS = 1400;

/** What the two processes tell each other. */
type FromAttacker = { readonly upstreamPort: number } | { readonly sent: number };
interface Order {
  readonly port: number;
  readonly seconds: number;
}

/** The figures of one flood. */
export async function flood(seconds: number): Promise<Figure[]> {
  const attacker = fork(fileURLToPath(import.meta.url), ["--attack"]);
  const kill = () => attacker.kill("SIGKILL");
  process.once("exit", kill);
  try {
    const upstreamPort = await told(attacker, (said) => ("upstreamPort" in said ? said.upstreamPort : null));
    return await withProgram({ upstreamPorts: [upstreamPort] }, async (program) => {
      const { port } = program;
      const sent = told(attacker, (said) => ("sent" in said ? said.sent : null));
      attacker.send({ port, seconds: seconds + MARGIN_SECONDS } satisfies Order);
      await sleep(MARGIN_SECONDS * 500);
      const count = seconds * GOOD_PER_SECOND;
      const nameOf = () => OWN_HOST;
      const outcomes = await ask({ port, count, perSecond: GOOD_PER_SECOND, nameOf, patienceMs: 2_000 });
      const answered = outcomes.filter(({ rcode }) => rcode === 0).length;
      const p99Ms = percentile(
        outcomes.map(({ tookMs }) => tookMs),
        0.99,
      );
      const perSecond = Math.round((await sent) / (seconds + MARGIN_SECONDS));
      return [
        {
          name: `flood of ${seconds} s: hostile packets per second`,
          measured: String(perSecond),
          goal: String(HOSTILE_PER_SECOND),
          isMet: perSecond >= HOSTILE_PER_SECOND * 0.95,
        },
        {
          name: `flood of ${seconds} s: good queries answered`,
          measured: `${answered} of ${count}`,
          goal: String(count),
          isMet: answered === count,
        },
        {
          name: `flood of ${seconds} s: 99th percentile of good answers`,
          measured: `${p99Ms.toFixed(1)} ms`,
          goal: `<= ${GOAL_MS} ms`,
          isMet: p99Ms <= GOAL_MS,
        },
        {
          name: `flood of ${seconds} s: the program`,
          measured: program.hasEnded ? "ended" : "lives",
          goal: "lives",
          isMet: !program.hasEnded,
        },
      ];
    });
  } finally {
    attacker.kill("SIGKILL");
    process.off("exit", kill);
  }
}

function told(attacker: ChildProcess, pick: (said: FromAttacker) => number | null): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  attacker.once("exit", () => reject(new Error("the attacker ended")));
  attacker.on("message", (said: FromAttacker) => {
    const value = pick(said);
    if (value !== null) resolve(value);
  });
  return promise;
}

/** A process of its own, with the upstream that some of the packets reach: the good client waits for neither. */
async function attack(): Promise<void> {
  const upstream = await startUpstream(() => 1);
  const told = once(process, "message");
  process.send?.({ upstreamPort: upstream.port } satisfies FromAttacker);
  const [{ port, seconds }] = (await told) as [Order];
  const socket = createSocket({ type: "udp4", sendBufferSize: 1 << 20 });
  // What loopback does not take is no matter.
  socket.on("error", () => {});
  const packets = HOSTILE.filter(([, message]) => message.length < MAX_PACKET_OCTETS).map(([, message]) =>
    withId(message, 0x6666),
  );
  const startedMs = performance.now();
  let sent = 0;
  while (performance.now() - startedMs < seconds * 1000) {
    const due = ((performance.now() - startedMs) * HOSTILE_PER_SECOND) / 1000;
    for (; sent < due; sent += 1) socket.send(packets[sent % packets.length]!, port, "127.0.0.1", () => {});
    await sleep(TICK_MS);
  }
  process.send?.({ sent } satisfies FromAttacker);
  socket.close();
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: String(DEFAULT_SECONDS) },
    attack: { type: "boolean", default: false },
  },
});
if (values.attack) await attack();
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const figures = await flood(Number(values.seconds));
  process.stdout.write(`${figureTable(figures)}\n`);
  if (figures.some(({ isMet }) => isMet === false)) process.exitCode = 1;
}
