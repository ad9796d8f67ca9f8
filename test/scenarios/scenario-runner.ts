/** Plays a story, step by step; the first step that goes otherwise than told ends it with an error that says so. */

import { assertNever } from "../../src/runtime.ts";
import { decodeMessage } from "../../src/wire/message.ts";
import { type Exchange, faultsOf } from "./expectation.ts";
import { isWithin } from "./measures.ts";
import { recordTypeName } from "./record-types.ts";
import { decodeOrThrow, messageText } from "./reply-text.ts";
import type { Asked } from "./scripted-zone.ts";
import { sightFaults } from "./sight-faults.ts";
import type {
  Count,
  Expectations,
  QueryStep,
  SeriesCount,
  Sight,
  StateExpectation,
  Step,
  Story,
  Way,
} from "./story.ts";
import { type AskedQuery, World } from "./world.ts";

/** A story that went otherwise than told; where and how stands in the message. */
export class StoryFailure extends Error {
  override readonly name = "StoryFailure";
}

/** What a step expected and what came. */
class Unexpected extends Error {}

/** Rejects with a `StoryFailure`. */
export async function playStory(story: Story, way: Way): Promise<void> {
  let label = "start";
  try {
    const world = await World.open(way, story);
    try {
      if (story.isSynced) world.front.setSynced();
      const play = new Play(world);
      for (const { label: next, step } of story.steps) {
        label = next;
        await play.step(step);
      }
      label = "end";
      play.end(story.noUpstreamPacket);
    } catch (error) {
      await world.close().catch(() => {});
      throw error;
    }
    await world.close();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // A step's own message says it all; any other error needs its stack.
    const options = error instanceof Unexpected ? {} : { cause: error };
    throw new StoryFailure(`${story.file}, "${story.title}", ${way}, ${label}: ${message}`, options);
  }
}

/** Longer than any client waits, and than we let one. */
const LONGEST_WAIT_MS = 6000;

