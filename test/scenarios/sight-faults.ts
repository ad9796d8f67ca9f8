/** Whether upstream saw what the story expects: how many messages, when, where, over what, with which octets. */

import { isWithin } from "./measures.ts";
import { recordTypeName } from "./record-types.ts";
import { decodeOrThrow } from "./reply-text.ts";
import type { AskedMessage } from "./scripted-zone.ts";
import type { Sight } from "./story.ts";

/** What is wrong, a line each; `sent`: clients' messages. */
export function sightFaults(
  sight: Sight,
  transport: "udp" | "tcp",
  asked: readonly AskedMessage[],
  sent: readonly Uint8Array[],
): readonly string[] {
  const { count, at, to, over, freshIds, freshPorts, asSent, options } = sight[transport];
  const seen = asked.filter(({ name, type }) => name === sight.name && type === sight.type);
  const faults: string[] = [];
  const expect = (isMet: boolean, what: string, came: unknown) => {
    if (isMet) return;
    const whose = `${sight.name} ${recordTypeName(sight.type)}`;
    faults.push(`expected that upstream sees ${whose} ${what}, came ${JSON.stringify(came)}`);
  };
  const expectList = (expected: readonly unknown[] | undefined, came: readonly unknown[], what: string) => {
    if (expected === undefined) return;
    expect(JSON.stringify(expected) === JSON.stringify(came), `${what} ${JSON.stringify(expected)}`, came);
  };
  const startMs = seen[0]?.atMs ?? 0;
  if (count !== undefined) expect(isWithin(count, seen.length), `${count.text} times`, seen.length);
  expectList(
    at,
    seen.map(({ atMs }) => atMs - startMs),
    "at the milliseconds",
  );
  expectList(
    to,
    seen.map(({ upstream }) => upstream),
    "at the upstreams",
  );
  expectList(
    over,
    seen.map((each) => each.transport),
    "over",
  );
  const ids = seen.map(({ message }) => (message[0]! << 8) | message[1]!);
  if (freshIds === true) expect(areDistinct(ids), "with an ID of its own each", ids);
  const ports = seen.map(({ port }) => port);
  if (freshPorts === true) expect(areDistinct(ports), "from a port of its own each", ports);
  for (const { message } of options === undefined ? [] : seen) {
    const codes = decodeOrThrow(message).edns?.options.map(({ code }) => code) ?? [];
    expectList(options, codes, "with the EDNS options");
  }
  if (asSent === true) {
    const changed = seen.filter(({ message }) => !sent.some((each) => isEqualButForId(each, message)));
    expect(
      seen.length > 0 && changed.length === 0,
      "as a client sent it",
      changed.map(({ message }) => Buffer.from(message).toString("hex")),
    );
  }
  return faults;
}

export function isEqualButForId(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one.subarray(2), other.subarray(2)) === 0;
}

function areDistinct(values: readonly number[]): boolean {
  return new Set(values).size === values.length;
}
