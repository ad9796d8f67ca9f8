/**
 * The comparison: the same questions to our program, to the upstream itself and to other forwarders; every
 * difference between our replies and theirs, explained or not.
 */

import { ScriptedUpstream } from "../support/scripted-upstream.ts";
import { compare, type FieldDifference } from "./compare.ts";
import { exchange } from "./exchange.ts";
import { type Explanation, explain } from "./explanations.ts";
import { type Question, type Questions, questions } from "./questions.ts";
import { type PeerName, type Server, startOurs, startPeer } from "./servers.ts";
import { answer } from "./upstream-script.ts";

export const UPSTREAM = "upstream";

export interface Difference extends FieldDifference {
  readonly against: string;
  readonly question: Question;
  /** Null: the list has none. */
  readonly explanation: Explanation | null;
}

export interface Outcome {
  readonly questionCount: number;
  /** Those that our replies were compared with. */
  readonly compared: readonly string[];
  /** Server and reason. */
  readonly missing: readonly (readonly [string, string])[];
  readonly differences: readonly Difference[];
  /** Listed for a server that was asked, but not seen. */
  readonly unseen: readonly Explanation[];
}

/** Questions under way at once. */
const AT_ONCE = 16;
/** A server that is silent so often is not asked on. */
const MAX_SILENT = 100;

interface Replies {
  /** Null: silence. */
  readonly messages: readonly (Buffer | null)[];
  /** How long the asking took, and so what a TTL may have lost in a cache. */
  readonly seconds: number;
}

export async function interop(
  count: number,
  seed: number,
  peers: readonly PeerName[],
  explanations: readonly Explanation[],
): Promise<Outcome> {
  const asked = questions(count, seed);
  const upstream = new ScriptedUpstream(({ message, transport, reply }) => {
    const octets = answer(message, transport);
    if (octets !== null) reply(octets);
  });
  await upstream.start();
  try {
    const upstreamPort = upstream.address.port;
    const theirs = new Map([[UPSTREAM, await askAll(asked, upstreamPort)]]);
    const ours = await askServer(asked, await startOurs(upstreamPort));
    const missing: [string, string][] = [];
    for (const peer of peers) {
      const server = await startPeer(peer, upstreamPort);
      if ("missing" in server) missing.push([peer, server.missing]);
      else theirs.set(peer, await askServer(asked, server));
    }
    const all = [...asked.first, ...asked.again];
    const differences = [...theirs].flatMap(([against, replies]) =>
      all.flatMap((question, index) => {
        const isFresh = against === UPSTREAM && index < asked.first.length;
        const ageSeconds = isFresh ? 0 : Math.ceil(Math.max(ours.seconds, replies.seconds)) + 1;
        const tolerance = { isBitExact: isFresh, ageSeconds };
        return compare(ours.messages[index]!, replies.messages[index]!, tolerance).map((difference) => {
          const explanation = explain(explanations, against, question.kind, difference) ?? null;
          return { ...difference, against, question, explanation };
        });
      }),
    );
    const seen = new Set(differences.map(({ explanation }) => explanation));
    const unseen = explanations.filter((each) => theirs.has(each.against) && !seen.has(each));
    return { questionCount: all.length, compared: [...theirs.keys()], missing, differences, unseen };
  } finally {
    await upstream.stop();
  }
}

async function askServer(asked: Questions, server: Server): Promise<Replies> {
  try {
    return await askAll(asked, server.port);
  } finally {
    await server.stop();
  }
}

async function askAll({ first, again }: Questions, port: number): Promise<Replies> {
  const startedAtMs = performance.now();
  const messages = [...(await askEach(first, port)), ...(await askEach(again, port))];
  return { messages, seconds: (performance.now() - startedAtMs) / 1_000 };
}

async function askEach(list: readonly Question[], port: number): Promise<(Buffer | null)[]> {
  const replies: (Buffer | null)[] = [];
  const left = list.entries();
  let silent = 0;
  const askNext = async () => {
    for (const [index, { message, transport }] of left) {
      replies[index] = await exchange(message, transport, port);
      if (replies[index] === null) silent += 1;
      if (silent > MAX_SILENT) throw new Error(`no reply to ${silent} questions: the server is gone`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askNext));
  return replies;
}