class Play {
  readonly #world: World;
  readonly #pending = new Map<string, AskedQuery>();
  /** What upstream was asked before this is not counted any more. */
  #countedFrom = 0;
  #seenFrom = 0;
  #loopsFrom = 0;
  /** What each series was when the story last looked. */
  readonly #countedBefore = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  async step(step: Step): Promise<void> {
    const world = this.#world;
    switch (step.kind) {
      case "apply":
        world.apply(step.sources);
        return world.settle();
      case "edit":
        for (const [identity, patch] of step.patches) world.edit(identity, patch);
        return world.settle();
      case "delete":
        world.delete(step.objects);
        return world.settle();
      case "clients":
        world.changeClients(step.clients);
        return world.settle();
      case "upstream":
        return world.zone.change(step.lines);
      case "script":
        world.script.change(step.lines);
        await world.front.openUpstreams();
        return world.settle();
      case "query":
        return this.#query(step);
      case "answered":
        return this.#answered(step.name, step.expect);
      case "elapse":
        return world.clock.elapse(step.ms, world.settle);
      case "upstreamAsked":
        return this.#checkCounts(step.counts);
      case "upstreamSaw":
        return this.#checkSights(step.sights);
      case "counted":
        for (const count of step.counts) this.#checkSeries(count);
        return;
      case "loops":
        return this.#checkLoops(step.upstreams);
      case "problems":
        return this.#checkProblems(step.expected);
      case "state":
        for (const [host, expected] of step.expected) this.#checkState(host, expected);
        return;
      case "settings":
        world.update(step.flags);
        return world.settle();
      case "synced":
        world.front.setSynced();
        return world.settle();
      default:
        return assertNever(step);
    }
  }

  end(noUpstreamPacket: boolean): void {
    const { front, zone } = this.#world;
    if (front.faults.length > 0)
      throw new Unexpected(`the data plane had faults: ${front.faults.join("; ")}`);
    this.#checkLoops([]);
    if (noUpstreamPacket && zone.asked.length > 0) {
      throw new Unexpected(`expected that upstream is never asked, came ${askedText(zone.asked)}`);
    }
  }

  async #query({ question, times, client, pending, expect }: QueryStep): Promise<void> {
    const firsts = new Set<string>();
    for (let turn = 0; turn < times; turn += 1) {
      const asked = this.#world.ask(question, client);
      await this.#world.settle();
      if (pending !== undefined) {
        const came = asked.exchange();
        if (came !== undefined) throw new Unexpected(`expected no reply yet, came\n${replyText(came)}`);
        this.#pending.set(pending, asked);
        return;
      }
      const exchange = await this.#reply(asked);
      check(exchange, expect);
      if (expect[this.#world.front.transport].unreadable === true) continue;
      const [first] = decodeOrThrow(exchange.reply).answers;
      if (first !== undefined && "address" in first.data) firsts.add(first.data.address);
    }
    const { firstAnswers } = expect[this.#world.front.transport];
    const came = [...firsts].sort();
    if (firstAnswers !== undefined && JSON.stringify(came) !== JSON.stringify([...firstAnswers].sort())) {
      throw new Unexpected(
        `expected each of ${firstAnswers.join(", ")} to come first at times, came ${came.join(", ")}`,
      );
    }
  }

  async #answered(name: string, expect: Expectations): Promise<void> {
    const asked = this.#pending.get(name);
    if (asked === undefined) throw new Unexpected(`no query is pending as "${name}"`);
    this.#pending.delete(name);
    check(await this.#reply(asked), expect);
  }

  async #reply(asked: AskedQuery): Promise<Exchange> {
    const { clock, settle } = this.#world;
    await clock.elapse(
      asked.exchange() === undefined ? LONGEST_WAIT_MS : 0,
      settle,
      () => asked.exchange() !== undefined,
    );
    const exchange = asked.exchange();
    if (exchange === undefined)
      throw new Unexpected(`expected a reply, came none within ${LONGEST_WAIT_MS / 1000} s`);
    return exchange;
  }

  #checkCounts(counts: readonly Count[]): void {
    const { asked } = this.#world.zone;
    const since = asked.slice(this.#countedFrom).filter(({ by }) => by === "refresher");
    this.#countedFrom = asked.length;
    for (const { name, type, range } of counts) {
      const found = since.filter((each) => each.name === name && (type === undefined || each.type === type));
      if (isWithin(range, found.length)) continue;
      const what = type === undefined ? name : `${name} ${recordTypeName(type)}`;
      throw new Unexpected(
        `expected ${range.text} lookups of ${what}, came ${found.length}, in all ${askedText(since)}`,
      );
    }
  }

  #checkSights(sights: readonly Sight[]): void {
    const { front, zone, sent } = this.#world;
    const asked = this.#world.forwarded(this.#seenFrom);
    this.#seenFrom = zone.asked.length;
    const faults = sights.flatMap((sight) => sightFaults(sight, front.transport, asked, sent));
    if (faults.length > 0) throw new Unexpected(`\n  ${faults.join("\n  ")}`);
  }

  #checkSeries({ series, labels, range }: SeriesCount): void {
    const key = [series, ...labels].join(" ");
    const total = this.#world.front.count(series, labels);
    const since = total - (this.#countedBefore.get(key) ?? 0);
    this.#countedBefore.set(key, total);
    if (!isWithin(range, since))
      throw new Unexpected(`expected that ${key} counts ${range.text}, came ${since}`);
  }

  #checkLoops(expected: readonly number[]): void {
    const found = this.#world.front.loops.slice(this.#loopsFrom);
    this.#loopsFrom += found.length;
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    throw new Unexpected(`expected loops through [${expected.join(", ")}], came [${found.join(", ")}]`);
  }

  #checkProblems(expected: readonly string[]): void {
    const present = new Set<string>();
    for (const { problem } of this.#world.problems.all()) {
      const { kind, namespace, name } = problem.object;
      present.add(`${problem.code} ${kind}/${namespace}/${name}`);
    }
    // Nearly every story is told without a policy.
    if (!expected.includes(UNRESTRICTED)) present.delete(`${UNRESTRICTED} Setting//hostPolicy`);
    const isMeant = (found: string, entry: string) => found === entry || found.startsWith(`${entry} `);
    const isWhole =
      [...present].every((found) => expected.some((entry) => isMeant(found, entry))) &&
      expected.every((entry) => [...present].some((found) => isMeant(found, entry)));
    if (isWhole) return;
    throw new Unexpected(`expected the problems [${expected.join(", ")}], came [${[...present].join(", ")}]`);
  }

  #checkState(host: string, expected: StateExpectation): void {
    const rows = this.#world.registry.hosts().filter((row) => row.host === host);
    const came = new Map(rows.map((row) => [`${row.namespace}/${row.name}`, row.state]));
    const text = [...came].map(([entry, state]) => `${entry} ${state}`).join(", ") || "absent";
    if (typeof expected === "string") {
      const isSo = expected === "absent" ? came.size === 0 : came.size > 0;
      if (isSo && [...came.values()].every((state) => state === expected)) return;
      throw new Unexpected(`expected the state of ${host} to be ${expected}, came ${text}`);
    }
    for (const [entry, state] of expected) {
      if ((came.get(entry) ?? "absent") === state) continue;
      throw new Unexpected(`expected the state of ${host} by ${entry} to be ${state}, came ${text}`);
    }
  }
}

const UNRESTRICTED = "PublicHostsUnrestricted";

function check(exchange: Exchange, expect: Expectations): void {
  const faults = faultsOf(exchange, expect[exchange.transport]);
  if (faults.length > 0)
    throw new Unexpected(`\n  ${faults.join("\n  ")}\n  the reply\n${replyText(exchange)}`);
}

function replyText({ reply, waitedMs }: Exchange): string {
  const message = decodeMessage(reply);
  const text = "fault" in message ? Buffer.from(reply).toString("hex") : messageText(message);
  return `${text}\n    after ${waitedMs} ms`;
}

function askedText(asked: readonly Asked[]): string {
  const texts = asked.map(({ by, name, type }) => `${name} ${recordTypeName(type)} by the ${by}`);
  return texts.length === 0 ? "none" : [...new Set(texts)].join(", ");
}
