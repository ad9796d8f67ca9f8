/** The status page in a real browser: what it shows, that it lives, and what it says when something is wrong. */

import { expect } from "chai";
import type { Browser, Page } from "puppeteer-core";
import type { ExplainParameters } from "../../../src/telemetry/api-explain.ts";
import { PATIENCE_MS } from "../../support/waiting.ts";
import { CHROMIUM, MISSING, startBrowser, watchConsole } from "./browser.ts";
import { hostReport, manyHosts, problemReport, quietStatus, Stage } from "./stage.ts";

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** The page's timers run faster than real time, so that its two seconds are not the test's. */
const FASTER = `{
  const speed = 8;
  const { setTimeout, setInterval } = window;
  const now = performance.now.bind(performance);
  window.setTimeout = (call, ms) => setTimeout(call, ms / speed);
  window.setInterval = (call, ms) => setInterval(call, ms / speed);
  performance.now = () => now() * speed;
}`;

describe("status page", function () {
  this.timeout(240_000);
  let browser: Browser;
  let stage: Stage;
  let page: Page;
  let said: string[];

  before(async function () {
    if (CHROMIUM === undefined) {
      process.stdout.write(`  status page: ${MISSING}\n`);
      this.skip();
    }
    browser = await startBrowser();
  });
  after(() => browser?.close());

  beforeEach(async () => {
    stage = new Stage();
    stage.hosts = [
      hostReport("api.example.com", {
        resolution: "DNS",
        // Times are shown in whole minutes, and the page's own run fast: each begins a minute.
        nextRefreshMs: Date.now() + 599_000,
        addresses: [
          {
            address: "192.0.2.7",
            source: "resolved",
            target: "lb.example.net",
            state: "fresh",
            expiresAtMs: Date.now() + 119_000,
            answeredAtMs: Date.now() - 420_000,
          },
          { address: "2001:db8::7", source: "virtual", target: null, state: "fresh", expiresAtMs: null },
        ],
      }),
      hostReport("api.example.com", {
        namespace: "team-b",
        name: "late",
        state: "shadowed",
        addresses: [],
        shadowedBy: { namespace: "payments", name: "api", reason: "it is older" },
      }),
      hostReport("dead.example.com", {
        namespace: "team-b",
        name: "dead",
        state: "unresolved",
        addresses: [],
        lastError: { code: "SERVFAIL", message: "from 10.96.0.10", sinceMs: Date.now() - 120_000 },
      }),
    ];
    await stage.start();
    page = await browser.newPage();
    said = watchConsole(page);
    await page.setViewport(DESKTOP);
    await page.evaluateOnNewDocument(FASTER);
  });

  afterEach(async () => {
    await page?.close();
    await stage?.stop();
  });

  const open = async (path = "") => {
    await page.goto(stage.url + path);
    await page.waitForSelector("#hosts-rows tr, #hosts-empty:not([hidden])");
  };
  const text = (selector: string) => page.$eval(selector, (found) => found.textContent?.trim() ?? "");
  const rows = () =>
    page.$$eval("#hosts-rows > tr:not(.detail-row)", (all) =>
      all.map((row) =>
        Array.from(row.children, (cell: { readonly textContent: string | null }) =>
          cell.textContent?.trim().replaceAll(/\s+/g, " "),
        ),
      ),
    );
  /** Waits until an element has the text. */
  const shows = (selector: string, expected: string) =>
    page.waitForFunction(
      `document.querySelector(${JSON.stringify(selector)})?.textContent.includes(${JSON.stringify(expected)})`,
      { timeout: PATIENCE_MS },
    );
  /** Waits until the element says that it is from at least so many seconds ago. */
  const isOld = (selector: string, seconds: number) =>
    page.waitForFunction(
      `(() => {
        const [, count, unit] = /(\\d+) (s|min) ago/.exec(document.querySelector(${JSON.stringify(selector)})?.textContent) ?? [];
        return unit === "min" || Number(count) >= ${seconds};
      })()`,
      { timeout: PATIENCE_MS },
    );

  it("shows the server, its hosts, problems, upstreams and watches, without a word in the console", async () => {
    stage.problems = [
      problemReport("HostConflict"),
      problemReport("HostReserved", { severity: "error" }),
      problemReport("HostConflict", { object: { kind: "ServiceEntry", namespace: "b", name: "other" } }),
    ];
    stage.status = { ...stage.status, problems: { HostConflict: 2, HostReserved: 1 } };
    await open();
    expect(await text("#version")).to.equal("0.1.0");
    expect(await text("#readiness")).to.equal("Ready");
    expect(await text("#uptime")).to.equal("up 2 h 5 min");
    expect(await rows()).to.deep.equal([
      ["api.example.compayments/api", "ok", "payments/api DNS", "auto", "192.0.2.7 +1 resolved", "in 9 min"],
      ["api.example.comteam-b/late", "shadowed", "team-b/late STATIC", "auto", "", ""],
      ["dead.example.comteam-b/dead", "unresolved", "team-b/dead STATIC", "auto", "SERVFAIL", ""],
    ]);
    await shows("#problems-list", "HostReserved");
    expect(
      await page.$$eval("#problems-list summary", (all) => all.map((each) => each.textContent)),
    ).to.deep.equal(["error HostReserved 1", "warning HostConflict 2"]);
    expect(await text("#problems-list .remedy")).to.equal("What to do: Do something about HostReserved.");
    expect(await text("#problem-count")).to.equal("3");
    expect(await text("#upstreams-list tbody tr")).to.equal("10.96.0.10:53up––none");
    expect(await text("#watches-list tbody tr")).to.match(/^ServiceEntry3watching\d+ s ago$/);
    expect(said).to.deep.equal([]);
  });

  it("lives: figures, legends and hosts follow the server", async () => {
    await open();
    await shows(".plots", "no queries now");
    stage.count({
      bySource: { static: 400, cache: 200 },
      byResult: { unchanged: 30, timeout: 3 },
      cache: { hits: 300, misses: 100 },
      upstream: { times: 50, seconds: 0.02, timeouts: 2 },
    });
    await shows(".card:nth-child(2) .figure", "75.0 %");
    const [queries, , refreshes, upstream] = await page.$$eval(".card", (all) =>
      all.map((card) => card.textContent ?? ""),
    );
    expect(queries).to.match(/Queries.*\d\/s.*cache \d.*static \d/);
    expect(refreshes).to.match(/failed \d.*unchanged \d/);
    expect(upstream).to.match(/10\.96\.0\.10:53 \d\d ms/);
    expect(await text("#upstreams-list tbody tr")).to.match(/\d\/min$/);
    expect(await page.$eval(".plot", (plot) => plot.getAttribute("aria-label"))).to.match(
      /^Queries: .*\/s, median/,
    );

    stage.hosts = [...stage.hosts, hostReport("new.example.com")];
    stage.status = { ...stage.status, tableVersion: 2 };
    await shows("#hosts-rows", "new.example.com");
    expect(said).to.deep.equal([]);
  });

  it("draws the plots", async () => {
    stage.speed = 100;
    await open();
    const growth = setInterval(() => stage.count({ bySource: { static: 100 } }), 20);
    // The area of "static": its blue over the white of the card. In text, as the tests have no types of the browser.
    const isDrawn = `(() => {
      const canvas = document.querySelector(".card canvas");
      if (canvas === null) return false;
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let blue = 0;
      for (let at = 0; at < data.length; at += 4)
        if (data[at] === 153 && data[at + 1] === 183 && data[at + 2] === 226) blue += 1;
      return blue > 1000;
    })()`;
    await page.waitForFunction(isDrawn, { timeout: PATIENCE_MS }).finally(() => clearInterval(growth));
  });

  it("opens a host: who answers and who does not, and where each address is from", async () => {
    await open();
    await page.click("button.host");
    await page.waitForSelector("#host-detail .claim:nth-child(2)");
    const claims = await page.$$eval("#host-detail .claim", (all) =>
      all.map((claim) => claim.textContent ?? ""),
    );
    expect(claims[0]).to.include("ServiceEntry payments/api ok");
    expect(claims[0]).to.include("Next refreshin ");
    expect(claims[0]).to.match(/192\.0\.2\.7resolvedlb\.example\.net7 minin 1 min/);
    expect(claims[0]).to.include("2001:db8::7virtualthe object itselfnever");
    expect(claims[1]).to.include("Loses to payments/api: it is older.");
    expect(await page.$eval("button.host", (button) => button.getAttribute("aria-expanded"))).to.equal(
      "true",
    );
    await page.click("tr:last-child button.host");
    await shows("#host-detail", "Last error SERVFAIL: from 10.96.0.10, for 2 min");
    expect(await page.$$eval("#host-detail .claim", (all) => all.length)).to.equal(1);
    await page.click("tr.open button.host");
    expect(await page.$("#host-detail")).to.equal(null);
  });

  it("finds one of 10,000 hosts, filters, pages, and keeps that in its address", async () => {
    stage.hosts = manyHosts(10_000);
    await open();
    expect(await text("#hosts-count")).to.equal("10,000");
    expect(await page.$$eval("#hosts-rows tr", (all) => all.length)).to.equal(50);
    expect(await text("#hosts-states")).to.equal("All 10,000ok 9,800unresolved 200");

    await page.click("#hosts-next");
    await shows("#hosts-range", "51–100");
    await page.click("#hosts-states button:last-child");
    await shows("#hosts-count", "200 of 10,000");
    expect(await text("#hosts-range"), "from the first page on").to.equal("1–50");
    await page.select("#hosts-namespace", "checkout");
    await shows("#hosts-count", "50 of 10,000");
    expect(await page.$eval("#hosts-next", (button) => button.hasAttribute("disabled"))).to.equal(true);
    await page.type("#hosts-search", "SVC-00049");
    await shows("#hosts-count", "1 of 10,000");
    expect(new URL(page.url()).search).to.equal("?search=SVC-00049&namespace=checkout&state=unresolved");

    await page.reload();
    await shows("#hosts-count", "1 of 10,000");
    expect(await page.$eval("#hosts-search", (input) => Reflect.get(input, "value"))).to.equal("SVC-00049");

    await open("?search=10.30.39.14");
    await shows("#hosts-count", "1 of 10,000");
    expect((await rows())[0]?.[0]).to.match(/^svc-09998\./);
    await open("?search=no-such-host");
    expect(await text("#hosts-empty")).to.equal("No host matches. Remove a filter, or search for less.");
    expect(said).to.deep.equal([]);
  });

  it("says what to do where there is nothing yet", async () => {
    stage.hosts = [];
    stage.status = {
      ...stage.status,
      ready: false,
      missing: ["the manifests have not been read"],
      kinds: [],
    };
    await open();
    expect(await text("#readiness")).to.equal("Not ready: the manifests have not been read");
    expect(await text("#hosts-empty")).to.match(/^No ServiceEntry claims a host\. Apply one/);
    await shows("#problems-list", "None.");
    expect(await text("#watches-list")).to.equal("No object has been read yet.");
  });

  it("keeps what it has when nobody answers, says how old it is, and goes on by itself", async () => {
    await open();
    await stage.stop();
    await shows("#alert", "The API endpoint does not answer. What you see is from");
    await isOld("#alert", 2);
    expect(await rows()).to.have.length(3);
    await stage.start();
    await page.waitForFunction("document.querySelector('#alert').textContent === ''", {
      timeout: PATIENCE_MS,
    });
  });

  it("pauses, and asks no more until it is told to go on", async () => {
    await open();
    await page.click("#pause");
    expect(await text("#freshness")).to.match(/^Paused, data from/);
    // A question that was on its way is over by then.
    await isOld("#freshness", 2);
    const asked = stage.asked["status"];
    await isOld("#freshness", 5);
    expect(stage.asked["status"]).to.equal(asked);
    await Promise.all([
      page.waitForResponse((response) => response.url().endsWith("/api/status")),
      page.click("#pause"),
    ]);
    expect(stage.asked["status"]).to.be.greaterThan(asked!);
  });

  describe("explain", () => {
    const EXPLAINED = {
      name: "api.example.com.",
      type: "AAAA",
      namespace: "payments",
      match: "exact",
      host: "api.example.com",
      decision: "answer",
      mode: "resolved",
      modeReason: "the client is a pod with a sidecar",
      object: { kind: "ServiceEntry", namespace: "payments", name: "api" },
      losers: [{ kind: "ServiceEntry", namespace: "team-b", name: "late", reason: "it is older" }],
      client: { kind: "pod", address: "10.1.2.3", pod: "payments/web-0", class: "sidecar" },
      addresses: [
        {
          address: "2001:db8::7",
          source: "resolved",
          target: "lb.test",
          state: "fresh",
          age: 61,
          expiresAt: null,
        },
      ],
      problems: [{ ...problemReport("PortMismatch"), since: null }],
      steps: [
        { title: "Client", text: "A pod with a sidecar." },
        { title: "Addresses", text: "<b>One</b> address.", result: "settled" },
      ],
    };
    let asked: ExplainParameters[];
    beforeEach(() => {
      asked = [];
      stage.explain = (question) => {
        asked.push(question);
        return EXPLAINED;
      };
    });

    it("draws the whole way of an answer", async () => {
      await open();
      await page.type("#explain-name", "api.example.com");
      await page.select("#explain-type", "AAAA");
      await page.type("#explain-client", "payments/web-0");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#explain-result .steps");
      expect(asked[0]).to.include({ name: "api.example.com", type: "AAAA", pod: "payments/web-0" });
      expect(await text(".verdict")).to.equal("answer api.example.com. AAAA");
      const steps = await page.$$eval(".steps li", (all) => all.map((step) => step.textContent));
      expect(steps, "text, never HTML").to.deep.equal([
        "ClientA pod with a sidecar.",
        "Addresses found here<b>One</b> address.",
      ]);
      expect(await text("#explain-result")).to.match(
        /Moderesolved: the client is a pod with a sidecar.*2001:db8::7resolvedlb\.test1 min \d+ snever.*team-b\/late: it is older.*PortMismatch: Something/,
      );
    });

    it("is asked about a host of the list by its own namespace", async () => {
      await open();
      await page.click("button.host");
      await page.click("#host-detail > button");
      await page.waitForSelector("#explain-result .steps");
      expect(asked[0]).to.include({ name: "api.example.com", type: "A", namespace: "payments" });
    });

    it("takes an address as the client, and says what was wrong with a question", async () => {
      stage.explain = (question) => {
        asked.push(question);
        return { fault: "no such type" };
      };
      await open();
      await page.type("#explain-name", "api.example.com");
      await page.type("#explain-client", "10.1.2.3\n");
      await shows("#explain-result", "no such type");
      expect(asked[0]).to.include({ address: "10.1.2.3", namespace: undefined, pod: undefined });
    });

    it("says that a server cannot explain", async () => {
      await stage.stop();
      stage.explain = undefined;
      await stage.start();
      await open();
      await page.type("#explain-name", "a.example\n");
      await shows("#explain-result", "This server cannot explain answers");
    });
  });

  describe("for everybody", () => {
    it("is used with the keyboard alone, and keeps the focus while rows are made anew", async () => {
      await open();
      await page.keyboard.press("Tab");
      expect(await page.evaluate("document.activeElement.textContent")).to.equal("Skip to the hosts");
      await page.keyboard.press("Enter");
      for (let at = 0; at < 12; at += 1) {
        await page.keyboard.press("Tab");
        if (await page.evaluate("document.activeElement.className === 'host'")) break;
      }
      await page.keyboard.press("Enter");
      await page.waitForSelector("#host-detail");
      expect(await page.evaluate("document.activeElement.textContent")).to.equal("api.example.com");
      stage.hosts = stage.hosts.map((host) => ({ ...host, answerMode: "virtual" }));
      stage.status = { ...stage.status, tableVersion: 2 };
      await page.waitForFunction("document.querySelector('#hosts-rows').textContent.includes('virtual')");
      await shows("#hosts-rows tr td:nth-child(4)", "virtual");
      expect(await page.evaluate("document.activeElement.textContent")).to.equal("api.example.com");
    });

    it("names every control, table and landmark", async () => {
      await open();
      const snapshot = JSON.stringify(await page.accessibility.snapshot({ interestingOnly: false }));
      for (const landmark of ["banner", "main", "navigation", "search", "contentinfo"]) {
        expect(snapshot, landmark).to.include(`"role":"${landmark}"`);
      }
      const nameless = await page.evaluate(`
        [...document.querySelectorAll("button, input, select, summary")].filter((control) => {
          const label = control.labels?.[0]?.textContent ?? control.textContent;
          return label.trim() === "";
        }).map((control) => control.outerHTML)`);
      expect(nameless).to.deep.equal([]);
      const captionless = await page.evaluate(
        `[...document.querySelectorAll("table")].filter((table) => !table.caption).length`,
      );
      expect(captionless).to.equal(0);
      const ids = (await page.evaluate(
        "[...document.querySelectorAll('[id]')].map((each) => each.id)",
      )) as string[];
      expect(new Set(ids).size).to.equal(ids.length);
      const levels = (await page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((each) => Number(each.tagName[1]))",
      )) as number[];
      levels.reduce((before, level) => {
        expect(level - before, `h${before} then h${level}`).to.be.at.most(1);
        return level;
      }, 0);
    });

    for (const scheme of ["light", "dark"] as const) {
      it(`has enough contrast when it is ${scheme}`, async () => {
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await open();
        const colors = (await page.evaluate(`
          Object.fromEntries([...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
            .filter((rule) => rule.selectorText === ":root").flatMap((rule) => [...rule.style])
            .filter((name) => name.startsWith("--"))
            .map((name) => [name, getComputedStyle(document.documentElement).getPropertyValue(name).trim()]))`)) as Readonly<
          Record<string, string>
        >;
        const pairs = [
          ...["--text", "--muted", "--accent", "--ok", "--warning", "--error", "--idle"].flatMap((front) => [
            [front, "--surface", 4.5],
            [front, "--raised", 4.5],
          ]),
          ["--text", "--ground", 4.5],
          ["--muted", "--ground", 4.5],
          ["--text", "--error-ground", 4.5],
          ["--on-accent", "--accent", 4.5],
          ["--surface", "--warning", 4.5],
        ] as [string, string, number][];
        for (const [front, back, least] of pairs) {
          const ratio = contrast(colors[front]!, colors[back]!);
          expect(ratio, `${front} ${colors[front]} on ${back} ${colors[back]}`).to.be.at.least(least);
        }
        const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
        expect(background).to.equal(scheme === "light" ? "rgb(244, 246, 248)" : "rgb(14, 18, 23)");
      });
    }

    it("alarms nobody with remarks: their count is quiet, and they are folded", async () => {
      stage.problems = [problemReport("PortMismatch", { severity: "info" })];
      stage.status = { ...quietStatus(), problems: { PortMismatch: 1 } };
      await open();
      await shows("#problems-list", "PortMismatch");
      expect(await page.$eval("#problem-count", (badge) => badge.className)).to.equal("badge badge-quiet");
      expect(await page.$("#problems-list details[open]")).to.equal(null);
      stage.problems = [problemReport("HostConflict"), ...stage.problems];
      stage.status = { ...stage.status, problems: { PortMismatch: 1, HostConflict: 1 } };
      await shows("#problems-list", "HostConflict");
      expect(await page.$eval("#problem-count", (badge) => badge.className)).to.equal("badge");
      expect(await page.$$("#problems-list details[open]")).to.have.length(1);
    });

    it("fits on a phone", async () => {
      stage.problems = [problemReport("HostConflict")];
      stage.status = { ...quietStatus(), problems: { HostConflict: 1 } };
      await page.setViewport(PHONE);
      await open();
      await page.click("button.host");
      await page.waitForSelector("#host-detail .claim:nth-child(2)");
      await shows("#problems-list", "HostConflict");
      expect(await page.evaluate("document.documentElement.scrollWidth")).to.equal(PHONE.width);
      const tooWide = await page.evaluate(`[...document.querySelectorAll("main *")].filter(
        (each) => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".hidden-text, .plots")).length`);
      expect(tooWide).to.equal(0);
      // The plots stand beside each other and are pushed, so that the hosts are on the first screen.
      const plots = `document.querySelector(".plots")`;
      expect(await page.evaluate(`${plots}.scrollWidth / ${plots}.clientWidth`)).to.be.within(3, 4);
      const top = await page.evaluate(
        `document.querySelector("#hosts-title").getBoundingClientRect().top + scrollY`,
      );
      expect(top).to.be.lessThan(PHONE.height);
      const small =
        await page.evaluate(`[...document.querySelectorAll("form button, .pages button, #pause")].filter(
        (each) => each.getBoundingClientRect().height < 36).map((each) => each.textContent)`);
      expect(small, "for a finger").to.deep.equal([]);
    });
  });
});

/** WCAG 2.2, contrast ratio. */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
