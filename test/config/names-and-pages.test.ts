/** Nearest names, resolv.conf, help and the docs page. */

import { readFileSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { serveHelp, settingsHelp } from "../../src/config/help.ts";
import { nearestName } from "../../src/config/nearest-name.ts";
import { parseResolvConf } from "../../src/config/resolv-conf.ts";
import { environmentVariableOf, flagOf, SETTING_KEYS } from "../../src/config/settings.ts";
import { settingsPage } from "../../src/config/settings-page.ts";

describe("config: nearest name", () => {
  it("finds what was meant", () => {
    const meant = {
      tll: "ttl",
      tlt: "ttl",
      upstrems: "upstreams",
      "log-level": "logLevel",
      LISTEN: "listen",
      anwser: "answer",
    };
    for (const [written, name] of Object.entries(meant)) {
      expect(nearestName(written, SETTING_KEYS), written).to.equal(name);
    }
  });

  it("names nothing when nothing is near", () => {
    expect(nearestName("zzzzzzzzzz", SETTING_KEYS)).to.equal(undefined);
    expect(nearestName("", SETTING_KEYS)).to.equal(undefined);
    expect(nearestName("x".repeat(100_000), SETTING_KEYS)).to.equal(undefined);
  });

  it("finds every name again after one edit", () => {
    const longNames = SETTING_KEYS.filter((key) => key.length >= 6);
    fc.assert(
      fc.property(
        fc.constantFrom(...longNames),
        fc.nat(),
        fc.constantFrom("drop", "double", "swap"),
        (key, n, edit) => {
          const at = n % (key.length - 1);
          const [head, a, b, tail] = [key.slice(0, at), key[at]!, key[at + 1]!, key.slice(at + 2)];
          const typed = { drop: head + b + tail, double: head + a + a + b + tail, swap: head + b + a + tail }[
            edit
          ];
          expect(nearestName(typed, SETTING_KEYS)).to.equal(key);
        },
      ),
    );
  });
});

describe("config: resolv.conf", () => {
  it("takes nameservers in order, and nothing else", () => {
    const text = [
      "# nameserver 192.0.2.1",
      "; nameserver 192.0.2.2",
      "search nameserver.example",
      "nameserver\t192.0.2.3   # the first",
      "nameserver fe80::1%eth0",
      "nameserver not-an-address",
      "nameserver",
      "nameservers 192.0.2.4",
      "nameserver 2001:DB8::5\r",
      "nameserver 192.0.2.3",
      "options ndots:5",
    ].join("\n");
    expect(parseResolvConf(text)).to.deep.equal(["192.0.2.3", "2001:db8::5"]);
  });

  it("takes three, as the C library does; none from an empty file", () => {
    const text = [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join("\n");
    expect(parseResolvConf(text)).to.deep.equal(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    expect(parseResolvConf("")).to.deep.equal([]);
  });
});

describe("config: help and docs page", () => {
  it("shows every setting with flag and default", () => {
    const help = serveHelp();
    for (const key of SETTING_KEYS) expect(help).to.match(new RegExp(`^  ${flagOf(key)}( |$)`, "m"));
    expect(help).to.include("--answer auto|virtual|resolved");
    expect(help).to.include("(default: 15 in a pod, else 0; seconds; 0 to 300)");
    expect(help).to.include("(default: 0.0.0.0:1053,[::]:1053; restart)");
    expect(
      help.split("\n").filter((line) => line.length > 120),
      "fits a terminal",
    ).to.deep.equal([]);
  });

  it("can show some settings only", () => {
    expect(settingsHelp(["ttl", "listen"])).to.match(/^Listening\n {2}--listen [\s\S]*\nAnswers\n {2}--ttl /);
  });

  it("names every setting in all three spellings in the page, one row each", () => {
    const rows = settingsPage()
      .split("\n")
      .filter((line) => line.startsWith("| `"));
    expect(rows).to.have.length(SETTING_KEYS.length);
    for (const key of SETTING_KEYS) {
      const start = `| \`${key}\`<br>\`${flagOf(key)}\`<br>\`${environmentVariableOf(key)}\` | `;
      const row = rows.find((each) => each.startsWith(start));
      expect(row?.split(/(?<!\\)\|/), key).to.have.length(6);
    }
  });

  it("is what docs/settings.md holds", () => {
    const page = readFileSync(new URL("../../docs/settings.md", import.meta.url), "utf8");
    expect(page, "run: node scripts/generate-docs.ts").to.equal(settingsPage());
  });
});
