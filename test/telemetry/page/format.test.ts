import { expect } from "chai";
import {
  bytesText,
  countText,
  latencyText,
  percentText,
  plural,
  rateText,
  spanText,
} from "../../../src/telemetry/page/browser/format.ts";

describe("status page: numbers", () => {
  const cases: [string, (value: number) => string, [number, string][]][] = [
    [
      "counts",
      countText,
      [
        [0, "0"],
        [999, "999"],
        [1234567, "1,234,567"],
      ],
    ],
    [
      "rates",
      rateText,
      [
        [0, "0"],
        [0.01, "<0.1"],
        [0.26, "0.3"],
        [9.94, "9.9"],
        [10.4, "10"],
        [12345.6, "12,346"],
      ],
    ],
    // 99.96 % is not everything, and one in a million not nothing.
    [
      "ratios",
      percentText,
      [
        [0, "0 %"],
        [1, "100 %"],
        [0.934, "93.4 %"],
        [0.9996, "99.9 %"],
        [1e-6, "0.1 %"],
      ],
    ],
    [
      "latencies",
      latencyText,
      [
        [0.00035, "0.35 ms"],
        [0.0042, "4.2 ms"],
        [0.012, "12 ms"],
        [1.24, "1.2 s"],
      ],
    ],
    [
      "spans",
      spanText,
      [
        [-3, "0 s"],
        [59.4, "59 s"],
        [60, "1 min"],
        [61, "1 min 1 s"],
        [301, "5 min"],
        [3600, "1 h"],
        [7500, "2 h 5 min"],
        [86_400, "1 d"],
        [97_200, "1 d 3 h"],
      ],
    ],
    [
      "memory",
      bytesText,
      [
        [0, "0 KiB"],
        [2 ** 19, "512 KiB"],
        [2 ** 20 * 1.5, "1.5 MiB"],
        [2 ** 26, "64 MiB"],
      ],
    ],
  ];
  for (const [what, text, values] of cases) {
    it(`writes ${what} as people read them`, () => {
      for (const [value, expected] of values) expect(text(value), String(value)).to.equal(expected);
    });
  }

  it("counts things", () => {
    expect([
      plural(1, "reply", "replies"),
      plural(0, "name"),
      plural(2000, "reply", "replies"),
    ]).to.deep.equal(["1 reply", "0 names", "2,000 replies"]);
  });
});
