import { expect } from "chai";
import type { ApiClient } from "../../src/cluster/api-client.ts";
import { toFault } from "../../src/cluster/api-fault.ts";
import { listResource } from "../../src/cluster/list.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Pages whose bodies are given by the test, piece by piece. */
class PagedServer {
  readonly asked: string[] = [];
  readonly signals: AbortSignal[] = [];
  /** Which request is told that the pages are too old, counted from one. */
  expiredAt = 0;
  readonly #bodies: readonly ((server: PagedServer) => AsyncGenerator<string>)[];
  #tellAsked = () => {};

  constructor(...bodies: readonly ((server: PagedServer) => AsyncGenerator<string>)[]) {
    this.#bodies = bodies;
  }

  async untilAsked(count: number): Promise<void> {
    while (this.asked.length < count)
      await new Promise<void>((resolve) => {
        this.#tellAsked = resolve;
      });
  }

  list(clock = new FakeClock(), onPart?: (objects: readonly unknown[]) => void) {
    const client: ApiClient = {
      get: async (path, signal) => {
        const body = this.#bodies[this.asked.length]!(this);
        this.asked.push(new URL(path, "http://x").searchParams.get("continue") ?? "first");
        this.signals.push(signal);
        this.#tellAsked();
        const status = this.asked.length === this.expiredAt ? 410 : 200;
        return { status, retryAfter: undefined, body: octets(body) };
      },
      close: async () => {},
    };
    const { signal } = new AbortController();
    const read = (raw: unknown) => ({ value: raw });
    const options = { client, clock, signal, mostObjectOctets: 1000, read, onPart };
    return listResource(options, "/api/v1/pods");
  }
}

async function* octets(texts: AsyncGenerator<string>): AsyncGenerator<Buffer> {
  for await (const text of texts) yield Buffer.from(text);
}

function head(token: string): string {
  return `{"kind":"List","metadata":{"resourceVersion":"7","continue":"${token}"},"items":[`;
}

describe("a list", () => {
  it("asks for the next page while it reads one, and for no more than that", async () => {
    const server = new PagedServer(
      async function* (own) {
        yield head("b");
        await own.untilAsked(2);
        yield '{"name":1}';
        // The third is named in the second, which is not read yet.
        expect(own.asked).to.deep.equal(["first", "b"]);
        yield "]}";
      },
      async function* (own) {
        yield head("c");
        await own.untilAsked(3);
        yield '{"name":2}]}';
      },
      async function* () {
        yield `${head("")}{"name":3}]}`;
      },
    );
    const { objects, resourceVersion } = await server.list();
    expect(objects).to.deep.equal([{ name: 1 }, { name: 2 }, { name: 3 }]);
    expect(resourceVersion).to.equal("7");
    expect(server.asked).to.deep.equal(["first", "b", "c"]);
  });

  it("asks afterwards where the token stands behind the items", async () => {
    const server = new PagedServer(
      async function* () {
        yield '{"items":[{"name":1}],"metadata":{"resourceVersion":"7","continue":"b"}}';
      },
      async function* () {
        yield '{"items":[{"name":2}],"metadata":{"resourceVersion":"7"}}';
      },
    );
    expect((await server.list()).objects).to.deep.equal([{ name: 1 }, { name: 2 }]);
    expect(server.asked).to.deep.equal(["first", "b"]);
  });

  it("hands on each page but the last as it was read", async () => {
    const parts: unknown[] = [];
    const server = new PagedServer(
      async function* () {
        yield `${head("b")}{"name":1},{"name":2}]}`;
      },
      async function* () {
        expect(parts).to.deep.equal([[{ name: 1 }, { name: 2 }]]);
        yield `${head("c")}{"name":3}]}`;
      },
      async function* () {
        yield `${head("")}{"name":4}]}`;
      },
    );
    const { objects, isRest } = await server.list(new FakeClock(), (part) => parts.push(part));
    expect(parts).to.deep.equal([[{ name: 1 }, { name: 2 }], [{ name: 3 }]]);
    expect([objects, isRest]).to.deep.equal([[{ name: 4 }], true]);
  });

  it("has all in one where the pages expired after the first, and one page is all", async () => {
    const parts: unknown[] = [];
    const whole = async function* () {
      yield `${head("")}{"name":2},{"name":3}]}`;
    };
    const server = new PagedServer(
      async function* () {
        yield `${head("b")}{"name":1}]}`;
      },
      async function* () {
        yield '{"kind":"Status","code":410,"message":"too old"}';
      },
      whole,
    );
    server.expiredAt = 2;
    const listed = await server.list(new FakeClock(), (part) => parts.push(part));
    expect(parts).to.deep.equal([[{ name: 1 }]]);
    expect([listed.objects, listed.isRest]).to.deep.equal([[{ name: 2 }, { name: 3 }], false]);
    const alone = await new PagedServer(whole).list(new FakeClock(), (part) => parts.push(part));
    expect([alone.objects.length, alone.isRest, parts.length]).to.deep.equal([2, false, 1]);
  });

  it("gives up the next page with the one before it", async () => {
    const server = new PagedServer(
      async function* (own) {
        yield head("b");
        await own.untilAsked(2);
        yield '{"name":1}]';
      },
      async function* () {
        yield `${head("")}]}`;
      },
    );
    const fault = await server.list().then(
      () => undefined,
      (error: unknown) => toFault(error).code,
    );
    expect(fault).to.equal("broken");
    expect(server.signals[1]?.aborted).to.equal(true);
  });

  it("does not take a page for stalled that waits for a slow one before it", async () => {
    const clock = new FakeClock();
    const server = new PagedServer(
      async function* (own) {
        yield head("b");
        await own.untilAsked(2);
        for (let piece = 0; piece < 5; piece += 1) {
          clock.advance(20_000);
          yield " ";
        }
        yield "]}";
      },
      async function* () {
        yield `${head("")}{"name":2}]}`;
      },
    );
    expect((await server.list(clock)).objects).to.deep.equal([{ name: 2 }]);
  });
});
