import { expect } from "chai";
import { labelSets, type SeriesDefinition, SharedSeries } from "../src/series.ts";

const requests: SeriesDefinition = {
  name: "requests_total",
  help: "Queries.",
  type: "counter",
  labels: { proto: ["udp", "tcp"], type: ["A", "AAAA", "other"] },
};
const duration: SeriesDefinition = {
  name: "duration_seconds",
  help: "Time.",
  type: "histogram",
  labels: { source: ["own", "forward"] },
  buckets: [0.001, 0.01],
};

describe("SharedSeries", () => {
  it("gives every label combination a number of its own, in the order of labelSets", () => {
    const series = new SharedSeries([requests, duration]);
    const indexes = labelSets(requests).map(({ proto, type }) => series.at("requests_total", proto!, type!));
    expect(indexes).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(series.at("duration_seconds", "own")).to.equal(6);
    expect(series.at("duration_seconds", "forward")).to.equal(10);
    expect(series.values.length).to.equal(14);
  });

  it("puts an observation into the first bucket that holds it, and into the sum", () => {
    const series = new SharedSeries([requests, duration]);
    const at = series.at("duration_seconds", "forward");
    for (const seconds of [0.001, 0.005, 0.01, 7]) series.observe(at, duration.buckets!, seconds);
    expect([...series.values.subarray(at, at + 3)]).to.deep.equal([1, 2, 1]);
    expect(series.values[at + 3]).to.be.closeTo(7.016, 1e-9);
  });

  it("shows one thread's numbers to another through the buffer", () => {
    const writer = new SharedSeries([requests]);
    const reader = new SharedSeries([requests], writer.buffer);
    writer.values[writer.at("requests_total", "tcp", "A")]! += 3;
    expect(reader.values[reader.at("requests_total", "tcp", "A")]).to.equal(3);
  });

  it("refuses a name, a label value or a buffer that the definitions do not have", () => {
    const series = new SharedSeries([requests]);
    expect(() => series.at("other")).to.throw("no series other");
    expect(() => series.at("requests_total", "udp")).to.throw("has the labels proto, type");
    expect(() => series.at("requests_total", "udp", "MX")).to.throw('has no type="MX"');
    expect(() => new SharedSeries([duration], series.buffer)).to.throw("expected 8");
  });
});
