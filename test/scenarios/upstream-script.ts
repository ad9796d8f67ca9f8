/**
 * How a story's upstreams behave, message by message: late, lost, forged, cut, broken. What they know is the
 * zone's; the fronts carry out what is said here, in memory or over sockets.
 */

import { assertNever } from "../../src/runtime.ts";
import { HeaderFlag, Rcode } from "../../src/wire/constants.ts";
import { encodeMessage, type Message } from "../../src/wire/message.ts";
import { FORGERIES, type Forgery, forge, garbage, questionEnd } from "./forgery.ts";
import { readDurationMs } from "./measures.ts";
import { readRecordType } from "./record-types.ts";
import { decodeOrThrow } from "./reply-text.ts";
import type { Arrival, ScriptedZone } from "./scripted-zone.ts";
import { StoryError } from "./story-error.ts";
import { USUAL_DELAY_MS } from "./zone-line.ts";

/** What an upstream does about one message; `afterMs` undefined: when it usually would. */
export interface Behaviour {
  readonly afterMs: number | undefined;
  readonly does:
    | {
        readonly kind:
          | "answer"
          | "lost"
          | "truncated"
          | "looped"
          | "overcounted"
          | "garbage"
          | "hangs up"
          | "hands back"
          | "closed";
      }
    | { readonly kind: "rcode"; readonly rcode: number }
    | { readonly kind: "forged"; readonly forgeries: readonly Forgery[] };
}

/** One entry of a `script` step. */
export interface ScriptLine {
  /** Lower case; undefined: all names. */
  readonly name: string | undefined;
  readonly type: number | undefined;
  readonly upstream: number | undefined;
  /** One after the other, a message each; the last one for all that follow. */
  readonly behaviours: readonly Behaviour[];
}

/** What a front has to do about a message that arrived. */
export type Deed =
  | {
      readonly kind: "reply";
      readonly octets: Uint8Array;
      readonly delayMs: number;
      /** The socket that the message came to, or a stranger's. */
      readonly from: "upstream" | "port" | "address";
    }
  /** Ends the TCP connection; nothing over UDP. */
  | { readonly kind: "hangUp"; readonly delayMs: number }
  /** Asks us what we have asked, and passes the reply on. */
  | { readonly kind: "handBack" };

/** The true reply comes this much later than the forged ones. */
const LEAD_OF_FORGERS_MS = 80;
const LAST_ALWAYS: Behaviour = { afterMs: undefined, does: { kind: "answer" } };

export class UpstreamScript {
  readonly #zone: ScriptedZone;
  readonly #lines = new Map<string, { readonly line: ScriptLine; next: number }>();

  constructor(zone: ScriptedZone) {
    this.#zone = zone;
  }

  /** Each replaces what was said of the same messages before. */
  change(lines: readonly ScriptLine[]): void {
    for (const line of lines) {
      const { name = "*", type = "", upstream = "" } = line;
      this.#lines.set(`${name} ${type} ${upstream}`, { line, next: 0 });
    }
  }

  /** Whether the upstream takes neither messages nor connections. */
  isClosed(upstream: number): boolean {
    const { line } = this.#find(undefined, undefined, upstream) ?? {};
    return line?.behaviours[0]?.does.kind === "closed";
  }

  /** Notes the message that arrived, and says what to do about it. */
  receive(message: Uint8Array, arrival: Arrival): readonly Deed[] {
    const [question] = decodeOrThrow(message).questions;
    const name = question?.name.toLowerCase() ?? ".";
    const type = question?.type ?? 0;
    const found = this.#find(name, type, arrival.upstream);
    const behaviour = found?.line.behaviours[found.next] ?? LAST_ALWAYS;
    if (found !== undefined && found.next + 1 < found.line.behaviours.length) found.next += 1;
    const own = new Uint8Array(message);
    const reply = this.#trueReply(own, behaviour, arrival);
    this.#zone.asked.push({ ...arrival, by: "forwarder", name, type, message: own, reply: reply?.octets });
    return [...deedsBeside(own, behaviour, reply), ...(reply === undefined ? [] : [fromUpstream(reply)])];
  }

  /** Of all that is said, what is said most closely. */
  #find(name: string | undefined, type: number | undefined, upstream: number) {
    const weight = (line: ScriptLine) =>
      (line.name === undefined ? 0 : 4) +
      (line.type === undefined ? 0 : 2) +
      (line.upstream === undefined ? 0 : 1);
    return [...this.#lines.values()]
      .filter(
        ({ line }) =>
          (line.name === undefined || line.name === name) &&
          (line.type === undefined || line.type === type) &&
          (line.upstream === undefined || line.upstream === upstream),
      )
      .sort((one, other) => weight(other.line) - weight(one.line))[0];
  }

  #trueReply(message: Uint8Array, { afterMs, does }: Behaviour, { transport }: Arrival): Timed | undefined {
    const usual = this.#zone.reply(message);
    const at = (octets: Uint8Array, delayMs = usual?.delayMs ?? USUAL_DELAY_MS): Timed => ({
      octets,
      delayMs: afterMs ?? delayMs,
    });
    switch (does.kind) {
      case "answer":
        return usual && at(usual.octets);
      case "truncated":
        return usual && at(transport === "tcp" ? usual.octets : truncated(usual.octets));
      case "looped":
      case "overcounted":
        return usual && at(broken(usual.octets, does.kind));
      case "forged":
        return usual && at(usual.octets, usual.delayMs + LEAD_OF_FORGERS_MS);
      case "rcode":
        return at(emptyReply(message, does.rcode));
      case "lost":
      case "garbage":
      case "hangs up":
      case "hands back":
      case "closed":
        return undefined;
      default:
        return assertNever(does);
    }
  }
}

