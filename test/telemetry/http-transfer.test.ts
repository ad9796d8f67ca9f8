import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { transferOf } from "../../src/telemetry/http-transfer.ts";

const LONG = "a host ".repeat(1000);
const reply = (body: string | Uint8Array, headers?: Record<string, string>) => ({
  status: 200,
  contentType: "text/plain",
  body,
  ...(headers === undefined ? {} : { headers }),
});

describe("telemetry: how a reply is sent", () => {
  it("compresses what is long, for who takes it", async () => {
    for (const field of ["gzip", "GZIP", "br;q=0.5, gzip;q=0.1", "deflate,gzip"]) {
      const { headers, content } = await transferOf(reply(LONG), { "accept-encoding": field });
      expect(headers["Content-Encoding"], field).to.equal("gzip");
      expect(headers["Content-Length"]).to.equal(content.length);
      expect(headers["Vary"]).to.equal("Accept-Encoding");
      expect(gunzipSync(content).toString()).to.equal(LONG);
    }
  });

  it("leaves alone what is short, or for who does not", async () => {
    for (const field of ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", undefined]) {
      const { headers, content } = await transferOf(
        reply(LONG),
        field === undefined ? {} : { "accept-encoding": field },
      );
      expect(headers["Content-Encoding"], field).to.equal(undefined);
      expect(content.length).to.equal(LONG.length);
    }
    const short = await transferOf(reply("ok\n"), { "accept-encoding": "gzip" });
    expect(short.headers["Content-Encoding"]).to.equal(undefined);
  });

  it("counts octets, not letters", async () => {
    const { headers } = await transferOf(reply("ü→"), {});
    expect(headers["Content-Length"]).to.equal(5);
    expect((await transferOf(reply(new Uint8Array([1, 2, 255])), {})).headers["Content-Length"]).to.equal(3);
  });

  it("says 304 only of what has a tag, and lets a reply's own headers count", async () => {
    const tagged = reply("x", { ETag: 'W/"1"', "Cache-Control": "no-cache" });
    const { status, headers, content } = await transferOf(tagged, { "if-none-match": 'W/"1"' });
    expect([status, content.length]).to.deep.equal([304, 0]);
    expect(headers).to.include({ ETag: 'W/"1"', "Cache-Control": "no-cache" });
    expect((await transferOf(reply("x"), { "if-none-match": 'W/"1"' })).status).to.equal(200);
    expect((await transferOf(reply("x"), {})).headers["Cache-Control"]).to.equal("no-store");
  });
});
