/** The program as its users meet it: a child process, real sockets, real files, the messages on the terminal. */

import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Rcode } from "../src/wire/constants.ts";
import { addresses, ask } from "./support/ask.ts";
import { freePort, Program, ROOT } from "./support/program.ts";
import { until, untilEqual } from "./support/waiting.ts";

const ENTRY = (name: string, host: string, address: string) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${host}]
  resolution: STATIC
  endpoints: [{ address: ${address} }]
`;

describe("the program", function () {
  this.timeout(240_000);
  let folder: string;
  const started: Program[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "serviceentry-dns-"));
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map((program) => program.end()));
    rmSync(folder, { recursive: true });
  });

  function start(...args: ConstructorParameters<typeof Program>): Program {
    const program = new Program(...args);
    started.push(program);
    return program;
  }

  /** `serve` on free ports, the admin and API endpoints too. */
  async function serve(flags: readonly string[], entry?: string) {
    const [dns, admin, api] = await Promise.all([freePort(), freePort(), freePort()]);
    const program = start(
      [
        "serve",
        `--listen=127.0.0.1:${dns}`,
        `--admin=127.0.0.1:${admin}`,
        `--api=127.0.0.1:${api}`,
        ...flags,
      ],
      entry === undefined ? {} : { entry },
    );
    return { program, dns, admin, api };
  }

  const fetchText = async (port: number, path: string) =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).text();

  describe("serve", () => {
    it("answers a folder over UDP and TCP, follows it, and stops with status 0", async () => {
      writeFileSync(join(folder, "a.yaml"), ENTRY("a", "a.internal.example", "10.1.2.3"));
      const upstream = await freePort();
      const { program, dns, admin, api } = await serve([
        `--source=${folder}`,
        `--upstreams=127.0.0.1:${upstream}`,
      ]);
      await program.says(/"msg":"ready"/);
      for (const transport of ["udp", "tcp"] as const) {
        expect(await addresses(dns, "A.internal.example", { transport })).to.deep.equal(["10.1.2.3"]);
      }
      expect(await fetchText(admin, "/readyz")).to.equal('{"missing":[]}\n');

      writeFileSync(join(folder, "b.yaml"), ENTRY("b", "b.internal.example", "10.1.2.4"));
      await program.says(/host b\.internal\.example is ok/);
      await until(async () => (await addresses(dns, "b.internal.example")).join() === "10.1.2.4");

      const metrics = await fetchText(admin, "/metrics");
      expect(metrics).to.match(/^serviceentry_dns_requests_total\{proto="tcp",type="A"\} 1$/m);
      expect(metrics).to.match(/^serviceentry_dns_hosts\{state="ok"\} 2$/m);
      const { hosts } = JSON.parse(await fetchText(api, "/api/hosts"));
      expect(hosts).to.have.length(2);
      expect(hosts[0]).to.include({
        host: "a.internal.example",
        namespace: "default",
        name: "a",
        state: "ok",
      });

      // Nothing listens on the upstream's port: the host is forwarded now and upstream cannot be reached.
      rmSync(join(folder, "a.yaml"));
      await program.says(/host a\.internal\.example is forwarded now/);
      await until(async () => ((await ask(dns, "a.internal.example")).flags & 0xf) === Rcode.SERVFAIL);
      expect(await program.end("SIGTERM")).to.equal(0);
    });

    it("answers with several threads on one port, and counts them together", async () => {
      writeFileSync(join(folder, "a.yaml"), ENTRY("a", "a.internal.example", "10.1.2.3"));
      const { program, dns, admin } = await serve([
        `--source=${folder}`,
        "--upstreams=192.0.2.1",
        "--threads=3",
      ]);
      await program.says(/"msg":"ready"/);
      // Each question has a source port of its own, by which the system chooses a thread.
      for (let question = 0; question < 40; question += 1) {
        expect(await addresses(dns, "a.internal.example")).to.deep.equal(["10.1.2.3"]);
      }
      const metrics = await fetchText(admin, "/metrics");
      expect(metrics).to.match(/^serviceentry_dns_requests_total\{proto="udp",type="A"\} 40$/m);
    });

    it("lets the threads that answer come first where processors are scarce", async function () {
      if (process.platform !== "linux") {
        process.stdout.write("    skipped: only Linux has a niceness for each thread\n");
        this.skip();
      }
      const { program } = await serve([`--source=${folder}`, "--upstreams=192.0.2.1"]);
      await program.says(/"msg":"ready"/);
      const tasks = `/proc/${program.child.pid}/task`;
      const threads = readdirSync(tasks).map((thread) => readFileSync(join(tasks, thread, "stat"), "latin1"));
      // The name in brackets; and the niceness, the 17th field after it.
      const niceness = threads.map((line) => [
        /\((.*)\)/.exec(line)![1],
        Number(line.split(") ").at(-1)!.split(" ")[16]),
      ]);
      const answering = niceness.filter(([name]) => /^data-plane/.test(String(name)));
      expect(answering.map(([, nice]) => nice)).to.deep.equal([getPriority(), getPriority()]);
      const others = niceness.filter((each) => !answering.includes(each));
      const main = others.filter(([name]) => name === "MainThread");
      expect(main.map(([, nice]) => nice)).to.deep.equal([Math.max(10, getPriority())]);
      // Those that compile for it.
      const helpers = others.filter((each) => !main.includes(each));
      expect(helpers).to.have.length.above(0);
      for (const [name, nice] of helpers) expect(nice, String(name)).to.equal(19);
    });

    it("is not ready during the lameduck time, and answers until its end", async () => {
      writeFileSync(join(folder, "a.yaml"), ENTRY("a", "a.internal.example", "10.1.2.3"));
      const { program, dns, admin } = await serve([
        `--source=${folder}`,
        "--upstreams=192.0.2.1",
        "--lameduck=5",
      ]);
      await program.says(/"msg":"ready"/);
      program.child.kill("SIGTERM");
      await program.says(/"msg":"stopping/);
      const ready = await fetch(`http://127.0.0.1:${admin}/readyz`);
      expect(ready.status).to.equal(503);
      expect(await ready.json()).to.deep.equal({ missing: ["the server is stopping"] });
      expect(await addresses(dns, "a.internal.example")).to.deep.equal(["10.1.2.3"]);
      expect(await program.exit()).to.equal(0);
    });

    for (const signal of ["SIGINT", "SIGHUP"] as const)
      it(`stops in order without a lameduck time at ${signal}`, async () => {
        const { program } = await serve([`--source=${folder}`, "--upstreams=192.0.2.1", "--lameduck=300"]);
        await program.says(/"msg":"ready"/);
        expect(await program.end(signal)).to.equal(0);
        expect(program.out).to.contain('"msg":"stopped"');
      });

    it("ends at once when it is stopped before it is ready", async () => {
      const silent = createServer().listen(0, "127.0.0.1");
      await new Promise((listening) => silent.once("listening", listening));
      const { port } = silent.address() as { port: number };
      const kubeconfig = join(folder, "kubeconfig");
      const cluster = { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true };
      writeFileSync(
        kubeconfig,
        JSON.stringify({
          apiVersion: "v1",
          kind: "Config",
          "current-context": "test",
          contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
          clusters: [{ name: "test", cluster }],
          users: [{ name: "test", user: { token: "secret" } }],
        }),
      );
      const admin = await freePort();
      const flags = ["--listen=127.0.0.1:0", `--admin=127.0.0.1:${admin}`, "--api=127.0.0.1:0"];
      const env = { KUBECONFIG: kubeconfig };
      const program = start(["serve", ...flags, "--upstreams=192.0.2.1"], { env });
      await new Promise((connected) => silent.once("connection", connected));
      const ready = await fetch(`http://127.0.0.1:${admin}/readyz`);
      expect(ready.status).to.equal(503);
      expect(JSON.stringify(await ready.json())).to.match(/serviceentries were not listed yet/);
      // It would wait for half a minute for what never comes.
      expect(await program.end("SIGTERM", 20_000)).to.equal(0);
      silent.close();
    });

    it("ends at once at the second signal", async () => {
      const { program } = await serve([`--source=${folder}`, "--upstreams=192.0.2.1", "--lameduck=120"]);
      await program.says(/"msg":"ready"/);
      program.child.kill("SIGTERM");
      await program.says(/"msg":"stopping/);
      // Long before the end of the lameduck time.
      expect(await program.end("SIGTERM", 40_000)).to.equal(0);
    });

    it("says where a document is broken, and keeps its last good objects", async () => {
      const file = join(folder, "a.yaml");
      writeFileSync(file, ENTRY("a", "a.internal.example", "10.1.2.3"));
      const { program, dns, api } = await serve([`--source=${folder}`, "--upstreams=192.0.2.1"]);
      await program.says(/"msg":"ready"/);
      writeFileSync(file, ENTRY("a", "[a.internal.example", "10.1.2.4"));
      await program.says(/"code":"SyntaxError"/);
      const { problems } = JSON.parse(await fetchText(api, "/api/problems"));
      const broken = problems.find(({ code }: { code: string }) => code === "SyntaxError");
      expect(broken).to.include({ severity: "error" });
      expect(broken.path).to.match(/a\.yaml:\d+$/);
      expect(await addresses(dns, "a.internal.example")).to.deep.equal(["10.1.2.3"]);
    });

    it("takes a setting from the file while it runs", async () => {
      const source = join(folder, "objects");
      cpSync(join(ROOT, "manifests/examples/kmesh"), source, { recursive: true });
      const config = join(folder, "settings.yaml");
      writeFileSync(config, "ttl: 20\nupstreams: [192.0.2.1]\n");
      const { program, dns } = await serve([`--source=${source}`, `--config=${config}`]);
      await program.says(/"msg":"ready"/);
      const ttl = async () => (await ask(dns, "static-service.example.com")).answers[0]?.ttlSeconds;
      expect(await ttl()).to.equal(20);
      writeFileSync(config, "ttl: 7\nupstreams: [192.0.2.1]\n");
      await untilEqual(ttl, 7);
    });

    it("counts the readings of its settings file, and says while it is rejected", async () => {
      const source = join(folder, "objects");
      mkdirSync(source);
      const config = join(folder, "settings.yaml");
      writeFileSync(config, "ttl: 20\nupstreams: [192.0.2.1]\n");
      const { program, admin } = await serve([`--source=${source}`, `--config=${config}`]);
      await program.says(/"msg":"ready"/);
      const shows = (taken: number, rejected: number, isRejected: 0 | 1) => async () => {
        const page = await fetchText(admin, "/metrics");
        return [
          `settings_reloads_total{result="taken"} ${taken}`,
          `settings_reloads_total{result="rejected"} ${rejected}`,
          `settings_rejected ${isRejected}`,
        ].every((line) => page.includes(`serviceentry_dns_${line}\n`));
      };
      await until(shows(0, 0, 0));
      // In one step, so that half of it is never read.
      const rewrite = (text: string) => {
        writeFileSync(`${config}.new`, text);
        renameSync(`${config}.new`, config);
      };
      rewrite("ttl: 20s\nupstreams: [192.0.2.1]\n");
      await until(shows(0, 1, 1));
      rewrite("ttl: 21\nupstreams: [192.0.2.1]\n");
      await until(shows(1, 1, 0));
    });
  });

  describe("messages", () => {
    const failing: readonly [title: string, args: readonly string[], status: number, message: RegExp][] = [
      ["an unknown command", ["sevre"], 2, /there is no command "sevre"\. Did you mean serve\?/],
      ["an unknown flag", ["serve", "--upstrems=1.2.3.4"], 2, /serve: .*--upstrems.*--upstreams/],
      ["a value out of range", ["serve", "--ttl=9999", "--source=."], 2, /ttl = "9999" \(flag --ttl\).*3600/],
      [
        "a cluster that is not there",
        [
          "serve",
          "--upstreams=192.0.2.1",
          "--listen=127.0.0.1:0",
          "--admin=127.0.0.1:0",
          "--api=127.0.0.1:0",
        ],
        1,
        /source kubernetes: there is no cluster .*KUBECONFIG.*--source PATH/,
      ],
      [
        "a source that is not there",
        [
          "serve",
          "--source=/no/such/folder",
          "--upstreams=192.0.2.1",
          "--listen=127.0.0.1:0",
          "--admin=127.0.0.1:0",
          "--api=127.0.0.1:0",
        ],
        1,
        /source \/no\/such\/folder: .*--source/,
      ],
      [
        "an unknown form of the demo",
        ["demo", "--form=statik"],
        2,
        /--form "statik" is not one of static, dns/,
      ],
    ];
    for (const [title, args, status, message] of failing) {
      it(`about ${title}`, async () => {
        const program = start(args);
        expect(await program.exit()).to.equal(status);
        expect(program.error).to.match(message);
        expect(program.error).not.to.match(/\bat .*\.ts:\d+/);
      });
    }

    it("about a port that is taken name the setting", async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await new Promise((listening) => taken.once("listening", listening));
      const { port } = taken.address() as { port: number };
      const flags = [
        "--admin=127.0.0.1:0",
        "--api=127.0.0.1:0",
        `--source=${folder}`,
        "--upstreams=192.0.2.1",
      ];
      const program = start(["serve", `--listen=127.0.0.1:${port}`, ...flags]);
      expect(await program.exit()).to.equal(1);
      expect(program.error).to.match(new RegExp(`cannot listen on tcp 127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
      expect(program.error).to.include("--listen");
      taken.close();
    });

    for (const args of [
      ["--help"],
      ["serve", "--help"],
      ["demo", "--help"],
      ["lookup", "--help"],
      ["stand-in", "--help"],
    ]) {
      it(`of ${args.join(" ")} begin with the usage`, async () => {
        const program = start(args);
        expect(await program.exit()).to.equal(0);
        expect(program.out).to.match(/^Usage: serviceentry-dns /);
        expect(program.error).to.equal("");
      });
    }
  });

  describe("demo", () => {
    async function demo(form: string, examples?: string) {
      const [dns, standIn, admin, api] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
      const program = start([
        "demo",
        `--form=${form}`,
        `--listen=127.0.0.1:${dns}`,
        `--stand-in=127.0.0.1:${standIn}`,
        `--admin=127.0.0.1:${admin}`,
        `--api=127.0.0.1:${api}`,
        ...(examples === undefined ? [] : [`--examples=${examples}`]),
      ]);
      await program.says(/Ctrl-C ends the demo/);
      return { program, dns, standIn, api };
    }

    const forms: readonly [form: string, addresses: readonly string[]][] = [
      ["static", ["1.1.1.1", "2.2.2.2", "3.3.3.3"]],
      ["dns", ["8.8.8.8"]],
      ["pods", ["10.244.0.5", "10.244.1.9"]],
      ["workload-entries", ["1.1.1.1"]],
    ];
    for (const [form, expected] of forms) {
      it(`answers every host of the form ${form}`, async () => {
        const { program, dns } = await demo(form);
        expect(program.out).to.match(/se\.example\.com +\w+ +ok/);
        expect(await addresses(dns, "se.example.com")).to.deep.equal(expected);
        expect(await addresses(dns, "kmesh-fake.com", { transport: "tcp" })).to.have.length(1);
        expect(await addresses(dns, "httpbin.org", { type: "AAAA" })).to.have.length(2);
        expect(await addresses(dns, "multi-backend.example.com")).to.have.length(3);
        expect(await addresses(dns, "static-service.example.com")).to.deep.equal([
          "192.168.1.100",
          "192.168.1.101",
        ]);
        // Not ours: the stand-in's.
        expect(await addresses(dns, "kubernetes.default.svc.cluster.local")).to.deep.equal(["10.96.0.1"]);
        expect(await addresses(dns, "kubernetes.default")).to.deep.equal(["10.96.0.1"]);
        expect((await ask(dns, "no-such.example")).flags & 0xf).to.equal(Rcode.NXDOMAIN);
        expect(await program.end()).to.equal(0);
      });
    }

    it("follows its files, and answers on while the stand-in is away", async () => {
      const examples = join(folder, "examples");
      cpSync(join(ROOT, "manifests/examples"), examples, { recursive: true });
      const { program, dns, standIn } = await demo("static", examples);
      const [, pid] = await program.says(/^ {2}kill (\d+)$/m);
      process.kill(Number(pid));
      expect(await addresses(dns, "kmesh-fake.com")).to.have.length(1);

      rmSync(join(examples, "kmesh/external-static-svc.yaml"));
      await program.says(/host static-service\.example\.com is forwarded now/);
      const rcodeIs = async (rcode: number) =>
        ((await ask(dns, "static-service.example.com")).flags & 0xf) === rcode;
      await until(() => rcodeIs(Rcode.SERVFAIL));

      const again = start(["stand-in", `--listen=127.0.0.1:${standIn}`]);
      await again.says(new RegExp(`127\\.0\\.0\\.1:${standIn}`));
      // The upstream is probed once per second; then the name is upstream's again, which has no such name.
      await until(() => rcodeIs(Rcode.NXDOMAIN));
      expect(await program.end()).to.equal(0);
    });

    it("says that it has no own host when there are no examples", async () => {
      const examples = join(folder, "examples");
      cpSync(join(ROOT, "manifests/examples"), examples, { recursive: true });
      for (const place of ["kmesh", "kgateway/static"]) {
        execFileSync("find", [join(examples, place), "-type", "f", "-delete"]);
      }
      const { program, dns } = await demo("static", examples);
      expect(program.out).to.include("there is no ServiceEntry in these folders");
      expect(await addresses(dns, "kubernetes.default.svc.cluster.local")).to.deep.equal(["10.96.0.1"]);
    });
  });

  it("ends quietly when nobody reads what a command prints", async () => {
    const script = '("$0" src/main.ts completion bash; echo "status $?" >&2) | true';
    const program = start([], { command: ["sh", "-c", script, process.execPath] });
    expect(await program.exit()).to.equal(0);
    expect(program.error).to.equal("status 141\n");
  });

  it("runs as built JavaScript too", async () => {
    execFileSync("npm", ["run", "-s", "build"], { cwd: ROOT });
    writeFileSync(join(folder, "a.yaml"), ENTRY("a", "a.internal.example", "10.1.2.3"));
    const { program, dns } = await serve(
      [`--source=${folder}`, "--upstreams=192.0.2.1"],
      join(ROOT, "dist/main.js"),
    );
    await program.says(/"msg":"ready"/);
    expect(await addresses(dns, "a.internal.example", { transport: "tcp" })).to.deep.equal(["10.1.2.3"]);
  });
});
