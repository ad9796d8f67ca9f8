/** The pods themselves: apart from the machine, from each other but for the network, and gone without a trace. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { Network } from "../support/network-namespaces.ts";
import { ROOT } from "../support/program.ts";
import { until } from "../support/waiting.ts";
import { needNetwork, SUITE_PATIENCE_MS } from "./needs.ts";

describe("pods in network namespaces", function () {
  this.timeout(SUITE_PATIENCE_MS);

  before(function () {
    needNetwork(this);
  });

  it("reach each other from their own addresses, until the node cuts the way", async () => {
    const before = machine();
    const network = await Network.open();
    try {
      const [client, server] = await Promise.all([
        network.addPod(["10.9.0.1"], "nameserver 10.9.0.99\n"),
        network.addPod(["10.9.0.2", "10.9.0.99"]),
      ]);
      const echo =
        'require("net").createServer((s) => s.end(s.remoteAddress)).listen(7, "0.0.0.0", () => console.log("up"))';
      const [file, ...args] = server!.commandLine(process.execPath, "-e", echo);
      const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      const ask = async (withinMs = 20_000) =>
        await client!.run([process.execPath, "-e", ASK, "10.9.0.99", String(withinMs)]);
      expect((await ask()).out).to.equal("10.9.0.1");
      await network.cut("10.9.0.99");
      expect((await ask(500)).status).to.equal(1);
      await network.mend(server!, "10.9.0.99");
      expect((await ask()).out).to.equal("10.9.0.1");
      expect((await client!.run(["cat", "/etc/resolv.conf"])).out).to.equal("nameserver 10.9.0.99\n");
      const closed = once(child, "close");
      await network.close();
      await closed;
    } finally {
      await network.close();
    }
    expect(machine()).to.deep.equal(before);
  });

  it("are gone with the process that made them, even when it is killed", async () => {
    const script = `
      import { Network } from "${join(ROOT, "test/support/network-namespaces.ts")}";
      const network = await Network.open();
      const pod = await network.addPod(["10.9.0.1"]);
      console.log(JSON.stringify([pod.space.pid, network.folder]));
      await pod.run(["sleep", "60"], { withinMs: 60_000 });
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const [pid, folder] = JSON.parse(line);
    try {
      expect(existsSync(`/proc/${pid}`)).to.equal(true);
      child.kill("SIGKILL");
      await once(child, "close");
      await until(() => !existsSync(`/proc/${pid}`), "the pod's end");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** What a pod must not change: the machine's own devices, mounts and resolver. */
function machine(): readonly string[] {
  const files = ["/proc/self/mounts", "/etc/resolv.conf", "/etc/hosts"].map((file) =>
    readFileSync(file, "utf8"),
  );
  return [...Object.keys(networkInterfaces()), ...files];
}

/** Prints what the server of the first argument says; fails when it says nothing within the milliseconds of the second. */
const ASK = `
  const socket = require("net").connect(7, process.argv[1]);
  socket.setTimeout(Number(process.argv[2]), () => process.exit(1));
  socket.on("error", () => process.exit(1)).pipe(process.stdout);
`;
