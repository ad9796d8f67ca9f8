/**
 * Both guides, as a reader would follow them: their objects and their commands, word for word, in a shell whose
 * `kubectl` reaches pods of network namespaces. Once with objects from a folder, once from a real API server.
 *
 * What DNS alone cannot do is not here: port 80 of kmesh-fake.com, which leads to port 8000 of its endpoint, needs a
 * Service in front of it, so that host is asked on port 8000; and headers that Envoy adds.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { hasCommand } from "../support/network-namespaces.ts";
import { ROOT } from "../support/program.ts";
import { whyNoApiServer } from "../support/real-api-server.ts";
import {
  CLEANUP,
  EXTERNAL_FAKE_SVC,
  EXTERNAL_HTTPBIN_ORG,
  EXTERNAL_STATIC_SVC,
  MULTI_ENDPOINT_SVC,
} from "./guide-commands.ts";
import { needNetwork, SUITE_PATIENCE_MS } from "./needs.ts";
import { addressesIn } from "./resolvers.ts";
import { OUR_ADDRESS, World } from "./world.ts";

const HTTPBIN_ORG = ["192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"];
const MULTI_BACKEND = ["198.51.100.1", "198.51.100.2", "2001:db8:2::2", "203.0.113.3"];

guides("a folder", false);
guides("a real API server", true);

function guides(source: string, withApiServer: boolean): void {
  describe(`end to end: both guides, with objects from ${source}`, function () {
    this.timeout(SUITE_PATIENCE_MS);
    let world: World;

    before(async function () {
      const commands = ["busybox", "curl", "nslookup"].filter((command) => !hasCommand(command));
      const missing = commands.length === 0 ? undefined : `there is no ${commands.join(", ")} in PATH`;
      needNetwork(this, missing, withApiServer ? whyNoApiServer() : undefined);
      world = await World.open({ withApiServer });
      await world.addPod("sleep-9454cc476-86vgb", "10.244.1.6", { labels: { app: "sleep" } });
      await world.addPod("test-pod", "10.244.1.8");
    });

    after(async () => {
      await world?.close();
    });

    /** Runs the commands; all must succeed. */
    async function shell(script: string): Promise<string> {
      const { status, out, error } = await world.shell(`set -e\n${script}`, { withinMs: 90_000 });
      expect(status, `${script}\n${out}\n${error}`).to.equal(0);
      return out;
    }

    /** What nslookup finds, from the pod of the first guide or as typed into the busybox of the second. */
    async function nslookup(host: string, pod: "sleep" | "busybox" = "sleep"): Promise<string[]> {
      const inSleep = `kubectl exec deploy/sleep -- nslookup ${host}`;
      const { out } = await world.shell(pod === "sleep" ? inSleep : inBusybox(`nslookup ${host}`));
      return addressesIn(out.replaceAll(`${OUR_ADDRESS}:53`, ""), OUR_ADDRESS);
    }

    async function eventually(host: string, expected: readonly string[]): Promise<void> {
      let found: string[] = [];
      await world
        .until(async () => {
          found = await nslookup(host);
          return JSON.stringify(found) === JSON.stringify(expected);
        })
        .catch(() => {});
      expect(found, host).to.deep.equal(expected);
    }

    describe("Try Service Entry", () => {
      it("begins with httpbin and sleep as running pods", async () => {
        expect(await shell("kubectl get pods")).to.match(/sleep-9454cc476-86vgb +1\/1 +Running/);
      });

      it("external-fake-svc: the host resolves, and its port 8000 is httpbin's", async () => {
        await shell(EXTERNAL_FAKE_SVC);
        await eventually("kmesh-fake.com", ["10.96.44.10"]);
        const headers = JSON.parse(
          await shell("kubectl exec deploy/sleep -- curl -s http://kmesh-fake.com:8000/headers"),
        );
        expect(headers.headers).to.include({ Accept: "*/*", Host: "kmesh-fake.com:8000" });
        const get = JSON.parse(
          await shell("kubectl exec deploy/sleep -- curl -s http://kmesh-fake.com:8000/get"),
        );
        expect(get).to.deep.include({
          args: {},
          origin: "10.244.1.6",
          url: "http://kmesh-fake.com:8000/get",
        });
        await shell("kubectl exec deploy/sleep -- curl -s http://kmesh-fake.com:8000/status/200");
        expect(
          await shell(
            'kubectl exec deploy/sleep -- curl -s -o /dev/null -w "%{http_code}\\n" http://kmesh-fake.com:8000/status/418',
          ),
        ).to.equal("418\n");
        expect(
          await shell("kubectl exec deploy/sleep -- curl -IsS http://kmesh-fake.com:8000/headers"),
        ).to.match(/^HTTP\/1\.1 200 OK\r\n/);
      });

      it("external-httpbin-org: the real one answers, /headers, /get, /status/200 and /status/418", async () => {
        await shell(EXTERNAL_HTTPBIN_ORG);
        await eventually("httpbin.org", HTTPBIN_ORG);
        const headers = JSON.parse(
          await shell("kubectl exec deploy/sleep -- curl -s http://httpbin.org/headers"),
        );
        expect(headers.headers).to.include({ Accept: "*/*", Host: "httpbin.org" });
        const get = JSON.parse(await shell("kubectl exec deploy/sleep -- curl -s http://httpbin.org/get"));
        expect(get).to.deep.include({ origin: "10.244.1.6", url: "http://httpbin.org/get" });
        await shell("kubectl exec deploy/sleep -- curl -s http://httpbin.org/status/200");
        expect(
          await shell(
            'kubectl exec deploy/sleep -- curl -s -o /dev/null -w "%{http_code}\\n" http://httpbin.org/status/418',
          ),
        ).to.equal("418\n");
        expect(await nslookup("httpbin.org", "busybox")).to.deep.equal(HTTPBIN_ORG);
      });

      it("external-static-svc: fixed addresses, without asking anybody", async () => {
        await shell(EXTERNAL_STATIC_SVC);
        await eventually("static-service.example.com", ["192.168.1.100", "192.168.1.101"]);
      });

      it("multi-endpoint-svc: the addresses of all backends, and each answers", async () => {
        await shell(MULTI_ENDPOINT_SVC);
        await eventually("multi-backend.example.com", MULTI_BACKEND);
        expect(
          await shell(
            'kubectl exec deploy/sleep -- curl -s -o /dev/null -w "%{http_code}" http://multi-backend.example.com:8080/get',
          ),
        ).to.equal("200");
      });

      it("troubleshooting: every command of the list finds something", async () => {
        expect(await shell("kubectl get serviceentry -n default")).to.contain("external-fake-svc");
        const described = await shell("kubectl describe serviceentry external-fake-svc -n default");
        expect(described).to.contain("httpbin.default.svc.cluster.local");
        expect(
          await shell("kubectl exec deploy/sleep -- nslookup httpbin.default.svc.cluster.local"),
        ).to.contain("10.96.44.10");
        expect(await shell("kubectl exec deploy/sleep -- nslookup kubernetes.default")).to.contain(
          "10.96.0.1",
        );
        expect(await shell(inBusybox("nslookup kubernetes.default"))).to.contain("10.96.0.1");
        const lines = await shell(
          "kubectl logs -n serviceentry-dns -l app=serviceentry-dns --tail=50 | grep -i dns",
        );
        expect(lines).to.match(/PortMismatch.*external-fake-svc|external-fake-svc.*PortMismatch/);
      });

      it("cleanup: the hosts that only an entry knew are gone, the others are the internet's", async () => {
        await shell(CLEANUP);
        await eventually("kmesh-fake.com", []);
        await eventually("static-service.example.com", []);
        await eventually("multi-backend.example.com", []);
        await eventually("httpbin.org", HTTPBIN_ORG);
        const { out } = await world.shell("kubectl exec deploy/sleep -- nslookup kmesh-fake.com");
        expect(out).to.contain("NXDOMAIN");
      });
    });

    describe("Service Entry with K-Gateway", () => {
      before(async () => {
        await shell("kubectl create namespace gwtest");
        // The kinds of the Gateway API are nothing to DNS, and an API server without them refuses the objects.
        if (!withApiServer) await shell(applied("gateway.yaml"));
      });

      it("static endpoints", async () => {
        await shell(applied("static/service-entry.yaml"));
        await eventually("se.example.com", ["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
        expect(await nslookup("se.example.com", "busybox")).to.deep.equal(["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
        const answer = await shell(inBusybox("curl -s http://se.example.com/api/info"));
        expect(answer).to.match(/Response from Pod IP: (1\.1\.1\.1|2\.2\.2\.2|3\.3\.3\.3)/);
      });

      it("DNS resolution, shown as no authority's answer", async () => {
        await shell(replaced("dns/service-entry.yaml"));
        await eventually("se.example.com", ["8.8.8.8"]);
        const text = await shell(inBusybox("nslookup se.example.com"));
        expect(text).to.contain("Non-authoritative answer:").and.to.contain("Address: 8.8.8.8");
        expect(await shell(inBusybox("curl -s http://se.example.com"))).to.contain("8.8.8.8");
      });

      it("workload selector: the ready pods, as they come and go", async () => {
        await shell(replaced("pods/service-entry.yaml"));
        await eventually("se.example.com", []);
        const reviews = await world.network.addPod(["10.244.0.5", "10.244.1.9", "10.244.1.10"]);
        await world.serveHttp(reviews, 80);
        await shell(applied("pods/reviews-ready.yaml") + applied("pods/reviews-not-ready.yaml"));
        await eventually("se.example.com", ["10.244.0.5", "10.244.1.9"]);
        expect(await shell("kubectl get pods -l app=reviews -o wide -n gwtest")).to.contain("10.244.0.5");
        expect(await shell(inBusybox("curl -s http://se.example.com/info"))).to.match(
          /Response from Pod IP: 10\.244\.(0\.5|1\.9)/,
        );
        // No controller makes a deleted pod anew, and no kubelet lets a graceful one go.
        await shell(
          "kubectl delete pod reviews-v1-5b896bc9b9-tn4zd -n gwtest --grace-period=0 --force 2>/dev/null",
        );
        await eventually("se.example.com", ["10.244.0.5"]);
        expect(await shell(inBusybox("curl -s http://se.example.com/info"))).to.contain(
          "Response from Pod IP: 10.244.0.5",
        );
      });

      it("workload entries: the machine with an address", async () => {
        await shell(replaced("workload-entries/service-entry.yaml"));
        await shell(applied("workload-entries/workload-entries.yaml"));
        await eventually("se.example.com", ["1.1.1.1"]);
        expect(await shell(inBusybox("curl -s http://se.example.com/health"))).to.contain("1.1.1.1");
      });

      it("without the entry the name is upstream's again", async () => {
        await shell("kubectl delete serviceentry example-se -n gwtest");
        await eventually("se.example.com", ["8.8.8.8"]);
      });
    });
  });
}

/** As the second guide types it into the shell of a pod. */
function inBusybox(line: string): string {
  return `kubectl run -it test-pod --image=busybox:latest -- /bin/sh <<EOF\n${line}\nEOF\n`;
}

/** A file of the second guide's examples. */
function applied(file: string): string {
  const text = readFileSync(join(ROOT, "manifests/examples/kgateway", file), "utf8");
  return `kubectl apply -f - <<EOF\n${text}EOF\n`;
}

/** Another form of the same entry; made anew, because an API server that merges would keep the old endpoints. */
function replaced(file: string): string {
  return `kubectl delete serviceentry example-se -n gwtest\n${applied(file)}`;
}