interface Timed {
  readonly octets: Uint8Array;
  readonly delayMs: number;
}

function fromUpstream({ octets, delayMs }: Timed): Deed {
  return { kind: "reply", octets, delayMs, from: "upstream" };
}

/** What is done but for the true reply. */
function deedsBeside(
  message: Uint8Array,
  { afterMs, does }: Behaviour,
  reply: Timed | undefined,
): readonly Deed[] {
  const delayMs = afterMs ?? USUAL_DELAY_MS;
  if (does.kind === "garbage") return [fromUpstream({ octets: garbage(message), delayMs })];
  if (does.kind === "hangs up") return [{ kind: "hangUp", delayMs }];
  if (does.kind === "hands back") return [{ kind: "handBack" }];
  if (does.kind !== "forged" || reply === undefined) return [];
  return does.forgeries.map((forgery) => ({
    kind: "reply",
    octets: forge(reply.octets, forgery),
    delayMs: reply.delayMs - LEAD_OF_FORGERS_MS,
    from: forgery === "port" || forgery === "address" ? forgery : "upstream",
  }));
}

function truncated(reply: Uint8Array): Uint8Array {
  const message = decodeOrThrow(reply);
  return encodeMessage({
    ...message,
    flags: message.flags | HeaderFlag.TC,
    answers: message.answers.slice(0, -1),
  });
}

/** The owner of the first answer points to itself, or the header counts 65535 answers. */
function broken(reply: Uint8Array, kind: "looped" | "overcounted"): Uint8Array {
  const octets = reply.slice();
  if (kind === "overcounted") return octets.fill(0xff, ANSWER_COUNT_AT, ANSWER_COUNT_AT + 2);
  const at = questionEnd(octets);
  octets.set([0xc0 | (at >> 8), at & 0xff], at);
  return octets;
}

const ANSWER_COUNT_AT = 6;

function emptyReply(query: Uint8Array, rcode: number): Uint8Array {
  const { id, flags, questions, edns } = decodeOrThrow(query);
  const copied = flags & (HeaderFlag.OPCODE | HeaderFlag.RD | HeaderFlag.CD);
  const reply: Message = {
    id,
    flags: HeaderFlag.QR | HeaderFlag.RA | copied | rcode,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
    ...(edns && { edns: { ...edns, size: 1232, extendedRcode: 0, options: [] } }),
  };
  return encodeMessage(reply);
}

const PLAIN = [
  "answer",
  "lost",
  "truncated",
  "looped",
  "overcounted",
  "garbage",
  "hangs up",
  "hands back",
  "closed",
] as const;
const RCODES = ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"] as const;

/** `NAME [TYPE] [@UPSTREAM]` or `* [@UPSTREAM]`. */
export function readScriptLine(key: string, behaviours: readonly Behaviour[], where: string): ScriptLine {
  const found = /^(\S+?)(?: ([A-Z]+\d*))?(?: @([1-9]))?$/.exec(key);
  const [, name = "", type, upstream] = found ?? [];
  const isAll = name === "*";
  if (found === null || (isAll && type !== undefined)) {
    throw new StoryError(where, `"${key}" is neither "NAME [TYPE] [@UPSTREAM]" nor "* [@UPSTREAM]"`);
  }
  const isClosing = behaviours.some(({ does }) => does.kind === "closed");
  if (isClosing && (!isAll || behaviours.length > 1)) {
    throw new StoryError(where, `"closed" is said of a whole upstream: "* [@UPSTREAM]": closed`);
  }
  return {
    name: isAll ? undefined : name.toLowerCase(),
    type: type === undefined ? undefined : readRecordType(type, where),
    upstream: upstream === undefined ? undefined : Number(upstream),
    behaviours,
  };
}

/** `lost`, `answer after 2 s`, `forged id name`, `SERVFAIL` and the like. */
export function readBehaviour(value: unknown, where: string): Behaviour {
  const [, said = "", after] = /^(.*?)(?: after (.+))?$/.exec(String(value)) ?? [];
  const afterMs = after === undefined ? undefined : readDurationMs(after, where);
  const kind = PLAIN.find((each) => each === said);
  if (kind !== undefined) return { afterMs, does: { kind } };
  const rcode = RCODES.find((each) => each === said);
  if (rcode !== undefined) return { afterMs, does: { kind: "rcode", rcode: Rcode[rcode] } };
  const [word, ...rest] = said.split(" ");
  const forgeries = rest
    .map((text) => FORGERIES.find((each) => each === text))
    .filter((each) => each !== undefined);
  if (word === "forged" && rest.length > 0 && forgeries.length === rest.length) {
    return { afterMs, does: { kind: "forged", forgeries } };
  }
  const known = [...PLAIN, ...RCODES, `forged ${FORGERIES.join("|")} ...`].join(", ");
  throw new StoryError(where, `${JSON.stringify(value)} is none of ${known}, each with "after TIME"`);
}
